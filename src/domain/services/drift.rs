//! Drift of single files: what should be in them, what is, and writing them anew.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::{Config, FileStatus};
use super::files::gated;
use super::publish::Change;
use super::{Context, ServiceError, sidecars};
use crate::domain::audit::{Action, Actor, FileSnapshot, Snapshot, Subject};
use crate::domain::gateway::{Common, FileName, ManagedFile, Server, Upstream};
use crate::domain::ids::{PoolId, VhostId};
use crate::domain::time::Timestamp;
use crate::ports::clock::Clock;
use crate::ports::gateway::{FileAt, GatewayError};
use crate::ports::store::Tx;

/// Use cases about single managed files.
#[derive(Clone)]
pub struct Drift {
    context: Context,
    config: Config,
    clock: Arc<dyn Clock>,
    watch: Arc<Mutex<Watch>>,
}

/// What the last look saw, so that each drift is told once.
#[derive(Debug, Default)]
struct Watch {
    drifted: BTreeSet<String>,
    read_anew: Option<Timestamp>,
}

impl Watch {
    /// Logs what is new, and what is well again.
    fn tell(&mut self, paths: BTreeSet<String>) {
        for path in paths.difference(&self.drifted).take(TOLD) {
            tracing::warn!(
                path,
                "drift: the file is not as the orchestrator wrote it; absorb-file takes the edit over, rewrite-file undoes it"
            );
        }
        let more = paths.difference(&self.drifted).count().saturating_sub(TOLD);
        if more > 0 {
            tracing::warn!(more, "drift: and so many files more; GET /api/config/status lists them");
        }
        for path in self.drifted.difference(&paths).take(TOLD) {
            tracing::info!(path, "drift: the file is well again");
        }
        self.drifted = paths;
    }
}

/// So many files are named in the log at a time.
const TOLD: usize = 20;
/// After this time every file is read again, although nothing about it seems to have changed: a disk may lie.
const READ_ANEW_SECONDS: i64 = 3600;

/// A file as it should be and as it is; `None`: no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// What the database says.
    pub desired: Option<String>,
    /// What is on disk.
    pub on_disk: Option<String>,
}

/// What came of writing one file anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Whether the file is as it should be, and nginx runs it.
    pub ok: bool,
    /// Where.
    pub path: String,
    /// nginx's words to the test and the reload.
    pub output: String,
    /// Why there is no such file now, if there should be none.
    pub removed: Option<String>,
}

/// Who a managed file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Pool(PoolId),
    Vhost(VhostId),
    Everybody,
}

impl Drift {
    pub(super) fn new(context: Context, config: Config, clock: Arc<dyn Clock>) -> Self {
        Self { context, config, clock, watch: Arc::default() }
    }

    /// Looks at every managed file, and logs what has drifted since the last look and what is well again. Corrects
    /// nothing. A file whose size, times and inode are the same is not read, but once an hour.
    ///
    /// # Errors
    /// Database or disk cannot be read.
    pub async fn look(&self) -> Result<Vec<FileStatus>, ServiceError> {
        let now = self.clock.now();
        let due = |last: Option<Timestamp>| last.is_none_or(|last| now.unix() - last.unix() >= READ_ANEW_SECONDS);
        if due(self.watch.lock().unwrap_or_else(PoisonError::into_inner).read_anew) {
            self.context.gateway.forget_contents().await?;
        }
        let mut drifted = self.drifted().await?;
        if !drifted.is_empty() {
            // A change that is under way moves its files a moment before it commits.
            self.context.publisher.settled().await;
            let again: BTreeSet<String> = self.drifted().await?.into_iter().map(|file| file.path).collect();
            drifted.retain(|file| again.contains(&file.path));
        }
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if due(watch.read_anew) {
            watch.read_anew = Some(now);
        }
        watch.tell(drifted.iter().map(|file| file.path.clone()).collect());
        Ok(drifted)
    }

    async fn drifted(&self) -> Result<Vec<FileStatus>, ServiceError> {
        let files = self.config.status().await?.files;
        Ok(files.into_iter().filter(|file| file.drifted).collect())
    }

    /// What should be in a file, and what is.
    ///
    /// # Errors
    /// Database or disk cannot be read.
    pub async fn texts(&self, path: &str) -> Result<Texts, ServiceError> {
        let on_disk = match self.context.gateway.read_file(path).await? {
            FileAt::Present(_, text) => Some(text),
            FileAt::Missing | FileAt::NotManaged(_) => None,
        };
        let Some(name) = self.context.gateway.name(path) else { return Ok(Texts { desired: None, on_disk }) };
        let desired = self.context.store.read(move |tx| desired(tx, &name)).await?;
        Ok(Texts { desired: desired.map(|file| self.context.gateway.render(&file).content), on_disk })
    }

