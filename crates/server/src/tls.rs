//! TLS: connections are encrypted with a certificate that is read again when its files change, so that whatever renews it
//! need not stop the server. Connections that are open stay as they are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;

use crate::limits;
use crate::lock::lock;
use crate::stamp::{Stamp, stamp};

/// The certificate of a server, as it is now.
#[derive(Debug)]
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    /// How the files were when they were last read.
    seen: Mutex<[Stamp; 2]>,
    config: Mutex<Arc<ServerConfig>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM file with what is looked for.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: pem::Error,
    },
    /// There is no certificate in its file.
    #[error("{}: there is no certificate in it: it is a PEM file with the server's own first", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not go together.
    #[error("the certificate cannot be used with this key: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// Where they cannot be read, or do not go together.
    pub fn open(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = [stamp(certificates), stamp(key)];
        let config = Mutex::new(read(certificates, key)?);
        Ok(Self { certificates: certificates.to_owned(), key: key.to_owned(), seen: Mutex::new(seen), config })
    }

    /// Reads the files again where one of them has changed. Answers whether one had.
    ///
    /// # Errors
    /// As [`open`](Self::open); the certificate stays the one that was read before.
    pub fn look_again(&self) -> Result<bool, TlsError> {
        let stamps = [stamp(&self.certificates), stamp(&self.key)];
        if std::mem::replace(&mut *lock(&self.seen), stamps) == stamps {
            return Ok(false);
        }
        let config = read(&self.certificates, &self.key)?;
        *lock(&self.config) = config;
        Ok(true)
    }

    /// Keeps up with the files for as long as there is somebody who uses them.
    pub(crate) fn keep_up(self: &Arc<Self>) {
        tokio::spawn(look(Arc::downgrade(self)));
    }

    /// What greets the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        lock(&self.config).clone().into()
    }
}

async fn look(tls: Weak<Tls>) {
    loop {
        tokio::time::sleep(limits::TLS_LOOKS_EVERY).await;
        let Some(tls) = tls.upgrade() else { return };
        match spawn_blocking(move || tls.look_again()).await {
            Ok(Ok(true)) => tracing::info!("the certificate was read again"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the certificate cannot be read again and stays as it was"),
            Err(error) => tracing::error!(%error, "reading the certificate panicked"),
        }
    }
}

fn read(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::File { path, error }
    };
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(of(certificates))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificates.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(of(key))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
