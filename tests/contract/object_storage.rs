//! The promises of the S3 side of storage nodes, kept by the twin in memory and by the client of real nodes.

mod adapters;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use nanio_orchestrator::adapters::s3::NodeStorage;
use nanio_orchestrator::domain::bucket::BucketName;
use nanio_orchestrator::domain::credential::{Endpoint, Region};
use nanio_orchestrator::domain::object::{Count, ObjectHead, Occupancy, Upload};
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::domain::site::Site;
use nanio_orchestrator::ports::object_storage::{ObjectStorage as _, StorageError};

use crate::support::odd_nodes::{self, OddNode};
use adapters::{Rig, many};

fn named(bucket: &str) -> BucketName {
    BucketName::parse(bucket).unwrap()
}

async fn asked(rig: &Rig, members: &[&Address], bucket: &str) -> Occupancy {
    rig.storage.occupancy(&rig.site(members), &named(bucket)).await.unwrap()
}

/// What every kind of question is answered with.
async fn refusals(rig: &Rig, site: &Site) -> Vec<StorageError> {
    let (storage, bucket) = (&rig.storage, named("full"));
    vec![
        storage.buckets(site).await.unwrap_err(),
        storage.occupancy(site, &bucket).await.unwrap_err(),
        storage.create_bucket(site, &bucket).await.unwrap_err(),
        storage.objects(site, &bucket, "", None, 10).await.unwrap_err(),
        storage.uploads(site, &bucket, "", None).await.unwrap_err(),
        storage.folder(site, &bucket, "", None, 10).await.unwrap_err(),
        storage.head(site, &bucket, "key").await.unwrap_err(),
        storage.put_marker(site, &bucket, "folder/", &ObjectHead::default()).await.unwrap_err(),
        storage.abort(site, &bucket, &Upload { key: "key".to_owned(), id: "1".to_owned() }).await.unwrap_err(),
        storage.delete(site, &bucket, &["key".to_owned()]).await.unwrap_err(),
        storage.count(site, &bucket, "", 10).await.unwrap_err(),
    ]
}

async fn keys_of(rig: &Rig, bucket: &str, prefix: &str, limit: usize) -> Vec<Vec<(String, u64)>> {
    let (mut pages, mut from) = (Vec::new(), None);
    loop {
        let page = rig.storage.objects(&rig.sound(), &named(bucket), prefix, from.as_deref(), limit).await.unwrap();
        pages.push(page.objects.into_iter().map(|object| (object.key, object.size)).collect());
        from = page.next;
        if from.is_none() {
            return pages;
        }
    }
}

async fn a_bucket_is_occupied_empty_or_not_there(rig: &Rig) {
    assert_eq!(asked(rig, &[&rig.node], "full").await, Occupancy::Occupied);
    assert_eq!(asked(rig, &[&rig.node], "bare").await, Occupancy::Empty);
    assert_eq!(asked(rig, &[&rig.node], "absent").await, Occupancy::Absent);
}

async fn all_buckets_are_listed_by_name(rig: &Rig) {
    let names = rig.storage.buckets(&rig.sound()).await.unwrap();
    assert_eq!(names, ["bare", "busy", "full", "many"].map(named));
}

async fn a_bucket_that_is_made_is_there_also_if_it_was(rig: &Rig) {
    let elsewhere = Site { region: Region::parse("eu-west-1").unwrap(), ..rig.sound() };
    for (bucket, site) in [("fresh", rig.sound()), ("fresh", rig.sound()), ("full", rig.sound()), ("euro", elsewhere)] {
        rig.storage.create_bucket(&site, &named(bucket)).await.unwrap();
        assert!(rig.storage.buckets(&rig.sound()).await.unwrap().contains(&named(bucket)), "{bucket}");
    }
    assert_eq!(asked(rig, &[&rig.node], "fresh").await, Occupancy::Empty);
    assert_eq!(asked(rig, &[&rig.node], "full").await, Occupancy::Occupied);
}

async fn objects_come_in_pages_each_once_and_in_order(rig: &Rig) {
    let pages = keys_of(rig, "many", "", 500).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 207]);
    assert_eq!(pages.concat(), many());
    assert_eq!(keys_of(rig, "bare", "", 500).await, [vec![]]);
}

