//! Edits made on disk become the database's: one file, or all that drifted.
//!
//! What a file says is put together with what the database says of the same entity, checked as if a client had
//! asked for it, and saved; the file is then written as the database would write it, and tested, in the same
//! change. What cannot be represented is refused with the reason, and stays as drift.

mod pools;
mod vhosts;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::compare;
use super::publish::{Change, last_change};
use super::{Context, ServiceError};
use crate::domain::audit::{Absorbed, Action, Actor, Snapshot, Subject};
use crate::domain::disk::{
    DiskContent, DiskFile, DiskPoolSidecar, DiskServer, DiskUpstream, DiskVhostSidecar, Remains,
};
use crate::domain::pool::PoolName;
use crate::domain::vhost::ServerName;
use crate::ports::gateway::FileAt;
use crate::ports::store::Tx;

/// How often the state is looked at again because something changed it meanwhile.
const TRIES: usize = 5;

/// What came of a single file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsorbedFile {
    /// Where.
    pub path: String,
    /// Hash of the file as it is written now.
    pub sha256: String,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Takes edits over.
#[derive(Clone)]
pub struct Absorb {
    context: Context,
}

/// One entity with those of its files that are to be taken over.
#[derive(Debug, Clone)]
enum Edited {
    Pool { name: PoolName, upstream: Option<DiskUpstream>, sidecar: Option<Box<DiskPoolSidecar>> },
    Vhost { name: ServerName, server: Option<Box<DiskServer>>, sidecar: Option<Box<DiskVhostSidecar>> },
}

/// An entity and the paths that it is about.
#[derive(Debug, Clone)]
struct Candidate {
    edited: Edited,
    paths: Vec<String>,
}

impl Absorb {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// Takes one file over.
    ///
    /// # Errors
    /// [`ServiceError::Missing`] if no managed file is there; [`ServiceError::Refused`] with what cannot be
    /// represented; what a client's change of the same kind would be refused for; objects that would be left
    /// behind, unless `allow_orphan`.
    pub async fn file(&self, actor: Actor, path: &str, allow_orphan: bool) -> Result<AbsorbedFile, ServiceError> {
        let file = match self.context.gateway.read_file(path).await? {
            FileAt::NotManaged(why) => return Err(ServiceError::Missing(why)),
            FileAt::Missing => {
                return Err(ServiceError::Missing(format!(
                    "{path} does not exist; POST /api/config/rewrite-file writes it from the database"
                )));
            }
            FileAt::Present(file, _) => *file,
        };
        let mut warnings = Vec::new();
        let candidate = candidate(file, &mut warnings)?;
        let taken = self.publish(actor, Action::AbsorbDrift, vec![candidate], allow_orphan, false).await?;
        warnings.extend(taken.counts.warnings);
        let written = taken.written.into_iter().find(|(written, _)| written == path);
        let sha256 = written.map(|(_, sha256)| sha256).unwrap_or_default();
        Ok(AbsorbedFile { path: path.to_owned(), sha256, warnings })
    }

    /// Takes over every file that drifted, and adds unknown managed ones. What is refused is told in the
    /// warnings, as is every missing file; its entity is kept.
    ///
    /// # Errors
    /// The disk or the database cannot be used; nginx refuses the whole.
    pub async fn everything(&self, actor: Actor, allow_orphan: bool) -> Result<Absorbed, ServiceError> {
        let recorded = self.context.store.read(|tx| Ok::<_, ServiceError>(tx.files()?)).await?;
        let observed = self.context.gateway.observe().await?;
        let drifted = compare(recorded, &observed).into_iter().filter(|file| file.drifted);
        let (mut candidates, mut warnings) = (BTreeMap::new(), Vec::new());
        for status in drifted {
            let file = match self.context.gateway.read_file(&status.path).await? {
                FileAt::Present(file, _) => *file,
                FileAt::Missing => {
                    warnings.push(format!("{} is missing; what it is about is kept", status.path));
                    continue;
                }
                FileAt::NotManaged(why) => {
                    warnings.push(why);
                    continue;
                }
            };
            let path = file.path.clone();
            match candidate(file, &mut warnings) {
                Ok(candidate) => merge(&mut candidates, candidate),
                Err(why) => warnings.push(format!("{path}: {why}")),
            }
        }
        let candidates: Vec<Candidate> = candidates.into_values().collect();
        let mut absorbed = if candidates.is_empty() {
            Absorbed::default()
        } else {
            self.publish(actor, Action::SyncFromDisk, candidates, allow_orphan, true).await?.counts
        };
        warnings.append(&mut absorbed.warnings);
        absorbed.warnings = warnings;
        Ok(absorbed)
    }

