//! What is looked at before a migration beside the bucket itself: whether clients' keys fit both pools, and whether the
//! machine has room for journal and held writes.

use futures_util::future::join4;

use super::engine::Shared;
use super::preflight::{Plan, check, failed, ok};
use crate::domain::bucket::BucketName;
use crate::domain::migration::work::{Check, CheckOutcome};
use crate::domain::services::config::FileStatus;
use crate::domain::site::Site;
use crate::ports::object_storage::StorageError;

/// What a worker of nginx has if nothing is said.
const FEW_CONNECTIONS: u64 = 512;
/// A journal that is reserved so many times leaves room for nginx's other logs, and for the database.
const COMFORTABLE: u64 = 4;

impl Shared {
    /// Whether clients will be let in on the other side: nginx passes their signatures on and cannot make new ones. What
    /// clients sign with is not known; what this program signs with is, and stands for it.
    pub(super) async fn client_keys_check(
        &self,
        plan: &Plan,
        source: &Site,
        destination: &Site,
        bucket: &BucketName,
    ) -> Check {
        const NAME: &str = "client_keys";
        let (from, to) = (&plan.source.name, &plan.destination.name);
        if source.keys == destination.keys {
            return ok(NAME, format!("pools '{from}' and '{to}' take the same S3 key"));
        }
        let stranger = Site { keys: source.keys.clone(), ..destination.clone() };
        match self.storage.occupancy(&stranger, bucket).await {
            Ok(_) => ok(NAME, format!("pool '{to}' takes the S3 key of pool '{from}', too")),
            Err(StorageError::Refused { status: 401 | 403, .. }) => check(
                NAME,
                CheckOutcome::Warning,
                format!(
                    "pool '{to}' does not take the S3 key that pool '{from}' is asked with: clients that sign with it \
                     get 403 after the switch, since nginx cannot sign again; give the nodes of pool '{to}' that key \
                     first"
                ),
            ),
            Err(error) => check(
                NAME,
                CheckOutcome::Warning,
                format!("whether pool '{to}' takes the S3 key of pool '{from}' could not be tried: {error}"),
            ),
        }
    }

    /// What this machine says: the copier, nginx, its room, what else waits for a reload.
    pub(super) async fn machine_checks(&self) -> Vec<Check> {
        let (copier, workers, capacity, pending) =
            join4(self.copier_check(), self.workers_check(), self.capacity_checks(), self.pending_check()).await;
        [copier, workers].into_iter().chain(capacity).chain([pending]).collect()
    }

    async fn copier_check(&self) -> Check {
        match self.copier.probe().await {
            Ok(version) => ok("copier", version),
            Err(error) => failed("copier", error.to_string()),
        }
    }

    async fn workers_check(&self) -> Check {
        match self.gate.workers().await {
            Ok(workers) => ok("nginx", format!("{} workers run", workers.len())),
            Err(error) => failed("nginx", error.to_string()),
        }
    }

    /// The engine's reload makes live whatever else waits for one.
    async fn pending_check(&self) -> Check {
        match self.config.status().await {
            Ok(status) => {
                let waits =
                    |file: &&FileStatus| file.path.ends_with(".conf") && file.sha256_running != file.sha256_disk;
                let pending: Vec<&str> = match status.pending_reload {
                    Some(true) => status.files.iter().filter(waits).map(|file| file.path.as_str()).collect(),
                    _ => Vec::new(),
                };
                if pending.is_empty() {
                    return ok("pending_changes", "nothing else waits for a reload".to_owned());
                }
                check(
                    "pending_changes",
                    CheckOutcome::Warning,
                    format!("the migration reloads nginx, which makes these live too: {}", pending.join(", ")),
                )
            }
            Err(error) => check("pending_changes", CheckOutcome::Warning, error.to_string()),
        }
    }

    /// Whether there is room for a journal, and for the connections of held writes.
    async fn capacity_checks(&self) -> [Check; 2] {
        const DISK: &str = "disk";
        const CONNECTIONS: &str = "worker_connections";
        let capacity = match self.gate.capacity().await {
            Ok(capacity) => capacity,
            Err(error) => {
                let unknown = |name| check(name, CheckOutcome::Warning, error.to_string());
                return [unknown(DISK), unknown(CONNECTIONS)];
            }
        };
        let (free, journal) = (mebibytes(capacity.free), mebibytes(capacity.journal));
        let disk = if capacity.free < capacity.journal {
            failed(
                DISK,
                format!(
                    "{free} MiB are free where the journal is to be, and {journal} MiB are reserved for it: free some \
                     space, or set NANIO_ORCHESTRATOR_MIGRATION_GATE_DIR to another local file system"
                ),
            )
        } else if capacity.free < capacity.journal.saturating_mul(COMFORTABLE) {
            check(
                DISK,
                CheckOutcome::Warning,
                format!(
                    "{free} MiB are free where the journal is to be, of which {journal} MiB are reserved for it: a \
                     journal that cannot grow takes the migration back to its beginning"
                ),
            )
        } else {
            ok(DISK, format!("{free} MiB are free where the journal is to be"))
        };
        [disk, connections_check(CONNECTIONS, capacity.worker_connections)]
    }
}

/// Held writes take half of a worker's connections at most, two each, so that reads do not starve: few can wait where
/// there are few connections.
fn connections_check(name: &str, connections: u64) -> Check {
    if connections >= FEW_CONNECTIONS {
        return ok(name, format!("a worker of nginx may have {connections} connections"));
    }
    check(
        name,
        CheckOutcome::Warning,
        format!(
            "a worker of nginx may have {connections} connections, so no more than {} writes can wait in a cutover, and \
             others are told to come again; set worker_connections to {FEW_CONNECTIONS} or more in nginx.conf",
            connections / 4
        ),
    )
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}