async fn a_prefix_leaves_the_others_out(rig: &Rig) {
    let pages = keys_of(rig, "many", "n/", 1000).await;
    let expected: Vec<_> = many().into_iter().filter(|(key, _)| key.starts_with("n/")).collect();
    assert_eq!((pages.len(), pages.concat()), (2, expected));
    assert_eq!(keys_of(rig, "many", "ü/", 10).await, [vec![("ü/é".to_owned(), 3)]]);
    assert_eq!(keys_of(rig, "many", "none", 10).await, [vec![]]);
}

async fn objects_and_bytes_are_counted_up_to_a_bound(rig: &Rig) {
    let count = async |prefix, most| rig.storage.count(&rig.sound(), &named("many"), prefix, most).await.unwrap();
    assert_eq!(count("", 100_000).await, Count { objects: 1207, bytes: 1203 * 2 + 4 * 3, complete: true });
    assert_eq!(count("n/", 100_000).await, Count { objects: 1203, bytes: 1203 * 2, complete: true });
    assert_eq!(count("n/", 10).await, Count { objects: 1000, bytes: 2000, complete: false });
    assert_eq!(count("none", 10).await, Count { objects: 0, bytes: 0, complete: true });
}

async fn what_is_in_a_bucket_that_is_not_there_is_no_answer(rig: &Rig) {
    let (site, absent) = (rig.sound(), named("absent"));
    for refused in [
        rig.storage.objects(&site, &absent, "", None, 10).await.unwrap_err(),
        rig.storage.uploads(&site, &absent, "", None).await.unwrap_err(),
        rig.storage.count(&site, &absent, "", 10).await.unwrap_err(),
    ] {
        assert!(refused.is("NoSuchBucket"), "{refused}");
    }
    // Nothing is ever said to be deleted that was not.
    match rig.storage.delete(&site, &absent, &["key".to_owned()]).await {
        Ok(left) => assert_eq!((left[0].key.as_str(), left[0].why.as_str()), ("key", "NoSuchBucket")),
        Err(refused) => assert!(refused.is("NoSuchBucket"), "{refused}"),
    }
}

async fn a_folder_is_read_page_by_page_with_what_is_directly_in_it(rig: &Rig) {
    let all = async |prefix: &str, limit: usize| {
        let (mut objects, mut folders, mut from) = (Vec::new(), BTreeSet::new(), None);
        loop {
            let bucket = named("many");
            let page = rig.storage.folder(&rig.sound(), &bucket, prefix, from.as_deref(), limit).await.unwrap();
            assert!(page.objects.len() <= limit);
            assert!(page.objects.iter().flat_map(|object| &object.etag).all(|etag| !etag.contains('"')));
            objects.extend(page.objects.into_iter().map(|object| (object.key, object.size)));
            folders.extend(page.folders);
            from = page.next;
            if from.is_none() {
                return (objects, Vec::from_iter(folders));
            }
        }
    };
    let top = [("a b+c", 3), ("d&<e>'\"", 3)].map(|(key, size)| (key.to_owned(), size)).to_vec();
    let folders = ["m/", "n/", "ü/"].map(str::to_owned).to_vec();
    for limit in [1000, 2] {
        assert_eq!(all("", limit).await, (top.clone(), folders.clone()), "{limit}");
    }
    assert_eq!(all("ü/", 10).await, (vec![("ü/é".to_owned(), 3)], Vec::new()));
    let expected: Vec<_> = many().into_iter().filter(|(key, _)| key.starts_with("n/")).collect();
    assert_eq!(all("n/", 500).await, (expected, Vec::new()));
    assert_eq!(all("none/", 10).await, (Vec::new(), Vec::new()));
}

async fn an_object_is_there_with_its_size_or_it_is_said_that_it_is_not(rig: &Rig) {
    for (key, size) in [("a b+c", 3), ("d&<e>'\"", 3), ("ü/é", 3), ("n/0007", 2)] {
        let head = rig.storage.head(&rig.sound(), &named("many"), key).await.unwrap();
        assert_eq!(head.map(|head| head.size), Some(size), "{key}");
    }
    assert_eq!(rig.storage.head(&rig.sound(), &named("many"), "none").await, Ok(None));
    let refused = rig.storage.head(&rig.sound(), &named("absent"), "key").await.unwrap_err();
    assert!(refused.is("NoSuchBucket"), "{refused}");
}

