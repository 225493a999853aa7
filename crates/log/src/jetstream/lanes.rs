//! Appends: each stream has one message on its way, and what waits meanwhile becomes the next one.
//!
//! ```text
//! append ─▶ lane of the stream ─ as many batches as follow ─▶ message ─▶ stored ─▶ answers, then the next message
//! ```
//!
//! A lane is there, with a task that works on it, for as long as something waits in it. It begins where the stream is known
//! to end; what is known may be old, since others append too, so nobody is told of a conflict before the leader was asked.
//!
//! Behind what others have appended nothing goes before it was read: batches of verdicts alone change neither seq nor chain, so
//! that a batch that was decided on behind one's own, refused by now, could seem to follow from theirs.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Position;

use super::message::{self, End, Message};
use super::publish::{Failed, Outgoing};
use super::{JetStream, Sequence, Shared};
use crate::contract::{Append, AppendError, Done, LogError};
use crate::limits;

/// What waits, and what is known.
#[derive(Default)]
pub(super) struct Table {
    lanes: FxHashMap<StreamName, VecDeque<Waiting>>,
    /// Bytes of all that waits or is on its way.
    bytes: usize,
    /// Where streams ended when that was last heard.
    places: FxHashMap<StreamName, Place>,
}

/// An append that waits.
pub(super) struct Waiting {
    pub(super) append: Append,
    pub(super) encoded: Vec<u8>,
    done: Done,
}

/// Where a stream ends, and the last sequence of its subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// `None` where there is no such stream.
    pub(super) end: Option<End>,
    pub(super) last: Sequence,
    /// Whether all up to there was appended or read by us.
    pub(super) is_read: bool,
}

impl Place {
    /// Where the last message of a stream is.
    fn of(last: Option<&Message>, is_read: bool) -> Self {
        let end = last.map(|last| last.end).filter(|end| end.head.position > Position::FIRST);
        Self { end, last: last.map_or(Sequence::default(), |last| last.sequence), is_read }
    }

    pub(super) fn position(&self) -> Position {
        self.end.map_or(Position::FIRST, |end| end.head.position)
    }
}

