//! What a server is told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tapeline_authority::Authority;
use tapeline_core::name::StreamName;
use tapeline_core::schema::Schema;
use tapeline_log::cluster::Cluster;

use crate::auth::Authenticator;
use crate::backend::Backend;
use crate::metrics::Readings;
use crate::origin::Origin;
use crate::pages::Pages;
use crate::tls::Tls;

/// What a server is told when it starts.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Who may connect; without it, whoever reaches the address.
    pub auth: Option<Arc<Authenticator>>,
    /// Listen where other machines can connect though nothing asks who does.
    pub insecure: bool,
    /// What connections are encrypted with; without it, nothing.
    pub tls: Option<Arc<Tls>>,
    /// The web pages that may use the server from browsers; without any, all may. What is no page may always.
    pub origins: Vec<Origin>,
    /// Streams whose stored state is behind their log, to be brought up in the background.
    pub unapplied: Vec<StreamName>,
    /// What the apps say of their data.
    pub schema: Arc<Schema>,
    /// Who may do what.
    pub authority: Arc<Authority>,
    /// The application's own backend.
    pub backend: Backend,
    /// The nodes that share the log, where it is shared.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Decide on no events: they go to other nodes.
    pub read_only: bool,
    /// What storage has to say in `/metrics`.
    pub readings: Option<Readings>,
    /// Documents to serve beside the API.
    pub pages: Option<Pages>,
}

/// The port where nothing else is said.
pub const PORT: u16 = 7070;

impl Default for ServerConfig {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        Self {
            listen,
            auth: None,
            insecure: false,
            tls: None,
            origins: Vec::new(),
            unapplied: Vec::new(),
            schema: Arc::default(),
            authority: Arc::default(),
            backend: Backend::default(),
            cluster: None,
            read_only: false,
            readings: None,
            pages: None,
        }
    }
}

/// Whether a server may listen on an address: one that others reach needs somebody who asks who they are, or the word that
/// nobody has to. [`Server::start`](crate::Server::start) goes by it, too; this is for before anything is made.
///
/// # Errors
/// Where it may not.
pub fn may_listen(address: SocketAddr, asks: bool, insecure: bool) -> Result<(), StartError> {
    match address.ip().is_loopback() || asks || insecure {
        true => Ok(()),
        false => Err(StartError::Insecure(address)),
    }
}

/// Why a server did not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is open to others and nothing would ask who connects.
    #[error(
        "{0} can be reached from other machines, and nothing asks who connects: say who may with an auth file, listen on \
         127.0.0.1, or allow it with insecure"
    )]
    Insecure(SocketAddr),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}