async fn a_marker_of_a_folder_is_an_object_with_all_that_was_said_of_it(rig: &Rig) {
    let head = ObjectHead {
        content_type: Some("application/x-directory".to_owned()),
        cache_control: Some("no-store".to_owned()),
        metadata: [("owner".to_owned(), "me".to_owned())].into(),
        ..ObjectHead::default()
    };
    match rig.storage.put_marker(&rig.sound(), &named("bare"), "dir/", &head).await {
        Ok(()) => {}
        // nanio keeps folders as directories, and takes no object that is called as one.
        Err(error) => {
            assert!(error.is("InvalidObjectName"), "{error}");
            return;
        }
    }
    let made = rig.storage.head(&rig.sound(), &named("bare"), "dir/").await.unwrap().unwrap();
    assert_eq!((made.size, &made.content_type, &made.metadata), (0, &head.content_type, &head.metadata));
    rig.storage.put_marker(&rig.sound(), &named("bare"), "file", &head).await.unwrap_err();
    assert_eq!(rig.storage.head(&rig.sound(), &named("bare"), "file").await, Ok(None));
}

async fn when_an_object_was_written_is_told_to_whom_it_concerns(rig: &Rig) {
    let key = many()[0].0.clone();
    let written = async |site: Site, bucket: &str, key: &str| rig.storage.written_at(&site, &named(bucket), key).await;
    assert!(written(rig.sound(), "many", &key).await.unwrap().is_some());
    assert_eq!(written(rig.sound(), "many", "no such key").await, Ok(None));
    assert_eq!(written(rig.sound(), "nowhere", &key).await, Ok(None));
    let refused = written(rig.stranger(), "many", &key).await;
    assert!(matches!(refused, Err(StorageError::Refused { status: 403, .. })), "{refused:?}");
    let silent = written(rig.site(&[&rig.down]), "many", &key).await;
    assert!(matches!(silent, Err(StorageError::Unanswered(_))), "{silent:?}");
}

async fn a_site_tells_the_time_or_why_not(rig: &Rig) {
    rig.storage.time(&rig.site(&[&rig.down, &rig.node])).await.unwrap();
    // Also to whom it does not know.
    rig.storage.time(&Site { keys: None, ..rig.sound() }).await.unwrap();
    let told = rig.storage.time(&rig.site(&[&rig.down])).await.unwrap_err().to_string();
    assert!(told.contains(rig.down.as_str()), "{told}");
}

async fn uploads_under_way_are_listed(rig: &Rig) {
    let page = rig.storage.uploads(&rig.sound(), &named("busy"), "", None).await.unwrap();
    let keys: Vec<&str> = page.uploads.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!((keys, page.next), (vec!["down/b", "up/a"], None));
    assert!(page.uploads.iter().all(|upload| !upload.id.is_empty()));
    let page = rig.storage.uploads(&rig.sound(), &named("busy"), "up/", None).await.unwrap();
    assert_eq!(page.uploads.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), ["up/a"]);
    assert_eq!(rig.storage.uploads(&rig.sound(), &named("full"), "", None).await.unwrap().uploads, []);
}

async fn an_upload_that_is_aborted_is_gone_and_may_have_been(rig: &Rig) {
    let uploads = async || rig.storage.uploads(&rig.sound(), &named("busy"), "", None).await.unwrap().uploads;
    let both = uploads().await;
    for _ in 0..2 {
        rig.storage.abort(&rig.sound(), &named("busy"), &both[0]).await.unwrap();
        assert_eq!(uploads().await, both[1..]);
    }
}

async fn deleted_objects_are_gone_and_the_others_stay(rig: &Rig) {
    let keys: Vec<String> = many().into_iter().map(|(key, _)| key).filter(|key| key != "n/0007").collect();
    let keys = [keys, vec!["was never there".to_owned()]].concat();
    assert_eq!(rig.storage.delete(&rig.sound(), &named("many"), &keys).await.unwrap(), []);
    assert_eq!(keys_of(rig, "many", "", 500).await, [vec![("n/0007".to_owned(), 2)]]);
    assert_eq!(asked(rig, &[&rig.node], "full").await, Occupancy::Occupied);
    assert_eq!(rig.storage.delete(&rig.sound(), &named("many"), &[]).await.unwrap(), []);
}

