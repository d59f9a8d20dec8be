use super::*;
use crate::domain::ids::{Revision, RouteId};
use crate::domain::route::PathPrefix;

const VHOST: VhostId = VhostId(7);
const DEFAULT: PoolId = PoolId(1);
const OTHER: PoolId = PoolId(2);

fn at(second: i64) -> Timestamp {
    Timestamp::of(chrono::DateTime::from_timestamp(second, 0).unwrap())
}

fn named(name: &str) -> BucketName {
    BucketName::parse(name).unwrap()
}

fn bucket(name: &str, status: BucketStatus, pool: Option<PoolId>) -> Bucket {
    Bucket { vhost_id: VHOST, name: named(name), status, routed_pool_id: pool, discovered_at: at(1) }
}

fn route(prefix: &str, pool: PoolId, enabled: bool) -> Route {
    Route {
        id: RouteId(1),
        revision: Revision(1),
        vhost_id: VHOST,
        path_prefix: PathPrefix::parse(prefix).unwrap(),
        pool_id: pool,
        key_prefix: None,
        extra_directives: None,
        enabled,
        created_at: at(1),
        updated_at: at(1),
    }
}

fn listings(pools: &[(PoolId, &[&str])]) -> Listings {
    pools.iter().map(|(pool, names)| (*pool, names.iter().map(|name| named(name)).collect())).collect()
}

/// Name, status and routed pool of what changes.
fn changes(known: &[Bucket], homes: &Homes, listings: &Listings) -> Vec<(String, BucketStatus, Option<PoolId>)> {
    let sight = Sight { vhost: VHOST, known, asked: homes, homes, migrating: &BTreeSet::new(), listings };
    sight.changes(at(9)).into_iter().map(|b| (b.name.to_string(), b.status, b.routed_pool_id)).collect()
}

fn told(name: &str, status: BucketStatus, pool: Option<PoolId>) -> (String, BucketStatus, Option<PoolId>) {
    (name.to_owned(), status, pool)
}

#[test]
fn what_is_new_is_unrouted_or_routed_by_its_whole_and_enabled_route() {
    let routes = [
        route("/photos/", OTHER, true),
        route("/bare", OTHER, true),
        route("/off/", OTHER, false),
        route("/part/of/", OTHER, true),
        route("/elsewhere/", OTHER, true),
    ];
    let homes = Homes::of(DEFAULT, &routes);
    let listings = listings(&[(DEFAULT, &["off", "part", "plain", "photos"]), (OTHER, &["photos", "bare", "foreign"])]);
    assert_eq!(
        changes(&[], &homes, &listings),
        [
            told("bare", BucketStatus::Routed, Some(OTHER)),
            told("off", BucketStatus::Unrouted, None),
            told("part", BucketStatus::Unrouted, None),
            told("photos", BucketStatus::Routed, Some(OTHER)),
            told("plain", BucketStatus::Unrouted, None),
        ]
    );
}

#[test]
fn only_the_pool_that_serves_a_bucket_can_make_it_deleted() {
    let homes = Homes::of(DEFAULT, &[route("/moved/", OTHER, true)]);
    let known = [bucket("moved", BucketStatus::Routed, Some(OTHER)), bucket("plain", BucketStatus::Unrouted, None)];
    // Purged from the default pool after its migration, and live where it is.
    assert_eq!(changes(&known, &homes, &listings(&[(DEFAULT, &["plain"]), (OTHER, &["moved"])])), []);
    // Gone from its pool: whatever the default pool still holds of it.
    let gone = changes(&known, &homes, &listings(&[(DEFAULT, &["plain", "moved"]), (OTHER, &[])]));
    assert_eq!(gone, [told("moved", BucketStatus::Deleted, Some(OTHER))]);
    // A pool that was not asked, or did not answer, says nothing about its buckets.
    assert_eq!(changes(&known, &homes, &listings(&[(OTHER, &["moved"])])), []);
    let gone = changes(&known, &homes, &listings(&[(DEFAULT, &[])]));
    assert_eq!(gone, [told("plain", BucketStatus::Deleted, None)]);
}

#[test]
fn a_bucket_that_is_back_has_the_status_of_its_route_and_a_new_date() {
    let homes = Homes::of(DEFAULT, &[route("/routed/", OTHER, true)]);
    let known = [bucket("plain", BucketStatus::Deleted, None), bucket("routed", BucketStatus::Deleted, Some(OTHER))];
    let listings = listings(&[(DEFAULT, &["plain"]), (OTHER, &["routed"])]);
    let migrating = BTreeSet::new();
    let sight =
        Sight { vhost: VHOST, known: &known, asked: &homes, homes: &homes, migrating: &migrating, listings: &listings };
    let back = sight.changes(at(9));
    assert_eq!(back.iter().map(|b| b.status).collect::<Vec<_>>(), [BucketStatus::Unrouted, BucketStatus::Routed]);
    assert!(back.iter().all(|bucket| bucket.discovered_at == at(9)));
}

#[test]
fn ignored_stays_ignored_and_a_migration_shows() {
    let homes = Homes::of(DEFAULT, &[route("/moving/", DEFAULT, true)]);
    let known = [bucket("hidden", BucketStatus::Ignored, None), bucket("moving", BucketStatus::Routed, Some(DEFAULT))];
    let (migrating, listings) = (BTreeSet::from([named("moving")]), listings(&[(DEFAULT, &["hidden"])]));
    let sight =
        Sight { vhost: VHOST, known: &known, asked: &homes, homes: &homes, migrating: &migrating, listings: &listings };
    assert_eq!(sight.changes(at(9)), [bucket("moving", BucketStatus::Migrating, Some(DEFAULT))]);
    let ended = [bucket("moving", BucketStatus::Migrating, Some(DEFAULT))];
    let listed = self::listings(&[(DEFAULT, &["moving"])]);
    assert_eq!(changes(&ended, &homes, &listed), [told("moving", BucketStatus::Routed, Some(DEFAULT))]);
}

#[test]
fn a_bucket_whose_pool_has_changed_since_the_lists_were_made_is_left_alone() {
    let (asked, homes) = (Homes::of(DEFAULT, &[]), Homes::of(DEFAULT, &[route("/moved/", OTHER, true)]));
    let known = [bucket("moved", BucketStatus::Unrouted, None)];
    let listings = listings(&[(DEFAULT, &["moved"]), (OTHER, &[])]);
    let migrating = BTreeSet::new();
    let sight =
        Sight { vhost: VHOST, known: &known, asked: &asked, homes: &homes, migrating: &migrating, listings: &listings };
    assert_eq!(sight.changes(at(9)), []);
}

#[test]
fn the_same_lists_again_change_nothing() {
    let homes = Homes::of(DEFAULT, &[route("/photos/", OTHER, true)]);
    let listings = listings(&[(DEFAULT, &["a-bucket", "b-bucket"]), (OTHER, &["photos"])]);
    let migrating = BTreeSet::new();
    let none =
        Sight { vhost: VHOST, known: &[], asked: &homes, homes: &homes, migrating: &migrating, listings: &listings };
    let first = none.changes(at(9));
    assert_eq!(first.len(), 3);
    assert_eq!(Sight { known: &first, ..none }.changes(at(10)), []);
    assert_eq!(BucketTally::of(&first), BucketTally { found: 3, unrouted: 2, routed: 1, ..BucketTally::default() });
}
