//! Playing what another sequencer of the same stream has decided on: servers that share a log have one each.

use std::sync::Arc;

use super::answers::{Answer, Peer};
use super::{Played, Sequencer};
use crate::batch::Batch;
use crate::codec::CodecError;
use crate::limits;
use crate::numbers::ClientId;
use crate::state::verdicts_of;

impl Sequencer {
    /// Whether it stands at the end of what is durable: nothing is gathered or on its way.
    pub fn is_at_rest(&self) -> bool {
        self.batch.is_empty() && self.on_their_way.is_empty()
    }

    /// Plays a durable batch that another sequencer decided on, and that follows from what is durable here. What it touches
    /// must be loaded, and the sequencer [at rest](Self::is_at_rest). Authors who are here are answered, whoever decided.
    ///
    /// # Errors
    /// Where the batch cannot be read.
    pub fn follow(
        &mut self,
        batch: &Arc<Batch>,
        here: impl Fn(ClientId) -> Option<Peer>,
    ) -> Result<Played, CodecError> {
        let events = batch.events()?;
        self.watch.begin();
        events.iter().for_each(|event| self.watch.look(&event.body.ops, &self.objects));
        self.replay(batch)?;
        for told in verdicts_of(batch, &events) {
            if let Some(peer) = here(told.client) {
                let (n, verdict) = (told.own.n, told.own.verdict);
                self.answers.keep(self.durable, peer, Answer::Verdict { n, verdict });
            }
        }
        let touched = self.watch.take(&self.objects);
        Ok(Played { position: self.durable, batch: batch.clone(), digest: self.digest_when_due(batch), touched })
    }

    /// Tells a peer again what became of a client's events that it has not settled. The client must be loaded.
    pub fn tell(&mut self, peer: Peer, client: ClientId) {
        let verdicts: Vec<_> =
            self.known_client(client).into_iter().flat_map(|state| state.verdicts().cloned()).collect();
        for own in verdicts {
            self.answer(peer, Answer::Verdict { n: own.n, verdict: own.verdict });
        }
    }

    /// The digest over all objects, each time so many events came since the last one.
    pub(super) fn digest_when_due(&mut self, batch: &Batch) -> Option<crate::hash::Digest> {
        self.events_since_digest += batch.block.count();
        let due = self.events_since_digest >= limits::DIGEST_EVENTS;
        due.then(|| {
            self.events_since_digest = 0;
            self.objects.digest()
        })
    }
}
