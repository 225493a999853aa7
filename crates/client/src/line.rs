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
use crate::socket::{Address, Ended, Socket, SocketError};
use crate::status::Connection;
use crate::transport::{Choice, End, Transport};

pub(crate) struct Line {
    address: Address,
    choice: Choice,
    says: Says,
    /// Brings a newer token while the one that was shown is still good.
    renewal: Option<Renewal>,
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
type Attempt = Pin<Box<dyn Future<Output = Result<(Socket, Option<String>), SocketError>> + Send>>;

/// A token that is on its way.
type Coming = Pin<Box<dyn Future<Output = String> + Send>>;

/// A newer token that is shown once there is room for it.
type Renewal = Pin<Box<dyn Future<Output = Result<(), SocketError>> + Send>>;

/// How long a newer token is waited for at least: an app may have none.
const RENEW_AFTER: Duration = Duration::from_secs(1);

/// Gives tokens, each newer than the last.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<dyn Fn() -> Coming + Send + Sync>);

impl Tokens {
    pub(crate) fn new<T>(newest: impl Fn() -> T + Send + Sync + 'static) -> Self
    where
        T: Future<Output = String> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(newest())))
    }

    /// The newest. Where the app's own code breaks, that is a failed attempt and not the end of the client.
    async fn newest(self) -> Result<String, SocketError> {
        let coming = tokio::spawn(async move { (self.0)().await });
        let _ended = Ended::with(&coming);
        coming.await.map_err(|error| SocketError::NoToken(error.to_string().into()))
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

    /// One on which a socket is up.
    #[cfg(test)]
    pub(crate) fn up(socket: Socket, says: Says) -> Self {
        let address = Address::new("ws://127.0.0.1:1", Codec::Cbor).unwrap();
        Self { state: State::Up(socket), ..Self::new(address, Transport::Auto, says) }
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
                let tokens = self.says.tokens.clone();
                self.state = State::Connecting(Box::pin(async move {
                    let socket = attempt.await?;
                    let token = match tokens {
                        Some(tokens) => Some(tokens.newest().await?),
                        None => None,
                    };
                    Ok((socket, token))
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
                let attempt = attempt.as_mut().await;
                self.attempted(attempt)
            }
            State::Up(socket) => {
                let next = tokio::select! {
                    heard = socket.incoming.recv() => Ok(heard),
                    Ok(_) = socket.outgoing.reserve(), if wants_room => return Heard::Room,
                    renewed = renewed(&mut self.renewal) => Err(renewed),
                };
                match next {
                    Ok(heard) => self.heard(heard.unwrap_or(Err(SocketError::Closed))),
                    Err(renewed) => self.renewed(renewed),
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

    fn attempted(&mut self, attempt: Result<(Socket, Option<String>), SocketError>) -> Heard {
        match attempt {
            Err(error) => self.failed(&error),
            Ok((socket, token)) => {
                self.sockets += 1;
                self.link.connected(self.now());
                self.state = State::Up(socket);
                self.say(ClientFrame::Hello(self.hello(token)));
            }
        }
        Heard::Turn
    }

    fn hello(&self, token: Option<String>) -> Hello {
        let agent = concat!("tapeline-client/", env!("CARGO_PKG_VERSION")).into();
        let deflate = self.address.codec == Codec::Cbor;
        let schema = self.says.schema;
        Hello { protocol: PROTOCOL, agent, token, deflate, schema }
    }

    /// A newer token is asked for before the one that was shown is over, and shown as soon as the queue has room for it.
    fn renew_in_time(&mut self, expires_in: Option<Millis>) {
        let Some((tokens, left)) = self.says.tokens.clone().zip(expires_in) else { return };
        let Some(outgoing) = self.socket().map(|socket| socket.outgoing.clone()) else { return };
        let hello = self.hello(None);
        self.renewal = Some(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(left.0 / 5 * 4).max(RENEW_AFTER)).await;
            let token = Some(tokens.newest().await?);
            // Where the socket has gone meanwhile, the next one begins with a newer token.
            drop(outgoing.send(ClientFrame::Hello(Hello { token, ..hello })).await);
            Ok(())
        }));
    }

    fn renewed(&mut self, renewed: Result<(), SocketError>) -> Heard {
        self.renewal = None;
        if let Err(error) = renewed {
            self.failed(&error);
        }
        Heard::Turn
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

/// Ends once a newer token is shown.
async fn renewed(renewal: &mut Option<Renewal>) -> Result<(), SocketError> {
    match renewal {
        Some(renewal) => renewal.as_mut().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;
    use crate::socket::Queues;

    #[tokio::test]
    async fn a_newer_token_is_shown_however_much_waits_before_it() {
        let asked = Arc::new(Notify::new());
        let asks = asked.clone();
        let tokens = Tokens::new(move || {
            asks.notify_one();
            std::future::ready("newer".to_owned())
        });
        let (socket, Queues { mut to_say, heard: _heard }) = Socket::new();
        while socket.outgoing.try_send(ClientFrame::Ping).is_ok() {}
        let mut line = Line::up(socket, Says { tokens: Some(tokens), schema: None });
        line.renew_in_time(Some(Millis(0)));
        let shown = async {
            asked.notified().await;
            while let Some(frame) = to_say.recv().await {
                if let ClientFrame::Hello(hello) = frame {
                    return hello.token;
                }
            }
            None
        };
        let line = async { while matches!(line.next(false).await, Heard::Turn | Heard::Room) {} };
        tokio::select! {
            token = shown => assert_eq!(token.as_deref(), Some("newer")),
            () = line => panic!("the line heard something"),
        }
    }
}
