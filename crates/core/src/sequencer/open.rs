//! How a stream is opened: a peer hears where it is and what became of its events, or why it is to begin otherwise.

use super::answers::Answer;
use super::{Peer, Sequencer};
use crate::frame::{ErrorCode, ErrorFrame, Open, Opened, Resync, ResyncReason, ServerFrame};
use crate::name::Subject;
use crate::numbers::{Channel, EventNumber};

impl Sequencer {
    /// Opens the stream for a peer: tells it where the stream is and what became of its events. Answers whether nothing
    /// stands against that.
    ///
    /// `is_of_the_log`: whether what it [claims](Open::claims) of the log is so. Client and former clients must be
    /// loaded. The answer comes when it rests on durable batches alone.
    pub fn open(&mut self, peer: Peer, subject: Option<&Subject>, open: &Open, is_of_the_log: bool) -> bool {
        let objection = self.objection(subject, open, is_of_the_log);
        let is_open = objection.is_none();
        let answer = objection.unwrap_or_else(|| {
            self.settle(open.client, open.settled);
            ServerFrame::Opened(self.opened(peer, open))
        });
        self.answer(peer, Answer::Frame(answer));
        is_open
    }

    /// What stands against opening the stream as a peer would.
    fn objection(&self, subject: Option<&Subject>, open: &Open, is_of_the_log: bool) -> Option<ServerFrame> {
        let owner = self.known_client(open.client).map(|state| state.subject.as_ref());
        if owner.is_some_and(|owner| owner != subject) {
            return Some(not_yours(open.channel, None));
        }
        let reason = match open.incarnation {
            Some(incarnation) if incarnation != self.staged.incarnation => ResyncReason::Recreated,
            _ if !is_of_the_log => ResyncReason::Forked,
            _ => return None,
        };
        Some(ServerFrame::Resync(Resync { channel: open.channel, reason, last: self.last_of(open) }))
    }

    fn opened(&mut self, peer: Peer, open: &Open) -> Opened {
        Opened {
            channel: peer.channel,
            incarnation: self.staged.incarnation,
            head: self.batch.block.end(),
            digest: self.objects.digest(),
            last: self.last_of(open),
            verdicts: self.known_client(open.client).map_or_else(Vec::new, |state| state.verdicts().cloned().collect()),
            readable: None,
        }
    }

    fn last_of(&self, open: &Open) -> Vec<EventNumber> {
        let clients = std::iter::once(&open.client).chain(&open.former);
        clients.map(|&client| self.known_client(client).map_or(EventNumber(0), |state| state.last)).collect()
    }
}

/// The answer to who speaks as somebody else's client.
pub(super) fn not_yours(channel: Channel, n: Option<EventNumber>) -> ServerFrame {
    let message = "this client id belongs to somebody else: take a new one".into();
    let code = ErrorCode::Forbidden;
    ServerFrame::Error(ErrorFrame { channel: Some(channel), code, message, n, retry: None })
}
