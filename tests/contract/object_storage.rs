//! The promises of the S3 side of storage nodes, kept by the twin in memory and by the client of real nodes.

mod adapters;
mod odd_nodes;

use futures_util::future::join_all;
use nanio_orchestrator::domain::pool::Address;
use nanio_orchestrator::ports::object_storage::Occupancy;

use adapters::Rig;

async fn asked(rig: &Rig, members: &[&Address], bucket: &str) -> Occupancy {
    let members: Vec<Address> = members.iter().copied().cloned().collect();
    rig.storage.occupancy(&members, bucket).await.unwrap()
}

async fn refused(rig: &Rig, members: &[&Address], bucket: &str) -> String {
    let members: Vec<Address> = members.iter().copied().cloned().collect();
    rig.storage.occupancy(&members, bucket).await.unwrap_err().to_string()
}

async fn a_bucket_with_an_object_is_occupied(rig: &Rig) {
    assert_eq!(asked(rig, &[&rig.node], "full").await, Occupancy::Occupied);
}

async fn a_bucket_without_objects_is_empty(rig: &Rig) {
    assert_eq!(asked(rig, &[&rig.node], "bare").await, Occupancy::Empty);
}

async fn a_bucket_that_is_not_there_is_empty(rig: &Rig) {
    assert_eq!(asked(rig, &[&rig.node], "absent").await, Occupancy::Empty);
}

async fn a_node_that_does_not_know_the_keys_tells_nothing(rig: &Rig) {
    for bucket in ["full", "bare", "absent"] {
        let told = rig.stranger.occupancy(std::slice::from_ref(&rig.node), bucket).await.unwrap_err().to_string();
        assert!(told.contains(rig.node.as_str()), "{told}");
    }
}

async fn a_pool_without_members_tells_nothing(rig: &Rig) {
    assert!(refused(rig, &[], "full").await.contains("no enabled member"));
}

async fn a_member_that_fails_is_named_and_never_quoted(rig: &Rig) {
    // All at once: some take their time.
    join_all(rig.failing.iter().map(async |(what, member)| {
        let told = refused(rig, &[member], "full").await;
        assert!(told.contains(member.as_str()), "{what}: {told}");
        assert!(!told.contains(odd_nodes::SENT), "{what}: {told}");
    }))
    .await;
}

async fn after_a_member_that_fails_the_next_is_asked(rig: &Rig) {
    join_all(rig.failing.iter().map(async |(what, member)| {
        assert_eq!(asked(rig, &[member, &rig.node], "full").await, Occupancy::Occupied, "{what}");
        assert_eq!(asked(rig, &[member, &rig.node], "bare").await, Occupancy::Empty, "{what}");
    }))
    .await;
}

async fn if_all_members_fail_all_are_named(rig: &Rig) {
    let all: Vec<&Address> = rig.failing.iter().map(|(_, member)| member).collect();
    let told = refused(rig, &all, "full").await;
    for (what, member) in &rig.failing {
        assert!(told.contains(member.as_str()), "{what}: {told}");
    }
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
    a_bucket_with_an_object_is_occupied,
    a_bucket_without_objects_is_empty,
    a_bucket_that_is_not_there_is_empty,
    a_node_that_does_not_know_the_keys_tells_nothing,
    a_pool_without_members_tells_nothing,
    a_member_that_fails_is_named_and_never_quoted,
    after_a_member_that_fails_the_next_is_asked,
    if_all_members_fail_all_are_named,
]);
