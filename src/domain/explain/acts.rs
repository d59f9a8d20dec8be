//! What becomes of a request for a bucket that is being moved: token and gate decide (`templates/moves_s3.conf`).

use super::s3::{Named, is_read, names_bucket};
use super::{Inside, Told, Verdict};
use crate::domain::gateway::ServerRoute;
use crate::domain::gateway::moving::{LONGEST_SPELLED, Move, is_part_of};
use crate::domain::migration::token::{GateStage, Token, TokenState};
use crate::domain::raw::{arguments, has_argument, spells};

/// What a move makes of a request.
pub(super) enum Outcome {
    /// Nothing: it goes as if nothing moved.
    AsUsual,
    /// nginx answers before it looks at who asks.
    Answer(Verdict),
    /// It goes there, if the client may connect.
    Pass(Verdict),
}

/// A request by what the move has to do about it. The names are those of nginx's locations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Read,
    Parts,
    Again,
    Copied,
    Upload,
    Write,
    Asked,
}

/// The second bucket that a copy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied<'a> {
    Nothing,
    Other,
    Moving(&'a Token),
}

/// Whether the path is that of a subrequest.
pub(super) fn is_inner(inside: &Inside<'_>) -> bool {
    let asked = inside.arrival.line.path.strip_prefix(b"/_nanio_");
    asked.is_some_and(|asked| {
        inside.server.moves.iter().any(|one| {
            let name = asked.strip_prefix(one.gate.token.as_str().as_bytes());
            name == Some(b"_gate") || (name == Some(b"_start") && one.gate.stage == GateStage::Gated)
        })
    })
}

/// What becomes of a request.
pub(super) fn outcome(inside: &Inside<'_>, named: &Named, told: &mut Told) -> Outcome {
    let copied = copied(inside);
    let Some((one, act)) = act(inside, named, copied) else {
        return beside(inside, copied, told);
    };
    told.migration = Some(one.migration);
    told.why(format!(
        "migration {} moves bucket {} from pool {} to pool {}",
        one.migration, one.bucket, one.source, one.destination
    ));
    let state = (inside.look.state)(&one.gate.token);
    let switched = matches!(state, TokenState::Switched | TokenState::Open);
    let to = |told: &mut Told, pool: &crate::domain::pool::PoolName, why: &str| {
        told.why(format!("{why}: it goes to pool {pool}"));
        Outcome::Pass(Verdict::Pool(pool.clone()))
    };
    match act {
        Act::Read if switched => to(told, &one.destination, "the bucket is switched, and this is a read"),
        Act::Read if one.split => {
            told.why(format!("what pool {} lacks is read from pool {}", one.destination, one.source));
            to(told, &one.destination, "the split of 0.4.x is read there first")
        }
        Act::Read => to(told, &one.source, "the bucket is not switched, and this is a read"),
        Act::Parts if !switched => to(told, &one.source, "the bucket is not switched, and the upload is there"),
        Act::Write if state == TokenState::Open => to(told, &one.destination, "writes flow to the destination"),
        Act::Copied if switched => {
            let why = "the source of the copy is not surely where its destination has been switched to";
            Outcome::Answer(told.answers(501, Some("NotImplemented"), why))
        }
        Act::Write | Act::Upload | Act::Copied if state == TokenState::Source => {
            to(told, &one.source, "writes are in the journal and flow to the source")
        }
        Act::Again => Outcome::Answer(come_again(told, "both buckets of the copy are being moved")),
        Act::Copied => Outcome::Pass(come_again(told, "writes are held, and a copy cannot wait")),
        Act::Parts | Act::Write | Act::Upload | Act::Asked => {
            told.why("it asks the gate, which answers when it is decided where it goes, or has the client come again");
            Outcome::Pass(Verdict::Gate { source: one.source.clone(), destination: one.destination.clone() })
        }
    }
}

fn come_again(told: &mut Told, why: &str) -> Verdict {
    told.answers(503, Some("SlowDown"), format!("{why}: the client is told to come again"))
}

/// A request for a bucket that stays: its copy may read one that was switched.
fn beside(inside: &Inside<'_>, copied: Copied<'_>, told: &mut Told) -> Outcome {
    let Copied::Moving(token) = copied else { return Outcome::AsUsual };
    if !matches!((inside.look.state)(token), TokenState::Switched | TokenState::Open) {
        return Outcome::AsUsual;
    }
    told.migration = inside.server.moves.iter().find(|one| one.gate.token == *token).map(|one| one.migration);
    let why = "the source of the copy has been switched to another pool";
    Outcome::Answer(told.answers(501, Some("NotImplemented"), why))
}

fn copied<'a>(inside: &Inside<'a>) -> Copied<'a> {
    if inside.request.copy_source.is_empty() {
        return Copied::Nothing;
    }
    let mut gated = inside.server.moves.iter().filter(|one| one.gate.stage == GateStage::Gated);
    let source = gated.find(|one| names_bucket(&inside.request.copy_source, one.bucket.as_str()));
    source.map_or(Copied::Other, |one| Copied::Moving(&one.gate.token))
}

fn act<'a>(inside: &Inside<'a>, named: &Named, copied: Copied<'_>) -> Option<(&'a Move, Act)> {
    let server = inside.server;
    let by_host = server.server_name.wildcard_base().is_some();
    let is_named = |one: &&Move| match by_host {
        true => one.bucket.as_str().eq_ignore_ascii_case(&named.segment),
        false => one.bucket.as_str() == named.segment,
    };
    let one = server.moves.iter().find(is_named)?;
    let address = named.address.as_slice();
    let is_elsewhere = |route: &ServerRoute| is_part_of(route, &one.bucket) && route.path_prefix.covers_raw(address);
    if server.routes.iter().any(is_elsewhere) {
        return None;
    }
    if one.gate.stage == GateStage::Settled {
        let began_there = one.gate.source_uploads.iter().any(|upload| names_upload(address, upload));
        return began_there.then_some((one, Act::Asked));
    }
    let of_upload = has_argument(address, "uploadId");
    let moves = one.source != one.destination;
    let act = match (is_read(&inside.request.method), copied) {
        (true, _) if of_upload => Act::Parts,
        (true, _) => Act::Read,
        (false, Copied::Moving(token)) if *token != one.gate.token => Act::Again,
        (false, Copied::Other) if moves => Act::Copied,
        (false, Copied::Moving(_)) if moves && of_upload => Act::Copied,
        (false, _) if of_upload => Act::Upload,
        (false, _) => Act::Write,
    };
    Some((one, act))
}

/// Whether a request names an upload, however it is written.
fn names_upload(address: &[u8], upload: &str) -> bool {
    let long = upload.len() > LONGEST_SPELLED;
    let may_encode = move |byte: u8| !(long && byte.is_ascii_alphanumeric());
    let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b'&'));
    let is_it =
        |rest: &[u8]| rest.strip_prefix(b"=").is_some_and(|rest| spells(rest, upload.as_bytes(), &may_encode, &ends));
    arguments(address).any(|written| spells(written, b"uploadId", &|_| true, &is_it))
}
