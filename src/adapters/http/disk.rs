//! `/api/config`: what the disk says goes into the database, and single files back out of it.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde::Serialize;

use super::api::Group;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{Acting, ApiError, Failure, Making};
use super::fields::{Fields, Request};
use super::params::Query;
use super::reply::Shown;
use super::schema::{Described, inline, view};
use crate::domain::audit::{Absorbed, Restored};
use crate::domain::pool::PoolKind;
use crate::domain::restore::{Import, ImportedPool, ImportedVhost};
use crate::domain::services::Services;
use crate::domain::services::absorb::AbsorbedFile;
use crate::domain::services::drift::Rewritten;

view! {
    /// What a rebuild from disk put into the database.
    RestoredView as "RebuiltFromDisk" {
        /// Pools.
        pools_imported: u64,
        /// Their members.
        members_imported: u64,
        /// Vhosts.
        vhosts_imported: u64,
        /// Their routes, `/` included.
        routes_imported: u64,
        /// Migrations that have not ended.
        migrations_imported: u64,
        /// Migrations that have.
        completed_migrations_imported: u64,
        /// Pools whose S3 keys are back.
        credentials_recovered: u64,
        /// What the operator should know.
        warnings: Vec<String>,
    }
}

view! {
    /// A pool that would be taken over.
    PoolPreview as "PoolOnDisk" {
        /// Its name.
        name: String,
        /// How many members, disabled ones included.
        members: u64,
        /// What its nodes speak.
        r#type: PoolKind,
        /// Whether its S3 keys are on disk.
        has_credentials: bool,
        /// Whether it has a sidecar.
        has_sidecar: bool,
        /// The nanio pool behind it.
        source_nanio_pool_id: Option<i64>,
    }
}

view! {
    /// A vhost that would be taken over.
    VhostPreview as "VhostOnDisk" {
        /// The name it answers to.
        server_name: String,
        /// How many routes, `/` and disabled ones included.
        routes: u64,
        /// Whether it has a default pool.
        has_default_pool: bool,
        /// Whether it has raw directives by zone.
        has_extra_blocks: bool,
        /// Whether it says who may connect.
        has_ip_rules: bool,
        /// Whether it has a sidecar.
        has_sidecar: bool,
    }
}

view! {
    /// What a rebuild from disk would take over. Nothing was changed.
    PreviewView as "RebuildFromDiskPreview" {
        /// Always true.
        dry_run: bool,
        /// Pools by name.
        pools: Vec<PoolPreview>,
        /// Vhosts by name.
        vhosts: Vec<VhostPreview>,
        /// Migrations that have not ended.
        migrations: u64,
        /// Migrations that have.
        completed_migrations: u64,
        /// What would not come over, or otherwise, and what to do.
        warnings: Vec<String>,
    }
}

/// The answer, by whether it was a dry run.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RebuildView {
    /// It was done.
    Done(RestoredView),
    /// It was looked at.
    Preview(PreviewView),
}

impl Described for RebuildView {
    fn schema() -> MetaSchemaRef {
        inline(MetaSchema { any_of: vec![RestoredView::schema(), PreviewView::schema()], ..MetaSchema::ANY })
    }

    fn register(registry: &mut Registry) {
        RestoredView::register(registry);
        PreviewView::register(registry);
    }
}

view! {
    /// What edits on disk put into the database.
    SyncView as "SyncedFromDisk" {
        /// Always true.
        ok: bool,
        /// Pools that were not known.
        pools_new: u64,
        /// Pools that were.
        pools_updated: u64,
        /// Members that were not known.
        members_new: u64,
        /// Vhosts that were not known.
        vhosts_new: u64,
        /// Vhosts that were.
        vhosts_updated: u64,
        /// Routes made, changed or removed.
        routes_synced: u64,
        /// Files taken over.
        files_synced: u64,
        /// What was refused or is missing, and why.
        warnings: Vec<String>,
    }
}

