//! How SQLite means to find a page: straight in an index, wherever the page begins. Time would tell it too, but
//! not twice the same.

use std::sync::{Arc, Mutex};

use diesel::connection::{Connection, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::ids::Counters;
use super::{Db, SqliteStore, buckets, jobs, members, migrations, pools, routes, vhosts};
use crate::domain::bucket::BucketName;
use crate::domain::ids::{MemberId, PoolId, RouteId, VhostId};
use crate::domain::migration::Phase;
use crate::domain::pool::PoolName;
use crate::domain::route::PathPrefix;
use crate::domain::vhost::ServerName;
use crate::ports::store::StoreError;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The plans of the queries that `read` makes.
fn plans(read: impl FnOnce(&mut Db<'_>) -> Result<(), StoreError>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plans.db");
    drop(SqliteStore::open(&path).unwrap());
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ear = asked.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            ear.lock().unwrap().push(query.to_string());
        }
    });
    read(&mut Db { link: (&mut connection).into(), counters: Counters::default() }).unwrap();
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let asked = asked.lock().unwrap().clone();
    let plan = |query: &String| {
        let lines: Vec<Line> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut connection).unwrap();
        lines.into_iter().map(|line| line.detail).collect::<Vec<_>>().join("; ")
    };
    asked.iter().map(plan).collect()
}

#[test]
fn a_page_of_pools_is_found_by_name() {
    let name = PoolName::parse("p").unwrap();
    let plans = plans(|db| pools::after(db, Some(&name), 10).map(drop));
    assert_eq!(plans, ["SEARCH pools USING INDEX pools_in_order (name>?)"]);
}

#[test]
fn a_page_of_vhosts_is_found_by_server_name() {
    let name = ServerName::parse("v.test").unwrap();
    let plans = plans(|db| vhosts::after(db, Some(&name), 10).map(drop));
    assert_eq!(plans, ["SEARCH vhosts USING INDEX sqlite_autoindex_vhosts_1 (server_name>?)"]);
}

#[test]
fn a_page_of_members_is_found_by_pool_and_id() {
    let plans = plans(|db| members::after(db, PoolId(1), Some(MemberId(5)), 10).map(drop));
    assert_eq!(plans, ["SEARCH pool_members USING INDEX pool_members_in_order (pool_id=? AND id>?)"]);
}

#[test]
fn a_page_of_routes_is_found_by_length_and_id() {
    let prefix = PathPrefix::parse("/a/").unwrap();
    let plans = plans(|db| routes::after(db, VhostId(1), Some((&prefix, RouteId(5))), 10).map(drop));
    assert_eq!(
        plans,
        [
            "SEARCH routes USING INDEX routes_in_order (vhost_id=? AND <expr>=? AND id>?)",
            "SEARCH routes USING INDEX routes_in_order (vhost_id=? AND <expr><?)",
        ]
    );
}

#[test]
fn the_routes_of_a_bucket_are_found_by_their_prefix() {
    let bucket = BucketName::parse("photos").unwrap();
    let plans = plans(|db| routes::of_bucket(db, VhostId(1), &bucket).map(drop));
    assert_eq!(
        plans,
        [
            "SEARCH routes USING INDEX sqlite_autoindex_routes_1 (vhost_id=? AND canonical_prefix=?)",
            "SEARCH routes USING INDEX sqlite_autoindex_routes_1 (vhost_id=? AND canonical_prefix>? AND canonical_prefix<?)",
        ]
    );
}

#[test]
fn every_change_asks_for_unfinished_jobs_and_is_answered_from_an_index() {
    let plans = plans(|db| jobs::unfinished(db).map(drop));
    assert!(plans[0].starts_with("SEARCH jobs USING INDEX jobs_by_state (state=?)"), "{plans:?}");
}

#[test]
fn the_engine_finds_its_work_and_a_list_its_phase_in_an_index() {
    let due = plans(|db| migrations::due(db).map(drop));
    assert_eq!(due, ["SEARCH migrations USING INDEX migrations_by_due (due=?)"]);
    let done = plans(|db| migrations::newest(db, Some(Phase::Done), 50).map(drop));
    assert_eq!(done, ["SEARCH migrations USING INDEX migrations_by_phase (phase=?)"]);
}

#[test]
fn the_buckets_of_every_vhost_are_counted_by_one_query() {
    let plans = plans(|db| buckets::counts(db).map(drop));
    assert_eq!(plans, ["SCAN bucket_sync USING COVERING INDEX bucket_sync_by_status"]);
}
