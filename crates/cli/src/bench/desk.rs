//! A sequencer with its log in this very process, and replicas that speak with it in encoded frames: no sockets and no
//! disk, so that what is timed is the core alone.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::block::EventBlock;
use tapeline_core::caller::Caller;
use tapeline_core::codec::Codec;
use tapeline_core::event::Sealed;
use tapeline_core::frame::{ClientFrame, Events, ServerFrame};
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, Incarnation, Millis, Seq};
use tapeline_core::op::Op;
use tapeline_core::replica::{Keeping, Moment, Replica, Start};
use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
use tapeline_core::state::{StateChanges, StreamState};

use super::load::stream;
use crate::failure::Failure;

const CHANNEL: Channel = Channel(0);
const CODEC: Codec = Codec::Cbor;

/// When measures begin, as far as replicas are told.
pub const BEGIN: Millis = Millis(1_764_000_000_000);

/// A sequencer of one stream. What is recorded is durable at once.
pub struct Desk {
    sequencer: Sequencer,
    /// What was recorded.
    pub log: Vec<Arc<Batch>>,
}

impl Desk {
    /// With nothing recorded.
    pub fn new() -> Self {
        let sequencer = Sequencer::new(StreamState::empty(Incarnation(1)), Arc::default(), None);
        Self { sequencer, log: Vec::new() }
    }

    /// Takes a frame of a client. Answers what is for that client alone.
    pub fn take(&mut self, client: ClientId, frame: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        let peer = Peer { session: client.0 as u64, channel: CHANNEL };
        match CODEC.decode_client(frame).map_err(Failure::failed)? {
            ClientFrame::Open(open) => {
                self.sequencer.load_client(open.client, None);
                self.sequencer.open(peer, None, &open, true);
            }
            ClientFrame::Push { events, .. } => {
                for event in events {
                    event.body.ops.iter().for_each(|op| self.sequencer.load_entry(op.key.clone(), None));
                    if self.sequencer.push(peer, &Caller::default(), &Sealed::new(event)) != Pushed::Decided {
                        return Err(Failure::Failed("the sequencer did not decide on an event".into()));
                    }
                }
            }
            _ => {}
        }
        if let Some(staged) = self.sequencer.stage() {
            let played = self.sequencer.appended(staged.expected.next());
            self.log.extend(played.map(|played| played.batch));
        }
        let answers = self.sequencer.take_answers();
        Ok(answers.into_iter().map(|(_, answer)| CODEC.encode_server(&answer)).collect())
    }

    /// All that was recorded from the first event of a batch on, as one block.
    pub fn block(&self, from: Seq) -> EventBlock {
        let first = self.log.partition_point(|batch| batch.block.from() < from);
        let mut blocks = self.log[first..].iter().map(|batch| &batch.block);
        let mut all = blocks.next().cloned().unwrap_or(EventBlock::empty(from, Chain::EMPTY));
        blocks.for_each(|block| all.append(block));
        all
    }

    /// The objects as they are now, and what is known of clients, to be stored.
    pub fn changes(&mut self) -> Option<StateChanges> {
        self.sequencer.take_changes()
    }
}

/// The frame in which events are played.
pub fn events(block: &EventBlock) -> Vec<u8> {
    let events = Events { channel: CHANNEL, head: block.end(), digest: None, block: block.clone() };
    CODEC.encode_server(&ServerFrame::Events(events))
}

/// A replica at a desk.
pub struct Person {
    /// The replica.
    pub replica: Replica,
    /// The time it is told.
    pub now: Millis,
    client: ClientId,
}

impl Person {
    /// A replica with nothing in it, which has opened the stream.
    pub fn new(number: u64, desk: &mut Desk) -> Result<Self, Failure> {
        // As random as those of devices, and always the same.
        let client = ClientId(fastrand::Rng::with_seed(number + 1_000).u128(..));
        Self::of(client, desk)
    }

    /// The same for a client id.
    pub fn of(client: ClientId, desk: &mut Desk) -> Result<Self, Failure> {
        let mut replica = Replica::new(name(), client, Start::Played, Keeping::Memory);
        replica.connected(CHANNEL);
        let mut person = Self { replica, now: BEGIN, client };
        person.send(desk)?;
        Ok(person)
    }

    /// Makes an edit of one op.
    pub fn edit(&mut self, op: Op) -> Result<(), Failure> {
        self.replica.edit(self.now, vec![op]).map(drop).map_err(Failure::failed)
    }

    /// Makes the next frame to send.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        self.replica.poll_frame(self.now).map(|frame| CODEC.encode_client(&frame))
    }

    /// Sends all there is to send, and takes the answers.
    pub fn send(&mut self, desk: &mut Desk) -> Result<(), Failure> {
        while let Some(frame) = self.frame() {
            for answer in desk.take(self.client, &frame)? {
                self.take(&answer)?;
            }
        }
        Ok(())
    }

    /// Takes a frame.
    pub fn take(&mut self, frame: &[u8]) -> Result<(), Failure> {
        let frame = CODEC.decode_server(frame).map_err(Failure::failed)?;
        self.replica.receive(Moment { now: self.now, random: 7 }, frame);
        Ok(())
    }

    /// Who it is.
    pub fn client(&self) -> ClientId {
        self.client
    }
}

fn name() -> StreamName {
    stream("bench/desk")
}
