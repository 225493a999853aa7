//! A client: one connection, one store, many streams.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tapeline_core::codec::Codec;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::SchemaVersion;
use tokio::sync::watch;

use crate::Stream;
use crate::checks::Checks;
use crate::command::{Refused, Transaction};
use crate::driver::Driver;
use crate::error::{OpenError, StoreError, StreamError};
use crate::hub::{Extent, Hub, Shared};
use crate::line::{Line, Says, Tokens};
use crate::socket::Address;
use crate::status::Connection;
use crate::store::{Owner, Store};
use crate::transport::Transport;

/// A client of one server. Cheap to clone; it ends when it is closed, or when its last handle is dropped, and stores what is
/// not yet stored. Before a program ends, [`close`](Self::close) waits for that.
///
/// Everything works at once, online or not: the client connects in the background, again and again, and says in
/// [`connection`](Self::connection) how that stands.
#[derive(Clone, Debug)]
pub struct Tapeline {
    shared: Arc<Shared>,
}

/// How a client is to be opened: see [`Tapeline::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    address: String,
    path: Option<PathBuf>,
    owner: Owner,
    says: Says,
    codec: Codec,
    transport: Transport,
    online: bool,
    checks: Result<Checks, OpenError>,
}

impl Tapeline {
    /// Begins to open a client of the server at an address like `ws://127.0.0.1:7070` or `wss://example.org`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use tapeline_client::Tapeline;
    ///
    /// let tapeline = Tapeline::builder("ws://127.0.0.1:7070").store("app.tapeline").open().await?;
    /// # Ok(()) }
    /// ```
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder {
            address: address.into(),
            path: None,
            owner: Owner::default(),
            says: Says::default(),
            codec: Codec::Cbor,
            transport: Transport::Auto,
            online: true,
            checks: Ok(Checks::default()),
        }
    }

    /// A stream. It is there at once with what the device holds of it, and catches up in the background for as long
    /// as the client lives. The same name gives the same stream.
    ///
    /// # Errors
    /// Where the name is none, what is stored of it cannot be read, or the device holds a part of it.
    pub async fn stream(&self, name: impl AsRef<str>) -> Result<Stream, StreamError> {
        let name = StreamName::new(name)?;
        let cell = self.shared.stream(name, Extent::Whole).await?;
        Ok(Stream::new(self.shared.clone(), cell))
    }

    /// A stream of which only what is wanted is held: what [`Stream::hold`] asks for, and [`Stream::load`]. An object that
    /// is not held can be edited all the same.
    ///
    /// # Errors
    /// Where the name is none, what is stored of it cannot be read, or the device holds all of it.
    pub async fn part(&self, name: impl AsRef<str>) -> Result<Stream, StreamError> {
        let name = StreamName::new(name)?;
        let cell = self.shared.stream(name, Extent::Part).await?;
        Ok(Stream::new(self.shared.clone(), cell))
    }

    /// Registers a command: what it does to a stream, given its arguments. Register commands before streams are opened,
    /// so that those which wait from an earlier run can be run again.
    ///
    /// It runs when it is asked for ([`Stream::run`]), and again where what it read or wrote has changed before it is
    /// sent. It must depend on nothing but the transaction. What it returns as an error parks its intent; a panic is a
    /// bug, and is reported as one. While it runs nobody else has the stream: what it would ask that for, it waits for for ever.
    ///
    /// # Panics
    /// Where the name is none.
    ///
    /// ```no_run
    /// # fn example(tapeline: &tapeline_client::Tapeline) {
    /// use tapeline_client::{ObjectId, Transaction};
    ///
    /// tapeline.command("book", |tx: &mut Transaction<'_>, (room, guest): (String, String)| {
    ///     let id = ObjectId::new(room)?;
    ///     let room = tx.get("rooms", &id)?.ok_or("there is no such room")?;
    ///     match room.get("free").and_then(|free| free.as_int()) {
    ///         Some(1..) => tx.increment("rooms", &id, "free", -1)?,
    ///         _ => return Err("the room is full".into()),
    ///     }
    ///     tx.add("rooms", &id, "guests", [guest.into()])
    /// });
    /// # }
    /// ```
    pub fn command<Args: DeserializeOwned + 'static>(
        &self,
        name: &str,
        run: impl Fn(&mut Transaction<'_>, Args) -> Result<(), Refused> + Send + Sync + 'static,
    ) {
        self.shared.registry().add(name, false, run);
    }

    /// Registers a [command](Self::command) whose reads must not have changed by the time it is recorded. Where they
    /// have, the server refuses it, and it is run again on what is there then.
    ///
    /// # Panics
    /// Where the name is none.
    pub fn serializable_command<Args: DeserializeOwned + 'static>(
        &self,
        name: &str,
        run: impl Fn(&mut Transaction<'_>, Args) -> Result<(), Refused> + Send + Sync + 'static,
    ) {
        self.shared.registry().add(name, true, run);
    }

    /// Gives the connection up, and makes no other, until [`go_online`](Self::go_online). Edits go on as ever.
    pub fn go_offline(&self) {
        self.shared.wish(false);
    }

    /// Connects; at once, whatever it was waiting for. Right after [`go_offline`](Self::go_offline) that is a new connection,
    /// to which the newest token is shown.
    pub fn go_online(&self) {
        self.shared.wish(true);
    }

    /// How the client stands to its server.
    pub fn connection(&self) -> Connection {
        self.shared.connection().borrow().clone()
    }

    /// How the client stands to its server, now and whenever that changes.
    pub fn connection_changes(&self) -> watch::Receiver<Connection> {
        self.shared.connection().subscribe()
    }

    /// Ends the client: stores what is not yet stored, and gives the store free. What was not sent is sent when the
    /// store is opened again.
    ///
    /// # Errors
    /// Where something could not be stored. It is lost with this process.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.shared.close().await
    }
}

