//! TLS from files: the certificate, its key, and the roots of the clients' certificates. They are read again while the
//! service runs, because certificates are short-lived; what cannot be used is logged, and what was there stays.

use std::{fs, path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoClientAuth, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

const CERTIFICATE: &str = "GEVINST_TLS_CERT_FILE";
const KEY: &str = "GEVINST_TLS_KEY_FILE";
const CLIENT_CA: &str = "GEVINST_TLS_CLIENT_CA_FILE";

/// The files' contents: the same, and nothing has to be done.
#[derive(PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Files {
    fn read(config: &TlsConfig) -> Result<Self, String> {
        let read = |name: &str, path: &Path| {
            fs::read(path).map_err(|error| format!("{name}: {} cannot be read: {error}", path.display()))
        };
        Ok(Self {
            certificate: read(CERTIFICATE, &config.certificate)?,
            key: read(KEY, &config.key)?,
            client_ca: config.client_ca.as_deref().map(|path| read(CLIENT_CA, path)).transpose()?,
        })
    }

    /// TLS 1.3 and 1.2 with the provider's choice of ciphers, for HTTP/2 and HTTP/1.1.
    fn server_config(&self) -> Result<ServerConfig, String> {
        let provider = Arc::new(default_provider());
        let verifier = match &self.client_ca {
            None => Arc::new(NoClientAuth),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(CLIENT_CA, pem)? {
                    roots.add(root).map_err(|error| format!("{CLIENT_CA}: {error}"))?;
                }
                // A client without a certificate is served too: tokens say who calls. One that shows one must prove it.
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| format!("{CLIENT_CA}: {error}"))?
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| format!("{KEY} holds no private key in PEM"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(CERTIFICATE, &self.certificate)?, key)
            .map_err(|error| format!("{CERTIFICATE} and {KEY} do not fit: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{name} is no PEM: {error}"))?;
    if certificates.is_empty() { Err(format!("{name} holds no certificate in PEM")) } else { Ok(certificates) }
}

/// Reads the files once. Names the setting of what is wrong with them, and repeats nothing of what they hold.
pub fn read(config: &TlsConfig) -> Result<ServerConfig, String> {
    Files::read(config)?.server_config()
}

/// TLS as the files say now.
pub struct Tls {
    config: TlsConfig,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files, and again whenever they have changed, until `stop`.
    pub fn start(config: &TlsConfig, stop: CancellationToken) -> Result<Arc<Self>, String> {
        let files = Files::read(config)?;
        let current = ArcSwap::from_pointee(files.server_config()?);
        let tls = Arc::new(Self { config: config.clone(), current });
        tokio::spawn(tls.clone().watch(files, stop));
        Ok(tls)
    }

    /// How the next connection is encrypted.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Says every time what cannot be used: a certificate that nobody renews will end.
    async fn watch(self: Arc<Self>, mut used: Files, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let read = Files::read(&self.config).and_then(|files| {
                // Half of a renewed pair fits nothing: the other half is a moment away.
                if files == used { Ok(None) } else { Ok(Some((files.server_config()?, files))) }
            });
            match read {
                Ok(None) => {}
                Ok(Some((config, files))) => {
                    self.current.store(Arc::new(config));
                    used = files;
                    tracing::info!("new TLS certificate in use");
                }
                Err(error) => tracing::warn!(%error, "new TLS files cannot be used; the old ones stay"),
            }
        }
    }
}

/// SHA-256 of the certificate that the client has proved to be its own, where it showed one.
pub fn certificate_sha256(connection: &ServerConnection) -> Option<[u8; 32]> {
    let leaf = connection.peer_certificates()?.first()?;
    digest(&SHA256, leaf).as_ref().try_into().ok()
}