async fn a_node_that_does_not_know_the_keys_says_so_and_nobody_else_is_asked(rig: &Rig) {
    let members = vec![rig.node.clone(), rig.down.clone()];
    for refused in refusals(rig, &Site { members, ..rig.stranger() }).await {
        let StorageError::Refused { place, status, .. } = refused else { panic!("{refused}") };
        assert_eq!((place.as_str(), status), (rig.node.as_str(), 403));
    }
}

async fn a_pool_without_members_tells_nothing(rig: &Rig) {
    assert!(refusals(rig, &rig.site(&[])).await.iter().all(|refused| *refused == StorageError::NoMember));
}

async fn f36_a_member_that_fails_is_named_and_never_quoted(rig: &Rig) {
    // All at once: some take their time.
    join_all(rig.failing.iter().map(async |(what, member)| {
        let site = rig.site(&[member]);
        let refused = [
            rig.storage.buckets(&site).await.map(drop),
            rig.storage.occupancy(&site, &named("full")).await.map(drop),
            rig.storage.uploads(&site, &named("full"), "", None).await.map(drop),
        ];
        for told in refused.map(|refused| refused.unwrap_err().to_string()) {
            assert!(told.contains(member.as_str()), "{what}: {told}");
            assert!(!told.contains(odd_nodes::SENT), "{what}: {told}");
        }
    }))
    .await;
}

async fn after_a_member_that_fails_the_next_is_asked(rig: &Rig) {
    join_all(rig.failing.iter().map(async |(what, member)| {
        assert_eq!(asked(rig, &[member, &rig.node], "full").await, Occupancy::Occupied, "{what}");
        assert_eq!(asked(rig, &[member, &rig.node], "bare").await, Occupancy::Empty, "{what}");
        let buckets = rig.storage.buckets(&rig.site(&[member, &rig.node])).await.unwrap();
        assert_eq!(buckets.len(), 4, "{what}");
    }))
    .await;
}

async fn a_deletion_goes_to_the_next_member_if_the_first_takes_no_connection(rig: &Rig) {
    let site = rig.site(&[&rig.down, &rig.node]);
    assert_eq!(rig.storage.delete(&site, &named("full"), &["key".to_owned()]).await.unwrap(), []);
    assert_eq!(asked(rig, &[&rig.node], "full").await, Occupancy::Empty);
}

async fn if_all_members_fail_all_are_named(rig: &Rig) {
    let all: Vec<&Address> = rig.failing.iter().map(|(_, member)| member).collect();
    let told = rig.storage.occupancy(&rig.site(&all), &named("full")).await.unwrap_err().to_string();
    for (what, member) in &rig.failing {
        assert!(told.contains(member.as_str()), "{what}: {told}");
    }
}

async fn f29_an_endpoint_is_asked_in_place_of_the_members(rig: &Rig) {
    let endpoint = |address: &Address| Some(Endpoint::parse(&format!("http://{address}")).unwrap());
    let site = Site { endpoint: endpoint(&rig.node), ..rig.site(&[&rig.down]) };
    assert_eq!(rig.storage.buckets(&site).await.unwrap().len(), 4);
    let nowhere = Site { endpoint: endpoint(&rig.down), ..rig.sound() };
    for refused in refusals(rig, &nowhere).await {
        assert!(refused.to_string().contains(rig.down.as_str()), "{refused}");
    }
}

async fn several_sites_are_listed_at_once_and_each_answers_for_itself(rig: &Rig) {
    let mut sites = vec![rig.sound(), rig.stranger(), rig.site(&[])];
    sites.extend(rig.failing.iter().map(|(_, member)| rig.site(&[member])));
    sites.push(rig.sound());
    let told = rig.storage.listings(&sites).await;
    assert_eq!(told.len(), sites.len());
    assert_eq!(told[0].as_ref().unwrap(), &["bare", "busy", "full", "many"].map(named));
    assert!(matches!(&told[1], Err(StorageError::Refused { status: 403, .. })), "{:?}", told[1]);
    assert_eq!(told[2], Err(StorageError::NoMember));
    for ((what, member), told) in rig.failing.iter().zip(&told[3..]) {
        assert!(told.as_ref().is_err_and(|why| why.to_string().contains(member.as_str())), "{what}: {told:?}");
    }
    assert_eq!(told.last(), told.first());
    assert_eq!(rig.storage.listings(&[]).await, []);
}

