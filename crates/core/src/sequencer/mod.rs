//! The sequencer of one stream: gives each event its place, exactly once.
//!
//! It decides on what is pushed, gathers the decisions into batches, and keeps every answer back until the batch it
//! rests on is durable. Without I/O: whoever runs it loads what an event touches before it is pushed
//! ([`Sequencer::knows_key`], [`Sequencer::load_entry`]) and what it [`Need`]s besides, appends what [`Sequencer::stage`] gives, and says when that is durable. Decisions on batch
//! k + 1 go on while batch k is being made durable.
//!
//! ```text
//! push ─▶ decide ─▶ batch ─ stage ─▶ append … appended ─▶ answers, events to play
//! ```

mod answers;
mod fields;
mod follow;
mod gate;
mod meanwhile;
mod memory;
mod need;
mod open;
mod outside;
mod pass;
mod references;
mod renames;
mod resolve;
mod texts;
mod unique;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

pub use answers::Peer;
pub use gate::Gate;
pub use memory::Forgotten;
pub use need::{Need, Pushed};
pub use outside::Word;
pub use watch::Touched;

pub use crate::valid::{Change, Changed, Objection};

use crate::batch::{Batch, ClientVerdict};
use crate::caller::Caller;
use crate::codec::{CodecError, cbor};
use crate::event::{Body, OwnVerdict, Recorded, Refusal, RefusalCode, Sealed, Verdict};
use crate::frame::{ErrorCode, ErrorFrame, ServerFrame};
use crate::hash::Digest;
use crate::holders::Holders;
use crate::limits;
use crate::name::{Key, Subject};
use crate::numbers::{ClientId, EventNumber, Position, Seq};
use crate::object::{Stamp, Write};
use crate::objects::Objects;
use crate::op::Action;
use crate::schema::Schema;
use crate::state::{ClientState, StateChanges, StreamState, verdicts_of};
use answers::{Answer, Answers};
use open::not_yours;
use outside::Outside;
use resolve::{Effect, Ground, Guard, Stop, keep_last};
use texts::{Texts, splices};
use watch::Watch;

/// The sequencer of one stream.
#[derive(Debug)]
pub struct Sequencer {
    /// The stream with all that is staged, but not the batch being gathered.
    staged: StreamState,
    /// The last batch that is durable.
    durable: Position,
    objects: Objects<Holders>,
    texts: Texts,
    schema: Arc<Schema>,
    /// What may be done, where not everything may.
    gate: Option<Arc<dyn Gate>>,
    clients: FxHashMap<ClientId, Option<ClientState>>,
    batch: Batch,
    answers: Answers,
    on_their_way: VecDeque<Played>,
    changed_keys: FxHashSet<Key>,
    changed_clients: FxHashSet<ClientId>,
    events_since_digest: u64,
    watch: Watch,
    /// What was deleted before it may be forgotten, and events before it may be gone.
    horizon: Seq,
}

/// A batch to be appended.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Where the stream must be.
    pub expected: Position,
    /// The batch.
    pub batch: Arc<Batch>,
}

/// A durable batch, to be played to every subscriber.
#[derive(Clone, Debug)]
pub struct Played {
    /// The stream's position with it.
    pub position: Position,
    /// The batch.
    pub batch: Arc<Batch>,
    /// The digest over all objects after it, now and then.
    pub digest: Option<Digest>,
    /// What it changed, sorted, where the sequencer was [watched](Sequencer::watch) all the while.
    pub touched: Option<Vec<Touched>>,
}

impl Sequencer {
    /// A sequencer that goes on from a stored state, for an app with this schema, where a gate says what may be done.
    /// What is on the log past it must be played with [`replay`](Self::replay) before anything else.
    pub fn new(state: StreamState, schema: Arc<Schema>, gate: Option<Arc<dyn Gate>>) -> Self {
        Self {
            staged: state,
            durable: state.position,
            objects: Objects::held_by(state.live, state.digest, schema.held()),
            texts: Texts::new(state.head),
            schema,
            gate,
            clients: FxHashMap::default(),
            batch: Batch::empty(state.head, state.chain),
            answers: Answers::default(),
            on_their_way: VecDeque::new(),
            changed_keys: FxHashSet::default(),
            changed_clients: FxHashSet::default(),
            events_since_digest: 0,
            watch: Watch::default(),
            horizon: Seq::FIRST,
        }
    }

    /// Events before `horizon`, and what was deleted by them, may be gone from storage from now on.
    pub fn trimmed(&mut self, horizon: Seq) {
        self.horizon = self.horizon.max(horizon);
    }

