//! Connections: two pipes each, in order, with delay; cut anywhere, noticed at either end at another time.
//!
//! A cut loses the tail of what is in flight. What is not lost still arrives: a server may well hear of a client on a
//! connection that the client has long given up.

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use tapeline_core::codec::Codec;
use tapeline_core::numbers::Millis;

/// A connection, numbered as they are made.
pub type ConnId = u64;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

/// All connections that still matter.
#[derive(Debug, Default)]
pub struct Network {
    connections: BTreeMap<ConnId, Connection>,
    made: ConnId,
}

#[derive(Debug)]
struct Connection {
    device: usize,
    codec: Codec,
    latency: u64,
    to_client: Pipe,
    to_server: Pipe,
}

#[derive(Debug, Default)]
struct Pipe {
    frames: VecDeque<Vec<u8>>,
    last_arrival: Millis,
    /// The receiving end is gone, or the pipe is cut: what is sent from now on is lost.
    shut: bool,
}

impl Network {
    /// Makes a connection of a device.
    pub fn connect(&mut self, device: usize, codec: Codec, latency: u64) -> ConnId {
        self.made += 1;
        let connection = Connection { device, codec, latency, to_client: Pipe::default(), to_server: Pipe::default() };
        self.connections.insert(self.made, connection);
        self.made
    }

    /// Whose connection it is, and what is spoken on it.
    pub fn about(&self, id: ConnId) -> Option<(usize, Codec)> {
        self.connections.get(&id).map(|connection| (connection.device, connection.codec))
    }

    /// Puts a frame into the pipe towards an end. Answers when it arrives there, unless it is lost.
    pub fn send(&mut self, id: ConnId, towards: End, bytes: Vec<u8>, now: Millis, random: &mut Rng) -> Option<Millis> {
        let connection = self.connections.get_mut(&id)?;
        let delay = connection.latency + random.u64(0..=connection.latency);
        let pipe = connection.pipe(towards);
        if pipe.shut {
            return None;
        }
        pipe.frames.push_back(bytes);
        pipe.last_arrival = pipe.last_arrival.max(now.plus(Millis(delay)));
        Some(pipe.last_arrival)
    }

    /// The next frame to arrive at an end.
    pub fn arrive(&mut self, id: ConnId, at: End) -> Option<Vec<u8>> {
        self.connections.get_mut(&id)?.pipe(at).frames.pop_front()
    }

    /// An end is gone: nothing reaches it any more. What it has sent may still arrive at the other, or only a part.
    pub fn close(&mut self, id: ConnId, end: End, random: &mut Rng) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let towards = connection.pipe(end);
        towards.shut = true;
        towards.frames.clear();
        connection.pipe(end.other()).cut(random);
    }

    /// The connection is cut in the middle.
    pub fn cut(&mut self, id: ConnId, random: &mut Rng) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.to_client.cut(random);
        connection.to_server.cut(random);
    }
}

impl Connection {
    fn pipe(&mut self, towards: End) -> &mut Pipe {
        match towards {
            End::Client => &mut self.to_client,
            End::Server => &mut self.to_server,
        }
    }
}

impl Pipe {
    fn cut(&mut self, random: &mut Rng) {
        self.shut = true;
        let kept = random.usize(0..=self.frames.len());
        self.frames.truncate(kept);
    }
}

impl End {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
