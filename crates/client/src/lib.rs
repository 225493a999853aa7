//! The native Tapeline client: the shell around `tapeline_core::replica`.
//!
//! The core decides; this crate acts. It keeps one connection to a server and one store on the device, and gives an
//! app its streams as if they were local, because they are: reads and edits never wait for network or disk.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tapeline_client::{Outcome, Tapeline};
//!
//! let tapeline = Tapeline::builder("ws://127.0.0.1:7070").store("app.tapeline").open().await?;
//! let list = tapeline.stream("lists/groceries").await?;
//! let tasks = list.collection("tasks")?;
//!
//! let (id, receipt) = tasks.insert([("title", "Buy milk".into()), ("done", false.into())])?;
//! tasks.update(&id, [("done", true.into())])?;
//! assert_eq!(tasks.all().len(), 1);
//!
//! receipt.stored().await?;
//! if let Outcome::Refused(refusal) = receipt.recorded().await? {
//!     println!("parked: {}", refusal.reason);
//! }
//! tapeline.close().await?;
//! # Ok(()) }
//! ```
//!
//! ```text
//!  Stream, Collection, Typed ──▶ Cell (a replica behind a lock) ◀── Driver ──▶ Line ─ Socket ─ server
//!                                                                     │
//!                                                                     └──────▶ Store ─ SQLite
//! ```

mod batch;
mod cell;
mod chance;
mod checks;
mod collection;
mod command;
mod driver;
mod error;
mod http;
mod hub;
mod inflate;
mod line;
mod part;
mod presence;
mod receipt;
mod replace;
mod shape;
mod socket;
mod sse;
mod status;
mod store;
mod stream;
mod tapeline;
mod text;
mod transport;
mod typed;
mod watch;
mod websocket;

pub use batch::Batch;
pub use collection::Collection;
pub use command::{CommandError, Refused, Transaction};
pub use error::{Closed, EditError, HoldError, OpenError, ShapeError, StoreError, StreamError};
pub use part::Held;
pub use presence::Presence;
pub use receipt::{Outcome, Receipt};
pub use status::{Connection, Status, StatusChanges};
pub use stream::{ParkedEdit, Stream};
pub use tapeline::{Builder, Tapeline};
pub use tapeline_core::codec::Codec;
pub use tapeline_core::difference::{Difference, Others};
pub use tapeline_core::event::{Lost, LostReason, Read, Refusal, RefusalCode};
pub use tapeline_core::name::{Key, NameError, ObjectId, StreamName};
pub use tapeline_core::numbers::PeerId;
pub use tapeline_core::numbers::{EditId, Millis};
pub use tapeline_core::object::{Conflict, Object};
pub use tapeline_core::op::{Action, Edit, FieldMap, Members, Op, Put};
pub use tapeline_core::replica::{Notice, PresenceError, SubscribeError};
pub use tapeline_core::splice::{Splice, Splices};
pub use tapeline_core::valid::Objection;
pub use tapeline_core::value::Value;
pub use transport::Transport;
pub use typed::Typed;
pub use watch::{Changed, Changes};
