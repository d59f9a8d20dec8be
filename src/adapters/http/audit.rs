//! `/api/audit`.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{ApiError, Failure, Searching};
use super::moment::{From as Since, Until};
use super::params::{Page, PerPage, Query};
use super::reply::Shown;
use super::schema::view;
use crate::domain::audit::{Entry, Filter};
use crate::domain::services::Services;

view! {
    /// Who changed what, when, and what nginx said to it.
    EntryView as "AuditEntry" {
        /// Its identity; higher is later.
        id: i64,
        /// Who: `api`, `web`, `cli` or `engine`.
        actor: String,
        /// What was done.
        action: String,
        /// To what kind of thing.
        entity_type: String,
        /// Which one.
        entity_id: Option<i64>,
        /// It before, as JSON text.
        before_json: Option<String>,
        /// It after, as JSON text.
        after_json: Option<String>,
        /// Whether nginx accepted, if it was asked.
        nginx_reload_ok: Option<bool>,
        /// nginx's own words.
        nginx_reload_output: Option<String>,
        /// When, UTC, `YYYY-MM-DD HH:MM:SS`.
        created_at: String,
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let (ok, output) = entry.nginx.map(|answer| (answer.ok, answer.output)).unzip();
        Self {
            id: entry.id.0,
            actor: entry.actor,
            action: entry.action,
            entity_type: entry.entity_type,
            entity_id: entry.entity_id,
            before_json: entry.before_json,
            after_json: entry.after_json,
            nginx_reload_ok: ok,
            nginx_reload_output: output,
            created_at: entry.created_at.sql(),
        }
    }
}

/// The operations on the audit log.
pub struct AuditApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Audit")]
impl AuditApi {
    /// Read the audit log
    ///
    /// Newest first. `from` and `to` take a date (`to`: that whole day), `YYYY-MM-DD HH:MM:SS`, or ISO 8601 with
    /// `Z` or an offset; without one they are UTC.
    #[oai(path = "/audit", method = "get", operation_id = "list_audit")]
    #[expect(clippy::too_many_arguments, reason = "one for each query parameter")]
    async fn list(
        &self,
        _caller: Caller,
        /// Which page, from 1.
        page: Query<Page>,
        /// Entries a page, 50 unless given.
        per_page: Query<PerPage>,
        /// Only about this kind of thing: `pool`, `pool_member`, `vhost`, `route`, `config`.
        entity_type: Query<String>,
        /// Only about this one.
        entity_id: Query<i64>,
        /// Not before.
        from: Query<Since>,
        /// Not after.
        to: Query<Until>,
    ) -> Result<Shown<Vec<EntryView>>, Failure<Searching>> {
        let mut faults = Vec::new();
        let page = page.read(&mut faults).unwrap_or(Page(1)).0;
        let take = per_page.read(&mut faults).unwrap_or(PerPage(50)).0;
        let filter = Filter {
            entity_type: entity_type.read(&mut faults),
            entity_id: entity_id.read(&mut faults),
            from: from.read(&mut faults).map(|Since(moment)| moment),
            to: to.read(&mut faults).map(|Until(moment)| moment),
            skip: (page - 1).saturating_mul(take),
            take,
        };
        if !faults.is_empty() {
            return Err(ApiError::faults(faults).into());
        }
        let entries = self.0.audit.list(filter).await?;
        Ok(Shown(entries.into_iter().map(EntryView::from).collect()))
    }
}