async fn several_buckets_are_counted_at_once_and_what_fails_costs_only_itself(rig: &Rig) {
    let mut asked: Vec<(Site, BucketName)> =
        rig.failing.iter().map(|(_, member)| (rig.site(&[member]), named("full"))).collect();
    asked.extend(["many", "bare", "absent"].map(|bucket| (rig.sound(), named(bucket))));
    let told = rig.storage.counts(&asked, Duration::from_secs(60)).await;
    let (failed, told) = told.split_at(rig.failing.len());
    assert!(failed.iter().all(|count| matches!(count, Err(StorageError::Unanswered(_)))), "{failed:?}");
    assert_eq!(told[0], Ok(Count { objects: 1207, bytes: 1203 * 2 + 4 * 3, complete: true }));
    assert_eq!(told[1], Ok(Count { objects: 0, bytes: 0, complete: true }));
    assert!(told[2].as_ref().is_err_and(|why| why.is("NoSuchBucket")), "{:?}", told[2]);
}

#[tokio::test]
async fn when_the_time_is_over_what_was_counted_so_far_is_told_and_what_was_not_is_no_count() {
    let (halting, mute) = (OddNode::halting().await, OddNode::mute().await);
    let storage = NodeStorage::new(Duration::from_secs(60)).unwrap();
    let site = |node: &OddNode| Site {
        members: vec![Address::parse(&format!("127.0.0.1:{}", node.port)).unwrap()],
        endpoint: None,
        region: Region::default(),
        keys: None,
    };
    let asked = [(site(&halting), named("large")), (site(&mute), named("full"))];
    let told = storage.counts(&asked, Duration::from_millis(700)).await;
    assert_eq!(told[0], Ok(Count { objects: 2, bytes: 7, complete: false }));
    let why = told[1].as_ref().unwrap_err().to_string();
    assert_eq!(why, "not counted within 700 ms");
}

async fn a_member_that_answers_is_reachable_and_another_is_not(rig: &Rig) {
    let told = Mutex::new(BTreeMap::new());
    let members = [rig.down.clone(), rig.node.clone()];
    rig.storage.probe(&members, &|member, outcome| drop(told.lock().unwrap().insert(member.clone(), outcome))).await;
    let told = told.into_inner().unwrap();
    assert_eq!((told.len(), told[&rig.node].clone()), (2, Ok(())));
    let why = told[&rig.down].clone().unwrap_err().to_string();
    assert!(why.contains(rig.down.as_str()), "{why}");
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

kept_by!(memory, nanio: [
    a_bucket_is_occupied_empty_or_not_there,
    all_buckets_are_listed_by_name,
    a_bucket_that_is_made_is_there_also_if_it_was,
    objects_come_in_pages_each_once_and_in_order,
    a_prefix_leaves_the_others_out,
    objects_and_bytes_are_counted_up_to_a_bound,
    what_is_in_a_bucket_that_is_not_there_is_no_answer,
    a_folder_is_read_page_by_page_with_what_is_directly_in_it,
    an_object_is_there_with_its_size_or_it_is_said_that_it_is_not,
    a_marker_of_a_folder_is_an_object_with_all_that_was_said_of_it,
    when_an_object_was_written_is_told_to_whom_it_concerns,
    a_site_tells_the_time_or_why_not,
    uploads_under_way_are_listed,
    an_upload_that_is_aborted_is_gone_and_may_have_been,
    deleted_objects_are_gone_and_the_others_stay,
    a_node_that_does_not_know_the_keys_says_so_and_nobody_else_is_asked,
    a_pool_without_members_tells_nothing,
    f36_a_member_that_fails_is_named_and_never_quoted,
    after_a_member_that_fails_the_next_is_asked,
    a_deletion_goes_to_the_next_member_if_the_first_takes_no_connection,
    if_all_members_fail_all_are_named,
    f29_an_endpoint_is_asked_in_place_of_the_members,
    a_member_that_answers_is_reachable_and_another_is_not,
    several_sites_are_listed_at_once_and_each_answers_for_itself,
    several_buckets_are_counted_at_once_and_what_fails_costs_only_itself,
]);
