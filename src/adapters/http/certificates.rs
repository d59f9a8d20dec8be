//! `/api/certificates`: which certificates end soon.

use std::sync::Arc;

use poem_openapi::OpenApi;

use super::api::Group;
use super::auth::Caller;
use super::error::{Failure, Reading};
use super::reply::Shown;
use super::schema::view;
use crate::domain::services::Services;
use crate::domain::services::certificates::ServedCertificate;

view! {
    /// The certificate of a vhost.
    CertificateView as "Certificate" {
        /// The vhost.
        vhost_id: i64,
        /// Its name.
        server_name: String,
        /// Where the certificate is.
        path: String,
        /// When it ends (UTC).
        not_after: Option<String>,
        /// Whole days until then, negative when it has ended.
        days_left: Option<i64>,
        /// Why it cannot be told when it ends.
        error: Option<String>,
    }
}

impl From<ServedCertificate> for CertificateView {
    fn from(one: ServedCertificate) -> Self {
        Self {
            vhost_id: one.vhost.0,
            server_name: one.server_name.to_string(),
            path: one.path.to_string(),
            not_after: one.not_after.as_ref().ok().map(|end| end.sql()),
            days_left: one.days_left,
            error: one.not_after.err(),
        }
    }
}

/// The operation on certificates.
pub struct CertificatesApi(pub Arc<Services>);

#[OpenApi(tag = "Group::Health")]
impl CertificatesApi {
    /// See which certificates end soon
    ///
    /// Of every enabled vhost that speaks TLS: first those whose end cannot be told, then those that end first.
    #[oai(path = "/certificates", method = "get", operation_id = "list_certificates")]
    async fn list(&self, _caller: Caller) -> Result<Shown<Vec<CertificateView>>, Failure<Reading>> {
        Ok(Shown(self.0.certificates.all().await?.into_iter().map(CertificateView::from).collect()))
    }
}
