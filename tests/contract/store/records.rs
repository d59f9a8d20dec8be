//! What is kept beside the gateway itself: S3 keys, buckets, migrations, ids of another life.

use nanio_orchestrator::domain::audit::{Action, Actor, Filter, NewEntry, Subject};
use nanio_orchestrator::domain::bucket::{Bucket, BucketName, BucketStatus};
use nanio_orchestrator::domain::credential::{Credential, FernetToken};
use nanio_orchestrator::domain::ids::{EntityKind, MigrationId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::migration::log::{LogEntry, NewLogEntry};
use nanio_orchestrator::domain::migration::machine::Step;
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token};
use nanio_orchestrator::domain::migration::work::{Adopts, Check, CheckOutcome, Comparison, MigrationKind, Side, Work};
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use nanio_orchestrator::domain::sidecar::HighestIds;
use nanio_orchestrator::ports::store::{FileRecord, Store, StoreError};

use super::adapters::{a_member, a_pool, a_route, a_vhost, at, read, write};

fn a_credential(pool: i64) -> Credential {
    Credential {
        pool_id: PoolId(pool),
        access_key_enc: FernetToken::parse("gAAAAAaccess==").unwrap(),
        secret_key_enc: FernetToken::parse("gAAAAAsecret==").unwrap(),
        endpoint_url: Some("https://s3.example.test".to_owned()),
        region: "eu-west-1".to_owned(),
        created_at: at(1),
        updated_at: at(2),
    }
}

pub(super) fn a_bucket(vhost: i64, name: &str, status: BucketStatus) -> Bucket {
    Bucket {
        vhost_id: VhostId(vhost),
        name: BucketName::parse(name).unwrap(),
        status,
        routed_pool_id: None,
        discovered_at: at(3),
    }
}

fn some_work() -> Work {
    Work {
        kind: MigrationKind::Adoption,
        adopts: Some(Adopts { split: MigrationId(9), to: Side::Destination }),
        step: Step::CarryLast,
        cancel: true,
        paused: true,
        committed: true,
        owns_destination: true,
        doubted_since: Some(1_764_000_000),
        gate: Some(MigrationGate {
            token: Token::parse("0123456789abcdef0123456789abcdef").unwrap(),
            stage: GateStage::Settled,
            source_uploads: vec!["upload-1".to_owned()],
        }),
        attempts: 2,
        write_hold_ms: Some(280),
        checks: vec![Check {
            name: "region".to_owned(),
            outcome: CheckOutcome::Warning,
            message: "differs".to_owned(),
        }],
        waiting_for_workers: vec![4711],
        cut_short_ms: Some(1_796_000_000_000),
        audit: Some(Comparison::Differences(vec!["a \"key\"".to_owned()])),
    }
}

fn a_migration(id: i64, phase: Phase) -> Migration {
    Migration {
        id: MigrationId(id),
        revision: Revision::NEW,
        vhost: Named { id: VhostId(7), name: "s3.example.test".to_owned() },
        bucket: BucketName::parse("photos").unwrap(),
        source: Named { id: PoolId(1), name: "old".to_owned() },
        destination: Named { id: PoolId(2), name: "new".to_owned() },
        mode: MigrationMode::Sync,
        phase,
        route_id: Some(RouteId(9)),
        needs_adoption: false,
        objects_total: 10,
        objects_done: 9,
        bytes_total: 1 << 40,
        bytes_done: 5,
        error_msg: Some("no\nway".to_owned()),
        started_at: Some(at(4)),
        finished_at: Some(at(5)),
        orphan: Some(Orphan {
            pool: Named { id: PoolId(1), name: "old".to_owned() },
            prefix: "/photos/".to_owned(),
            since: at(6),
            purged_at: Some(at(7)),
        }),
        swept_http_vhosts: vec!["a.test".to_owned()],
        updated_http_vhosts: vec!["b.test".to_owned(), "c.test".to_owned()],
        created_at: at(3),
        work: some_work(),
    }
}

