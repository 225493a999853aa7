//! A peer's process: started on a free port in a directory of its own, ended and removed when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bench::server::resident_bytes;
use crate::failure::Failure;

/// How long a peer may take until it accepts connections.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A connection to a peer. What is written to it is not buffered.
pub type Socket = BufReader<TcpStream>;

/// A running peer.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    _directory: TempDir,
}

impl Process {
    /// Starts `program` with the arguments made for its port and directory, and waits until it accepts connections.
    pub async fn start(program: &str, arguments: impl FnOnce(u16, &Path) -> Vec<String>) -> Result<Self, Failure> {
        let [address] = free_addresses().map_err(Failure::failed)?;
        Self::start_at(address, program, |directory| arguments(address.port(), directory)).await
    }

    /// The same at an address.
    pub async fn start_at(
        address: SocketAddr,
        program: &str,
        arguments: impl FnOnce(&Path) -> Vec<String>,
    ) -> Result<Self, Failure> {
        if !is_on_path(program) {
            return Err(Failure::Failed(format!("{program} not found")));
        }
        let directory = tempfile::tempdir_in(".").map_err(Failure::failed)?;
        let output = directory.path().join("output");
        let printed = File::create(&output).map_err(Failure::failed)?;
        let mut process = Command::new(program)
            .args(arguments(directory.path()))
            .stdout(printed.try_clone().map_err(Failure::failed)?)
            .stderr(printed)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::failed)?;
        tokio::select! {
            _ = process.wait() => Err(Failure::Failed(format!("{program} ended: {}", last_line(&output)))),
            () = tokio::time::sleep(PATIENCE) => Err(Failure::Failed(format!("{program} does not listen"))),
            () = listening(address) => Ok(Self { address, process, _directory: directory }),
        }
    }

    /// Connects to it.
    pub async fn connect(&self) -> Result<Socket, Failure> {
        let socket = TcpStream::connect(self.address).await.map_err(Failure::failed)?;
        socket.set_nodelay(true).map_err(Failure::failed)?;
        Ok(BufReader::with_capacity(64 << 10, socket))
    }

    /// Its resident memory in bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(self.process.id()?)
    }
}

/// Whether a program can be started by its name.
pub fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Addresses of this machine at which nobody listens.
pub fn free_addresses<const N: usize>() -> std::io::Result<[SocketAddr; N]> {
    // Bound at the same time, so that they differ.
    let bound: [_; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, bound) in addresses.iter_mut().zip(&bound) {
        *address = bound.as_ref().map_err(|error| std::io::Error::from(error.kind()))?.local_addr()?;
    }
    Ok(addresses)
}

async fn listening(address: SocketAddr) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn last_line(output: &Path) -> String {
    let printed = std::fs::read(output).unwrap_or_default();
    String::from_utf8_lossy(&printed).lines().last().unwrap_or_default().to_owned()
}
