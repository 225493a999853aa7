//! Running a server, and letting people in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tapeline_core::name::Subject;
use tapeline_server::Origin;

use crate::copy::Place;
use crate::log::Level;

#[derive(Args, Debug)]
pub struct Serve {
    /// The directory in which everything is kept. [default: tapeline-data]
    #[arg(long, env = "TAPELINE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The log of a cluster, which several servers may share: 'nats://HOST:PORT[,…][?replicas=3&streams=16&prefix=NAME]'.
    /// The directory is then its cache, and can be lost.
    #[arg(long, env = "TAPELINE_LOG", value_name = "URL")]
    pub log: Option<String>,
    /// The address to listen on; port 0 takes a free one and prints it. [default: 127.0.0.1:7070]
    #[arg(long, env = "TAPELINE_LISTEN", value_name = "ADDR", value_parser = parse_address)]
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
    /// A TOML file that names the application's own backend: who is asked before an event is recorded, and who is told afterwards.
    #[arg(long, env = "TAPELINE_BACKEND", value_name = "FILE")]
    pub backend: Option<PathBuf>,
    /// Copy the directory, while it is served and once more when the server is stopped, to another one or to a log on NATS:
    /// where people go on then.
    #[arg(long, value_name = "DIR|URL", conflicts_with = "log")]
    pub copy_to: Option<Place>,
    /// From where on things are worth a line in the server's log, on stderr. [default: info]
    #[arg(long, env = "TAPELINE_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<Level>,
    /// A TOML file with these settings. What is said here or in the environment goes first.
    #[arg(long, env = "TAPELINE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Copy {
    /// Where it is: a directory, or 'nats://HOST:PORT[,…][?prefix=NAME]'.
    #[arg(long, value_name = "DIR|URL")]
    pub from: Place,
    /// Where it is to be.
    #[arg(long, value_name = "DIR|URL")]
    pub to: Place,
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
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDR", value_parser = parse_address)]
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

/// An address to listen on.
pub fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(
        |_| "write it in numbers, with a port, as in 127.0.0.1:7070, or 0.0.0.0:7070 for all addresses of this machine",
    )
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