/// Two pools, and a vhost with routes to the second, of which two are disabled.
async fn a_gateway(store: &Store) {
    write(store, |tx| {
        tx.save_pool(a_pool(1, "old"))?;
        tx.save_pool(a_pool(2, "new"))?;
        tx.save_member(a_member(1, PoolId(1)))?;
        tx.save_vhost(a_vhost(7, "s3.example.test"))?;
        for (id, enabled) in [(1, true), (2, false), (3, true), (4, false)] {
            let mut route = a_route(id, VhostId(7), &format!("/bucket-{id}/"), PoolId(2));
            route.enabled = enabled;
            tx.save_route(route)?;
        }
        Ok(())
    })
    .await;
}

pub async fn the_disabled_routes_of_a_vhost_are_found(store: &Store) {
    a_gateway(store).await;
    let disabled = read(store, |tx| tx.disabled_routes(VhostId(7))).await;
    assert_eq!(disabled.iter().map(|route| route.id.0).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(read(store, |tx| tx.disabled_routes(VhostId(8))).await, []);
}

pub async fn a_credential_is_replaced_and_goes_with_its_pool(store: &Store) {
    a_gateway(store).await;
    write(store, |tx| tx.save_credential(&a_credential(2))).await;
    assert_eq!(read(store, |tx| tx.credential(PoolId(2))).await, Some(a_credential(2)));
    let bare = Credential { endpoint_url: None, region: "r".to_owned(), ..a_credential(2) };
    let (first, second) = (bare.clone(), bare);
    write(store, move |tx| tx.save_credential(&first)).await;
    assert_eq!(read(store, |tx| tx.credentials()).await, [second]);
    write(store, |tx| {
        for id in 1..=4 {
            tx.delete_route(RouteId(id))?;
        }
        tx.delete_pool(PoolId(2))
    })
    .await;
    assert_eq!(read(store, |tx| tx.credentials()).await, []);
    write(store, |tx| tx.save_credential(&a_credential(1))).await;
    write(store, |tx| tx.delete_credential(PoolId(1))).await;
    assert_eq!(read(store, |tx| tx.credential(PoolId(1))).await, None);
}

pub async fn buckets_come_by_name_and_by_status_and_follow_their_vhost(store: &Store) {
    a_gateway(store).await;
    write(store, |tx| {
        tx.save_bucket(&a_bucket(7, "zebra", BucketStatus::Ignored))?;
        tx.save_bucket(&a_bucket(7, "apple", BucketStatus::Ignored))?;
        let routed = Bucket { routed_pool_id: Some(PoolId(2)), ..a_bucket(7, "mango", BucketStatus::Routed) };
        tx.save_bucket(&routed)
    })
    .await;
    let names = |buckets: Vec<Bucket>| buckets.into_iter().map(|bucket| bucket.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(read(store, |tx| tx.buckets(VhostId(7))).await), ["apple", "mango", "zebra"]);
    let ignored = read(store, |tx| tx.buckets_with(VhostId(7), BucketStatus::Ignored)).await;
    assert_eq!(ignored.iter().map(BucketName::as_str).collect::<Vec<_>>(), ["apple", "zebra"]);
    write(store, |tx| tx.save_bucket(&a_bucket(7, "apple", BucketStatus::Unrouted))).await;
    let apple = read(store, |tx| tx.bucket(VhostId(7), &BucketName::parse("apple").unwrap())).await;
    assert_eq!(apple, Some(a_bucket(7, "apple", BucketStatus::Unrouted)));
    write(store, |tx| tx.delete_bucket(VhostId(7), &BucketName::parse("zebra").unwrap())).await;
    write(store, |tx| {
        for id in 1..=4 {
            tx.delete_route(RouteId(id))?;
        }
        tx.delete_pool(PoolId(2))
    })
    .await;
    let mango = read(store, |tx| tx.bucket(VhostId(7), &BucketName::parse("mango").unwrap())).await.unwrap();
    assert_eq!((mango.status, mango.routed_pool_id), (BucketStatus::Routed, None));
    write(store, |tx| tx.delete_vhost(VhostId(7))).await;
    assert_eq!(read(store, |tx| tx.buckets(VhostId(7))).await, []);
}

pub async fn many_buckets_are_saved_at_once_and_replace_what_was_there(store: &Store) {
    a_gateway(store).await;
    let named = |number: i64, status| a_bucket(7, &format!("bucket-{number:05}"), status);
    let first: Vec<Bucket> = (0..2500).map(|number| named(number, BucketStatus::Unrouted)).collect();
    write(store, move |tx| tx.save_buckets(&first)).await;
    let routed = |number| Bucket {
        routed_pool_id: Some(PoolId(2)),
        discovered_at: at(9),
        ..named(number, BucketStatus::Routed)
    };
    let second: Vec<Bucket> = (1000..3000).map(routed).collect();
    let expected: Vec<Bucket> = (0..1000).map(|n| named(n, BucketStatus::Unrouted)).chain(second.clone()).collect();
    write(store, move |tx| tx.save_buckets(&second)).await;
    assert!(read(store, |tx| tx.buckets(VhostId(7))).await == expected);
    let cleared = Bucket { routed_pool_id: None, ..routed(2999) };
    let again = cleared.clone();
    write(store, move |tx| tx.save_buckets(&[again])).await;
    let name = cleared.name.clone();
    assert_eq!(read(store, move |tx| tx.bucket(VhostId(7), &name)).await, Some(cleared));
    write(store, |tx| tx.save_buckets(&[])).await;
}

pub async fn when_buckets_were_listed_is_kept_for_each_vhost_and_goes_with_it(store: &Store) {
    a_gateway(store).await;
    write(store, |tx| tx.save_vhost(a_vhost(8, "other.example.test"))).await;
    write(store, |tx| tx.note_buckets_listed(&[VhostId(7), VhostId(8)], at(1))).await;
    write(store, |tx| tx.note_buckets_listed(&[VhostId(7)], at(2))).await;
    write(store, |tx| tx.note_buckets_listed(&[], at(3))).await;
    assert_eq!(read(store, |tx| tx.buckets_listed_at(VhostId(7))).await, Some(at(2)));
    assert_eq!(read(store, |tx| tx.buckets_listed_at(VhostId(8))).await, Some(at(1)));
    write(store, |tx| tx.delete_vhost(VhostId(8))).await;
    assert_eq!(read(store, |tx| tx.buckets_listed_at(VhostId(8))).await, None);
    write(store, |tx| tx.clear_gateway()).await;
    assert_eq!(read(store, |tx| tx.buckets_listed_at(VhostId(7))).await, None);
}

pub async fn every_field_of_a_migration_comes_back_and_outlives_what_it_was_about(store: &Store) {
    a_gateway(store).await;
    let full = write(store, |tx| tx.save_migration(a_migration(3, Phase::Done))).await;
    assert_eq!(full.revision, Revision(1));
    let bare = Migration {
        error_msg: None,
        started_at: None,
        finished_at: None,
        orphan: None,
        route_id: None,
        needs_adoption: true,
        swept_http_vhosts: Vec::new(),
        updated_http_vhosts: Vec::new(),
        work: Work::default(),
        ..a_migration(4, Phase::Verifying)
    };
    let bare = write(store, move |tx| tx.save_migration(bare)).await;
    write(store, |tx| tx.delete_vhost(VhostId(7)).and_then(|()| tx.delete_pool(PoolId(2)))).await;
    assert_eq!(read(store, |tx| tx.migration(MigrationId(3))).await, Some(full.clone()));
    assert_eq!(read(store, |tx| tx.migrations()).await, [bare.clone(), full.clone()]);
    assert_eq!(read(store, |tx| tx.unfinished_migrations()).await, std::slice::from_ref(&bare));
    assert_eq!(read(store, |tx| tx.migration_to_adopt(VhostId(7))).await, Some(bare));
    assert_eq!(read(store, |tx| tx.migration_to_adopt(VhostId(8))).await, None);
    let stale = store.write(|tx| tx.save_migration(a_migration(3, Phase::Error))).await;
    assert_eq!(stale, Err(StoreError::Stale { kind: EntityKind::Migration, id: 3 }));
    let next = write(store, |tx| tx.next_id(EntityKind::Migration)).await;
    assert_eq!(next, 5);
}

pub async fn migrations_are_found_by_bucket_and_by_what_nginx_has_of_them(store: &Store) {
    let other = Migration {
        bucket: BucketName::parse("films").unwrap(),
        work: Work::default(),
        ..a_migration(1, Phase::Copying)
    };
    let other = write(store, move |tx| tx.save_migration(other)).await;
    let older = write(store, |tx| tx.save_migration(a_migration(2, Phase::Done))).await;
    let newer = write(store, |tx| tx.save_migration(a_migration(3, Phase::Copying))).await;
    let photos = BucketName::parse("photos").unwrap();
    assert_eq!(read(store, move |tx| tx.migrations_of(&photos)).await, [newer.clone(), older.clone()]);
    assert_eq!(read(store, |tx| tx.gated_migrations()).await, [older.clone(), newer]);
    let plain = Migration { work: Work { gate: None, ..older.work.clone() }, ..older };
    write(store, move |tx| tx.save_migration(plain)).await;
    let gated = read(store, |tx| tx.gated_migrations()).await;
    assert_eq!(gated.iter().map(|migration| migration.id.0).collect::<Vec<_>>(), [3]);
    let reporting = Work { step: Step::Report, ..Work::default() };
    let reporting = Migration { work: reporting, ..a_migration(4, Phase::Done) };
    let reporting = write(store, |tx| tx.save_migration(reporting)).await;
    assert_eq!(read(store, |tx| tx.due_migrations()).await.last(), Some(&reporting), "its last step is to be taken");
    assert_eq!(read(store, |tx| tx.migration(MigrationId(1))).await, Some(other));
}

pub async fn the_newest_migrations_are_found_by_phase_and_those_to_be_worked_on_by_what_is_left_to_do(store: &Store) {
    let with = |id: i64, phase: Phase, needs: fn(&mut Work)| {
        let mut work = Work::default();
        needs(&mut work);
        Migration { work, ..a_migration(id, phase) }
    };
    let rows = [
        with(1, Phase::Done, |_| ()),
        with(2, Phase::Done, |work| work.audit = Some(Comparison::Pending)),
        with(3, Phase::Copying, |_| ()),
        with(4, Phase::Cancelled, |work| *work = some_work()),
        with(5, Phase::Done, |work| work.audit = Some(Comparison::Ok)),
    ];
    for row in rows {
        write(store, move |tx| tx.save_migration(row)).await;
    }
    let ids = |all: Vec<Migration>| all.iter().map(|migration| migration.id.0).collect::<Vec<_>>();
    assert_eq!(ids(read(store, |tx| tx.newest_migrations(None, 9)).await), [5, 4, 3, 2, 1]);
    assert_eq!(ids(read(store, |tx| tx.newest_migrations(None, 2)).await), [5, 4]);
    assert_eq!(ids(read(store, |tx| tx.newest_migrations(Some(Phase::Done), 2)).await), [5, 2]);
    assert_eq!(read(store, |tx| tx.newest_migrations(Some(Phase::Error), 2)).await, []);
    assert_eq!(ids(read(store, |tx| tx.due_migrations()).await), [2, 3, 4]);
    let reported = read(store, |tx| tx.migration(MigrationId(2))).await.unwrap();
    let reported = Migration { work: Work::default(), ..reported };
    write(store, move |tx| tx.save_migration(reported)).await;
    assert_eq!(ids(read(store, |tx| tx.due_migrations()).await), [3, 4]);
}

pub async fn the_log_of_a_migration_is_read_from_its_newest_line_and_cut_at_its_oldest(store: &Store) {
    for id in [1, 2] {
        write(store, move |tx| tx.save_migration(a_migration(id, Phase::Copying))).await;
    }
    let line = |id: i64, message: &str| NewLogEntry {
        migration: MigrationId(id),
        phase: "copying".to_owned(),
        message: message.to_owned(),
        at: at(7),
    };
    let lines = [line(1, "one"), line(2, "another's"), line(1, "two"), line(1, "three")];
    write(store, move |tx| tx.append_migration_log(&lines)).await;
    let said = |entries: Vec<LogEntry>| entries.into_iter().map(|entry| entry.message).collect::<Vec<_>>();
    let newest = read(store, |tx| tx.migration_log(MigrationId(1), 2)).await;
    assert!(newest[0].id > newest[1].id);
    assert_eq!((newest[0].phase.as_str(), newest[0].at), ("copying", at(7)));
    assert_eq!(said(newest), ["three", "two"]);
    write(store, |tx| tx.prune_migration_log(MigrationId(1), 2)).await;
    assert_eq!(said(read(store, |tx| tx.migration_log(MigrationId(1), 9)).await), ["three", "two"]);
    assert_eq!(said(read(store, |tx| tx.migration_log(MigrationId(2), 9)).await), ["another's"]);
    write(store, |tx| tx.clear_gateway()).await;
    assert_eq!(read(store, |tx| tx.migration_log(MigrationId(2), 9)).await, []);
}

pub async fn raised_ids_are_never_given_and_never_lowered(store: &Store) {
    a_gateway(store).await;
    let raised = HighestIds { pools: 50, members: 0, vhosts: 70, routes: 200, migrations: 10 };
    write(store, move |tx| tx.raise_ids(raised)).await;
    let highest = read(store, |tx| tx.highest_ids()).await;
    assert_eq!(highest, HighestIds { members: 1, ..raised });
    assert_eq!(write(store, |tx| tx.next_id(EntityKind::Pool)).await, 51);
    write(store, |tx| tx.raise_ids(HighestIds::default())).await;
    assert_eq!(read(store, |tx| tx.highest_ids()).await, HighestIds { pools: 51, members: 1, ..raised });
}

pub async fn clearing_the_gateway_keeps_the_audit_log_ids_and_facts(store: &Store) {
    a_gateway(store).await;
    write(store, |tx| {
        let mut backed = a_pool(3, "backed");
        backed.source_nanio_pool_id = Some(PoolId(1));
        tx.save_pool(backed)?;
        tx.save_credential(&a_credential(1))?;
        tx.save_bucket(&a_bucket(7, "apple", BucketStatus::Ignored))?;
        tx.save_migration(a_migration(3, Phase::Copying))?;
        tx.save_file(&FileRecord { path: "/a".to_owned(), sha256: "00".to_owned(), written_at: at(0) })?;
        tx.set_fact("last_change", "12")?;
        tx.append_audit(&an_entry(1)).map(drop)
    })
    .await;
    let before = read(store, |tx| tx.highest_ids()).await;
    write(store, |tx| tx.clear_gateway()).await;
    let left = read(store, |tx| {
        Ok::<_, StoreError>((
            tx.pools()?.len() + tx.vhosts()?.len() + tx.routes(VhostId(7))?.len() + tx.members(PoolId(1))?.len(),
            tx.credentials()?.len() + tx.buckets(VhostId(7))?.len() + tx.migrations()?.len() + tx.files()?.len(),
        ))
    })
    .await;
    assert_eq!(left, (0, 0));
    assert_eq!(read(store, |tx| tx.fact("last_change")).await.as_deref(), Some("12"));
    assert_eq!(read(store, |tx| tx.audit(&Filter { take: 9, ..Filter::default() })).await.len(), 1);
    assert_eq!(read(store, |tx| tx.highest_ids()).await, before);
    // The same ids can be put back, as a rebuild does.
    a_gateway(store).await;
}

fn an_entry(second: i64) -> NewEntry {
    NewEntry {
        actor: Actor::Api,
        action: Action::Update,
        subject: Subject::Config,
        before: None,
        after: None,
        nginx: None,
        at: at(second),
    }
}

pub async fn old_audit_entries_are_pruned_in_steps(store: &Store) {
    write(store, |tx| (1..=5).try_for_each(|second| tx.append_audit(&an_entry(second)).map(drop))).await;
    assert_eq!(write(store, |tx| tx.prune_audit(at(4), 2)).await, 2);
    assert_eq!(write(store, |tx| tx.prune_audit(at(4), 2)).await, 1);
    assert_eq!(write(store, |tx| tx.prune_audit(at(4), 2)).await, 0);
    let left = read(store, |tx| tx.audit(&Filter { take: 9, ..Filter::default() })).await;
    assert_eq!(left.iter().map(|entry| entry.created_at).collect::<Vec<_>>(), [at(5), at(4)]);
}
