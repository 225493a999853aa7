//! `serve`: the server on embedded storage.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tapeline_log::embedded::{Embedded, OpenError, Stats};
use tapeline_log::{EventLog, LogError};
use tapeline_server::auth::Authenticator;
use tapeline_server::{Origin, OriginError, Pages, Reading, Readings, SchemaFile, Server, ServerConfig, Tls};

use super::{auth, schema};
use crate::arguments::Serve;
use crate::failure::Failure;
use crate::{output, stop};

/// The settings of a configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    insecure: Option<bool>,
    schema: Option<PathBuf>,
    auth: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    origins: Option<Vec<String>>,
}

/// Runs a server until it is told to stop.
pub async fn run(serve: Serve, json: bool) -> Result<(), Failure> {
    let file = serve.config.as_ref().map_or(Ok(File::default()), |path| read_config(path))?;
    let data = serve.data.or(file.data).unwrap_or_else(|| "tapeline-data".into());
    let listen = serve.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070)));
    let insecure = serve.insecure || file.insecure.unwrap_or_default();
    let schema = schema::read(serve.schema.or(file.schema).as_deref())?;
    let auth = serve.auth.or(file.auth).map(|path| auth::read(&path).map(Arc::new)).transpose()?;
    let tls = read_tls(serve.tls_cert.or(file.tls_cert), serve.tls_key.or(file.tls_key))?;
    let origins = match serve.origins.is_empty() {
        true => read_origins(&file.origins.unwrap_or_default())?,
        false => serve.origins,
    };
    let announced = Announced { asks: auth.is_some(), encrypts: tls.is_some(), json };
    let place = Place { data: &data, listen, auth, tls, origins, insecure, schema, pages: None };
    host(place, async |address| announce(address, &data, announced)).await
}

/// Where a server keeps things, and where it is found.
pub(super) struct Place<'p> {
    pub(super) data: &'p Path,
    pub(super) listen: SocketAddr,
    pub(super) auth: Option<Arc<Authenticator>>,
    pub(super) tls: Option<Tls>,
    pub(super) origins: Vec<Origin>,
    pub(super) insecure: bool,
    pub(super) schema: SchemaFile,
    pub(super) pages: Option<Pages>,
}

/// Runs a server until it is told to stop. Once it listens, `begun` is told where.
pub(super) async fn host(
    place: Place<'_>,
    begun: impl AsyncFnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let storage = Arc::new(open(place.data)?);
    let readings: Readings = {
        let storage = storage.clone();
        Arc::new(move || readings(&storage.stats()))
    };
    let unapplied = storage.unapplied_streams();
    let Place { listen, auth, tls, origins, insecure, schema, pages, .. } = place;
    let SchemaFile { schema, authority } = schema;
    let config = ServerConfig {
        listen,
        auth,
        tls: tls.map(Arc::new),
        origins,
        insecure,
        unapplied,
        schema: schema.into(),
        authority: authority.into(),
        readings: Some(readings),
        pages,
    };
    let server = Server::start_embedded(config, storage.clone()).await.map_err(Failure::failed)?;
    let ended = match begun(server.address()).await {
        Ok(()) => stop::told().await,
        failed => failed,
    };
    eprintln!("tapeline: stopping");
    server.stop().await;
    storage.close().map_err(Failure::failed).and(ended)
}

fn read_config(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::File { place: path.display().to_string(), error })?;
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// Opens a data directory.
pub(super) fn open(data: &Path) -> Result<Embedded, Failure> {
    Embedded::open(data).map_err(|error| match error {
        OpenError::Log(LogError::Damaged { .. }) => Failure::Damaged(error.to_string()),
        OpenError::Io(error) => Failure::File { place: data.display().to_string(), error },
        other => Failure::failed(other),
    })
}

/// What the storage says in the server's metrics.
fn readings(stats: &Stats) -> Vec<Reading> {
    let reading = |name, help, value| Reading { name, help, value };
    vec![
        reading(
            "unflushed_bytes",
            "What is durable in the journal and not yet in the store",
            stats.unflushed_bytes as f64,
        ),
        reading("unflushed_age_seconds", "How late the write-behind is", stats.unflushed_age.as_secs_f64()),
        reading("journal_bytes", "What the journal takes on the disk", stats.journal_bytes as f64),
        reading("store_bytes", "What the store takes on the disk", stats.store_bytes as f64),
        reading(
            "building_indexes",
            "1 while streams are looked through for declared indexes that they lack, then 0",
            f64::from(u8::from(stats.building_indexes)),
        ),
        reading("journal_groups", "Groups committed, each with one fdatasync", stats.groups as f64),
        reading("journal_commit_seconds", "Time spent on committing groups", stats.commit_time.as_secs_f64()),
    ]
}

fn read_tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Tls>, Failure> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Tls::open(&certificate, &key).map(Some).map_err(Failure::failed),
        _ => Err(Failure::Usage("--tls-cert and --tls-key go together: name both or neither".into())),
    }
}

fn read_origins(origins: &[String]) -> Result<Vec<Origin>, Failure> {
    let origins = origins.iter().map(|text| text.parse());
    origins.map(|origin| origin.map_err(|error: OriginError| Failure::Usage(error.to_string()))).collect()
}

/// What there is to say once a server listens.
struct Announced {
    asks: bool,
    encrypts: bool,
    json: bool,
}

fn announce(address: SocketAddr, data: &Path, announced: Announced) -> Result<(), Failure> {
    let url = format!("{}://{address}", if announced.encrypts { "wss" } else { "ws" });
    if announced.json {
        return output::line(json!({ "listening": url, "data": data, "pid": std::process::id() }));
    }
    output::line(format!("tapeline is listening on {url}, data in {}", data.display()))?;
    match (announced.asks, address.ip().is_loopback()) {
        (true, _) => Ok(()),
        (false, true) => output::line("nothing asks who connects, so only this machine can: --auth FILE says who may"),
        (false, false) => output::line("nothing asks who connects: whoever reaches this address can do everything"),
    }
}
