//! One person of a recording, at a real replica: types what was recorded, on exactly what it was typed on.
//!
//! What others typed is held back until the next transaction of one's own has seen it, so the concurrency of the
//! recording is real. Without I/O: whoever runs it carries the frames.

use std::collections::VecDeque;

use tapeline_core::block::EventBlock;
use tapeline_core::frame::{ClientFrame, Events, ServerFrame};
use tapeline_core::hash::Digest;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, Millis};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::replica::{Keeping, Moment, Notice, Replica, Start};
use tapeline_core::splice::Splices;
use tapeline_core::value::Value;

use super::recording::{Person, TextRecording, Transaction};
use crate::failure::Failure;

/// The channel on which every typist speaks of the stream.
pub const CHANNEL: Channel = Channel(0);

/// One person.
pub struct Typist<'r> {
    replica: Replica,
    person: Person,
    /// The client ids of all, by person.
    clients: &'r [ClientId],
    mine: Vec<&'r Transaction>,
    /// How many of all there are of each person.
    all: Vec<usize>,
    typed: usize,
    /// How many transactions of each person are played here.
    seen: Vec<usize>,
    held: VecDeque<Events>,
    counts: Counts,
}

/// What became of transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// On the log.
    pub recorded: u64,
    /// Refused.
    pub refused: u64,
    /// Of those on the log, how many did not take effect.
    pub lost: u64,
}

impl<'r> Typist<'r> {
    /// A person who has typed nothing, with a connection.
    pub fn new(recording: &'r TextRecording, person: Person, clients: &'r [ClientId], stream: &StreamName) -> Self {
        let mut replica = Replica::new(stream.clone(), clients[person], Start::Played, Keeping::Memory);
        replica.connected(CHANNEL);
        let of = |person| recording.transactions.iter().filter(move |transaction| transaction.person == person);
        let all: Vec<usize> = (0..recording.people).map(|person| of(person).count()).collect();
        let (mine, seen) = (of(person).collect(), vec![0; recording.people]);
        let (held, counts) = (VecDeque::new(), Counts::default());
        Self { replica, person, clients, mine, all, typed: 0, seen, held, counts }
    }

    /// Types what comes next, as far as just that has been seen which it was typed on, and at most so much. Answers how
    /// much it was.
    pub fn type_on(&mut self, now: Millis, most: usize) -> Result<usize, Failure> {
        let before = self.typed;
        while self.typed - before < most && self.may_type() {
            let splices = self.mine[self.typed].splices().map_err(Failure::failed)?;
            // It says by itself how much was seen, so that it stays an event of its own though the one before it waits as
            // well: somebody else may have seen that one and not this.
            let seen = Some(self.replica.played());
            self.replica.edit(now, vec![Op { seen, ..edit(splices)? }]).map_err(Failure::failed)?;
            self.typed += 1;
        }
        Ok(self.typed - before)
    }

    /// The next frame to send.
    pub fn next_frame(&mut self, now: Millis) -> Option<ClientFrame> {
        self.replica.poll_frame(now)
    }

    /// Takes a frame. Events are held until they may be seen.
    pub fn take(&mut self, moment: Moment, frame: ServerFrame) {
        match frame {
            ServerFrame::Events(events) => self.held.push_back(events),
            frame => self.replica.receive(moment, frame),
        }
    }

    /// Plays what may be seen.
    pub fn play(&mut self, moment: Moment) -> Result<(), Failure> {
        while let Some(events) = self.held.pop_front() {
            let (now, later) = self.part(&events.block)?;
            let whole = later.is_empty();
            let played = Events { digest: events.digest.filter(|_| whole), block: now, ..events.clone() };
            self.replica.receive(moment, ServerFrame::Events(played));
            if !whole {
                self.held.push_front(Events { block: later, ..events });
                break;
            }
        }
        self.hear()
    }

    /// Whether all that anybody typed is typed, on the log and played here.
    pub fn is_done(&self) -> bool {
        self.typed == self.mine.len() && self.seen == self.all && self.replica.pending() == 0
    }

    /// The text as it shows.
    pub fn text(&self) -> &str {
        text_of(&self.replica)
    }

    /// The digest over what is confirmed.
    pub fn digest(&mut self) -> Digest {
        self.replica.digest()
    }

    /// What became of what was typed.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn may_type(&self) -> bool {
        let Some(next) = self.mine.get(self.typed) else { return false };
        let others = |person: &Person| *person != self.person;
        let same = (0..self.seen.len()).filter(others).all(|person| next.saw[person] == self.seen[person]);
        same && document().is_ok_and(|key| self.replica.get(&key).is_some())
    }

    /// Cuts a block into what may be seen now, and what has to wait.
    fn part(&mut self, block: &EventBlock) -> Result<(EventBlock, EventBlock), Failure> {
        let mut now = EventBlock::empty(block.from(), block.before());
        for (encoded, event) in block.encoded().zip(block.events()) {
            let client = event.map_err(Failure::failed)?.client;
            if let Some(author) = self.clients.iter().position(|known| *known == client) {
                if !self.may_see(author) {
                    break;
                }
                self.seen[author] += 1;
            }
            now.push(encoded);
        }
        let mut later = EventBlock::empty(now.end(), now.after());
        block.encoded().skip(now.count() as usize).for_each(|encoded| later.push(encoded));
        Ok((now, later))
    }

    /// Whether the next transaction of somebody may be seen before one's own next is typed.
    fn may_see(&self, author: Person) -> bool {
        let next = self.mine.get(self.typed);
        author == self.person || next.is_none_or(|next| self.seen[author] < next.saw[author])
    }

    fn hear(&mut self) -> Result<(), Failure> {
        while let Some(notice) = self.replica.poll_notice() {
            match notice {
                Notice::Recorded { lost, .. } => {
                    self.counts.recorded += 1;
                    self.counts.lost += u64::from(!lost.is_empty());
                }
                Notice::Refused { .. } => self.counts.refused += 1,
                Notice::Diverged { seq } => {
                    return Err(Failure::Failed(format!("a replica is not what the server has at event {seq}")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

const FIELD: &str = "text";

/// The object that holds the text.
pub fn document() -> Result<Key, Failure> {
    let collection = Collection::new("texts").map_err(Failure::failed)?;
    Ok(Key { collection, id: ObjectId::new("document").map_err(Failure::failed)? })
}

/// Makes the object, with a text in it.
pub fn insert(text: &str) -> Result<Op, Failure> {
    let fields = FieldMap::new(vec![(field()?, Value::text(text))]).map_err(Failure::failed)?;
    Ok(Op { key: document()?, seen: None, action: Action::Insert(fields) })
}

/// Edits the text.
pub fn edit(splices: Splices) -> Result<Op, Failure> {
    let edits = FieldMap::new(vec![(field()?, Edit::Splice(splices))]).map_err(Failure::failed)?;
    Ok(Op { key: document()?, seen: None, action: Action::Update(edits) })
}

/// The text as a replica shows it.
pub fn text_of(replica: &Replica) -> &str {
    let object = document().ok().and_then(|key| replica.get(&key));
    object.and_then(|object| object.get(FIELD)).and_then(Value::as_text).unwrap_or_default()
}

fn field() -> Result<FieldName, Failure> {
    FieldName::new(FIELD).map_err(Failure::failed)
}
