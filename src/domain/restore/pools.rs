//! One pool, from its upstream and its sidecar.

use super::Notes;
use crate::domain::disk::{DiskCredential, DiskMember, DiskPoolSidecar, DiskUpstream, Writer};
use crate::domain::ids::{MemberId, PoolId};
use crate::domain::pool::{
    Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, PoolKind, PoolName, Role, Weight,
};
use crate::domain::time::Timestamp;

/// A pool as the disk has it, before ids are given and references resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolDraft {
    /// The id that the files claim.
    pub id: Option<PoolId>,
    /// Its name.
    pub name: PoolName,
    /// What its nodes speak.
    pub kind: PoolKind,
    /// Free text.
    pub description: Option<String>,
    /// How nginx chooses.
    pub lb_method: LbMethod,
    /// Idle connections kept.
    pub keepalive: Keepalive,
    /// The nanio pool behind it: its id in the same tree, and its name if the writer knew it.
    pub source: Option<(PoolId, Option<PoolName>)>,
    /// S3 keys.
    pub credential: Option<DiskCredential>,
    /// Those that nginx has, in its order; then the others.
    pub members: Vec<MemberDraft>,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it was last saved, if that is known.
    pub updated_at: Option<Timestamp>,
}

/// A member as the disk has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDraft {
    /// The id that the files claim.
    pub id: Option<MemberId>,
    /// Where it listens.
    pub address: Address,
    /// Its part.
    pub role: Role,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
    /// Whether nginx has it.
    pub enabled: bool,
    /// When it was made, if that is known.
    pub created_at: Option<Timestamp>,
    /// When it was last saved, if that is known.
    pub updated_at: Option<Timestamp>,
}

impl PoolDraft {
    /// Puts the upstream that nginx has together with what the sidecar adds; at least one of them must be there.
    #[must_use]
    pub fn of(upstream: Option<&DiskUpstream>, sidecar: Option<&DiskPoolSidecar>, notes: &mut Notes) -> Option<Self> {
        let name = upstream.map(|conf| &conf.name).or(sidecar.map(|sidecar| &sidecar.name))?.clone();
        let kind = upstream.and_then(|conf| conf.kind).or(sidecar.and_then(|sidecar| sidecar.kind));
        let kind = kind.unwrap_or_else(|| {
            notes.say(format!("pool {name}: no file says its type; taken as nanio"));
            PoolKind::Nanio
        });
        let credential = sidecar.and_then(|sidecar| sidecar.credential.clone());
        if credential.is_some() && kind != PoolKind::Nanio {
            notes.say(format!("pool {name}: S3 keys belong to nanio pools only; those of this pool are not kept"));
        }
        Some(Self {
            id: sidecar.and_then(|sidecar| sidecar.id).or(upstream.and_then(|conf| conf.id)),
            kind,
            description: sidecar.and_then(|sidecar| sidecar.description.clone()),
            lb_method: upstream
                .map(|conf| conf.lb_method)
                .or(sidecar.and_then(|s| s.lb_method))
                .unwrap_or(LbMethod::LeastConn),
            keepalive: upstream.map(|conf| conf.keepalive).or(sidecar.and_then(|s| s.keepalive)).unwrap_or_default(),
            source: sidecar.and_then(|sidecar| sidecar.source.clone()),
            credential: credential.filter(|_| kind == PoolKind::Nanio),
            members: members(&name, kind, upstream, sidecar.and_then(|s| s.members.as_deref()), notes),
            created_at: sidecar.and_then(|sidecar| sidecar.created_at.or(sidecar.updated_at)),
            updated_at: sidecar.and_then(|sidecar| sidecar.updated_at),
            name,
        })
    }
}

fn members(
    pool: &PoolName,
    kind: PoolKind,
    upstream: Option<&DiskUpstream>,
    told: Option<&[Member]>,
    notes: &mut Notes,
) -> Vec<MemberDraft> {
    let mut told: Vec<Option<&Member>> = told.unwrap_or_default().iter().map(Some).collect();
    let mut members = Vec::new();
    if let Some(upstream) = upstream {
        for server in &upstream.servers {
            let known = take(&mut told, server);
            members.push(served(kind, upstream.writer, server, known));
        }
    }
    for member in told.into_iter().flatten() {
        let mut draft = MemberDraft::of(member, kind);
        if upstream.is_some() && draft.enabled {
            notes.say(format!(
                "pool {pool}: member {} is not in its .conf file, so nginx does not have it; it is kept as disabled",
                draft.address
            ));
            draft.enabled = false;
        }
        members.push(draft);
    }
    members
}

/// Finds what the sidecar says of a `server` line: by id, else by the address that it had, those that should be there
/// first.
fn take<'m>(told: &mut [Option<&'m Member>], server: &DiskMember) -> Option<&'m Member> {
    let by_id = || told.iter().position(|member| member.is_some_and(|member| Some(member.id) == server.id));
    let at = |address: &Address| {
        let found = |enabled: bool| {
            told.iter()
                .position(|member| member.is_some_and(|member| member.address == *address && member.enabled == enabled))
        };
        found(true).or_else(|| found(false))
    };
    let place = match server.id {
        Some(_) => by_id(),
        // What the line was may have been taken over already, and the comment be left as it was.
        None => server.known_as.as_ref().and_then(at).or_else(|| at(&server.address)),
    };
    told.get_mut(place?)?.take()
}

fn served(kind: PoolKind, writer: Writer, server: &DiskMember, known: Option<&Member>) -> MemberDraft {
    let role = match (server.backup, known) {
        (true, _) => Role::Replica,
        (false, Some(member)) if member.role.fits(kind) && member.role != Role::Replica => member.role,
        (false, _) => Role::usual(kind),
    };
    // 0.4.x wrote no numbers behind `backup`.
    let unsaid = known.filter(|_| server.backup && writer == Writer::Version04);
    MemberDraft {
        id: server.id.or(known.map(|member| member.id)),
        address: server.address.clone(),
        role,
        weight: unsaid.map_or(server.weight, |member| member.weight),
        max_fails: unsaid.map_or(server.max_fails, |member| member.max_fails),
        fail_timeout_s: unsaid.map_or(server.fail_timeout_s, |member| member.fail_timeout_s),
        enabled: true,
        created_at: known.map(|member| member.created_at),
        updated_at: known.map(|member| member.updated_at),
    }
}

impl MemberDraft {
    fn of(member: &Member, kind: PoolKind) -> Self {
        Self {
            id: Some(member.id),
            address: member.address.clone(),
            // A rebuild by 0.4.x itself gave primaries of http pools a role that it refused afterwards.
            role: if member.role.fits(kind) { member.role } else { Role::usual(kind) },
            weight: member.weight,
            max_fails: member.max_fails,
            fail_timeout_s: member.fail_timeout_s,
            enabled: member.enabled,
            created_at: Some(member.created_at),
            updated_at: Some(member.updated_at),
        }
    }
}