    /// Whether batches, from the next one on, are to tell what became of each object.
    pub fn watch(&mut self, watched: bool) {
        self.watch.wanted = watched;
    }

    /// Plays a durable batch that is on the log but not in the stored state. What it touches must be loaded.
    ///
    /// # Errors
    /// Where the batch cannot be read.
    pub fn replay(&mut self, batch: &Batch) -> Result<(), CodecError> {
        let events = batch.events()?;
        for event in &events {
            self.play(event);
            self.changed_keys.extend(event.body.ops.iter().map(|op| op.key.clone()));
        }
        for verdict in verdicts_of(batch, &events) {
            let state = self.client(verdict.client, verdict.subject);
            state.decide(verdict.own);
            // It would not have been decided on, had its client not settled those so far back.
            state.settle(EventNumber(state.last.0.saturating_sub(limits::UNSETTLED_EVENTS as u64)));
            self.changed_clients.insert(verdict.client);
        }
        self.batch = Batch::empty(batch.block.end(), batch.block.after());
        self.texts = Texts::new(batch.block.end());
        self.advance(batch);
        self.durable = self.staged.position;
        Ok(())
    }

    fn play(&mut self, event: &Recorded) {
        let write = Write::of(event);
        for op in &event.body.ops {
            let last = self.objects.get(&op.key).filter(|_| op.action == Action::Delete).cloned();
            self.objects.play_op(op, &write);
            keep_last(&mut self.objects, &self.schema, &op.key, last);
        }
    }

    /// Decides on an event. What it touches must be loaded.
    pub fn push(&mut self, peer: Peer, caller: &Caller, sealed: &Sealed) -> Pushed {
        self.push_with(peer, caller, sealed, None)
    }

    /// Decides on an event of which somebody outside was [asked](Pushed::Asks), with their word.
    pub fn push_with(&mut self, peer: Peer, caller: &Caller, sealed: &Sealed, word: Option<&Word>) -> Pushed {
        let (event, subject) = (&sealed.event, caller.subject.as_ref());
        let state = self.client(event.client, subject.cloned());
        if event.client.is_once() {
            state.begin_with(event.n);
        }
        if state.subject.as_ref() != subject {
            self.answer(peer, Answer::Frame(not_yours(peer.channel, Some(event.n))));
            return Pushed::Dropped;
        }
        let (last, known) = (state.last, state.verdict(event.n).cloned());
        if event.n <= last {
            return match known {
                Some(own) if own.hash == sealed.hash => {
                    self.answer(peer, Answer::Verdict { n: own.n, verdict: own.verdict });
                    Pushed::Decided
                }
                _ => {
                    self.reject(peer, ErrorCode::Forked, event.n, "another event has this number: take a new client id")
                }
            };
        }
        if event.n != last.next() {
            return self.reject(
                peer,
                ErrorCode::Resume,
                last.next(),
                "events are missing before this one: go on from n",
            );
        }
        state.settle(event.settled);
        if last.0 - state.settled.0 >= limits::UNSETTLED_EVENTS as u64 {
            return self.reject(peer, ErrorCode::Later, event.n, "too many verdicts are not yet settled: settle some");
        }
        match self.decide(caller, sealed, word) {
            Ok(verdict) => {
                self.answer(peer, Answer::Verdict { n: event.n, verdict });
                Pushed::Decided
            }
            Err(open) => open,
        }
    }

    /// The batch gathered so far, to be appended. `None` where nothing was decided.
    pub fn stage(&mut self) -> Option<Staged> {
        if self.batch.is_empty() {
            return None;
        }
        let next = Batch::empty(self.batch.block.end(), self.batch.block.after());
        let batch = Arc::new(std::mem::replace(&mut self.batch, next));
        let expected = self.staged.position;
        self.advance(&batch);
        let digest = self.digest_when_due(&batch);
        let touched = self.watch.take(&self.objects);
        self.on_their_way.push_back(Played { position: self.staged.position, batch: batch.clone(), digest, touched });
        Some(Staged { expected, batch })
    }

    /// The oldest staged batch is durable at `position`: it may be played, after the answers were sent.
    pub fn appended(&mut self, position: Position) -> Option<Played> {
        self.durable = self.durable.max(position);
        let played = self.on_their_way.pop_front_if(|played| played.position <= position);
        if self.on_their_way.is_empty() {
            self.on_their_way = VecDeque::new();
        }
        played
    }

