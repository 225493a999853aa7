//! The Tapeline server as a library: sockets, sessions, shards of sequencers, live playing and plain HTTP.
//!
//! ```text
//! socket ─ session ─┬─ shard (the sequencers of many streams) ── log.append … durable ── answers
//!                   └─ reader (one position for each stream open) ◀── hub: "stream S reached seq N"
//! ```
//!
//! It is given an [`EventLog`](tapeline_log::EventLog) and a [`StateStore`](tapeline_log::StateStore), and knows nothing
//! of what is behind them.

mod accept;
mod address;
mod addresses;
pub mod auth;
pub mod backend;
mod budget;
mod callers;
mod cluster;
mod config;
mod deflate;
mod door;
mod files;
mod filling;
mod finding;
mod guests;
mod http;
mod hub;
mod inbox;
pub mod limits;
mod lock;
mod metrics;
mod origin;
mod pace;
mod pages;
mod reader;
mod retention;
mod server;
mod session;
mod sessions;
mod shard;
mod shared;
mod sse;
mod stamp;
mod tls;
mod transport;
mod trouble;
mod views;
mod websocket;
mod wire;

pub use config::{PORT, ServerConfig, StartError, may_listen};
pub use files::FileError;
pub use metrics::{Reading, Readings};
pub use origin::{Origin, OriginError};
pub use pages::{Page, Pages};
pub use retention::{Ages, compact};
pub use server::{Server, Starting};
pub use tapeline_authority::{SchemaFile, TextError, read_schema};
pub use tls::{Tls, TlsError};
