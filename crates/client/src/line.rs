//! The line to the server: one socket after another, by the rules of the core's [`Link`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, ErrorCode, ErrorFrame, Hello, PROTOCOL, ServerFrame};
use tapeline_core::limits;
use tapeline_core::link::{Link, LinkAction};
use tapeline_core::numbers::{Millis, SchemaVersion};
use tokio::time::Instant;

use crate::chance;
use crate::hub::Wish;
use crate::socket::{Address, Socket, SocketError};
use crate::status::Connection;
use crate::transport::{Choice, End, Transport};

pub(crate) struct Line {
    address: Address,
    choice: Choice,
    says: Says,
    /// Brings a newer token while the one that was shown is still good.
    renewal: Option<Shown>,
    began: Instant,
    link: Link,
    state: State,
    online: bool,
    /// How many sockets there were.
    sockets: u64,
    /// What happened last, and when the next attempt is due in wall-clock time.
    trouble: Option<(Millis, Arc<str>)>,
    /// What the server said when it no longer spoke this protocol.
    refused: Option<Arc<str>>,
    welcome: bool,
    patience: Millis,
}

enum State {
    Down,
    Connecting(Attempt),
    Up(Socket),
}

/// An attempt to connect, with what there is to show.
type Attempt = Pin<Box<dyn Future<Output = (Result<Socket, SocketError>, Option<String>)> + Send>>;

/// A token that is on its way.
type Shown = Pin<Box<dyn Future<Output = String> + Send>>;

/// How long a newer token is waited for at least: an app may have none.
const RENEW_AFTER: Duration = Duration::from_secs(1);

/// Gives tokens, each newer than the last.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<dyn Fn() -> Shown + Send + Sync>);

impl Tokens {
    pub(crate) fn new<T>(newest: impl Fn() -> T + Send + Sync + 'static) -> Self
    where
        T: Future<Output = String> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(newest())))
    }

    fn newest(&self) -> Shown {
        (self.0)()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

/// What an app says of itself wherever it connects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Says {
    /// Who it speaks for.
    pub(crate) tokens: Option<Tokens>,
    /// Which version of the schema it was written for.
    pub(crate) schema: Option<SchemaVersion>,
}

/// What the line brings.
pub(crate) enum Heard {
    /// A socket came or went.
    Turn,
    /// The server said something.
    Frame(Box<ServerFrame>),
    /// The socket takes frames again.
    Room,
}

impl Line {
    pub(crate) fn new(address: Address, transport: Transport, says: Says) -> Self {
        Self {
            address,
            choice: Choice::new(transport),
            says,
            renewal: None,
            began: Instant::now(),
            link: Link::new(Millis(0)),
            state: State::Down,
            online: false,
            sockets: 0,
            trouble: None,
            refused: None,
            welcome: false,
            patience: Millis(0),
        }
    }

    /// Does what is due. Answers whether a socket has gone by it.
    pub(crate) fn steer(&mut self, wish: Wish) -> bool {
        self.online = wish.online;
        if wish.now {
            self.refused = None;
            self.link.nudge(self.now());
        }
        if !self.online || self.refused.is_some() {
            self.patience = limits::BACKOFF_MOST;
            return self.hang_up();
        }
        if wish.anew && self.hang_up() {
            self.patience = Millis(0);
            return true;
        }
        match self.link.poll(self.now()) {
            LinkAction::Connect => {
                let attempt = Socket::connect(self.address.clone(), self.choice.next(self.now()));
                let token = self.says.tokens.as_ref().map(Tokens::newest);
                self.state = State::Connecting(Box::pin(async move {
                    let socket = attempt.await;
                    match (token, &socket) {
                        (Some(token), Ok(_)) => (socket, Some(token.await)),
                        _ => (socket, None),
                    }
                }));
            }
            LinkAction::Ping => self.say(ClientFrame::Ping),
            LinkAction::Drop => {
                self.lost(End::LooksBlocked, "the server has not answered for long".into());
                return true;
            }
            LinkAction::Wait(until) => {
                self.patience = until.since(self.now());
                return false;
            }
        }
        self.patience = Millis(0);
        false
    }

    /// How long until something is due on the line itself.
    pub(crate) fn patience(&self) -> Millis {
        self.patience
    }

    /// What comes next. May be dropped and called again without losing anything.
    pub(crate) async fn next(&mut self, wants_room: bool) -> Heard {
        match &mut self.state {
            State::Down => std::future::pending().await,
            State::Connecting(attempt) => {
                let (attempt, token) = attempt.as_mut().await;
                self.attempted(attempt, token)
            }
            State::Up(socket) => {
                let next = tokio::select! {
                    heard = socket.incoming.recv() => Ok(heard),
                    Ok(_) = socket.outgoing.reserve(), if wants_room => return Heard::Room,
                    token = renewed(&mut self.renewal) => Err(token),
                };
                match next {
                    Ok(heard) => self.heard(heard.unwrap_or(Err(SocketError::Closed))),
                    Err(token) => {
                        self.renewal = None;
                        self.say_hello(Some(token));
                        Heard::Turn
                    }
                }
            }
        }
    }

