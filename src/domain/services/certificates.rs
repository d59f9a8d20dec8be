//! How long the certificates of vhosts last.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Context, ServiceError};
use crate::domain::ids::VhostId;
use crate::domain::time::Timestamp;
use crate::domain::vhost::{PemPath, ServerName};
use crate::ports::certificates::Certificates as Reader;
use crate::ports::clock::Clock;

/// The certificate of a vhost that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedCertificate {
    /// The vhost.
    pub vhost: VhostId,
    /// Its name.
    pub server_name: ServerName,
    /// Where the certificate is.
    pub path: PemPath,
    /// When it ends; or why that cannot be told.
    pub not_after: Result<Timestamp, String>,
    /// Whole days from now to then, negative when it has ended.
    pub days_left: Option<i64>,
}

/// Use case: see which certificates end soon.
#[derive(Clone)]
pub struct Certificates {
    context: Context,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
}

impl Certificates {
    pub(super) fn new(context: Context, reader: Arc<dyn Reader>, clock: Arc<dyn Clock>) -> Self {
        Self { context, reader, clock }
    }

    /// The certificates of enabled vhosts that speak TLS, those that end first at the top.
    ///
    /// # Errors
    /// The store's.
    pub async fn all(&self) -> Result<Vec<ServedCertificate>, ServiceError> {
        let vhosts = self.context.store.read(|tx| Ok::<_, ServiceError>(tx.vhosts()?)).await?;
        let now = self.clock.now();
        // Many vhosts may share a wildcard's file.
        let mut known: HashMap<PemPath, Result<Timestamp, String>> = HashMap::new();
        let mut all = Vec::new();
        for vhost in vhosts.into_iter().filter(|vhost| vhost.ssl && vhost.enabled) {
            let Some(path) = vhost.ssl_certificate else { continue };
            let not_after = match known.get(&path) {
                Some(not_after) => not_after.clone(),
                None => {
                    let read = self.reader.not_after(path.as_str()).await;
                    known.insert(path.clone(), read.clone());
                    read
                }
            };
            let days_left = not_after.as_ref().ok().map(|end| (end.unix() - now.unix()).div_euclid(86_400));
            all.push(ServedCertificate { vhost: vhost.id, server_name: vhost.server_name, path, not_after, days_left });
        }
        all.sort_by_key(|one| (one.not_after.clone().ok(), one.vhost));
        Ok(all)
    }
}
