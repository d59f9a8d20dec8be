//! Migrations: every field, whether they fit each other or not.

use nanio_orchestrator::domain::ids::{MigrationId, PoolId, Revision, RouteId, VhostId};
use nanio_orchestrator::domain::migration::machine::Step;
use nanio_orchestrator::domain::migration::token::{GateStage, MigrationGate, Token};
use nanio_orchestrator::domain::migration::work::{Adopts, Check, CheckOutcome, Comparison, MigrationKind, Side, Work};
use nanio_orchestrator::domain::migration::{Migration, MigrationMode, Named, Orphan, Phase};
use proptest::option;
use proptest::prelude::*;

use super::{bucket, pool_name, server_name, time, word};

fn pool() -> impl Strategy<Value = Named<PoolId>> {
    (1i64.., pool_name()).prop_map(|(id, name)| Named { id: PoolId(id), name: name.to_string() })
}

fn orphan() -> impl Strategy<Value = Orphan> {
    let orphan = (pool(), "/[a-z]{3,9}/", time(), option::of(time()));
    orphan.prop_map(|(pool, prefix, since, purged_at)| Orphan { pool, prefix, since, purged_at })
}

/// A record of a migration.
pub fn migration() -> impl Strategy<Value = Migration> {
    let hosts = || prop::collection::vec(server_name().prop_map(|name| name.to_string()), 0..3);
    let head = (1i64.., (1i64.., server_name()), bucket(), pool(), pool(), option::of(1i64..));
    let how = (
        word(MigrationMode::ALL),
        word(Phase::ALL),
        any::<bool>(),
        option::of("(?s).{0,20}"),
        option::of(orphan()),
        work(),
    );
    let times = (option::of(time()), option::of(time()), time());
    (head, how, [0i64.., 0i64.., 0i64.., 0i64..], times, (hosts(), hosts())).prop_map(
        |(head, how, numbers, times, hosts)| {
            let (id, (vhost, name), bucket, source, destination, route) = head;
            let (mode, phase, needs_adoption, error_msg, orphan, work) = how;
            let [objects_total, objects_done, bytes_total, bytes_done] = numbers;
            let (started_at, finished_at, created_at) = times;
            Migration {
                id: MigrationId(id),
                revision: Revision::NEW,
                vhost: Named { id: VhostId(vhost), name: name.to_string() },
                bucket,
                source,
                destination,
                mode,
                phase,
                route_id: route.map(RouteId),
                needs_adoption,
                objects_total,
                objects_done,
                bytes_total,
                bytes_done,
                error_msg,
                started_at,
                finished_at,
                orphan,
                swept_http_vhosts: hosts.0,
                updated_http_vhosts: hosts.1,
                created_at,
                work,
            }
        },
    )
}

/// What an engine may keep of a migration.
fn work() -> impl Strategy<Value = Work> {
    let check = (
        "[a-z_]{1,12}",
        prop_oneof![Just(CheckOutcome::Ok), Just(CheckOutcome::Warning), Just(CheckOutcome::Failed)],
        "(?s).{0,20}",
    );
    let check = check.prop_map(|(name, outcome, message)| Check { name, outcome, message });
    let gate = ("[0-9a-f]{32}", any::<bool>(), prop::collection::vec("[A-Za-z0-9._~-]{1,12}", 0..3));
    let gate = gate.prop_map(|(token, settled, source_uploads)| MigrationGate {
        token: Token::parse(&token).expect("32 digits"),
        stage: if settled { GateStage::Settled } else { GateStage::Gated },
        source_uploads,
    });
    let audit = prop_oneof![
        Just(Comparison::Pending),
        Just(Comparison::Ok),
        prop::collection::vec("(?s).{0,8}", 0..3).prop_map(Comparison::Differences),
        "(?s).{0,8}".prop_map(Comparison::Failed),
    ];
    let flags = (
        any::<[bool; 5]>(),
        option::of((1..9_i64, any::<bool>())),
        prop::sample::select(&Step::ALL[..]),
        any::<u32>(),
        any::<(Option<u64>, Option<i64>)>(),
    );
    (
        flags,
        option::of(0i64..4_000_000_000),
        option::of(gate),
        prop::collection::vec(check, 0..3),
        prop::collection::vec(any::<u32>(), 0..3),
        option::of(audit),
    )
        .prop_map(
            |(
                (
                    [back_fill, cancel, paused, committed, owns_destination],
                    adopts,
                    step,
                    attempts,
                    (write_hold_ms, cut_short_ms),
                ),
                doubted_since,
                gate,
                checks,
                waiting_for_workers,
                audit,
            )| {
                Work {
                    kind: if back_fill { MigrationKind::BackFill } else { MigrationKind::Move },
                    adopts: adopts.map(|(split, back)| Adopts {
                        split: MigrationId(split),
                        to: if back { Side::Source } else { Side::Destination },
                    }),
                    step,
                    cancel,
                    paused,
                    committed,
                    owns_destination,
                    doubted_since,
                    gate,
                    attempts,
                    write_hold_ms,
                    checks,
                    waiting_for_workers,
                    cut_short_ms,
                    audit,
                }
            },
        )
}