impl JetStream {
    /// Appends a batch, as [`EventLog::append`](crate::EventLog::append) does. Waits while too much is waiting.
    pub fn append(&self, append: Append, done: Done) {
        let encoded = append.batch.encode();
        let shared = &self.shared;
        let mut table = shared.lock();
        while table.bytes > limits::LANES_BYTES {
            table = shared.room.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table.bytes += encoded.len();
        let stream = append.stream.clone();
        let waiting = Waiting { append, encoded, done };
        if let Some(lane) = table.lanes.get_mut(&stream) {
            return lane.push_back(waiting);
        }
        table.lanes.insert(stream.clone(), VecDeque::from([waiting]));
        drop(table);
        shared.runtime.spawn(shared.clone().work(stream));
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a stream ended when that was last heard.
    pub(super) fn known(&self, stream: &StreamName) -> Option<Place> {
        self.lock().places.get(stream).copied()
    }

    /// Works on a lane until it is empty.
    async fn work(self: Arc<Self>, stream: StreamName) {
        while !self.ends(&stream) {
            let known = self.known(&stream);
            let place = match known {
                Some(place) => Ok(place),
                None => self.ask(&stream, None).await,
            };
            let goes_on = match place {
                Err(error) => self.give_up(&stream, Vec::new(), &error.to_string()),
                Ok(place) if !place.is_read && place.end.is_some() => {
                    self.refuse_all(&stream, Vec::new(), place.position())
                }
                Ok(place) => match self.take_group(&stream, &place) {
                    Next::Group(group) => self.append_group(&stream, place, group).await,
                    Next::Elsewhere => self.refuse_first(&stream, place, known.is_some()).await,
                },
            };
            if !goes_on {
                return;
            }
        }
    }

    /// The first batch does not follow from where the stream is, or was: then it is looked at again. Answers whether the
    /// lane goes on.
    async fn refuse_first(&self, stream: &StreamName, place: Place, may_be_old: bool) -> bool {
        if may_be_old {
            match self.ask(stream, Some(place)).await {
                Ok(now) if now.end == place.end => {}
                Ok(_) => return true,
                Err(error) => return self.give_up(stream, Vec::new(), &error.to_string()),
            }
        }
        let first = self.lock().lanes.get_mut(stream).and_then(VecDeque::pop_front);
        self.refuse(Vec::from_iter(first), place.position());
        true
    }

    /// Ends a lane in which nothing waits.
    fn ends(&self, stream: &StreamName) -> bool {
        let mut table = self.lock();
        let is_empty = table.lanes.get(stream).is_none_or(VecDeque::is_empty);
        if is_empty {
            table.lanes.remove(stream);
        }
        is_empty
    }

    /// Asks the leader where a stream ends that was known to end somewhere.
    async fn ask(&self, stream: &StreamName, known: Option<Place>) -> Result<Place, LogError> {
        let mut place = Place::of(self.last(stream).await?.as_ref(), false);
        place.is_read = known.is_some_and(|known| known.is_read && known.end == place.end);
        self.remember(stream, place);
        Ok(place)
    }

    /// Somebody reads a stream from a position on, up to where the leader says it ends.
    pub(super) fn is_read(&self, stream: &StreamName, last: Option<&Message>) {
        // What waits was decided on before.
        if !self.lock().lanes.contains_key(stream) {
            self.remember(stream, Place::of(last, true));
        }
    }

    /// Takes from a lane the batches that follow from a place, as many as one message should have.
    fn take_group(&self, stream: &StreamName, place: &Place) -> Next {
        let mut table = self.lock();
        let Some(lane) = table.lanes.get_mut(stream) else { return Next::Elsewhere };
        let (mut group, mut bytes, mut end) = (Vec::new(), 0, place.end);
        while let Some(waiting) = lane.front() {
            bytes += message::size(&waiting.encoded);
            let at = end.unwrap_or(End::nothing(waiting.append.incarnation));
            let follows = at.head.position == waiting.append.expected && at.is_before(&waiting.append.batch);
            if !follows || bytes > limits::PART_BYTES && !group.is_empty() {
                break;
            }
            end = Some(at.with(&waiting.append.batch));
            group.extend(lane.pop_front());
        }
        if group.is_empty() { Next::Elsewhere } else { Next::Group(group) }
    }

    /// Answers whether the lane goes on.
    async fn append_group(&self, stream: &StreamName, mut place: Place, group: Vec<Waiting>) -> bool {
        let outgoing = Outgoing::new(place.end, &group);
        for _ in 0..limits::PUBLISH_TRIES {
            match self.publish(stream, place.last, &outgoing).await {
                Ok(place) => {
                    self.appended(stream, place, group);
                    return true;
                }
                Err(Failed::Unknown(why)) => return self.give_up(stream, group, &why),
                Err(Failed::Elsewhere) => match self.ask(stream, Some(place)).await {
                    // JetStream refuses, too, while it is not done with the message before; or somebody left a part.
                    // Another node's message may be on its way to the quorum: a moment later it is there to be seen.
                    Ok(now) if now.end == place.end => {
                        place.last = now.last;
                        tokio::time::sleep(limits::PUBLISH_PAUSE).await;
                    }
                    Ok(now) => return self.refuse_all(stream, group, now.position()),
                    Err(error) => return self.give_up(stream, group, &error.to_string()),
                },
            }
        }
        self.give_up(stream, group, "JetStream refuses a message that follows from the last one")
    }

    fn appended(&self, stream: &StreamName, place: Place, group: Vec<Waiting>) {
        self.remember(stream, place);
        for waiting in group {
            let position = waiting.append.expected.next();
            self.answer(waiting, Ok(position));
        }
    }

    fn refuse(&self, group: Vec<Waiting>, position: Position) {
        group.into_iter().for_each(|waiting| self.answer(waiting, Err(AppendError::Conflict { position })));
    }

    /// Others have appended before a group, and what waits behind it: the lane ends.
    fn refuse_all(&self, stream: &StreamName, mut group: Vec<Waiting>, position: Position) -> bool {
        group.extend(self.close(stream));
        self.refuse(group, position);
        false
    }

    /// Nobody knows where the stream is: so for a group, and for what waits behind it. The lane ends.
    fn give_up(&self, stream: &StreamName, mut group: Vec<Waiting>, why: &str) -> bool {
        self.forget(stream);
        group.extend(self.close(stream));
        group.into_iter().for_each(|waiting| self.answer(waiting, Err(AppendError::Unknown(why.to_owned()))));
        false
    }

    /// Ends a lane, and takes all that waits in it: before anybody hears of it, so that whoever does can read the stream
    /// and go on.
    fn close(&self, stream: &StreamName) -> VecDeque<Waiting> {
        self.lock().lanes.remove(stream).unwrap_or_default()
    }

    fn answer(&self, waiting: Waiting, outcome: Result<Position, AppendError>) {
        self.lock().bytes -= waiting.encoded.len();
        self.room.notify_all();
        (waiting.done)(outcome);
    }

    fn remember(&self, stream: &StreamName, place: Place) {
        let mut table = self.lock();
        if table.places.len() >= limits::KNOWN_PLACES {
            table.places.clear();
        }
        table.places.insert(stream.clone(), place);
    }

    fn forget(&self, stream: &StreamName) {
        self.lock().places.remove(stream);
    }
}

/// What a lane has next.
enum Next {
    /// Batches for one message.
    Group(Vec<Waiting>),
    /// The first batch does not follow from where the stream is.
    Elsewhere,
}
