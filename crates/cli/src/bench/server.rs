//! The server that is measured: a process of its own, started from this very binary, or one that is there already.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// A server under measurement.
pub struct Server {
    /// Its address.
    pub url: String,
    process: Option<Child>,
    directory: Option<TempDir>,
    settings: Settings,
}

/// What it goes by, besides its directory.
#[derive(Default)]
struct Settings {
    schema: Option<NamedTempFile>,
    auth: Option<PathBuf>,
    log: Option<String>,
}

impl Server {
    /// The server at `against`, or a fresh one.
    pub async fn start(against: Option<&str>) -> Result<Self, Failure> {
        match against {
            Some(url) => Ok(Self { url: url.into(), process: None, directory: None, settings: Settings::default() }),
            None => Self::fresh(Settings::default()).await,
        }
    }

    /// A fresh node of a log on NATS.
    pub async fn on_log(address: String) -> Result<Self, Failure> {
        Self::fresh(Settings { log: Some(address), ..Settings::default() }).await
    }

    async fn fresh(settings: Settings) -> Result<Self, Failure> {
        let directory = tempfile::tempdir_in(".").map_err(Failure::failed)?;
        let (url, process) = spawn(directory.path(), &settings).await?;
        Ok(Self { url, process: Some(process), directory: Some(directory), settings })
    }

    /// Kills the server as a power cut would, and starts it again. Answers how long it took to be ready.
    pub async fn kill_and_restart(&mut self) -> Result<Duration, Failure> {
        self.kill().await?;
        self.restart().await
    }

    /// Kills it as a power cut would.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        self.process_mut()?.kill().await.map_err(Failure::failed)
    }

    /// Stops the server as an operator would, and starts it again. Answers how long it took to be ready.
    pub async fn stop_and_restart(&mut self) -> Result<Duration, Failure> {
        let process = self.process_mut()?;
        let id = process.id().ok_or_else(|| Failure::Failed("the server ended by itself".into()))?;
        let told = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
        told.map_err(Failure::failed)?;
        process.wait().await.map_err(Failure::failed)?;
        self.restart().await
    }

    /// Has it go by a schema from when it is started again.
    pub fn take_schema(&mut self, text: &str) -> Result<(), Failure> {
        let file = NamedTempFile::new().map_err(Failure::failed)?;
        std::fs::write(file.path(), text).map_err(Failure::failed)?;
        self.settings.schema = Some(file);
        Ok(())
    }

    /// Has it go by an auth file from when it is started again.
    pub fn take_auth(&mut self, file: PathBuf) {
        self.settings.auth = Some(file);
    }

    /// Starts it again on what it has. Answers how long it took to be ready.
    pub async fn restart(&mut self) -> Result<Duration, Failure> {
        let directory = self.directory.as_ref().ok_or_else(not_ours)?;
        let started = Instant::now();
        let (url, process) = spawn(directory.path(), &self.settings).await?;
        (self.url, self.process) = (url, Some(process));
        Ok(started.elapsed())
    }

    /// Whether its process can be looked at.
    pub fn is_ours(&self) -> bool {
        self.process.is_some()
    }

    /// Its resident memory in bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        resident_bytes(self.id()?)
    }

    /// Watches its resident memory from now on.
    pub fn watch_memory(&self) -> MemoryWatch {
        const EVERY: Duration = Duration::from_millis(5);
        let before = self.resident_bytes().unwrap_or_default();
        let most = Arc::new(AtomicU64::new(before));
        let watching = self.id().map(|id| {
            let most = most.clone();
            tokio::spawn(async move {
                loop {
                    most.fetch_max(resident_bytes(id).unwrap_or_default(), Ordering::Relaxed);
                    tokio::time::sleep(EVERY).await;
                }
            })
        });
        MemoryWatch { before, most, watching }
    }

    /// The processor time it has taken.
    pub fn processor_time(&self) -> Option<Duration> {
        // The threads' times, which the kernel keeps in nanoseconds; /proc/PID/stat counts in hundredths of a second.
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id()?)).ok()?;
        let nanoseconds = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanoseconds.sum()))
    }

    /// Bytes of everything in its data directory.
    pub fn disk_bytes(&self) -> Option<u64> {
        Some(size_of(self.directory.as_ref()?.path()))
    }

    fn id(&self) -> Option<u32> {
        self.process.as_ref()?.id()
    }

    fn process_mut(&mut self) -> Result<&mut Child, Failure> {
        self.process.as_mut().ok_or_else(not_ours)
    }
}

impl Settings {
    fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        let schema = self.schema.as_ref().map(|file| ("--schema", file.path().as_os_str()));
        let auth = self.auth.as_ref().map(|file| ("--auth", file.as_os_str()));
        let log = self.log.as_ref().map(|address| ("--log", OsStr::new(address)));
        [schema, auth, log].into_iter().flatten().flat_map(|(name, value)| [OsStr::new(name), value])
    }
}

/// The largest resident memory of a process, for as long as this is held.
pub struct MemoryWatch {
    before: u64,
    most: Arc<AtomicU64>,
    watching: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    /// By how many bytes it has risen at most.
    pub fn risen(&self) -> u64 {
        self.most.load(Ordering::Relaxed) - self.before
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.watching.iter().for_each(JoinHandle::abort);
    }
}

/// The resident memory of a process in bytes.
pub fn resident_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn not_ours() -> Failure {
    Failure::Usage("this measure needs a server of its own: leave --server out".into())
}

async fn spawn(directory: &Path, settings: &Settings) -> Result<(String, Child), Failure> {
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let mut process = Command::new(program)
        .args(["--json", "serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(directory)
        .args(settings.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(Failure::failed)?;
    let output = process.stdout.take().ok_or_else(|| Failure::Failed("the server has no output".into()))?;
    let line = BufReader::new(output).lines().next_line().await.map_err(Failure::failed)?.unwrap_or_default();
    let announced: Value =
        serde_json::from_str(&line).map_err(|_| Failure::Failed("the server did not start".into()))?;
    Ok((announced["listening"].as_str().unwrap_or_default().to_owned(), process))
}

/// Bytes of everything in a directory.
pub fn size_of(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) => on_disk(&metadata),
        Err(_) => 0,
    });
    sizes.sum()
}

/// The bytes a file takes on the disk, which preallocation and holes make differ from its length.
#[cfg(unix)]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