    /// `lenient`: an entity that is refused is left out and told of; else its refusal is the answer.
    async fn publish(
        &self,
        actor: Actor,
        action: Action,
        candidates: Vec<Candidate>,
        allow_orphan: bool,
        lenient: bool,
    ) -> Result<Taken, ServiceError> {
        let candidates = Arc::new(candidates);
        for _ in 0..TRIES {
            let seen = self.context.store.read(|tx| last_change(tx)).await?;
            let mut admitted = Vec::with_capacity(candidates.len());
            let mut warnings = Vec::new();
            for candidate in candidates.iter() {
                let leaves = if allow_orphan { Ok(()) } else { self.refuse_orphans(candidate).await };
                match leaves {
                    Ok(()) => admitted.push(candidate.clone()),
                    Err(why) if lenient => warnings.push(format!("{}: {why}", candidate.paths.join(", "))),
                    Err(why) => return Err(why),
                }
            }
            let gateway = self.context.gateway.clone();
            let apply = move |change: &mut Change<'_>| {
                if last_change(change.tx)? != seen {
                    return Ok(None);
                }
                let mut counts = Absorbed::default();
                for candidate in &admitted {
                    let taken = change.attempt(|change| candidate.edited.save(change, gateway.as_ref()))?;
                    match taken {
                        Ok(one) => counts.add(one, candidate.paths.clone()),
                        Err(why) if lenient => counts.warnings.push(format!("{}: {why}", candidate.paths.join(", "))),
                        Err(why) => return Err(why),
                    }
                }
                change.audit(action, Subject::Config, None, Some(Snapshot::Absorbed(counts.clone())))?;
                Ok(Some(counts))
            };
            let (counts, published) = self.context.publisher.alone(actor, apply).await?;
            if let Some(mut counts) = counts {
                counts.warnings.splice(0..0, warnings);
                return Ok(Taken { counts, written: published.tested.written });
            }
        }
        Err(ServiceError::Conflict(
            "the gateway was changed each time meanwhile; repeat when nothing else does".to_owned(),
        ))
    }

    /// A route that leads elsewhere after the edit must not leave objects behind.
    async fn refuse_orphans(&self, candidate: &Candidate) -> Result<(), ServiceError> {
        let Edited::Vhost { .. } = &candidate.edited else { return Ok(()) };
        let edited = candidate.edited.clone();
        let moved = self.context.store.read(move |tx| edited.moved(tx)).await?;
        for (serving, prefix) in moved {
            self.context.refuse_orphans(&serving, &prefix).await?;
        }
        Ok(())
    }
}

/// What a change took over.
struct Taken {
    counts: Absorbed,
    written: Vec<(String, String)>,
}

/// Puts two files of one entity together.
fn merge(candidates: &mut BTreeMap<(bool, String), Candidate>, candidate: Candidate) {
    use std::collections::btree_map::Entry;
    let key = match &candidate.edited {
        Edited::Pool { name, .. } => (false, name.as_str().to_ascii_lowercase()),
        Edited::Vhost { name, .. } => (true, name.as_str().to_owned()),
    };
    match candidates.entry(key) {
        Entry::Vacant(place) => {
            place.insert(candidate);
        }
        Entry::Occupied(mut place) => {
            let known = place.get_mut();
            known.paths.extend(candidate.paths);
            match (&mut known.edited, candidate.edited) {
                (Edited::Pool { upstream, sidecar, .. }, Edited::Pool { upstream: conf, sidecar: side, .. }) => {
                    *upstream = upstream.take().or(conf);
                    *sidecar = sidecar.take().or(side);
                }
                (Edited::Vhost { server, sidecar, .. }, Edited::Vhost { server: conf, sidecar: side, .. }) => {
                    *server = server.take().or(conf);
                    *sidecar = sidecar.take().or(side);
                }
                // The key tells the kinds apart.
                _ => {}
            }
        }
    }
}

