//! All operations together, and the tags that group them.

use std::sync::Arc;

use poem_openapi::Tags;

use super::audit::AuditApi;
use super::bucket_counts::BucketCountsApi;
use super::buckets::BucketsApi;
use super::certificates::CertificatesApi;
use super::config::ConfigApi;
use super::credentials::CredentialsApi;
use super::disk::DiskApi;
use super::events::{EventsApi, Pulse};
use super::explain::ExplainApi;
use super::health::HealthApi;
use super::jobs::JobsApi;
use super::linked_buckets::LinkedBucketsApi;
use super::manifest::ManifestApi;
use super::members::MembersApi;
use super::migrations::MigrationsApi;
use super::node_config::NodeConfigApi;
use super::operations::OperationsApi;
use super::pool_buckets::PoolBucketsApi;
use super::pools::PoolsApi;
use super::purges::PurgesApi;
use super::revisions::RevisionsApi;
use super::routes::RoutesApi;
use super::settings::SettingsApi;
use super::topology::TopologyApi;
use super::vhosts::VhostsApi;
use crate::domain::services::Services;

/// Every operation of the API.
pub type Api = (
    PoolsApi,
    MembersApi,
    NodeConfigApi,
    CredentialsApi,
    PoolBucketsApi,
    PurgesApi,
    JobsApi,
    VhostsApi,
    RoutesApi,
    (BucketsApi, BucketCountsApi, LinkedBucketsApi),
    MigrationsApi,
    (ConfigApi, ExplainApi, RevisionsApi, ManifestApi, OperationsApi),
    DiskApi,
    SettingsApi,
    AuditApi,
    // A tuple holds sixteen at most.
    (HealthApi, TopologyApi, CertificatesApi, EventsApi),
);

/// What `/api/health` tells of the process.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The program's version.
    pub version: String,
    /// Whether this is development mode.
    pub dev: bool,
    /// Where nginx's managed files are.
    pub nginx_config_dir: String,
}

/// The groups of operations.
#[derive(Tags)]
pub enum Group {
    /// Named groups of storage nodes: one nginx `upstream` each.
    Pools,
    /// The storage nodes of a pool.
    Members,
    /// The S3 keys that requests to a pool are signed with.
    Credentials,
    /// What the storage nodes of a pool hold and who serves it, and the buckets that a vhost serves.
    Buckets,
    /// Work that goes on after the request that asked for it.
    Jobs,
    /// One nginx `server` block each.
    Vhosts,
    /// Which pool serves a bucket of a vhost.
    Routes,
    /// Moves of buckets from pool to pool while clients use them.
    Migrations,
    /// nginx's files, nginx itself, and the settings of the program.
    Config,
    /// Who changed what, when, and what nginx said to it.
    Audit,
    /// Whether the program is well.
    Health,
}

/// The operations over these use cases.
#[must_use]
pub fn operations(services: &Arc<Services>, facts: Facts, pulse: Pulse) -> Api {
    (
        PoolsApi(services.clone()),
        MembersApi(services.clone()),
        NodeConfigApi(services.clone()),
        CredentialsApi(services.clone()),
        PoolBucketsApi(services.clone()),
        PurgesApi(services.clone()),
        JobsApi(services.clone()),
        VhostsApi(services.clone()),
        RoutesApi(services.clone()),
        (BucketsApi(services.clone()), BucketCountsApi(services.clone()), LinkedBucketsApi(services.clone())),
        MigrationsApi(services.clone()),
        (
            ConfigApi(services.clone()),
            ExplainApi(services.clone()),
            RevisionsApi(services.clone()),
            ManifestApi(services.clone()),
            OperationsApi(services.clone()),
        ),
        DiskApi(services.clone()),
        SettingsApi(services.clone()),
        AuditApi(services.clone()),
        (
            HealthApi(services.clone(), facts),
            TopologyApi(services.clone()),
            CertificatesApi(services.clone()),
            EventsApi(pulse),
        ),
    )
}
