//! Events that wait for what those outside say who have a say.
//!
//! ```text
//! push ─▶ somebody has a say ─▶ asked (a task) ─▶ told ─▶ push, with their words
//!             what comes meanwhile of the same client waits ──▶ then is done
//! ```
//!
//! Nobody else waits: neither other clients of the stream, nor those who open or read it. What others record meanwhile may
//! change what an event would come to: then it is asked about again. So what was said yes to is what is recorded.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashSet;
use tapeline_core::event::Sealed;
use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::{ClientId, EventNumber, Millis};
use tapeline_core::sequencer::{Changed, Pushed, Word};
use tapeline_log::{EventLog, StateStore};

use super::mailbox::Room;
use super::{Command, Push, Shard};
use crate::backend::{NotAsked, Question};
use crate::limits;

/// Whose events wait, and on which stream.
pub(super) type AskedFor = (StreamName, ClientId);

/// Pushes of one client that wait, in their order. Of the first event it is asked.
pub(super) type Asked = VecDeque<Push>;

/// What those outside say of events, or that they do not.
pub(crate) struct Told {
    asked: AskedFor,
    words: Result<Vec<(EventNumber, Word)>, NotAsked>,
}

/// What those outside have said of the events of a push.
#[derive(Default)]
pub(crate) struct Words {
    said: BTreeMap<EventNumber, Word>,
    /// How often it was asked of the first one.
    times: u32,
}

impl Words {
    /// What was said of an event, where anything was.
    pub(super) fn of(&self, n: EventNumber) -> Option<&Word> {
        self.said.get(&n)
    }
}

impl Push {
    /// Whose it is. `None` where it has no events.
    fn asked_for(&self) -> Option<AskedFor> {
        Some((self.tape.stream().clone(), self.events.first()?.event.client))
    }

    /// What is left of it when the first events are done.
    pub(super) fn without(&mut self, done: usize) {
        self.events.drain(..done);
        if done > 0 {
            self.words.times = 0;
        }
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|sealed| sealed.encoded.len()).sum()
    }

    fn question(&self, sealed: &Sealed, changes: Vec<Changed>) -> Question {
        Question {
            stream: self.tape.stream().clone(),
            caller: self.caller.clone(),
            client: sealed.event.client,
            n: sealed.event.n,
            command: sealed.event.body.command.clone(),
            changes,
        }
    }
}

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// Gives a command back, unless it is a push of a client whose events wait: then it waits behind them.
    pub(super) fn wait_behind(&mut self, command: Command) -> Option<Command> {
        if self.asked.is_empty() {
            return Some(command);
        }
        let Command::Push(mut push) = command else { return Some(command) };
        let waiting = push.asked_for().and_then(|asked| self.asked.get_mut(&asked));
        let Some(waiting) = waiting else { return Some(Command::Push(push)) };
        match Room::now(&self.asked_room, push.bytes()) {
            Some(room) => {
                push._room = room;
                waiting.push_back(push);
            }
            None => put_off([push], "too much waits for those who have to be asked about it"),
        }
        None
    }

    /// Asks those who have a say in the first of these events, and of those behind it that can be asked about by now.
    pub(super) fn ask(&mut self, place: usize, mut push: Push, changes: Vec<Changed>) {
        let Some(asked) = push.asked_for() else { return };
        // While it waits it must not take the room of those who need not.
        match Room::now(&self.asked_room, push.bytes() + estimated_bytes(&changes)) {
            _ if self.stopping => return put_off([push], STOPPING),
            _ if push.words.times >= limits::ASKED_AGAIN => return put_off([push], "others keep changing the same"),
            None => return put_off([push], "too much waits for those who have to be asked about it"),
            Some(room) => push._room = room,
        }
        let questions = self.questions(place, &push, changes);
        let numbers: Vec<EventNumber> = questions.iter().map(|question| question.n).collect();
        let (validators, mailbox) = (self.validators.clone(), self.mailbox.clone());
        self.asked.entry(asked.clone()).or_default().push_front(push);
        self.runtime.spawn(async move {
            let words = validators.ask(questions).await;
            let words = words.map(|words| numbers.into_iter().zip(words).collect());
            mailbox.post(Command::Told(Box::new(Told { asked, words })));
        });
    }

    /// What is to be asked of the first event, and of those behind it that touch nothing that one before them does.
    fn questions(&mut self, place: usize, push: &Push, changes: Vec<Changed>) -> Vec<Question> {
        let mut touched: FxHashSet<&Key> = FxHashSet::default();
        let (mut questions, mut bytes) = (Vec::new(), estimated_bytes(&changes));
        let mut first = Some(changes);
        for sealed in push.events.iter().take(limits::QUESTIONS_AT_ONCE) {
            let keys = || sealed.event.body.ops.iter().map(|op| &op.key);
            let changes = match first.take() {
                Some(changes) => Some(changes),
                None if keys().any(|key| touched.contains(key)) || push.words.of(sealed.event.n).is_some() => None,
                None => self.foresee(place, push, sealed),
            };
            touched.extend(keys());
            if let Some(changes) = changes {
                bytes += estimated_bytes(&changes);
                questions.push(push.question(sealed, changes));
            }
            if bytes > limits::POSTED_BYTES {
                break;
            }
        }
        questions
    }

    /// What would be asked of an event if it were the next. `None`: nothing, or that cannot be told yet.
    fn foresee(&mut self, place: usize, push: &Push, sealed: &Sealed) -> Option<Vec<Changed>> {
        loop {
            match self.slots.get(place)?.sequencer.foresee(&push.caller, sealed) {
                Pushed::Needs(needs) if !needs.is_empty() => self.load_needed(place, needs).ok()?,
                Pushed::Asks(changes) => return Some(changes),
                _ => return None,
            }
        }
    }

    /// Those outside have said what they say, or do not.
    pub(super) fn told(&mut self, Told { asked, words }: Told) {
        let Some(mut waited) = self.asked.remove(&asked) else { return };
        match words {
            Ok(words) => {
                if let Some(first) = waited.front_mut() {
                    first.words.said.extend(words);
                    first.words.times += 1;
                }
                waited.into_iter().for_each(|push| self.take(Command::Push(push)));
            }
            Err(_) => put_off(waited, "somebody has to be asked about it, and does not answer"),
        }
    }

    /// Nobody waits for an answer any more.
    pub(super) fn give_up_asking(&mut self) {
        self.asked.drain().for_each(|(_, waited)| put_off(waited, STOPPING));
    }
}

const STOPPING: &str = "the server is stopping";

fn estimated_bytes(changes: &[Changed]) -> usize {
    let objects = changes.iter().flat_map(|changed| [&changed.before, &changed.after]);
    objects.flatten().map(|object| object.estimated_bytes()).sum()
}

/// Tells authors to send again what was not decided on, each once, from their first event on.
fn put_off(pushes: impl IntoIterator<Item = Push>, why: &str) {
    let mut told = FxHashSet::default();
    for push in pushes.into_iter() {
        if !told.insert(push.peer) {
            continue;
        }
        let error = ErrorFrame {
            channel: Some(push.peer.channel),
            code: ErrorCode::Later,
            message: format!("{why}: send again"),
            n: push.events.first().map(|sealed| sealed.event.n),
            retry: Some(Millis(limits::VALIDATOR_REST.as_millis() as u64)),
        };
        push.tape.answer(vec![(push.peer, ServerFrame::Error(error))]);
    }
}
