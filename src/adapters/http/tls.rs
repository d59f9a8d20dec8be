//! TLS for the program itself: certificate and key from files, read again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, StreamExt as _, stream};
use poem::http::uri::Scheme;
use poem::listener::{Acceptor, AcceptorExt as _, BoxAcceptor, Listener, RustlsCertificate, RustlsConfig};
use poem::web::{LocalAddr, RemoteAddr};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Settings;

/// How often to look whether a certificate has been renewed.
pub const LOOK: Duration = Duration::from_secs(10);

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}; see NANIO_ORCHESTRATOR_TLS_CERT and NANIO_ORCHESTRATOR_TLS_KEY")]
pub struct TlsError {
    path: String,
    why: String,
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// What two files held together.
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Which files they are, and when they were written.
type Age = [Option<(u64, SystemTime)>; 2];

impl TlsFiles {
    /// The files that the settings name, if TLS is wanted.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        Some(Self { certificate: settings.tls_cert.clone()?, key: settings.tls_key.clone()? })
    }

    /// Whether they can be used.
    ///
    /// # Errors
    /// They cannot.
    pub fn check(&self) -> Result<(), TlsError> {
        self.read().map(drop)
    }

    /// What the server shows, now and whenever the files have changed since. A pair that does not fit together, as in the
    /// middle of a renewal, is told in the log, and the former one goes on.
    ///
    /// # Errors
    /// It cannot be used now.
    pub fn watch(self, look: Duration) -> Result<impl Stream<Item = RustlsConfig> + Send + 'static, TlsError> {
        let first = (self.age(), self.read()?);
        let state = (self, first.0, Some(first.1));
        Ok(stream::unfold(state, move |(files, mut age, first)| async move {
            let mut pair = first;
            while pair.is_none() {
                tokio::time::sleep(look).await;
                (age, pair) = files.renewed(age);
            }
            Some((config(pair?), (files, age, None)))
        }))
    }

    /// The pair, if the files are not those of `age`.
    fn renewed(&self, age: Age) -> (Age, Option<Pair>) {
        let now = self.age();
        if now == age {
            return (age, None);
        }
        match self.read() {
            Ok(pair) => (now, Some(pair)),
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used; the former one goes on");
                (now, None)
            }
        }
    }

    fn age(&self) -> Age {
        let age = |path| fs::metadata(path).and_then(|found| Ok((found.ino(), found.modified()?))).ok();
        [&self.certificate, &self.key].map(age)
    }

    fn read(&self) -> Result<Pair, TlsError> {
        let fault = |path: &PathBuf, why: String| TlsError { path: path.display().to_string(), why };
        let bytes = |path: &PathBuf| fs::read(path).map_err(|error| fault(path, error.to_string()));
        let pair = Pair { certificate: bytes(&self.certificate)?, key: bytes(&self.key)? };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pair.certificate).collect();
        let chain = chain.map_err(|error| fault(&self.certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(fault(&self.certificate, "there is no PEM certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(&pair.key).map_err(|error| fault(&self.key, error.to_string()))?;
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| fault(&self.certificate, format!("it does not fit {} ({error})", self.key.display())))?;
        Ok(pair)
    }
}

/// Listens with TLS. A client that comes before the first certificate is at hand waits for it.
///
/// # Errors
/// It cannot be listened.
pub async fn listen(
    tcp: impl Listener + 'static,
    shown: impl Stream<Item = RustlsConfig> + Send + 'static,
) -> std::io::Result<BoxAcceptor> {
    let taken = Arc::new(AtomicBool::new(false));
    let tcp = AfterCertificate { tcp: tcp.into_acceptor().await?, taken: Arc::clone(&taken) };
    let shown = shown.inspect(move |_| taken.store(true, Ordering::Release)).boxed();
    Ok(tcp.rustls(shown).boxed())
}

/// Takes no connection before the certificate was taken: poem, which waits for both at once, would drop it.
struct AfterCertificate<A> {
    tcp: A,
    taken: Arc<AtomicBool>,
}

impl<A: Acceptor> Acceptor for AfterCertificate<A> {
    type Io = A::Io;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.tcp.local_addr()
    }

    async fn accept(&mut self) -> std::io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        if !self.taken.load(Ordering::Acquire) {
            // poem asks anew once it has the certificate.
            return std::future::pending().await;
        }
        self.tcp.accept().await
    }
}

fn config(pair: Pair) -> RustlsConfig {
    RustlsConfig::new().fallback(RustlsCertificate::new().cert(pair.certificate).key(pair.key))
}

#[cfg(test)]
mod tests {
    use poem::listener::TcpListener;
    use tokio::net::TcpStream;

    use super::*;

    fn write(files: &TlsFiles, name: &str) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        put(&files.certificate, &made.cert.pem());
        put(&files.key, &made.signing_key.serialize_pem());
    }

    /// In the place of what was there.
    fn put(path: &PathBuf, content: &str) {
        fs::write(path.with_extension("new"), content).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn files(directory: &std::path::Path) -> TlsFiles {
        TlsFiles { certificate: directory.join("cert.pem"), key: directory.join("key.pem") }
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_shown_and_half_a_renewal_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        write(&files, "one.example");
        let mut shown = Box::pin(files.clone().watch(Duration::from_millis(1)).unwrap());
        assert!(shown.next().await.is_some(), "the first");
        let former = fs::read_to_string(&files.key).unwrap();
        write(&files, "two.example");
        let key = fs::read_to_string(&files.key).unwrap();
        put(&files.key, &former);
        assert!(files.check().unwrap_err().to_string().contains("does not fit"));
        put(&files.key, &key);
        assert!(shown.next().await.is_some(), "the renewed one");
    }

    #[tokio::test]
    async fn a_client_that_comes_before_the_certificate_was_taken_is_not_sent_away() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        write(&files, "one.example");
        // poem looks at connection and certificate in an order that it draws anew each time.
        for _ in 0..32 {
            let shown = files.clone().watch(Duration::from_secs(60)).unwrap();
            let mut acceptor = listen(TcpListener::bind("127.0.0.1:0"), shown).await.unwrap();
            let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            assert!(acceptor.accept().await.is_ok());
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        assert!(files.check().unwrap_err().to_string().contains("cert.pem: No such file"));
        write(&files, "one.example");
        fs::write(&files.certificate, "").unwrap();
        assert!(files.check().unwrap_err().to_string().contains("no PEM certificate"));
    }
}
