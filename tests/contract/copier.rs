//! The promises of copiers, kept by the twin in memory and by rclone between real nodes.

mod adapters;
mod odd_keys;
mod process;
mod real;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::copy::{Copied, CopyOrder, Progress, What, WhyNot};
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::copier::CopierError;

use adapters::{Rig, Side, Told};

fn bucket() -> BucketName {
    BucketName::parse("photos").unwrap()
}

fn order(rig: &Rig, what: What) -> CopyOrder {
    let [source, destination] = [Side::Source, Side::Destination].map(|side| rig.site(side));
    CopyOrder { source, destination, bucket: bucket(), what, once: false }
}

fn keys(keys: &[&str]) -> What {
    What::Keys(keys.iter().map(|key| (*key).to_owned()).collect())
}

async fn try_copy(rig: &Rig, order: CopyOrder) -> (Result<Copied, CopierError>, Arc<Told>) {
    let told = Arc::new(Told::default());
    let outcome = match rig.copier.start(order, told.clone()).await {
        Ok(mut copying) => {
            let outcome = copying.ended().await;
            assert_eq!(copying.ended().await, outcome);
            outcome
        }
        Err(error) => Err(error),
    };
    (outcome, told)
}

async fn copy(rig: &Rig, what: What) -> Copied {
    let (outcome, told) = try_copy(rig, order(rig, what)).await;
    outcome.unwrap_or_else(|error| panic!("{error}: {:?}", told.lines()))
}

fn objects(all: &[(&str, u64)]) -> BTreeMap<String, u64> {
    all.iter().map(|(key, size)| ((*key).to_owned(), *size)).collect()
}

/// Some objects at the source, with `other` at the destination only.
async fn filled(rig: &Rig) {
    for (key, content) in [("a", &b"one"[..]), ("dir/b c", b"three"), ("dir/deep/empty", b""), ("ü+1", b"x")] {
        rig.put(Side::Source, key, content).await;
    }
    rig.put(Side::Destination, "other", b"stays").await;
}

const FILLED: [(&str, u64); 4] = [("a", 3), ("dir/b c", 5), ("dir/deep/empty", 0), ("ü+1", 1)];

async fn f26_everything_is_copied_and_what_only_the_destination_has_stays(rig: &Rig) {
    filled(rig).await;
    assert_eq!(copy(rig, What::Everything).await, Copied { objects: 4, bytes: 9, deleted: 0 });
    let mut expected = objects(&FILLED);
    expected.insert("other".to_owned(), 5);
    assert_eq!(rig.holds(Side::Destination).await, expected);
    assert_eq!(rig.holds(Side::Source).await, objects(&FILLED));
}

async fn f46_a_mirror_deletes_what_only_the_destination_has(rig: &Rig) {
    filled(rig).await;
    assert_eq!(copy(rig, What::Mirror).await, Copied { objects: 4, bytes: 9, deleted: 1 });
    assert_eq!(rig.holds(Side::Destination).await, objects(&FILLED));
}

async fn the_same_copy_again_copies_nothing(rig: &Rig) {
    filled(rig).await;
    copy(rig, What::Everything).await;
    assert_eq!(copy(rig, What::Everything).await, Copied::default());
    rig.put(Side::Source, "a", b"longer").await;
    assert_eq!(copy(rig, What::Everything).await, Copied { objects: 1, bytes: 6, deleted: 0 });
    assert_eq!(rig.holds(Side::Destination).await["a"], 6);
}

async fn exactly_the_named_keys_are_copied(rig: &Rig) {
    filled(rig).await;
    assert_eq!(copy(rig, keys(&["ü+1", "dir/b c", "not there"])).await, Copied { objects: 2, bytes: 6, deleted: 0 });
    assert_eq!(rig.holds(Side::Destination).await, objects(&[("dir/b c", 5), ("other", 5), ("ü+1", 1)]));
    // Again, whatever the destination has.
    assert_eq!(copy(rig, keys(&["ü+1"])).await, Copied { objects: 1, bytes: 1, deleted: 0 });
}

async fn a_copy_that_is_ready_waits_and_one_that_nobody_wants_leaves_nothing(rig: &Rig) {
    filled(rig).await;
    for what in [What::Everything, What::Mirror, keys(&["a"])] {
        let mut unwanted = rig.copier.prepare(order(rig, what), Arc::new(Told::default())).await.unwrap();
        // It has had the time to start.
        let waited = tokio::time::timeout(Duration::from_millis(300), unwanted.ended()).await;
        assert!(waited.is_err(), "{waited:?}");
        unwanted.cancel().await;
        assert_eq!(rig.holds(Side::Destination).await, objects(&[("other", 5)]));
    }
    let mut wanted = rig.copier.prepare(order(rig, What::Everything), Arc::new(Told::default())).await.unwrap();
    rig.put(Side::Source, "later", b"than it was ready").await;
    wanted.go();
    assert_eq!(wanted.ended().await.map(|copied| copied.objects), Ok(5));
}

