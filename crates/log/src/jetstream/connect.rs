//! Connects to a cluster, and finds the log there or makes it.
//!
//! The first of its JetStream streams says in its metadata what the log is. Of several nodes that make one at the same time
//! one wins, and the others find what it made.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use async_nats::jetstream::context::{Context, ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::{Client, ConnectOptions};
use tokio::runtime::Handle;

use super::lanes::Table;
use super::settings::{Settings, Storage};
use super::{JetStream, Shared, subject, words};
use crate::limits;

pub(super) const FORMAT: &str = "tapeline-format";
pub(super) const LOG: &str = "tapeline-log";
pub(super) const STREAMS: &str = "tapeline-streams";
/// Says that a log is being copied there, and is not whole.
pub(super) const COPYING: &str = "tapeline-copying";
const THIS_FORMAT: &str = "1";
/// How many JetStream streams a new log is spread over where nothing else is said.
const NEW_STREAMS: usize = 16;

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server can be reached.
    #[error("no NATS server can be reached at {servers}: {why}")]
    Unreachable {
        /// Where they should be.
        servers: String,
        /// What the client says.
        why: String,
    },
    /// The credentials cannot be read.
    #[error("the credentials cannot be read: {0}")]
    Credentials(std::io::Error),
    /// The server cannot do what is needed.
    #[error("the NATS server is {version}, and 2.11 or newer is needed")]
    Old {
        /// Its version.
        version: String,
    },
    /// The server takes too little at once.
    #[error("the NATS server takes messages of {bytes} bytes: set max_payload to 1MB, its default, or more")]
    Small {
        /// What it takes.
        bytes: usize,
    },
    /// JetStream refuses, or does not answer.
    #[error("JetStream cannot be used: {0}")]
    JetStream(String),
    /// The log is another than was said.
    #[error("the log {prefix:?} has {setting} {found}, not {said}: leave the setting out, or use another prefix")]
    Other {
        /// The prefix of the log.
        prefix: String,
        /// What differs.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What was said.
        said: String,
    },
    /// There is no log where one has to be.
    #[error("there is no log {prefix:?} at {servers}: nothing was made there; look at the prefix and at the servers")]
    Missing {
        /// The prefix of the log.
        prefix: String,
        /// Where it should be.
        servers: String,
    },
    /// A log is being copied there.
    #[error("the log {0:?} is a copy that was not finished: run tapeline copy again")]
    Copying(String),
    /// The JetStream stream is not one of a log.
    #[error("the JetStream stream {0:?} is no part of a log of this version: use another prefix, or a newer version")]
    Foreign(String),
}

impl JetStream {
    /// Connects to a log, making it where there is none, on the runtime this is called on.
    ///
    /// # Errors
    /// Where no server can be reached, or the log cannot be had as the settings say.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        whole(settings, Self::connect_to_copy(settings).await?)
    }

    /// Connects to a log that is there. Where there is none, nothing is made.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and where there is no log.
    pub async fn connect_to_existing(settings: &Settings) -> Result<Self, ConnectError> {
        let (client, context) = reach(settings).await?;
        let name = name(&settings.prefix, 0);
        let missing = || ConnectError::Missing { prefix: settings.prefix.clone(), servers: settings.shown() };
        let first = patiently(|| find(&context, &name)).await?.ok_or_else(missing)?;
        whole(settings, Self::join(settings, client, context, first).await?)
    }

    /// Connects to a log into which another one may be copied.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), but for logs that are not whole.
    pub async fn connect_to_copy(settings: &Settings) -> Result<Self, ConnectError> {
        let (client, context) = reach(settings).await?;
        let first = first(&context, settings).await?;
        Self::join(settings, client, context, first).await
    }

    /// The log whose first JetStream stream was found; those that are not there yet are made.
    async fn join(settings: &Settings, client: Client, context: Context, first: Stream) -> Result<Self, ConnectError> {
        let (id, count) = identity(&first)?;
        compare(settings, &first, count)?;
        let mut streams = vec![first];
        for place in 1..count {
            let config = config(settings, &streams[0].cached_info().config, place);
            streams.push(patiently(|| make(&context, config.clone())).await?);
        }
        let config = snapshots(settings, &streams[0].cached_info().config);
        let snapshots = patiently(|| make(&context, config.clone())).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                runtime: Handle::current(),
                client,
                context,
                prefix: settings.prefix.clone(),
                id,
                streams,
                snapshots,
                making: tokio::sync::Mutex::default(),
                table: Mutex::new(Table::default()),
                room: Condvar::new(),
            }),
        })
    }
}

/// The log, unless it is being copied there.
fn whole(settings: &Settings, log: JetStream) -> Result<JetStream, ConnectError> {
    if log.is_being_copied() { Err(ConnectError::Copying(settings.prefix.clone())) } else { Ok(log) }
}

async fn reach(settings: &Settings) -> Result<(Client, Context), ConnectError> {
    let client = connect(settings).await?;
    check(&client)?;
    let context = ContextBuilder::new().timeout(limits::ANSWER_WITHIN).build(client.clone());
    Ok((client, context))
}

async fn connect(settings: &Settings) -> Result<Client, ConnectError> {
    let mut options = ConnectOptions::new()
        .name("tapeline")
        .connection_timeout(limits::ANSWER_WITHIN)
        .request_timeout(Some(limits::ANSWER_WITHIN));
    if let Some(path) = &settings.credentials {
        options = options.credentials_file(path).await.map_err(ConnectError::Credentials)?;
    }
    options
        .connect(settings.servers.clone())
        .await
        .map_err(|error| ConnectError::Unreachable { servers: settings.shown(), why: words(&error) })
}