    /// What has come already.
    pub(crate) fn try_next(&mut self) -> Option<Heard> {
        let State::Up(socket) = &mut self.state else { return None };
        let heard = socket.incoming.try_recv().ok()?;
        Some(self.heard(heard))
    }

    /// Takes an error of the server. Answers whether it ends the socket.
    pub(crate) fn complain(&mut self, error: &ErrorFrame) -> bool {
        let ends = match error.code {
            ErrorCode::Displaced | ErrorCode::UpgradeRequired | ErrorCode::Unauthorized => true,
            // The server is not ready for this app.
            ErrorCode::Later => !self.welcome && error.channel.is_none(),
            _ => false,
        };
        if !ends {
            return false;
        }
        if error.code == ErrorCode::UpgradeRequired {
            self.refused = Some(error.message.as_str().into());
        }
        self.lost(End::Failed, error.message.as_str().into());
        true
    }

    /// Gives the socket up. Answers whether there was one, or an attempt.
    pub(crate) fn hang_up(&mut self) -> bool {
        if self.welcome {
            self.choice.ended(self.now(), End::Welcomed);
        }
        let was = std::mem::replace(&mut self.state, State::Down);
        (self.link, self.welcome, self.trouble, self.renewal) = (Link::new(self.now()), false, None, None);
        !matches!(was, State::Down)
    }

    pub(crate) fn socket(&self) -> Option<&Socket> {
        match &self.state {
            State::Up(socket) => Some(socket),
            _ => None,
        }
    }

    /// Which socket there is: another number for each.
    pub(crate) fn socket_number(&self) -> Option<u64> {
        self.socket().map(|_| self.sockets)
    }

    pub(crate) fn connection(&self) -> Connection {
        match (&self.refused, &self.state, &self.trouble) {
            _ if !self.online => Connection::Offline,
            (Some(why), ..) => Connection::UpgradeRequired { why: why.clone() },
            (_, State::Up(_), _) if self.welcome => Connection::Connected,
            (_, State::Down, Some((retry_at, why))) => Connection::Waiting { retry_at: *retry_at, why: why.clone() },
            _ => Connection::Connecting,
        }
    }

    fn attempted(&mut self, attempt: Result<Socket, SocketError>, token: Option<String>) -> Heard {
        match attempt {
            Err(error) => self.failed(&error),
            Ok(socket) => {
                self.sockets += 1;
                self.link.connected(self.now());
                self.state = State::Up(socket);
                self.say_hello(token);
            }
        }
        Heard::Turn
    }

    fn say_hello(&self, token: Option<String>) {
        let agent = concat!("tapeline-client/", env!("CARGO_PKG_VERSION")).into();
        let deflate = self.address.codec == Codec::Cbor;
        let schema = self.says.schema;
        self.say(ClientFrame::Hello(Hello { protocol: PROTOCOL, agent, token, deflate, schema }));
    }

    /// A newer token is asked for before the one that was shown is over.
    fn renew_in_time(&mut self, expires_in: Option<Millis>) {
        let Some((tokens, left)) = self.says.tokens.clone().zip(expires_in) else { return };
        self.renewal = Some(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(left.0 / 5 * 4).max(RENEW_AFTER)).await;
            tokens.newest().await
        }));
    }

    fn heard(&mut self, heard: Result<ServerFrame, SocketError>) -> Heard {
        match heard {
            Ok(frame) => {
                self.link.heard(self.now());
                if let ServerFrame::Welcome(welcome) = &frame {
                    self.welcome = true;
                    self.renew_in_time(welcome.expires_in);
                }
                Heard::Frame(Box::new(frame))
            }
            Err(error) => {
                self.failed(&error);
                Heard::Turn
            }
        }
    }

    fn failed(&mut self, error: &SocketError) {
        let end = if error.looks_blocked() { End::LooksBlocked } else { End::Failed };
        self.lost(end, error.to_string().into());
    }

    /// The socket, or an attempt, has ended; like this where the server had not said welcome.
    fn lost(&mut self, end: End, why: Arc<str>) {
        let now = self.now();
        self.choice.ended(now, if self.welcome { End::Welcomed } else { end });
        (self.state, self.welcome, self.renewal) = (State::Down, false, None);
        self.link.lost(now, chance::random() as u64);
        if let LinkAction::Wait(next) = self.link.poll(now) {
            self.trouble = Some((chance::now().plus(next.since(now)), why));
        }
    }

    /// A frame of the line's own. Where the queue is full, a sign of life is on its way anyhow.
    fn say(&self, frame: ClientFrame) {
        if let Some(socket) = self.socket() {
            drop(socket.outgoing.try_send(frame));
        }
    }

    fn now(&self) -> Millis {
        Millis(self.began.elapsed().as_millis() as u64)
    }
}

/// The newer token, once it is due and there.
async fn renewed(renewal: &mut Option<Shown>) -> String {
    match renewal {
        Some(renewal) => renewal.as_mut().await,
        None => std::future::pending().await,
    }
}