view! {
    /// A file that was taken over.
    AbsorbedView as "AbsorbedFile" {
        /// Always true.
        ok: bool,
        /// Where.
        path: String,
        /// Hash of the file as it is written now.
        sha256: String,
        /// What the operator should know, such as comments that were not kept.
        warnings: Vec<String>,
    }
}

view! {
    /// A file that was written anew.
    RewrittenView as "RewrittenFile" {
        /// Whether it is written and nginx runs it.
        ok: bool,
        /// Where.
        path: String,
        /// nginx's words to the test and the reload.
        output: String,
        /// `removed` if there should be no such file; else null.
        action: Option<String>,
        /// Why it was removed.
        reason: Option<String>,
    }
}

/// A managed file that an operator names.
pub struct NamedFile {
    path: String,
}

impl Request for NamedFile {
    const NAME: &'static str = "NamedFile";
    const ABOUT: &'static str = "A managed file.";

    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { path: fields.required("path", "Its path, as `/api/config/status` lists it.")? })
    }
}

/// A file whose edit is to be taken over.
pub struct EditedFile {
    path: String,
    allow_orphan: bool,
}

impl Request for EditedFile {
    const NAME: &'static str = "EditedFile";
    const ABOUT: &'static str = "A managed file whose edit is to be taken over.";

    fn read(fields: &mut Fields) -> Option<Self> {
        let path = fields.required("path", "Its path, as `/api/config/status` lists it.");
        let words = "Take it over although buckets would be served by a pool that does not hold their objects.";
        let allow_orphan = fields.defaulted("allow_orphan", words, false, false);
        Some(Self { path: path?, allow_orphan: allow_orphan? })
    }
}

impl From<Restored> for RestoredView {
    fn from(restored: Restored) -> Self {
        Self {
            pools_imported: restored.pools_imported,
            members_imported: restored.members_imported,
            vhosts_imported: restored.vhosts_imported,
            routes_imported: restored.routes_imported,
            migrations_imported: restored.migrations_imported,
            completed_migrations_imported: restored.completed_migrations_imported,
            credentials_recovered: restored.credentials_recovered,
            warnings: restored.warnings,
        }
    }
}

impl From<&ImportedPool> for PoolPreview {
    fn from(row: &ImportedPool) -> Self {
        Self {
            name: row.pool.name.as_str().to_owned(),
            members: row.members.len() as u64,
            r#type: row.pool.kind,
            has_credentials: row.credential.is_some(),
            has_sidecar: row.has_sidecar,
            source_nanio_pool_id: row.pool.source_nanio_pool_id.map(|id| id.0),
        }
    }
}

impl From<&ImportedVhost> for VhostPreview {
    fn from(row: &ImportedVhost) -> Self {
        Self {
            server_name: row.vhost.server_name.as_str().to_owned(),
            routes: row.routes.len() as u64,
            has_default_pool: row.vhost.default_pool_id.is_some(),
            has_extra_blocks: !row.vhost.extra_blocks.is_empty(),
            has_ip_rules: row.vhost.ip_rules.is_some(),
            has_sidecar: row.has_sidecar,
        }
    }
}

impl From<Import> for PreviewView {
    fn from(import: Import) -> Self {
        let counts = Restored::of(&import);
        Self {
            dry_run: true,
            pools: import.pools.iter().map(PoolPreview::from).collect(),
            vhosts: import.vhosts.iter().map(VhostPreview::from).collect(),
            migrations: counts.migrations_imported,
            completed_migrations: counts.completed_migrations_imported,
            warnings: counts.warnings,
        }
    }
}

impl From<Absorbed> for SyncView {
    fn from(absorbed: Absorbed) -> Self {
        Self {
            ok: true,
            pools_new: absorbed.pools_new,
            pools_updated: absorbed.pools_updated,
            members_new: absorbed.members_new,
            vhosts_new: absorbed.vhosts_new,
            vhosts_updated: absorbed.vhosts_updated,
            routes_synced: absorbed.routes_synced,
            files_synced: absorbed.files.len() as u64,
            warnings: absorbed.warnings,
        }
    }
}

