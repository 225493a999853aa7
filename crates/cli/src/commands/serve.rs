//! `serve`: the server, alone with a directory or on a log that it shares with others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tapeline_core::schema::Schema;
use tapeline_log::jetstream::Settings;
use tapeline_server::{Pages, ServerConfig};

use super::schema;
use crate::arguments::Serve;
use crate::failure::Failure;
use crate::storage::Storage;
use crate::{output, stop};

/// The settings of a configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    log: Option<String>,
    listen: Option<SocketAddr>,
    insecure: Option<bool>,
    schema: Option<PathBuf>,
}

/// Runs a server until it is told to stop.
pub async fn run(serve: Serve, json: bool) -> Result<(), Failure> {
    let file = serve.config.as_ref().map_or(Ok(File::default()), |path| read_config(path))?;
    let data = serve.data.or(file.data).unwrap_or_else(|| "tapeline-data".into());
    let log = serve.log.or(file.log).map(|log| log.parse::<Settings>()).transpose();
    let log = log.map_err(|error| Failure::Usage(error.to_string()))?;
    let listen = serve.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070)));
    let insecure = serve.insecure || file.insecure.unwrap_or_default();
    let schema = schema::read(serve.schema.or(file.schema).as_deref())?;
    let shown = log.as_ref().map(Settings::shown);
    let place = Place { data: &data, log, listen, insecure, schema, pages: None };
    host(place, async |address| announce(address, &data, shown.as_deref(), json)).await
}

/// Where a server keeps things, and where it is found.
pub(super) struct Place<'p> {
    pub(super) data: &'p Path,
    /// The log it shares with others, if it does.
    pub(super) log: Option<Settings>,
    pub(super) listen: SocketAddr,
    pub(super) insecure: bool,
    pub(super) schema: Schema,
    pub(super) pages: Option<Pages>,
}

/// Runs a server until it is told to stop. Once it listens, `begun` is told where.
pub(super) async fn host(
    place: Place<'_>,
    begun: impl AsyncFnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Place { data, log, listen, insecure, schema, pages } = place;
    let storage = Storage::open(data, log.as_ref()).await?;
    let (unapplied, readings, schema) = (storage.unapplied(), Some(storage.readings()), Arc::new(schema));
    let config = ServerConfig { listen, insecure, unapplied, schema, readings, pages };
    let server = storage.serve(config).await.map_err(Failure::failed)?;
    let ended = match begun(server.address()).await {
        Ok(()) => stop::told().await,
        failed => failed,
    };
    eprintln!("tapeline: stopping");
    server.stop().await;
    storage.close().and(ended)
}

fn read_config(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::File { place: path.display().to_string(), error })?;
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn announce(address: SocketAddr, data: &Path, log: Option<&str>, json: bool) -> Result<(), Failure> {
    if json {
        let address = format!("ws://{address}");
        let mut said = json!({ "listening": address, "data": data, "pid": std::process::id() });
        log.into_iter().for_each(|log| said["log"] = log.into());
        return output::line(said);
    }
    let kept = match log {
        None => format!("data in {}", data.display()),
        Some(log) => format!("log at {log}, cache in {}", data.display()),
    };
    output::line(format!("tapeline is listening on ws://{address}, {kept}"))?;
    if address.ip().is_loopback() {
        output::line("nothing asks who connects, so only this machine can")?;
    }
    Ok(())
}
