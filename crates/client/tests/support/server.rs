//! A server on loopback around the core's sequencer: everything in memory, durable at once, under one lock. Its log
//! can be put back to an earlier one, as a restored backup would.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::caller::Caller;
use tapeline_core::codec::Codec;
use tapeline_core::event::Sealed;
use tapeline_core::frame::{ClientFrame, ErrorCode, ErrorFrame, Events, Live, Open, PROTOCOL, ServerFrame, Welcome};
use tapeline_core::hash::Chain;
use tapeline_core::limits;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, Incarnation, Millis, Seq};
use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
use tapeline_core::state::StreamState;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::sse;

pub struct TestServer {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    hang_up: watch::Sender<Option<ErrorCode>>,
}

/// The logs of all streams at some moment.
#[derive(Clone, Default)]
pub struct Backup(BTreeMap<StreamName, Vec<Arc<Batch>>>);

#[derive(Default)]
pub(super) struct World {
    streams: HashMap<StreamName, Tape>,
    sessions: HashMap<u64, mpsc::Sender<ServerFrame>>,
    /// The last body of each session that is not a WebSocket.
    pub(super) bodies: HashMap<u64, u64>,
    started: u64,
}

struct Tape {
    sequencer: Sequencer,
    batches: Vec<Arc<Batch>>,
    events: EventBlock,
    readers: Vec<Peer>,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn start_on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (world, hang_up) = (Arc::new(Mutex::new(World::default())), watch::Sender::new(None));
        let (shared, hanging_up) = (world.clone(), hang_up.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, shared.clone(), hanging_up.subscribe()));
            }
        });
        Self { address, world, hang_up }
    }

    pub fn address(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Ends all sockets, with an error where one is given.
    pub fn hang_up(&self, why: Option<ErrorCode>) {
        self.hang_up.send_replace(why);
    }

    /// How many sockets there were.
    pub fn started(&self) -> u64 {
        self.world.lock().unwrap().started
    }

    pub fn head(&self, stream: &str) -> Seq {
        self.with(stream, |tape| tape.events.end())
    }

    /// All events of a stream.
    pub fn events(&self, stream: &str) -> EventBlock {
        self.with(stream, |tape| tape.events.clone())
    }

    /// Puts events on a stream that nobody sent.
    pub fn put(&self, stream: &str, batch: Batch) {
        self.with(stream, |tape| tape.replay(Arc::new(batch)));
    }

    pub fn backup(&self) -> Backup {
        let world = self.world.lock().unwrap();
        Backup(world.streams.iter().map(|(name, tape)| (name.clone(), tape.batches.clone())).collect())
    }

    /// Is from now on as it was then; all sockets end.
    pub fn restore(&self, backup: &Backup) {
        let mut world = self.world.lock().unwrap();
        world.streams.clear();
        for (name, batches) in &backup.0 {
            let tape = world.tape(name);
            batches.iter().for_each(|batch| tape.replay(batch.clone()));
        }
        drop(world);
        self.hang_up(None);
    }

    fn with<R>(&self, stream: &str, look: impl FnOnce(&mut Tape) -> R) -> R {
        look(self.world.lock().unwrap().tape(&StreamName::new(stream).unwrap()))
    }
}

async fn serve(socket: TcpStream, world: Arc<Mutex<World>>, hang_up: watch::Receiver<Option<ErrorCode>>) {
    socket.set_nodelay(true).unwrap();
    match asks_for_a_websocket(&socket).await {
        true => serve_websocket(socket, world, hang_up).await,
        false => sse::serve(socket, world, hang_up).await,
    }
}

/// Looks at the first request, which on loopback comes in one piece.
async fn asks_for_a_websocket(socket: &TcpStream) -> bool {
    let mut head = [0; 2_048];
    let size = socket.peek(&mut head).await.unwrap_or(0);
    String::from_utf8_lossy(&head[..size]).to_lowercase().contains("upgrade: websocket")
}

async fn serve_websocket(socket: TcpStream, world: Arc<Mutex<World>>, mut hang_up: watch::Receiver<Option<ErrorCode>>) {
    let mut codec = Codec::Cbor;
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let asked = request.headers()["sec-websocket-protocol"].clone();
        codec = Codec::ALL.into_iter().find(|codec| asked == codec.subprotocol()).unwrap();
        response.headers_mut().insert("sec-websocket-protocol", asked);
        Ok(response)
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(socket, choose).await else { return };
    let (mut sink, mut stream) = socket.split();
    let (session, mut to_send) = world.lock().unwrap().enter();
    hang_up.mark_unchanged();
    let message = |frame: &ServerFrame| match codec {
        Codec::Cbor => Message::binary(codec.encode_server(frame)),
        Codec::Json => Message::text(String::from_utf8(codec.encode_server(frame)).unwrap()),
    };
    loop {
        tokio::select! {
            said = stream.next() => {
                let Some(Ok(said)) = said else { break };
                if said.is_close() { break }
                let frame = codec.decode_client(&said.into_data()).unwrap();
                world.lock().unwrap().receive(session, frame);
            }
            frame = to_send.recv() => {
                let Some(frame) = frame else { break };
                if sink.feed(message(&frame)).await.is_err() { break }
                while let Ok(frame) = to_send.try_recv() {
                    drop(sink.feed(message(&frame)).await);
                }
                drop(sink.flush().await);
            }
            _ = hang_up.changed() => {
                let why = *hang_up.borrow_and_update();
                if let Some(code) = why {
                    drop(sink.feed(message(&go_away(code))).await);
                }
                drop(sink.close().await);
                break;
            }
        }
    }
    world.lock().unwrap().leave(session);
}