impl Builder {
    /// Keeps everything in this file on the device. It is made where it is not there.
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Keeps everything in memory: it ends with the client. That is so unless [`store`](Self::store) is called.
    pub fn in_memory(mut self) -> Self {
        self.path = None;
        self
    }

    /// Names the app whose store it is. A store of another app is not opened.
    pub fn app(mut self, app: impl Into<String>) -> Self {
        self.owner.app = app.into();
        self
    }

    /// Names the person whose store it is. A store of another person is not opened, so that nobody sees or sends what
    /// somebody else did on the same device.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.owner.subject = subject.into();
        self
    }

    /// Shows the server a token that says who this is.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.tokens(move || std::future::ready(token.clone()))
    }

    /// Shows the server tokens that say who this is: a newer one whenever it connects, and before the last one expires.
    pub fn tokens<T>(mut self, newest: impl Fn() -> T + Send + Sync + 'static) -> Self
    where
        T: Future<Output = String> + Send + 'static,
    {
        self.says.tokens = Some(Tokens::new(newest));
        self
    }

    /// Names the version of the schema that the app was written for. A server that serves none so old says so in
    /// [`Connection::UpgradeRequired`]; one that is older itself is tried again until it is upgraded. What is on the
    /// device stays, and is sent then.
    pub fn schema(mut self, version: u32) -> Self {
        self.says.schema = Some(SchemaVersion(version));
        self
    }

    /// Checks edits by the app's schema before they are taken: the text of the schema file that the app was built with. What
    /// is not valid is an error of the call, [`EditError::objection`](crate::EditError::objection), and changes nothing.
    ///
    /// Checked is what fields are, patterns, and checks that do not look at `auth`. The server still has the last word.
    #[cfg(feature = "checks")]
    pub fn checked_by(mut self, schema: &str) -> Self {
        self.checks = Checks::read(schema).map_err(|error| OpenError::Schema(error.to_string()));
        self
    }

    /// How frames are spelled on the wire: CBOR unless told otherwise.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// What carries frames to the server: [`Transport::Auto`] unless told otherwise.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Makes no connection until [`Tapeline::go_online`].
    pub fn offline(mut self) -> Self {
        self.online = false;
        self
    }

    /// Opens the client. It does not wait for the server.
    ///
    /// # Errors
    /// Where the address is none, the schema is none, or the store cannot be used. A store that cannot be used is left as it is.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn open(self) -> Result<Tapeline, OpenError> {
        let address = Address::new(&self.address, self.codec)?;
        let checks = self.checks?;
        let store = match self.path {
            None => None,
            Some(path) => Some(Store::open(&path, self.owner).await?),
        };
        let hub = Arc::new(Hub::new(store, self.online, checks));
        let driver = Driver::new(hub.clone(), Line::new(address, self.transport, self.says));
        let driver = tokio::spawn(driver.run());
        Ok(Tapeline { shared: Arc::new(Shared::new(hub, driver)) })
    }
}
