//! Appends: each stream has one message on its way, and what waits meanwhile becomes the next one.
//!
//! ```text
//! append ─▶ lane of the stream ─ as many batches as follow ─▶ message ─▶ stored ─▶ answers, then the next message
//! ```
//!
//! A lane is there, with a task that works on it, for as long as something waits in it. It begins where the stream is known
//! to end; what is known may be old, since others append too, so nobody is told of a conflict before the leader was asked.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Position;

use super::message::{self, End};
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
}

impl Place {
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
                None => self.ask(&stream).await,
            };
            match place {
                Err(error) => self.give_up(&stream, Vec::new(), &error.to_string()),
                Ok(place) => match self.take_group(&stream, &place) {
                    Next::Group(group) => self.append_group(&stream, place, group).await,
                    // What was known may be old.
                    Next::Elsewhere if known.is_some() => self.forget(&stream),
                    Next::Elsewhere => self.refuse_first(&stream, place.position()),
                },
            }
        }
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

    /// Asks the leader where a stream ends.
    async fn ask(&self, stream: &StreamName) -> Result<Place, LogError> {
        let last = self.last(stream).await?;
        let place = last.map_or(Place { end: None, last: Sequence::default() }, |last| Place {
            end: Some(last.end).filter(|end| end.head.position > Position::FIRST),
            last: last.sequence,
        });
        self.remember(stream, place);
        Ok(place)
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

    async fn append_group(&self, stream: &StreamName, place: Place, group: Vec<Waiting>) {
        let outgoing = Outgoing::new(place.end, &group);
        match self.publish(stream, place.last, outgoing).await {
            Ok(place) => {
                self.remember(stream, place);
                for waiting in group {
                    let position = waiting.append.expected.next();
                    self.answer(waiting, Ok(position));
                }
            }
            Err(Failed::Elsewhere) => match self.ask(stream).await {
                Ok(place) => {
                    let conflict = AppendError::Conflict { position: place.position() };
                    group.into_iter().for_each(|waiting| self.answer(waiting, Err(conflict.clone())));
                }
                Err(error) => self.give_up(stream, group, &error.to_string()),
            },
            Err(Failed::Unknown(why)) => self.give_up(stream, group, &why),
        }
    }

    /// Nobody knows where the stream is: so for a group, and for what waits behind it.
    fn give_up(&self, stream: &StreamName, mut group: Vec<Waiting>, why: &str) {
        let mut table = self.lock();
        table.places.remove(stream);
        group.extend(table.lanes.get_mut(stream).into_iter().flat_map(|lane| lane.drain(..)));
        drop(table);
        group.into_iter().for_each(|waiting| self.answer(waiting, Err(AppendError::Unknown(why.to_owned()))));
    }

    fn refuse_first(&self, stream: &StreamName, position: Position) {
        let first = self.lock().lanes.get_mut(stream).and_then(VecDeque::pop_front);
        first.into_iter().for_each(|waiting| self.answer(waiting, Err(AppendError::Conflict { position })));
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
