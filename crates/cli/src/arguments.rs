//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use tapeline_core::name::{Collection, FieldName, ObjectId, StreamName, Subject};
use tapeline_core::numbers::Seq;
use tapeline_server::Origin;

/// Streams of small events, ordered by a server, kept the same on every device.
#[derive(Debug, Parser)]
#[command(name = "tapeline", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// The server to speak to. [env: TAPELINE_SERVER=] [default: ws://127.0.0.1:7070]
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tapeline serve                       on 127.0.0.1:7070, data in ./tapeline-data
  tapeline insert lists/home tasks t1 '{\"title\":\"Buy milk\"}'
  tapeline tail lists/home --follow    events as they are recorded
  tapeline objects lists/home | jq .fields.title

A server that asks who connects is shown what TAPELINE_TOKEN holds: a token, or an API key.

Exit codes:
  0 done                         3 the server cannot be reached
  1 it failed, or is not so      4 the server refused
  2 wrong use                    5 stored data are damaged";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server.
    #[command(after_help = "Examples:
  tapeline serve
  tapeline serve --data /var/lib/tapeline --listen 127.0.0.1:0     takes a free port and prints it
  tapeline serve --schema schema.toml                              says how concurrent edits meet
  tapeline serve --auth auth.toml --listen 0.0.0.0:7070            asks who connects
  tapeline serve --tls-cert cert.pem --tls-key key.pem             encrypts
  tapeline serve --config tapeline.toml                            data = \"…\", listen = \"…\", insecure = false, schema = \"…\"")]
    Serve(Serve),
    /// Run a server with the example apps on it, ready to be opened in browsers.
    ///
    /// Whoever reaches the address can open and change everything on it.
    #[command(after_help = "Examples:
  tapeline demo                            on http://127.0.0.1:7070, forgotten at the end
  tapeline demo --listen 0.0.0.0:7070      also for the phones of this network
  tapeline demo --data ./demo-data         keeps what was done")]
    Demo(Demo),
    /// Look at a schema file: what says for each field how concurrent edits meet.
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Print types for the objects of a schema, in the language an app is written in.
    #[command(after_help = "Examples:
  tapeline types schema.toml --lang ts > src/schema.ts
  tapeline types schema.toml --lang rust > src/schema.rs")]
    Types(crate::types::Types),
    /// Look at the rules of a schema file: who may read and write what.
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Say what somebody may do with an object, and by which rules.
    ///
    /// The object is read from the server, as whoever TAPELINE_TOKEN speaks for; the rules are those of the file.
    #[command(after_help = "Examples:
  tapeline why ana lists/home tasks t1 --schema schema.toml
  tapeline why ana lists/home tasks t1 --schema schema.toml --claim 'teams=[\"red\"]'")]
    Why(Why),
    /// Make a token that a server with this auth file takes, for development. People get theirs from whoever signs them in.
    #[command(after_help = "Examples:
  tapeline token --auth auth.toml --sub ana
  tapeline token --auth auth.toml --sub ana --claim 'teams=[\"blue\"]' --claim role=admin --for 8h
  tapeline token --auth auth.toml --sub ana --key-file private.pem       of one of its public keys")]
    Token(Token),
    /// Make an API key for a server of yours, and print what the auth file has of it: its hash.
    #[command(after_help = "Example:\n  tapeline key backend")]
    Key {
        /// What it is called: letters, digits and -.
        name: String,
    },
    /// List the streams of the server: head, objects, bytes, subscribers.
    Streams,
    /// Show the nodes that share a log: what they hold, how far they are behind.
    Cluster {
        /// A stream: show which node decides on it, too.
        stream: Option<StreamName>,
    },
    /// Show one stream's figures with its digest.
    Status {
        /// The stream.
        stream: StreamName,
    },
    /// Print recorded events, one JSON a line; or follow what a query finds.
    #[command(after_help = "Examples:
  tapeline tail lists/home
  tapeline tail lists/home --from 100 --follow | jq -c .ops
  tapeline tail lists/home --collection tasks --where '{\"done\":false}'     what is open: + enters, ~ changes, - leaves
  tapeline tail rooms/kitchen --collection messages --order-by=-id --limit 20 --json | jq .enters.fields")]
    Tail(Tail),
    /// Print objects, one JSON a line, sorted by collection and id.
    #[command(after_help = "Examples:
  tapeline objects lists/home
  tapeline objects lists/home --collection tasks --where '{\"done\":false,\"priority\":{\"ge\":2}}'
  tapeline objects lists/home --collection tasks --order-by=-priority,title --limit 10
  tapeline objects lists/home --collection tasks --limit 10 --with owner     and whom they refer to, as the schema says
  tapeline objects lists/home --at 100                   as they were when the stream had 100 events")]
    Objects(Objects),
    /// Print what changed between two places of a stream, object by object and field by field.
    #[command(after_help = "Examples:
  tapeline diff lists/home --from 100                    since the stream had 100 events
  tapeline diff lists/home --from 100 --to 120 --json | jq .fields")]
    Diff(Diff),
    /// Insert an object; prints the recorded event.
    #[command(after_help = "Example:\n  tapeline insert lists/home tasks t1 '{\"title\":\"Buy milk\",\"done\":false}'")]
    Insert(Edit),
    /// Change fields of an object; prints the recorded event.
    #[command(after_help = "Examples:
  tapeline update lists/home tasks t1 '{\"done\":true}'
  tapeline update lists/home tasks t1 --inc '{\"visits\":1}'")]
    Update(Edit),
    /// Insert an object, or change its fields where it exists; prints the recorded event.
    Upsert(Edit),
    /// Delete an object; prints the recorded event.
    Delete(Object),
    /// Print an object as it is now.
    Get(Object),
    /// Print every event that touched an object, one JSON a line.
    History(Object),
    /// Make collections what a file says, by the smallest edits: insert what is new, change fields that differ, delete
    /// what the file does not have. The same file a second time sends nothing.
    ///
    /// JSON: a list of rows, or an object with a list for each collection. NDJSON: a row a line, or without --collection
    /// what `tapeline objects` prints. CSV: with a header; what is spelled like a number is one, what is empty is left out.
    /// Fields of an object that its row does not have become null.
    #[command(after_help = "Examples:
  tapeline import shop/stock stock.csv --collection items --id-field sku --dry-run
  tapeline import lists/home home.json
  tapeline objects lists/home > home.ndjson && tapeline import lists/copy home.ndjson")]
    Import(Import),
    /// Play a recording of people working together through real replicas, and check that all end the same.
    #[command(after_help = "Example:\n  tapeline replay fixtures/history-branches.ndjson.gz --stream repo --seed 7")]
    Replay(Replay),
    /// Read every record of a data directory and name what is damaged. The server must not be running on it.
    Verify {
        /// The data directory.
        #[arg(long, env = "TAPELINE_DATA", default_value = "tapeline-data", value_name = "DIR")]
        data: PathBuf,
    },
    /// Let old events go as the schema says, and give their space back.
    ///
    /// A server does so by itself; this does it at once, in the directory of a stopped server, or on the one named with
    /// --server (TAPELINE_SERVER alone does not count).
    #[command(after_help = "Examples:
  tapeline compact --data /var/lib/tapeline --schema schema.toml
  tapeline compact --server ws://127.0.0.1:7070     goes by the schema of that server")]
    Compact {
        /// The data directory.
        #[arg(long, env = "TAPELINE_DATA", default_value = "tapeline-data", value_name = "DIR")]
        data: PathBuf,
        /// The TOML file that says which events of which streams stay; without it, all do.
        #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
        schema: Option<PathBuf>,
    },
    /// Say what takes the space in a data directory: events, objects, index and clients of each stream. The server must
    /// not be running on it.
    Stats {
        /// The data directory.
        #[arg(long, env = "TAPELINE_DATA", default_value = "tapeline-data", value_name = "DIR")]
        data: PathBuf,
    },
    /// Measure: throughput, latency, catching up, memory, disk.
    ///
    /// Measures a server that it starts for it, or the one named with --server (TAPELINE_SERVER alone does not count): then
    /// figures that need the server's process are left out.
    #[command(after_help = "Examples:
  tapeline bench append                 against a server it starts itself
  tapeline bench fanout --json          one line a figure
  tapeline bench append --server ws://127.0.0.1:7070 --seconds 3")]
    Bench(Bench),
    /// Print completions for a shell.
    #[command(after_help = "Example:\n  tapeline completions bash > /etc/bash_completion.d/tapeline")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Check a schema file, and print what it means.
    #[command(after_help = "Examples:
  tapeline schema check schema.toml
  tapeline schema check schema.toml --json | jq .collections.tasks")]
    Check {
        /// The TOML file.
        file: PathBuf,
    },
    /// Say what a newer schema means for apps that were written for an older one. Fails where something is refused them.
    #[command(after_help = "Example:
  tapeline schema diff released.toml schema.toml")]
    Diff {
        /// The TOML file that apps were written for.
        old: PathBuf,
        /// The newer one.
        new: PathBuf,
    },
    /// Give objects that were made before a field was renamed its new name, too, on all streams of the server.
    #[command(after_help = "Example:
  tapeline schema migrate schema.toml --dry-run")]
    Migrate {
        /// The TOML file by which the server goes.
        file: PathBuf,
        /// Say how many objects lack a name, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Check that the rules allow and refuse what a file of cases says.
    #[command(after_help = "Example:
  tapeline rules test cases.toml --schema schema.toml

A case, of as many as you like; without old it is an insert, without new a delete:
  [[cases]]
  name = \"an owner may close a task\"
  auth = { sub = \"ana\" }
  stream = \"lists/home\"
  collection = \"tasks\"
  old = { owner = \"ana\", state = \"open\" }
  new = { owner = \"ana\", state = \"closed\" }
  read = true
  write = true")]
    Test {
        /// The TOML file with the cases.
        file: PathBuf,
        /// The TOML file with the rules.
        #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
        schema: PathBuf,
    },
}

#[derive(Args, Debug)]
pub struct Why {
    /// Who: the subject of their token.
    pub subject: Subject,
    /// The stream.
    pub stream: StreamName,
    /// The collection.
    pub collection: Collection,
    /// The object's id.
    pub id: ObjectId,
    /// The TOML file with the rules.
    #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
    pub schema: PathBuf,
    /// What else their token claims, each as NAME=JSON.
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
    pub claims: Vec<(String, serde_json::Value)>,
}

/// Reads a claim.
fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, json) = text.split_once('=').ok_or("a claim is written NAME=JSON, like role=\"editor\"")?;
    let value = serde_json::from_str(json).map_err(|error| format!("{json} is not JSON: {error}"))?;
    Ok((name.into(), value))
}

#[derive(Args, Debug)]
pub struct Serve {
    /// The directory in which everything is kept. [default: tapeline-data]
    #[arg(long, env = "TAPELINE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The log of a cluster, which several servers may share: nats://HOST:PORT[,…][?replicas=3&streams=16&prefix=NAME].
    /// The directory is then its cache, and can be lost.
    #[arg(long, env = "TAPELINE_LOG", value_name = "URL")]
    pub log: Option<String>,
    /// The address to listen on; port 0 takes a free one and prints it. [default: 127.0.0.1:7070]
    #[arg(long, env = "TAPELINE_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Decide on no events, which go to the other nodes: for many who read.
    #[arg(long, env = "TAPELINE_READ_ONLY")]
    pub read_only: bool,
    /// Listen on an address that others reach though nothing asks who they are.
    #[arg(long, env = "TAPELINE_INSECURE")]
    pub insecure: bool,
    /// A TOML file that says who may connect; without it, whoever reaches the address.
    #[arg(long, env = "TAPELINE_AUTH", value_name = "FILE")]
    pub auth: Option<PathBuf>,
    /// Encrypt with this chain of certificates in PEM, the server's own first. Read again when it changes.
    #[arg(long, env = "TAPELINE_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, env = "TAPELINE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The web pages that may use the server from browsers, as in https://app.example.com; may be given several times. Without
    /// it, all may: what counts is the token that they show.
    #[arg(long = "origin", env = "TAPELINE_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub origins: Vec<Origin>,
    /// A TOML file that says how concurrent edits meet; without it, the last to arrive wins.
    #[arg(long, env = "TAPELINE_SCHEMA", value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// A TOML file with these settings. What is said here or in the environment goes first.
    #[arg(long, env = "TAPELINE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Token {
    /// The auth file of the server.
    #[arg(long, env = "TAPELINE_AUTH", value_name = "FILE")]
    pub auth: PathBuf,
    /// Whom it speaks for.
    #[arg(long = "sub", value_name = "NAME")]
    pub subject: Subject,
    /// What else it says, as name=value, with JSON or text; may be given several times.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// How long it is good: a number of s, m, h or d.
    #[arg(long = "for", default_value = "1h", value_name = "TIME", value_parser = parse_time)]
    pub lifetime: Duration,
    /// The private key of one of the auth file's public keys, in PEM; without it, the auth file's secret signs.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Demo {
    /// The address to listen on; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// A TOML file that says how concurrent edits meet; without it, as the apps want it.
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// The directory in which everything is kept; without it, nothing is kept at the end.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// So many issues are on the board before; a hundred thousand take some seconds.
    #[arg(long, default_value = "10000", value_name = "N")]
    pub issues: u64,
    /// So many messages were sent in the room before; a million takes a minute.
    #[arg(long, default_value = "10000", value_name = "N")]
    pub messages: u64,
}

#[derive(Args, Debug)]
pub struct Tail {
    /// The stream.
    pub stream: StreamName,
    /// The first event to print.
    #[arg(long, default_value = "0", value_name = "SEQ", value_parser = parse_seq, conflicts_with = "collection")]
    pub from: Seq,
    /// Go on with what is recorded from now on, also across restarts of the server. What a query finds is followed anyway.
    #[arg(long, short)]
    pub follow: bool,
    #[command(flatten)]
    pub query: Query,
}

/// Which objects of one collection.
#[derive(Args, Debug)]
pub struct Query {
    /// Only the objects of this collection.
    #[arg(long, value_name = "C")]
    pub collection: Option<Collection>,
    /// Only those of the collection that meet these conditions: eq, ne, lt, le, gt, ge, in, contains, prefix, exists, and,
    /// or, not.
    #[arg(long = "where", value_name = "JSON", requires = "collection")]
    pub filter: Option<String>,
    /// Sorted by these fields of the collection's objects, with a comma between them; `-field` for the largest first.
    #[arg(long, value_name = "F", requires = "collection", allow_hyphen_values = true)]
    pub order_by: Option<String>,
    /// Only the first so many.
    #[arg(long, value_name = "N", requires = "collection")]
    pub limit: Option<usize>,
}

#[derive(Args, Debug)]
pub struct Objects {
    /// The stream.
    pub stream: StreamName,
    #[command(flatten)]
    pub query: Query,
    /// And what they refer to in these fields, with a comma between them, as the server's schema says; with a limit.
    #[arg(long, value_name = "F", requires = "limit", conflicts_with = "at")]
    pub with: Option<String>,
    /// As they were when the stream had so many events: plays its log to there.
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub at: Option<Seq>,
}

#[derive(Args, Debug)]
pub struct Diff {
    /// The stream.
    pub stream: StreamName,
    /// From how it was when the stream had so many events.
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub from: Seq,
    /// To how it was when the stream had so many. [default: as it is now]
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub to: Option<Seq>,
}

#[derive(Args, Debug)]
pub struct Object {
    /// The stream.
    pub stream: StreamName,
    /// The object's collection.
    pub collection: Collection,
    /// The object's id.
    pub id: ObjectId,
}

#[derive(Args, Debug)]
pub struct Edit {
    #[command(flatten)]
    pub object: Object,
    /// The fields, as a JSON object.
    #[arg(value_name = "JSON", default_value = "{}")]
    pub fields: String,
    /// Numbers to add to fields, as a JSON object; for update alone.
    #[arg(long, value_name = "JSON")]
    pub inc: Option<String>,
}

#[derive(Args, Debug)]
pub struct Import {
    /// The stream.
    pub stream: StreamName,
    /// The file: JSON, NDJSON or CSV in UTF-8.
    pub file: PathBuf,
    /// The collection the rows are of, where the file does not say it.
    #[arg(long, value_name = "C")]
    pub collection: Option<Collection>,
    /// The field or column with the ids.
    #[arg(long, value_name = "F", default_value = "id")]
    pub id_field: FieldName,
    /// Keep objects that the file does not have.
    #[arg(long)]
    pub keep: bool,
    /// Show what differs, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// What the file is, where its ending does not say it.
    #[arg(long)]
    pub format: Option<Format>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// JSON, a row a line.
    Ndjson,
    /// Comma-separated values.
    Csv,
}

#[derive(Args, Debug)]
pub struct Replay {
    /// The recording: events in NDJSON, or a text in JSON; gzipped or plain.
    pub file: PathBuf,
    /// The stream to play it into.
    #[arg(long)]
    pub stream: StreamName,
    /// Draws the interleaving: another seed, another order in which replicas go online.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many replicas may be online at once, where they edit offline; people who type are online all the time.
    #[arg(long, default_value = "4", value_name = "N", value_parser = parse_count)]
    pub replicas_in_flight: usize,
}

#[derive(Args, Debug)]
pub struct Bench {
    /// What to measure; everything where nothing is named.
    pub measures: Vec<Measure>,
    /// Seconds for each measure that runs for a time.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Smaller sizes, for a quick look: figures are not comparable then.
    #[arg(long)]
    pub quick: bool,
    /// Measure peers beside us, those that are on PATH: with append and fanout Redis, NATS and S2 lite, with text yrs, Loro
    /// and Automerge (`bench/text-peers`).
    #[arg(long)]
    pub peers: bool,
    /// With text: the directory of the recordings.
    #[arg(long, default_value = "fixtures", value_name = "DIR")]
    pub recordings: PathBuf,
}

impl Arguments {
    /// The server to speak to: the one that was said, or that of the environment, or the one of `tapeline serve`.
    pub fn server(&self) -> String {
        let environment = || std::env::var("TAPELINE_SERVER").ok().filter(|server| !server.is_empty());
        self.server.clone().or_else(environment).unwrap_or_else(|| "ws://127.0.0.1:7070".into())
    }
}

/// A group of measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Measure {
    /// Throughput and latency of acknowledged writes; restarts.
    Append,
    /// From a change to everybody having seen it; idle clients.
    Fanout,
    /// A newcomer's first sync, of a hundred thousand objects and of a million; live traffic meanwhile; disk.
    Cold,
    /// A returning client's catching up.
    Return,
    /// The first rows of a window over a million objects.
    Window,
    /// An event past ten thousand queries, each for another value.
    Route,
    /// Ten thousand edits made offline.
    Offline,
    /// Updates of registers applied by a replica.
    Apply,
    /// Tokens verified.
    Auth,
    /// A thousand events taken in over a thousand pending edits.
    Rebase,
    /// Texts typed, taken in elsewhere, and sequenced.
    Text,
}

/// Prints completions for a shell.
pub fn print_completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Arguments::command(), "tapeline", &mut std::io::stdout());
}

fn parse_count(text: &str) -> Result<usize, std::num::ParseIntError> {
    text.parse().map(std::num::NonZeroUsize::get)
}

fn parse_time(text: &str) -> Result<Duration, &'static str> {
    const WANTED: &str = "this is a number of seconds, minutes, hours or days, as in 90s, 15m, 8h or 7d";
    let unit = text.chars().last().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(text.len() - unit);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(WANTED),
    };
    let number: u32 = number.parse().map_err(|_| WANTED)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

fn parse_seq(text: &str) -> Result<Seq, std::num::ParseIntError> {
    text.parse().map(Seq)
}
