//! One author who pushes events to a server, and hears what became of them.

use tapeline_core::event::Refusal;
use tapeline_core::frame::ServerFrame;
use tapeline_core::numbers::Channel;
use tapeline_core::op::Op;
use tapeline_core::schema::Schema;
use tapeline_core::sequencer::Peer;

use super::{Server, authored};

/// Who pushes.
pub const ANN: Peer = Peer { session: 0, channel: Channel(0) };

/// Ann, who pushes event after event.
pub struct Story {
    pub server: Server,
    n: u64,
}

impl Story {
    /// With a server for an app that has this schema.
    pub fn new(schema: Schema) -> Self {
        Self::of(Server::with_schema(schema), 0)
    }

    /// With a server that knows `n` events of hers.
    pub fn of(server: Server, n: u64) -> Self {
        Self { server, n }
    }

    /// Pushes Ann's next event, to be made durable with those that follow.
    pub fn push(&mut self, ops: Vec<Op>) {
        self.n += 1;
        let base = self.server.log.end().0;
        assert!(self.server.push(ANN, authored(1, self.n, base, ops)));
    }

    /// Why each of what was pushed was refused, where it was.
    pub fn settle(&mut self) -> Vec<Option<Refusal>> {
        let answers = self.server.settle().into_iter().flat_map(|(_, frame)| match frame {
            ServerFrame::Refused { refusal, .. } => vec![Some(refusal)],
            ServerFrame::Ack { runs, .. } => vec![None; runs.iter().map(|run| run.count as usize).sum()],
            other => panic!("{other:?}"),
        });
        answers.collect()
    }

    /// Pushes an event and makes it durable. Answers why it was refused, where it was.
    pub fn edit(&mut self, ops: Vec<Op>) -> Option<Refusal> {
        self.push(ops);
        self.settle().remove(0)
    }
}
