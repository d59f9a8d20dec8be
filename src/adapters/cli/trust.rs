//! Which certificate proves that an https server is the right one. Something always has to.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

type Fault = Box<dyn std::error::Error>;

/// What is trusted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trust<'a> {
    /// The authorities of the system.
    System,
    /// The authorities in a file, and no others.
    Authorities(&'a Path),
    /// The server that has the certificate in this file, whatever name and authority are in it.
    Holder(&'a Path),
}

impl Trust<'_> {
    /// A client that trusts nobody else.
    pub fn apply(self, client: ClientBuilder) -> Result<ClientBuilder, Fault> {
        match self {
            Self::System => Ok(client),
            Self::Authorities(path) => {
                let authorities = Certificate::from_pem_bundle(&read(path)?);
                let authorities = authorities.map_err(|error| format!("{}: {error}", path.display()))?;
                if authorities.is_empty() {
                    return Err(format!("{}: there is no PEM certificate in it", path.display()).into());
                }
                Ok(client.tls_certs_only(authorities))
            }
            Self::Holder(path) => Ok(client.tls_backend_preconfigured(config(path)?)),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn config(path: &Path) -> Result<ClientConfig, Fault> {
    let certificate = CertificateDer::from_pem_slice(&read(path)?);
    let certificate = certificate.map_err(|error| format!("{}: no PEM certificate ({error})", path.display()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Holder { certificate: certificate.into_owned(), provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes one certificate, byte for byte.
///
/// For the server whose settings these are. It is called by an address of this machine, which its certificate need not
/// name; and the file that names its certificate is the very one that the server shows. Who shows it and signs the
/// handshake has its key: that is all that a name and an authority could prove, and more than most authorities do.
#[derive(Debug)]
struct Holder {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Holder {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("it shows another certificate than TLS_CERT holds; was it renewed just now?".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