pub(super) fn go_away(code: ErrorCode) -> ServerFrame {
    ServerFrame::Error(ErrorFrame { channel: None, code, message: "go away".into(), n: None, retry: None })
}

impl World {
    /// A session begins.
    pub(super) fn enter(&mut self) -> (u64, mpsc::Receiver<ServerFrame>) {
        let (send, to_send) = mpsc::channel(100_000);
        self.started += 1;
        self.sessions.insert(self.started, send);
        (self.started, to_send)
    }

    pub(super) fn has(&self, session: u64) -> bool {
        self.sessions.contains_key(&session)
    }

    fn tape(&mut self, name: &StreamName) -> &mut Tape {
        self.streams.entry(name.clone()).or_insert_with(Tape::new)
    }

    pub(super) fn receive(&mut self, session: u64, frame: ClientFrame) {
        match frame {
            ClientFrame::Hello(_) => {
                let (server, silence) = ("test".into(), Millis(40_000));
                let frame_bytes = limits::FRAME_BYTES as u64;
                let welcome = Welcome { protocol: PROTOCOL, server, silence, frame_bytes, expires_in: None };
                self.send(session, ServerFrame::Welcome(welcome));
            }
            ClientFrame::Ping => self.send(session, ServerFrame::Pong),
            ClientFrame::Open(open) => {
                let peer = Peer { session, channel: open.channel };
                let name = open.stream.clone();
                let tape = self.tape(&name);
                tape.open(peer, &open);
                self.answer(&name);
                if let Live::From(from) = open.live {
                    let tape = self.tape(&name);
                    tape.readers.retain(|reader| *reader != peer);
                    tape.readers.push(peer);
                    let frames = tape.play(peer.channel, from);
                    frames.into_iter().for_each(|frame| self.send(session, frame));
                }
            }
            ClientFrame::Push { channel, events } => {
                let peer = Peer { session, channel };
                let streams = self.streams.iter().find(|(_, tape)| tape.readers.contains(&peer));
                let Some(name) = streams.map(|(name, _)| name.clone()) else { return };
                let tape = self.tape(&name);
                let from = tape.events.end();
                tape.push(peer, events.into_iter().map(Sealed::new).collect());
                let readers = tape.readers.clone();
                self.answer(&name);
                for reader in readers {
                    let frames = self.tape(&name).play(reader.channel, from);
                    frames.into_iter().for_each(|frame| self.send(reader.session, frame));
                }
            }
            ClientFrame::Fetch { .. }
            | ClientFrame::Close { .. }
            | ClientFrame::Presence(_)
            | ClientFrame::Subscribe { .. }
            | ClientFrame::Unsubscribe { .. } => {}
        }
    }

    fn answer(&mut self, name: &StreamName) {
        for (peer, frame) in self.tape(name).sequencer.take_answers() {
            self.send(peer.session, frame);
        }
    }

    fn send(&self, session: u64, frame: ServerFrame) {
        if let Some(to) = self.sessions.get(&session) {
            drop(to.try_send(frame));
        }
    }

    pub(super) fn leave(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.streams.values_mut().for_each(|tape| tape.readers.retain(|reader| reader.session != session));
    }
}

impl Tape {
    fn new() -> Self {
        Self {
            sequencer: Sequencer::new(StreamState::empty(Incarnation(1)), std::sync::Arc::default(), None),
            batches: Vec::new(),
            events: EventBlock::empty(Seq::FIRST, Chain::EMPTY),
            readers: Vec::new(),
        }
    }

    fn open(&mut self, peer: Peer, open: &Open) {
        for &client in open.former.iter().chain([&open.client]) {
            self.sequencer.load_client(client, None);
        }
        let chain = |at: Seq| match at.cmp(&self.events.end()) {
            Ordering::Less => Some(self.events.slice(at, 0).before()),
            Ordering::Equal => Some(self.events.after()),
            Ordering::Greater => None,
        };
        let is_of_the_log = open.claims().all(|(at, claimed)| chain(at) == Some(claimed));
        self.sequencer.open(peer, None, open, is_of_the_log);
    }

    fn push(&mut self, peer: Peer, events: Vec<Sealed>) {
        for sealed in &events {
            self.sequencer.load_client(sealed.event.client, None);
            sealed.event.body.ops.iter().for_each(|op| self.sequencer.load_entry(op.key.clone(), None));
            if self.sequencer.push(peer, &Caller::default(), sealed) != Pushed::Decided {
                break;
            }
        }
        if let Some(staged) = self.sequencer.stage() {
            self.events.append(&staged.batch.block);
            self.batches.push(staged.batch);
            self.sequencer.appended(staged.expected.next());
        }
    }

    fn replay(&mut self, batch: Arc<Batch>) {
        for event in batch.events().unwrap() {
            event.body.ops.iter().for_each(|op| self.sequencer.load_entry(op.key.clone(), None));
        }
        self.sequencer.replay(&batch).unwrap();
        self.events.append(&batch.block);
        self.batches.push(batch);
    }

    fn play(&self, channel: Channel, from: Seq) -> Vec<ServerFrame> {
        let first = self.batches.partition_point(|batch| batch.block.end() <= from);
        let blocks = self.batches[first..].iter().map(|batch| &batch.block).filter(|block| !block.is_empty());
        let frames = blocks.map(|block| {
            let block = if block.from() < from { block.slice(from, usize::MAX) } else { block.clone() };
            ServerFrame::Events(Events { channel, head: self.events.end(), digest: None, block })
        });
        frames.collect()
    }
}
