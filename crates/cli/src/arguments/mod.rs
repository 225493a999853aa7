//! What can be said on the command line: the commands here, what they take in a file for each kind.

mod data;
mod measuring;
mod schemas;
mod serving;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use tapeline_core::name::StreamName;

pub use data::{Diff, Edit, Format, Import, Object, Objects, Query, Tail};
pub use measuring::{Bench, Measure, Replay};
pub use schemas::{Language, RulesCommand, SchemaCommand, Types, Why};
pub use serving::{Copy, Demo, Serve, Token, parse_address};

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
    Types(Types),
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
    /// JSON: a list of rows, or an object with a list for each collection. NDJSON: a row a line, or what `tapeline objects`
    /// prints, which needs no --collection. CSV: with a header; what is spelled like a number is one, what is empty is left out.
    /// Fields of an object that its row does not have become null.
    #[command(after_help = "Examples:
  tapeline import shop/stock stock.csv --collection items --id-field sku --dry-run
  tapeline import lists/home home.json
  tapeline objects lists/home | tapeline import lists/copy -")]
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
    /// Copy all that a server has to another place, which is the same log then: same events, objects, and answers.
    ///
    /// From and to a directory or a log on NATS. What was copied before is not copied again, so a copy that was interrupted goes
    /// on. A log on NATS may be written to meanwhile; a directory must not be in use: `tapeline serve --copy-to` copies one that is.
    #[command(after_help = "Examples:
  tapeline copy --from tapeline-data --to 'nats://a:4222,b:4222,c:4222?replicas=3'
  tapeline copy --from nats://a:4222 --to ./tapeline-data --json
  tapeline copy --from ./tapeline-data --to ./another-disk")]
    Copy(Copy),
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

impl Arguments {
    /// The server to speak to: the one that was said, or that of the environment, or the one of `tapeline serve`.
    pub fn server(&self) -> String {
        let environment = || std::env::var("TAPELINE_SERVER").ok().filter(|server| !server.is_empty());
        self.server.clone().or_else(environment).unwrap_or_else(|| "ws://127.0.0.1:7070".into())
    }
}

/// The completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tapeline", &mut script);
    script
}