fn check(client: &Client) -> Result<(), ConnectError> {
    if !client.is_server_compatible(2, 11, 0) {
        return Err(ConnectError::Old { version: client.server_info().version });
    }
    let bytes = client.max_payload();
    if bytes < limits::PART_BYTES + limits::PART_HEADER_BYTES { Err(ConnectError::Small { bytes }) } else { Ok(()) }
}

/// The first JetStream stream of a log, made where there is none.
async fn first(context: &Context, settings: &Settings) -> Result<Stream, ConnectError> {
    let streams = settings.streams.map_or(NEW_STREAMS, Into::into);
    let new = Config {
        num_replicas: settings.replicas.map_or(1, Into::into),
        storage: settings.storage.unwrap_or_default().into(),
        metadata: HashMap::from([
            (FORMAT.into(), THIS_FORMAT.into()),
            (LOG.into(), new_id()),
            (STREAMS.into(), streams.to_string()),
        ]),
        ..Config::default()
    };
    let config = config(settings, &new, 0);
    patiently(|| find_or_make(context, config.clone())).await
}

/// The identity of a log that was not there before.
pub(super) fn new_id() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// How one of the JetStream streams of a log is kept, as another one is.
fn config(settings: &Settings, like: &Config, place: usize) -> Config {
    // The server adds entries of its own.
    let own = |key: &&str| like.metadata.get(*key).map(|value| ((*key).to_owned(), value.clone()));
    Config {
        name: name(&settings.prefix, place),
        subjects: vec![subject::all(&settings.prefix, place)],
        retention: RetentionPolicy::Limits,
        // What is full refuses; nothing goes by itself.
        discard: DiscardPolicy::New,
        deny_delete: true,
        allow_direct: true,
        num_replicas: like.num_replicas,
        storage: like.storage,
        metadata: [FORMAT, LOG, STREAMS].iter().filter_map(own).collect(),
        ..Config::default()
    }
}

/// How the snapshots of a log are kept.
fn snapshots(settings: &Settings, like: &Config) -> Config {
    let name = format!("{}-snapshots", settings.prefix);
    Config { subjects: vec![format!("{name}.*")], name, ..config(settings, like, 0) }
}

fn name(prefix: &str, place: usize) -> String {
    format!("{prefix}-{place}")
}

/// Whether a failure may be over soon.
enum Failed {
    Soon(String),
    Never(String),
}

/// Tries for a while: a cluster that has just started has no leader yet.
async fn patiently<T>(mut work: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, ConnectError> {
    let begun = Instant::now();
    loop {
        match work().await {
            Ok(found) => return Ok(found),
            Err(Failed::Soon(_)) if begun.elapsed() < limits::CONNECT_WITHIN => {
                tokio::time::sleep(limits::CONNECT_PAUSE).await;
            }
            Err(Failed::Soon(why) | Failed::Never(why)) => return Err(ConnectError::JetStream(why)),
        }
    }
}

async fn find_or_make(context: &Context, config: Config) -> Result<Stream, Failed> {
    match find(context, &config.name).await? {
        Some(stream) => Ok(stream),
        None => make(context, config).await,
    }
}

async fn find(context: &Context, name: &str) -> Result<Option<Stream>, Failed> {
    match context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(answer) if answer.code() == 404 => Ok(None),
            _ => Err(Failed::Soon(words(&error))),
        },
    }
}

/// Makes a JetStream stream, or finds it as somebody else has made it.
async fn make(context: &Context, config: Config) -> Result<Stream, Failed> {
    use async_nats::jetstream::ErrorCode;
    let name = config.name.clone();
    let Err(error) = context.create_stream(config).await else {
        return context.get_stream(&name).await.map_err(|error| Failed::Soon(words(&error)));
    };
    match error.kind() {
        CreateStreamErrorKind::JetStream(answer) if answer.error_code() == ErrorCode::STREAM_NAME_EXIST => {
            context.get_stream(&name).await.map_err(|error| Failed::Soon(words(&error)))
        }
        CreateStreamErrorKind::JetStream(answer) if answer.code() < 500 => Err(Failed::Never(words(&error))),
        _ => Err(Failed::Soon(words(&error))),
    }
}

/// What the first JetStream stream says of the log: its identity, and over how many streams it is spread.
fn identity(first: &Stream) -> Result<(String, usize), ConnectError> {
    let config = &first.cached_info().config;
    let said = |key| config.metadata.get(key);
    let known = said(FORMAT).is_some_and(|format| format == THIS_FORMAT);
    let count = said(STREAMS).and_then(|count| count.parse().ok()).filter(|count| *count > 0);
    let log = said(LOG).cloned().zip(count).filter(|_| known);
    log.ok_or_else(|| ConnectError::Foreign(config.name.clone()))
}

/// Checks that the log is as was said, where something was said.
fn compare(settings: &Settings, first: &Stream, count: usize) -> Result<(), ConnectError> {
    let found = &first.cached_info().config;
    let check = |setting, found: String, said: Option<String>| match said {
        Some(said) if said != found => {
            Err(ConnectError::Other { prefix: settings.prefix.clone(), setting, found, said })
        }
        _ => Ok(()),
    };
    check("streams", count.to_string(), settings.streams.map(|streams| streams.to_string()))?;
    check("replicas", found.num_replicas.to_string(), settings.replicas.map(|replicas| replicas.to_string()))?;
    let spell = |storage| if storage == StorageType::File { "file" } else { "memory" };
    let said = settings.storage.map(|storage| spell(storage.into()).to_owned());
    check("storage", spell(found.storage).to_owned(), said)
}

impl From<Storage> for StorageType {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::File => Self::File,
            Storage::Memory => Self::Memory,
        }
    }
}