async fn no_key_is_nothing_to_copy(rig: &Rig) {
    filled(rig).await;
    assert_eq!(copy(rig, keys(&[])).await, Copied::default());
    assert_eq!(rig.holds(Side::Destination).await, objects(&[("other", 5)]));
}

async fn a_key_that_would_be_skipped_is_refused_before_anything_is_copied(rig: &Rig) {
    filled(rig).await;
    for (key, why) in [("a//b", WhyNot::EmptySegment), ("dir/", WhyNot::Folder), ("x/../y", WhyNot::DotSegment)] {
        let (outcome, _) = try_copy(rig, order(rig, keys(&["a", key]))).await;
        assert_eq!(outcome, Err(CopierError::Uncarriable { key: key.to_owned(), why }));
    }
    assert_eq!(rig.holds(Side::Destination).await, objects(&[("other", 5)]));
}

async fn f51_progress_is_told_and_right_at_the_end(rig: &Rig) {
    filled(rig).await;
    let (outcome, told) = try_copy(rig, order(rig, What::Everything)).await;
    assert_eq!(outcome, Ok(Copied { objects: 4, bytes: 9, deleted: 0 }));
    let last = told.progress().pop().unwrap();
    let expected = Progress { objects_done: 4, objects_total: 4, bytes_done: 9, bytes_total: 9, ..last };
    assert_eq!(last, expected);
}

async fn a_site_that_cannot_be_reached_is_told_with_its_members(rig: &Rig) {
    filled(rig).await;
    for (side, name) in [(Side::Source, "source"), (Side::Destination, "destination")] {
        let mut order = order(rig, What::Everything);
        let site = if side == Side::Source { &mut order.source } else { &mut order.destination };
        *site = Site { members: vec![rig.down.clone()], ..site.clone() };
        let (outcome, _) = try_copy(rig, order).await;
        let Err(CopierError::Unreachable(why)) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains(name) && why.contains(rig.down.as_str()), "{why}");
    }
}

async fn the_next_member_is_used_if_the_first_takes_no_connection(rig: &Rig) {
    filled(rig).await;
    let mut order = order(rig, What::Everything);
    for site in [&mut order.source, &mut order.destination] {
        site.members.insert(0, rig.down.clone());
    }
    assert_eq!(try_copy(rig, order).await.0, Ok(Copied { objects: 4, bytes: 9, deleted: 0 }));
}

async fn a_bucket_that_is_not_there_is_a_failure_that_is_told(rig: &Rig) {
    filled(rig).await;
    let order = CopyOrder { bucket: BucketName::parse("absent").unwrap(), once: true, ..order(rig, What::Everything) };
    let (outcome, _) = try_copy(rig, order).await;
    let Err(CopierError::Failed(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("absent"), "{why}");
}

async fn the_program_tells_its_version_and_leaves_nothing_behind(rig: &Rig) {
    assert!(!rig.copier.probe().await.unwrap().is_empty());
    filled(rig).await;
    copy(rig, What::Everything).await;
    assert_eq!(rig.copier.end_leftovers().await, Ok(0));
}

/// One test for each promise, on the rig that each adapter makes.
macro_rules! kept_by {
    ($($adapter:ident),+: $promises:tt) => {
        $(kept_by!(@adapter $adapter: $promises);)+
    };
    (@adapter $adapter:ident: [$($promise:ident),+ $(,)?]) => {
        mod $adapter {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(&super::adapters::$adapter().await).await;
                }
            )+
        }
    };
}

kept_by!(memory, nanio, moto: [
    f26_everything_is_copied_and_what_only_the_destination_has_stays,
    f46_a_mirror_deletes_what_only_the_destination_has,
    the_same_copy_again_copies_nothing,
    exactly_the_named_keys_are_copied,
    a_copy_that_is_ready_waits_and_one_that_nobody_wants_leaves_nothing,
    no_key_is_nothing_to_copy,
    a_key_that_would_be_skipped_is_refused_before_anything_is_copied,
    f51_progress_is_told_and_right_at_the_end,
    a_site_that_cannot_be_reached_is_told_with_its_members,
    the_next_member_is_used_if_the_first_takes_no_connection,
    a_bucket_that_is_not_there_is_a_failure_that_is_told,
    the_program_tells_its_version_and_leaves_nothing_behind,
]);
