//! Real NATS servers for a test: their own directories, free ports on this machine, gone with the test.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::ports::listener_to_come_back_to;

/// A server, or a cluster of several.
pub struct Nats {
    directory: TempDir,
    servers: Vec<Server>,
}

struct Server {
    /// Where clients connect.
    port: u16,
    /// Where the other servers do.
    route: u16,
    process: Option<Child>,
}

impl Nats {
    /// Starts so many servers.
    pub fn start(count: usize) -> Self {
        // Bound at the same time, so that they differ.
        let free: Vec<_> = (0..count * 2).map(|_| listener_to_come_back_to()).collect();
        let ports: Vec<_> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        let servers = ports.chunks(2).map(|ports| Server { port: ports[0], route: ports[1], process: None });
        let mut nats = Self { directory: tempfile::tempdir().unwrap(), servers: servers.collect() };
        drop(free);
        (0..count).for_each(|number| nats.resume(number));
        nats
    }

    /// Where a log on it is.
    #[allow(dead_code, reason = "not every test needs all")]
    pub fn address(&self) -> String {
        let hosts: Vec<_> = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let replicas = self.servers.len();
        format!("nats://{}?replicas={replicas}&streams=4", hosts.join(","))
    }

    /// Where its servers listen.
    #[allow(dead_code, reason = "not every test needs all")]
    pub fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(|server| server.port).collect()
    }

    /// Kills a server as `kill -9` does.
    #[allow(dead_code, reason = "not every test needs all")]
    pub fn kill(&mut self, number: usize) {
        let mut process = self.servers[number].process.take().expect("the server runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Keeps what a server that was killed has.
    #[allow(dead_code, reason = "not every test needs all")]
    pub fn back_up(&self, number: usize) {
        let has = self.directory.path().join(number.to_string());
        copy(&has, &self.directory.path().join(format!("{number}-kept")));
    }

    /// Gives a server that was killed what was kept of it.
    #[allow(dead_code, reason = "not every test needs all")]
    pub fn restore(&self, number: usize) {
        let has = self.directory.path().join(number.to_string());
        fs::remove_dir_all(&has).unwrap();
        fs::rename(self.directory.path().join(format!("{number}-kept")), has).unwrap();
    }

    /// Starts a server again, on what it had.
    pub fn resume(&mut self, number: usize) {
        let Server { port, route, .. } = self.servers[number];
        let mut command = Command::new(binary());
        command.args(["--addr", "127.0.0.1", "--jetstream"]).arg("--port").arg(port.to_string());
        command.arg("--store_dir").arg(self.directory.path().join(number.to_string()));
        if self.servers.len() > 1 {
            let routes: Vec<_> =
                self.servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.route)).collect();
            // Clients know the addresses that they were told, and no others: what stands before them can be cut.
            command.args(["--no_advertise", "--cluster_name", "test", "--name"]).arg(format!("server-{number}"));
            command.arg("--cluster").arg(format!("nats://127.0.0.1:{route}")).arg("--routes").arg(routes.join(","));
        }
        let mut process = command.stderr(Stdio::piped()).spawn().expect("nats-server starts");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            match lines.next() {
                Some(Ok(line)) if line.contains("Server is ready") => break,
                Some(Ok(line)) => said.push(line),
                _ => panic!("nats-server did not start:\n{}", said.join("\n")),
            }
        }
        // It would stop where nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        self.servers[number].process = Some(process);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for process in self.servers.iter_mut().filter_map(|server| server.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// The program: on the path, or where `scripts/setup nats` puts it.
fn binary() -> PathBuf {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/nats-server");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|directory| directory.join("nats-server"));
    let found = on_path.chain([installed]).find(|file| file.is_file());
    found.expect("nats-server 2.11 or newer is needed: scripts/setup nats installs it")
}