/// The entity that a file is about, if all of the file can be represented.
fn candidate(file: DiskFile, warnings: &mut Vec<String>) -> Result<Candidate, ServiceError> {
    let at_its_place = file.is_at_its_place();
    let DiskFile { path, content, .. } = file;
    let refused = |why: &str| ServiceError::Refused(format!("{path} cannot be taken over: {why}"));
    let edited = match content {
        DiskContent::Foreign => {
            return Err(refused("it does not begin with the line `# managed by nanio-orchestrator`"));
        }
        DiskContent::Unreadable(why) => return Err(refused(&why)),
        DiskContent::Common | DiskContent::Ids(_) => {
            return Err(refused(
                "what it says follows from the other files; POST /api/config/rewrite-file writes it again",
            ));
        }
        DiskContent::Upstream(upstream) => {
            expect_no_remains(&path, &upstream.remains, warnings)?;
            Edited::Pool { name: upstream.name.clone(), upstream: Some(upstream), sidecar: None }
        }
        DiskContent::Server(server) => {
            expect_no_remains(&path, &server.remains, warnings)?;
            if !server.splits.is_empty() {
                return Err(refused("0.4.x is splitting a bucket between two pools in it"));
            }
            Edited::Vhost { name: server.server_name.clone(), server: Some(server), sidecar: None }
        }
        DiskContent::PoolSidecar(sidecar) => {
            expect_whole(&path, &sidecar.remains)?;
            Edited::Pool { name: sidecar.name.clone(), upstream: None, sidecar: Some(sidecar) }
        }
        DiskContent::VhostSidecar(sidecar) => {
            expect_whole(&path, &sidecar.remains)?;
            Edited::Vhost { name: sidecar.server_name.clone(), server: None, sidecar: Some(sidecar) }
        }
    };
    if !at_its_place {
        return Err(refused("the name inside is another one than that of the file; a rename is made through the API"));
    }
    Ok(Candidate { edited, paths: vec![path] })
}

fn expect_no_remains(path: &str, remains: &Remains, warnings: &mut Vec<String>) -> Result<(), ServiceError> {
    if !remains.directives.is_empty() {
        return Err(ServiceError::Refused(format!(
            "{path} holds what the database cannot keep: {}",
            remains.directives.join("; ")
        )));
    }
    warnings.extend(remains.comments.iter().map(|comment| format!("{path}: a comment was not kept: {comment}")));
    Ok(())
}

fn expect_whole(path: &str, remains: &[String]) -> Result<(), ServiceError> {
    if remains.is_empty() {
        return Ok(());
    }
    Err(ServiceError::Refused(format!("{path} cannot be taken over: {}", remains.join("; "))))
}

impl Edited {
    fn save(
        &self,
        change: &mut Change<'_>,
        gateway: &dyn crate::ports::gateway::Gateway,
    ) -> Result<Absorbed, ServiceError> {
        match self {
            Edited::Pool { name, upstream, sidecar } => {
                pools::save(change, name, upstream.as_ref(), sidecar.as_deref())
            }
            Edited::Vhost { name, server, sidecar } => {
                vhosts::save(change, gateway, name, server.as_deref(), sidecar.as_deref())
            }
        }
    }

    /// What is served by another pool after the edit.
    fn moved(&self, tx: &mut dyn Tx) -> Result<Vec<vhosts::Moved>, ServiceError> {
        match self {
            Edited::Pool { .. } => Ok(Vec::new()),
            Edited::Vhost { name, server, sidecar } => vhosts::moved(tx, name, server.as_deref(), sidecar.as_deref()),
        }
    }
}