impl From<AbsorbedFile> for AbsorbedView {
    fn from(AbsorbedFile { path, sha256, warnings }: AbsorbedFile) -> Self {
        Self { ok: true, path, sha256, warnings }
    }
}

impl From<Rewritten> for RewrittenView {
    fn from(Rewritten { ok, path, output, removed }: Rewritten) -> Self {
        Self { ok, path, output, action: removed.is_some().then(|| "removed".to_owned()), reason: removed }
    }
}

/// The operations between disk and database.
pub struct DiskApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Config")]
impl DiskApi {
    /// Make the database again from the disk
    ///
    /// Pools, members, vhosts, routes, S3 keys and migrations are read from nginx's files, the sidecars beside them
    /// and the records of migrations, and replace what the database holds, all or nothing. The audit log stays. nginx
    /// is not touched. 409 if the database is not empty and neither `force` nor `dry_run` is set.
    #[oai(path = "/config/rebuild-from-disk", method = "post", operation_id = "rebuild_from_disk")]
    async fn rebuild_from_disk(
        &self,
        caller: Caller,
        /// Only tell what would be taken over.
        dry_run: Query<bool>,
        /// Replace what the database holds.
        force: Query<bool>,
    ) -> Result<Shown<RebuildView>, Failure<Acting>> {
        let mut faults = Vec::new();
        let (dry_run, force) = (dry_run.read(&mut faults), force.read(&mut faults));
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        if dry_run == Some(true) {
            return Ok(Shown(RebuildView::Preview(self.0.restore.preview(None).await?.into())));
        }
        let import = self.0.restore.rebuild(caller.0, force == Some(true), None).await?;
        Ok(Shown(RebuildView::Done(Restored::of(&import).into())))
    }

    /// Take over every edit made on disk
    ///
    /// Every drifted file as `absorb-file` does, and unknown managed ones. What is refused or missing is told in
    /// `warnings`, and stays as it is.
    #[oai(path = "/config/sync", method = "post", operation_id = "sync_from_disk")]
    async fn sync(
        &self,
        caller: Caller,
        /// Also where buckets would be served by a pool that does not hold their objects.
        allow_orphan: Query<bool>,
    ) -> Result<Shown<SyncView>, Failure<Acting>> {
        let allow_orphan = allow_orphan.alone().map_err(ApiError::faults)?.unwrap_or(false);
        Ok(Shown(self.0.absorb.everything(caller.0, allow_orphan).await?.into()))
    }

    /// Take over the edit of one file
    ///
    /// Its content becomes the database's, if all of it can be represented; the file is then written in the
    /// orchestrator's own form. 422 with what cannot be kept, 404 if the path is not that of a managed file.
    #[oai(path = "/config/absorb-file", method = "post", operation_id = "absorb_file")]
    async fn absorb(&self, caller: Caller, file: JsonBody<EditedFile>) -> Result<Shown<AbsorbedView>, Failure<Making>> {
        let EditedFile { path, allow_orphan } = file.0;
        Ok(Shown(self.0.absorb.file(caller.0, &path, allow_orphan).await?.into()))
    }

    /// Write one file anew
    ///
    /// From the database, over what was edited by hand, then a reload. 200 also when nginx refuses: `ok` says so.
    #[oai(path = "/config/rewrite-file", method = "post", operation_id = "rewrite_file")]
    async fn rewrite(
        &self,
        caller: Caller,
        file: JsonBody<NamedFile>,
    ) -> Result<Shown<RewrittenView>, Failure<Making>> {
        Ok(Shown(self.0.drift.rewrite(caller.0, &file.0.path).await?.into()))
    }
}
