//! Certificates in PEM files of this machine.

use std::fs::File;
use std::io::Read as _;

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::domain::time::Timestamp;
use crate::ports::certificates::Certificates;

/// No chain is as long.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the files as they are at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct PemFiles;

#[async_trait]
impl Certificates for PemFiles {
    async fn not_after(&self, path: &str) -> Result<Timestamp, String> {
        let file = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read(&file)).await;
        read.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| {
            format!(
                "{path}: {why}. The program must be able to read the certificate (not its key) to tell when it ends"
            )
        })
    }
}

fn read(path: &str) -> Result<Timestamp, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut pem = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut pem).map_err(|error| error.to_string())?;
    end_of(&pem)
}

/// The first certificate is that of the server; those of its issuers follow (RFC 8446, 4.4.2).
fn end_of(pem: &[u8]) -> Result<Timestamp, String> {
    let first = CertificateDer::from_pem_slice(pem).map_err(|error| format!("no PEM certificate ({error})"))?;
    let first = Certificate::from_der(&first).map_err(|error| format!("no X.509 certificate ({error})"))?;
    let seconds = first.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    let end = i64::try_from(seconds).ok().and_then(Timestamp::of_unix);
    end.ok_or_else(|| "the certificate ends at a time that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that ends in the last second of 2030.
    fn certificate() -> String {
        let mut parameters = rcgen::CertificateParams::new(vec!["s3.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2030, 12, 31);
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[tokio::test]
    async fn the_end_of_the_first_certificate_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.pem").display().to_string();
        let other = rcgen::generate_simple_self_signed(vec!["issuer.example".to_owned()]).unwrap().cert.pem();
        std::fs::write(&path, format!("{}{other}", certificate())).unwrap();
        let end = PemFiles.not_after(&path).await;
        assert_eq!(end.map(Timestamp::sql), Ok("2030-12-31 00:00:00".to_owned()));
    }

    #[tokio::test]
    async fn what_is_no_certificate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chain.pem").display().to_string();
        for (content, why) in [("", "no PEM certificate"), ("-----BEGIN X-----\n", "no PEM certificate")] {
            std::fs::write(&path, content).unwrap();
            let error = PemFiles.not_after(&path).await.unwrap_err();
            assert!(error.starts_with(&path) && error.contains(why), "{error}");
        }
        assert!(PemFiles.not_after("/nonexistent.pem").await.unwrap_err().contains("No such file"));
    }
}