    /// The answers that rest on durable batches alone, in order for each peer.
    pub fn take_answers(&mut self) -> Vec<(Peer, ServerFrame)> {
        self.answers.release(self.durable)
    }

    /// Gives up what is staged and not durable: an append has failed. All who wait are told to send again.
    /// The sequencer is to be made anew from the log afterwards.
    pub fn abandon(mut self) -> Vec<(Peer, ServerFrame)> {
        self.answers.abandon()
    }

    /// What has changed since this was last called. Store it once `state.position` is durable.
    pub fn take_changes(&mut self) -> Option<StateChanges> {
        if self.changed_keys.is_empty() && self.changed_clients.is_empty() || !self.batch.is_empty() {
            return None;
        }
        let keys = std::mem::take(&mut self.changed_keys);
        let clients = std::mem::take(&mut self.changed_clients);
        Some(StateChanges {
            state: StreamState { live: self.objects.live(), digest: self.objects.digest(), ..self.staged },
            entries: keys
                .into_iter()
                .filter_map(|key| Some((key.clone(), self.objects.entry(&key)?.clone())))
                .collect(),
            clients: clients
                .into_iter()
                .filter_map(|id| Some((id, self.known_client(id).filter(|_| !id.is_once())?.clone())))
                .collect(),
        })
    }

    /// Whether nothing is gathered, on its way, waiting for an answer, or changed and not taken.
    pub fn is_idle(&self) -> bool {
        self.batch.is_empty()
            && self.on_their_way.is_empty()
            && self.answers.is_empty()
            && self.changed_keys.is_empty()
            && self.changed_clients.is_empty()
    }

    /// The stream with all that is staged.
    pub fn staged(&self) -> &StreamState {
        &self.staged
    }

    /// The last durable batch.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// Decides on an event, or says what is needed for that.
    fn decide(&mut self, caller: &Caller, sealed: &Sealed, word: Option<&Word>) -> Result<Verdict, Pushed> {
        let (event, subject) = (&sealed.event, caller.subject.as_ref());
        let seq = self.batch.block.end();
        let stamp = Stamp { seq, client: event.client };
        let write = Write { stamp, base: event.body.base, at: event.body.at, actor: subject };
        if self.batch.is_empty() {
            self.watch.begin();
        }
        self.watch.look(&event.body.ops, &self.objects);
        let taken = self.check(sealed).map_err(Stop::from).and_then(|()| {
            let Self { objects, texts, schema, gate, horizon, .. } = self;
            let guard = gate.as_deref().map(|gate| Guard { gate, caller, outside: Outside::Word(word) });
            let mut ground = Ground { objects, texts, schema, guard, horizon: *horizon };
            ground.take_effect(&event.body, &write)
        });
        let mut told = true;
        let verdict = match taken {
            Err(Stop::Needs(needs)) => return Err(Pushed::Needs(needs)),
            Err(Stop::Asks(changes)) => return Err(Pushed::Asks(changes)),
            Err(Stop::Refused(refusal)) => {
                Verdict::Refused(Box::new(Refusal { head: seq, ..*self.told(caller, refusal) }))
            }
            Ok(effect) => {
                told = effect.altered.is_some();
                self.changed_keys.extend(event.body.ops.iter().map(|op| op.key.clone()));
                for (key, was) in &effect.followed {
                    self.watch.note(key, was.as_ref());
                    self.changed_keys.insert(key.clone());
                }
                self.record(subject, sealed, stamp.seq, effect)
            }
        };
        let own = OwnVerdict { n: event.n, hash: sealed.hash, verdict: verdict.clone() };
        if told {
            let subject = subject.cloned();
            self.batch.verdicts.push(ClientVerdict { client: event.client, subject, own: own.clone() });
        }
        self.client(event.client, None).decide(own);
        self.changed_clients.insert(event.client);
        Ok(verdict)
    }

    /// A refusal as its author may hear it: of what they may not read they hear no more than where it is not there.
    fn told(&self, caller: &Caller, refusal: Box<Refusal>) -> Box<Refusal> {
        let (Some(gate), Some(key)) = (&self.gate, &refusal.about) else { return refusal };
        let Some(object) = self.objects.get(key) else { return refusal };
        if caller.is_trusted || gate.may_read(caller, key, object) {
            return refusal;
        }
        let (code, reason) = match refusal.code {
            RefusalCode::Exists => (RefusalCode::Exists, format!("{key}: the id is taken; insert under another one")),
            _ => (RefusalCode::NotFound, resolve::not_found(key)),
        };
        Box::new(Refusal { code, reason, field: None, current: None, ..*refusal })
    }

