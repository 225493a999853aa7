//! `serve`: the server, alone with a directory or on a log that it shares with others.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tapeline_log::jetstream::Settings;
use tapeline_server::auth::Authenticator;
use tapeline_server::backend::Backend;
use tapeline_server::{Origin, OriginError, Pages, SchemaFile, ServerConfig, StartError, Tls, may_listen};

use super::{auth, schema};
use crate::arguments::{Serve, parse_address};
use crate::copy::{self, Beside, Copied};
use crate::failure::Failure;
use crate::log::{self, Level};
use crate::storage::Storage;
use crate::{output, stop};

/// The settings of a configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    log: Option<String>,
    listen: Option<String>,
    read_only: Option<bool>,
    insecure: Option<bool>,
    schema: Option<PathBuf>,
    auth: Option<PathBuf>,
    backend: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    origins: Option<Vec<String>>,
    log_level: Option<Level>,
}

/// Runs a server until it is told to stop.
pub async fn run(serve: Serve, json: bool) -> Result<(), Failure> {
    let file = serve.config.as_ref().map_or(Ok(File::default()), |path| read_config(path))?;
    log::start(serve.log_level.or(file.log_level).unwrap_or_default(), json);
    let data = serve.data.or(file.data).unwrap_or_else(|| "tapeline-data".into());
    let log = serve.log.or(file.log).map(|log| log.parse::<Settings>()).transpose();
    let log = log.map_err(|error| Failure::Usage(error.to_string()))?;
    let listen = file.listen.map(|text| {
        parse_address(&text).map_err(|how| Failure::Usage(format!("listen = {text:?} is no address: {how}")))
    });
    let listen = listen.transpose()?;
    let listen = serve.listen.or(listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070)));
    let read_only = serve.read_only || file.read_only.unwrap_or_default();
    if read_only && log.is_none() {
        let message = "--read-only is for a node that shares a log with others: say where with --log";
        return Err(Failure::Usage(message.into()));
    }
    if serve.copy_to.is_some() && log.is_some() {
        let message = "--copy-to copies a directory that has everything: for a log on NATS there is tapeline copy";
        return Err(Failure::Usage(message.into()));
    }
    let insecure = serve.insecure || file.insecure.unwrap_or_default();
    let schema = schema::read(serve.schema.or(file.schema).as_deref())?;
    let auth = serve.auth.or(file.auth).map(|path| auth::read(&path).map(Arc::new)).transpose()?;
    let backend = serve.backend.or(file.backend).map(|path| read_backend(&path)).transpose()?.unwrap_or_default();
    let tls = read_tls(serve.tls_cert.or(file.tls_cert), serve.tls_key.or(file.tls_key))?;
    let origins = match serve.origins.is_empty() {
        true => read_origins(&file.origins.unwrap_or_default())?,
        false => serve.origins,
    };
    let shown = log.as_ref().map(Settings::shown);
    let announced = Announced { log: shown, asks: auth.is_some(), encrypts: tls.is_some(), json };
    let (pages, copy_to) = (None, serve.copy_to);
    let place =
        Place { data: &data, log, listen, auth, tls, origins, insecure, read_only, schema, backend, pages, copy_to };
    match host(place, async |address| announce(address, &data, announced)).await? {
        Some(copied) => copied.print(json),
        None => Ok(()),
    }
}

/// Where a server keeps things, and where it is found.
pub(super) struct Place<'p> {
    pub(super) data: &'p Path,
    /// The log it shares with others, if it does.
    pub(super) log: Option<Settings>,
    pub(super) listen: SocketAddr,
    pub(super) auth: Option<Arc<Authenticator>>,
    pub(super) tls: Option<Tls>,
    pub(super) origins: Vec<Origin>,
    pub(super) insecure: bool,
    /// Decide on no events: they go to other nodes.
    pub(super) read_only: bool,
    pub(super) schema: SchemaFile,
    pub(super) backend: Backend,
    pub(super) pages: Option<Pages>,
    /// Where the directory is copied to.
    pub(super) copy_to: Option<copy::Place>,
}

/// Runs a server until it is told to stop. Once it listens, `begun` is told where. Answers what was copied, where that was to be.
pub(super) async fn host(
    place: Place<'_>,
    begun: impl AsyncFnOnce(SocketAddr) -> Result<(), Failure>,
) -> Result<Option<Copied>, Failure> {
    let Place { data, log, listen, auth, tls, origins, insecure, read_only, schema, backend, pages, copy_to } = place;
    may_listen(listen, auth.is_some(), insecure).map_err(Failure::failed)?;
    // Where it cannot listen, no directory is made for it.
    let cannot = |error| Failure::failed(StartError::Listen { address: listen, error });
    drop(TcpListener::bind(listen).map_err(cannot)?);
    let storage = Storage::open(data, log.as_ref()).await?;
    let SchemaFile { schema, authority } = schema;
    let config = ServerConfig {
        listen,
        auth,
        tls: tls.map(Arc::new),
        origins,
        insecure,
        unapplied: storage.unapplied(),
        schema: schema.into(),
        authority: authority.into(),
        backend,
        cluster: storage.nodes(),
        read_only,
        readings: Some(storage.readings()),
        pages,
    };
    let server = storage.serve(config).await.map_err(Failure::failed)?;
    let copying = match copy_to.zip(storage.alone()) {
        Some((place, directory)) => Some(Beside::start(directory, &place).await?),
        None => None,
    };
    let serving = async {
        begun(server.address()).await?;
        std::future::pending().await
    };
    // Listened for before anybody is told that the server is there, and may stop it.
    let ended = tokio::select! {
        biased;
        told = stop::told() => told,
        failed = serving => failed,
    };
    tracing::info!("stopping");
    server.stop().await;
    // Nothing is acknowledged any more.
    let copied = match copying {
        Some(copying) => copying.finish().await.map(Some),
        None => Ok(None),
    };
    storage.close().and(ended).and(copied)
}

fn read_config(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::File { place: path.display().to_string(), error })?;
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn read_backend(path: &Path) -> Result<Backend, Failure> {
    Backend::open(path).map_err(|error| Failure::of_file(path, error))
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
    /// Where the log is, where it is not in the directory.
    log: Option<String>,
    asks: bool,
    encrypts: bool,
    json: bool,
}

fn announce(address: SocketAddr, data: &Path, announced: Announced) -> Result<(), Failure> {
    let url = format!("{}://{address}", if announced.encrypts { "wss" } else { "ws" });
    if announced.json {
        let mut said = json!({ "listening": url, "data": data, "pid": std::process::id() });
        announced.log.into_iter().for_each(|log| said["log"] = log.into());
        return output::line(said);
    }
    let kept = match &announced.log {
        None => format!("data in {}", data.display()),
        Some(log) => format!("log at {log}, cache in {}", data.display()),
    };
    output::line(format!("tapeline is listening on {url}, {kept}"))?;
    match (announced.asks, address.ip().is_loopback()) {
        (true, _) => Ok(()),
        (false, true) => output::line("nothing asks who connects, so only this machine can: --auth FILE says who may"),
        (false, false) => output::line("nothing asks who connects: whoever reaches this address can do everything"),
    }
}
