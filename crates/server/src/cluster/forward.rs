//! Pushes that another node is to decide on, kept until it has answered. Each holds its room in the queue, so that they
//! are bounded as those are that wait for this node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use tapeline_core::codec::Codec;
use tapeline_core::frame::ClientFrame;
use tapeline_core::numbers::EventNumber;
use tapeline_log::cluster::NodeId;

use super::Nodes;
use super::message::{Asking, Head};
use crate::limits;
use crate::lock::lock;
use crate::shard::Push;

/// What other nodes have not answered yet.
#[derive(Default)]
pub(super) struct Forwards(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last: u64,
    pushes: BTreeMap<u64, Forward>,
}

struct Forward {
    to: NodeId,
    since: Instant,
    /// The last event that the client was told of before.
    answered: EventNumber,
    push: Push,
}

impl Nodes {
    /// Has another node decide on events. Gives them back where that cannot be.
    pub(super) fn forward(&self, to: NodeId, push: Push) -> Option<Push> {
        let events = push.events.iter().map(|sealed| sealed.event.clone()).collect();
        let body = Codec::Cbor.encode_client(&ClientFrame::Push { channel: push.peer.channel, events });
        if body.len() > limits::FORWARD_BYTES {
            return Some(push);
        }
        let mut waiting = lock(&self.forwards.0);
        waiting.last += 1;
        let id = waiting.last;
        let head = Head::Push(Asking::new(self.cluster.me(), id, &push));
        // Said while the lock is held: what a client sends is said in its order, and not answered before it is known here.
        if !self.say(to, &head, &body) {
            return Some(push);
        }
        let answered = push.tape.answered(push.peer);
        waiting.pushes.insert(id, Forward { to, since: Instant::now(), answered, push });
        None
    }
}

impl Forwards {
    /// One was answered. Gives it, with the last event that the client was told of before; not where what it sent before was
    /// not answered: then the log tells of both, or both are decided on here, in order.
    pub(super) fn answered(&self, id: u64) -> Option<(Push, EventNumber)> {
        let mut waiting = lock(&self.0);
        let peer = waiting.pushes.get(&id)?.push.peer;
        let is_first = waiting.pushes.range(..id).all(|(_, earlier)| earlier.push.peer != peer);
        let forward = if is_first { waiting.pushes.remove(&id) } else { None };
        forward.map(|forward| (forward.push, forward.answered))
    }

    /// Those that a node that is gone will not answer, in order.
    pub(super) fn of(&self, node: NodeId) -> Vec<Push> {
        self.take(|forward| forward.to == node)
    }

    /// Nodes that take long to answer: they may be gone.
    pub(super) fn slow(&self) -> BTreeSet<NodeId> {
        let waiting = lock(&self.0);
        let slow = waiting.pushes.values().filter(|forward| forward.since.elapsed() >= limits::FORWARD_DOUBTED);
        slow.map(|forward| forward.to).collect()
    }

    /// Those that were not answered in time, in order.
    pub(super) fn late(&self) -> Vec<Push> {
        self.take(|forward| forward.since.elapsed() >= limits::FORWARD_WITHIN)
    }

    fn take(&self, is_over: impl Fn(&Forward) -> bool) -> Vec<Push> {
        let mut waiting = lock(&self.0);
        let over: Vec<u64> = waiting.pushes.iter().filter(|(_, forward)| is_over(forward)).map(|(id, _)| *id).collect();
        let over = over.iter().filter_map(|id| waiting.pushes.remove(id));
        over.filter(|forward| !forward.is_decided()).map(|forward| forward.push).collect()
    }
}

impl Forward {
    /// Whether the log has told the client of all of it meanwhile.
    fn is_decided(&self) -> bool {
        let (Some(first), Some(last)) = (self.push.events.first(), self.push.events.last()) else { return true };
        self.answered < first.event.n && last.event.n <= self.push.tape.answered(self.push.peer)
    }
}