    fn record(&mut self, subject: Option<&Subject>, sealed: &Sealed, seq: Seq, effect: Effect) -> Verdict {
        let event = &sealed.event;
        let head = cbor::RecordedHead { seq, client: event.client, n: event.n, actor: subject, lost: &effect.lost };
        let recorded = match effect.altered {
            None => cbor::encode_recorded_head(&head, &sealed.encoded),
            Some(ops) => {
                let body = Body { ops, ..event.body.clone() };
                cbor::encode_recorded_head(&head, &cbor::encode_body(&body))
            }
        };
        self.batch.block.push(&recorded);
        Verdict::Recorded { seq, lost: effect.lost }
    }

    /// What can be said against an event without looking at objects.
    fn check(&self, sealed: &Sealed) -> Result<(), Box<Refusal>> {
        let body = &sealed.event.body;
        let refuse = |code, reason| {
            Box::new(Refusal { code, reason, about: None, field: None, current: None, head: Seq::FIRST })
        };
        let invalid = |reason| refuse(RefusalCode::Invalid, reason);
        if body.ops.is_empty() {
            return Err(invalid("the event has no ops".into()));
        }
        if sealed.encoded.len() > limits::EVENT_BYTES {
            let (bytes, most) = (sealed.encoded.len(), limits::EVENT_BYTES);
            return Err(invalid(format!("the event has {bytes} bytes; the most is {most}: send several smaller ones")));
        }
        if body.base > self.batch.block.end() {
            let (base, head) = (body.base, self.batch.block.end());
            return Err(invalid(format!("the event's base {base} is past the end of the stream, {head}")));
        }
        let on = body.on.unwrap_or(body.base);
        if on > self.batch.block.end() {
            return Err(invalid(format!("the event's `on` {on} is past the end of the stream")));
        }
        let edits_text = body.ops.iter().any(|op| splices(op).next().is_some());
        if (edits_text || !body.unchanged.is_empty()) && self.has_own_loss(sealed.event.client, body) {
            let code = if edits_text { RefusalCode::Rebase } else { RefusalCode::Stale };
            let reason = "an earlier event of this client, which this one may rest on, did not take effect";
            return Err(refuse(code, reason.into()));
        }
        Ok(())
    }

    /// Whether an unsettled event of a client was refused, or lost a part that this one may rest on: its author did not
    /// know when it typed on.
    fn has_own_loss(&self, client: ClientId, body: &Body) -> bool {
        let touches =
            |key: &Key| body.ops.iter().any(|op| op.key == *key) || body.unchanged.iter().any(|read| read.key == *key);
        let state = self.known_client(client);
        state.is_some_and(|state| {
            state.verdicts().any(|own| match &own.verdict {
                Verdict::Recorded { lost, .. } => lost.iter().any(|lost| touches(&lost.op.key)),
                Verdict::Refused(_) => true,
            })
        })
    }

    fn advance(&mut self, batch: &Batch) {
        self.staged.position = self.staged.position.next();
        self.staged.head = batch.block.end();
        self.staged.chain = batch.block.after();
    }

    fn settle(&mut self, client: ClientId, settled: EventNumber) {
        if let Some(Some(state)) = self.clients.get_mut(&client) {
            state.settle(settled);
        }
    }

    fn known_client(&self, client: ClientId) -> Option<&ClientState> {
        self.clients.get(&client)?.as_ref()
    }

    fn client(&mut self, client: ClientId, subject: Option<Subject>) -> &mut ClientState {
        self.clients.entry(client).or_default().get_or_insert_with(|| ClientState::new(subject))
    }

    fn reject(&mut self, peer: Peer, code: ErrorCode, n: EventNumber, message: &str) -> Pushed {
        let retry = (code == ErrorCode::Later).then_some(limits::LATER_PAUSE);
        let frame = ErrorFrame { channel: Some(peer.channel), code, message: message.into(), n: Some(n), retry };
        self.answer(peer, Answer::Frame(ServerFrame::Error(frame)));
        Pushed::Dropped
    }

    /// Keeps an answer back until everything decided so far is durable.
    fn answer(&mut self, peer: Peer, answer: Answer) {
        let rests_on = match self.batch.is_empty() {
            true => self.staged.position,
            false => self.staged.position.next(),
        };
        self.answers.keep(rests_on, peer, answer);
    }
}