    /// Writes one file anew from the database, over what is there, and has nginx load it.
    ///
    /// # Errors
    /// [`ServiceError::Missing`] if no pool or vhost has such a file; a fault of database or machine. A refusal by
    /// nginx is in the answer, and changes nothing.
    pub async fn rewrite(&self, actor: Actor, path: &str) -> Result<Rewritten, ServiceError> {
        let Some(name) = self.context.gateway.name(path) else {
            return Err(ServiceError::Missing(format!("{path} is not the path of a managed file")));
        };
        let shown = path.to_owned();
        let write = move |change: &mut Change<'_>| {
            match owner(change.tx, &name)? {
                Some(Owner::Pool(id)) => change.touch_pool(id),
                Some(Owner::Vhost(id)) => change.touch_vhost(id),
                Some(Owner::Everybody) => change.touch_common(),
                None => {
                    return Err(ServiceError::Missing(format!(
                        "no pool or vhost has the file {shown}; POST /api/config/absorb-file takes it over, POST \
                         /api/config/rebuild removes it"
                    )));
                }
            }
            change.overwrite(name.clone());
            let file = Snapshot::File(FileSnapshot { path: shown.clone() });
            change.audit(Action::RewriteFile, Subject::Config, None, Some(file))?;
            Ok(desired(change.tx, &name)?.is_none())
        };
        let (gone, published) = match self.context.publisher.alone(actor, write).await {
            Ok(done) => done,
            Err(ServiceError::Refused(output) | ServiceError::Gateway(GatewayError::Refused(output))) => {
                return Ok(Rewritten { ok: false, path: path.to_owned(), output, removed: None });
            }
            Err(error) => return Err(error),
        };
        let reload = self.config.reload(actor).await?;
        let tested = published.tested.nginx.map(|answer| answer.output).unwrap_or_default();
        let output = [tested, reload.output].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n");
        let removed =
            gone.then(|| "nginx needs no such file: its pool has no enabled member, or its vhost is off".to_owned());
        Ok(Rewritten { ok: reload.ok, path: path.to_owned(), output, removed })
    }
}

fn owner(tx: &mut dyn Tx, name: &FileName) -> Result<Option<Owner>, ServiceError> {
    Ok(match name {
        FileName::Upstream(pool) | FileName::PoolSidecar(pool) => {
            tx.pool_named(pool.as_str())?.filter(|found| found.name == *pool).map(|pool| Owner::Pool(pool.id))
        }
        FileName::Server(server) | FileName::VhostSidecar(server) => {
            tx.vhost_named(server.as_str())?.map(|vhost| Owner::Vhost(vhost.id))
        }
        FileName::Common | FileName::Ids => Some(Owner::Everybody),
    })
}

/// The file of this name as the database says it; `None` if there is to be none.
fn desired(tx: &mut dyn Tx, name: &FileName) -> Result<Option<ManagedFile>, ServiceError> {
    let file = match (name, owner(tx, name)?) {
        (FileName::Upstream(_), Some(Owner::Pool(id))) => {
            let members = tx.members(id)?;
            tx.pool(id)?.and_then(|pool| Upstream::of(&pool, &members)).map(ManagedFile::Upstream)
        }
        (FileName::PoolSidecar(_), Some(Owner::Pool(id))) => {
            tx.pool(id)?.map(|pool| sidecars::of_pool(tx, pool)).transpose()?
        }
        (FileName::Server(_), Some(Owner::Vhost(id))) => {
            let (routes, refs, gated) = (tx.routes(id)?, tx.pool_refs()?, gated(tx)?);
            let vhost = tx.vhost(id)?;
            vhost
                .and_then(|vhost| Server::of(&vhost, &routes, &refs, &gated))
                .map(|server| ManagedFile::Server(server.into()))
        }
        (FileName::VhostSidecar(_), Some(Owner::Vhost(id))) => {
            tx.vhost(id)?.map(|vhost| sidecars::of_vhost_alone(tx, vhost)).transpose()?
        }
        (FileName::Common, _) => {
            let most = tx.route_counts()?.into_values().max().unwrap_or_default();
            let names = tx.server_names()?;
            Common::needed(most, names.count, names.longest).map(ManagedFile::Common)
        }
        (FileName::Ids, _) => Some(ManagedFile::Ids(tx.highest_ids()?.rounded())),
        _ => None,
    };
    Ok(file)
}
