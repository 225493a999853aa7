//! Answers that wait for what they rest on to be durable, and how they are gathered into few frames.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::event::Verdict;
use crate::frame::{AckRun, ErrorCode, ErrorFrame, LostOf, ServerFrame};
use crate::limits;
use crate::numbers::{Channel, EventNumber, Position, Seq};

/// Who is to be answered: a session of the server and the channel on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    /// The session, numbered by whoever runs the sequencer.
    pub session: u64,
    /// The channel of the stream there.
    pub channel: Channel,
}

#[derive(Debug)]
pub(super) enum Answer {
    Verdict { n: EventNumber, verdict: Verdict },
    Frame(ServerFrame),
}

/// Answers in the order they were given.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(Position, Peer, Answer)>);

impl Answers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps an answer back until the batch it rests on is durable. `rests_on` never decreases.
    pub(super) fn keep(&mut self, rests_on: Position, peer: Peer, answer: Answer) {
        self.0.push_back((rests_on, peer, answer));
    }

    /// The answers that rest on batches up to `durable`, acknowledgements gathered into runs.
    pub(super) fn release(&mut self, durable: Position) -> Vec<(Peer, ServerFrame)> {
        let mut frames = Frames::default();
        while let Some((_, peer, answer)) = self.0.pop_front_if(|(rests_on, ..)| *rests_on <= durable) {
            match answer {
                Answer::Frame(frame) => frames.push(peer, frame),
                Answer::Verdict { n, verdict: Verdict::Recorded { seq, lost } } => {
                    frames.acknowledge(peer, n, seq);
                    if !lost.is_empty() {
                        frames.lost(peer, LostOf { n, lost });
                    }
                }
                Answer::Verdict { n, verdict: Verdict::Refused(refusal) } => {
                    frames.push(peer, ServerFrame::Refused { channel: peer.channel, n, refusal: *refusal });
                }
            }
        }
        if self.0.is_empty() {
            // Many streams wait for most of their lives: without the memory of what they once said.
            self.0 = VecDeque::new();
        }
        frames.all
    }

    /// Tells all who wait to send again: opens, each of them, and events from the first on that is undecided.
    pub(super) fn abandon(&mut self) -> Vec<(Peer, ServerFrame)> {
        let mut told = FxHashSet::default();
        let mut frames = Vec::new();
        for (_, peer, answer) in self.0.drain(..) {
            let n = match answer {
                Answer::Verdict { n, .. } => Some(n),
                Answer::Frame(ServerFrame::Error(error)) => error.n,
                Answer::Frame(_) => None,
            };
            if n.is_none() || told.insert(peer) {
                frames.push((peer, later(peer.channel, n)));
            }
        }
        frames
    }
}

fn later(channel: Channel, n: Option<EventNumber>) -> ServerFrame {
    ServerFrame::Error(ErrorFrame {
        channel: Some(channel),
        code: ErrorCode::Later,
        message: "the log could not be reached: send again".into(),
        n,
        retry: Some(limits::LATER_PAUSE),
    })
}

/// Frames to several peers, each peer's acknowledgements gathered as long as nothing else comes between.
#[derive(Default)]
struct Frames {
    all: Vec<(Peer, ServerFrame)>,
    open_ack: FxHashMap<Peer, usize>,
}

impl Frames {
    fn push(&mut self, peer: Peer, frame: ServerFrame) {
        self.open_ack.remove(&peer);
        self.all.push((peer, frame));
    }

    fn acknowledge(&mut self, peer: Peer, n: EventNumber, seq: Seq) {
        let (runs, _) = self.ack(peer);
        match runs.last_mut() {
            Some(run) if run.n.plus(run.count) == n && run.seq.plus(run.count) == seq => run.count += 1,
            _ => runs.push(AckRun { n, seq, count: 1 }),
        }
    }

    fn lost(&mut self, peer: Peer, of: LostOf) {
        self.ack(peer).1.push(of);
    }

    fn ack(&mut self, peer: Peer) -> (&mut Vec<AckRun>, &mut Vec<LostOf>) {
        let place = *self.open_ack.entry(peer).or_insert_with(|| {
            self.all.push((peer, ServerFrame::Ack { channel: peer.channel, runs: Vec::new(), lost: Vec::new() }));
            self.all.len() - 1
        });
        match &mut self.all[place].1 {
            ServerFrame::Ack { runs, lost, .. } => (runs, lost),
            _ => unreachable!("open_ack points at acks alone"),
        }
    }
}
