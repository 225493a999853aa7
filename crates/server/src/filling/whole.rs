//! One filling of a replica that holds all of a stream: what it is still to get, page by page, in the order of the keys.
//!
//! Keys are held as of different events: those up to where an earlier filling was cut off as of the end of that one,
//! the others as of what was played. Each such stretch is gone over by the keys that were touched since or, where those
//! are too many or nothing is held, by all entries.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tapeline_core::catchup::{self, KeyOrder};
use tapeline_core::frame::{End, Filling, Page, Progress};
use tapeline_core::limits as core_limits;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{LogError, Part, Pin, Touched};

use super::Spelling;
use super::gather::Gathered;
use super::pins::Pinned;
use super::shelf::{Place, Shelved};
use crate::limits;

/// What a replica is still to get.
pub(crate) struct WholeFill {
    /// What was played.
    from: Seq,
    /// The newest state that any key is held as of.
    latest: Seq,
    /// Whether all that was held before is void.
    fresh: bool,
    order: KeyOrder,
    stretches: VecDeque<Stretch>,
    source: Option<Source>,
    cursor: Option<Key>,
    pinned: Option<Arc<Pinned>>,
    progress: Progress,
}

/// Keys that are held as of the same event.
#[derive(Clone, Debug)]
struct Stretch {
    /// That event; the first where nothing is held.
    base: Seq,
    /// The last of the keys.
    until: Option<Key>,
}

impl Stretch {
    /// Whether a key comes after it.
    fn is_before(&self, key: &Key, order: &KeyOrder) -> bool {
        self.until.as_ref().is_some_and(|until| order.compare(key, until).is_gt())
    }
}

/// Where the entries of a stretch are found.
enum Source {
    /// Under these keys.
    Keys(VecDeque<Key>),
    /// Among all.
    Scan,
}

/// Why a scan stopped.
enum Stop {
    /// There is nothing more.
    End,
    /// The page is full.
    Full,
    /// What follows belongs to another stretch.
    Past,
    /// Those of this collection were shown before.
    Skip(Collection),
}

impl WholeFill {
    /// A filling as it was planned.
    pub(crate) fn new(fill: catchup::Fill) -> Self {
        let catchup::Fill { from, cut, fresh, order } = fill;
        let latest = cut.as_ref().map_or(from, |cut| from.max(cut.latest));
        let cut = cut.map(|Filling { to, after, .. }| Stretch { base: to, until: Some(after) });
        let rest = Stretch { base: from, until: None };
        Self {
            from,
            latest,
            fresh,
            order,
            stretches: cut.into_iter().chain([rest]).collect(),
            source: None,
            cursor: None,
            pinned: None,
            progress: Progress::default(),
        }
    }

    /// From where on a state is needed.
    pub(crate) fn from(&self) -> Seq {
        self.stretches.iter().map(|stretch| stretch.base).fold(self.latest, Seq::max)
    }

    /// What is read, where it is pinned.
    pub(crate) fn pin(&self) -> Option<Arc<dyn Pin>> {
        self.pinned.as_ref()?.read()
    }

    /// Reads from a pinned state from now on. What was given as of an earlier one is gone over again.
    pub(crate) fn take_pin(&mut self, pinned: Arc<Pinned>) {
        if let (Some(before), Some(cursor)) = (&self.pinned, self.cursor.take()) {
            let base = before.state().head;
            self.stretches.push_front(Stretch { base, until: Some(cursor) });
        }
        self.source = None;
        self.pinned = Some(pinned);
    }

    /// Where the replica is once all is done; `None` until then.
    pub(crate) fn end(&self) -> Option<Seq> {
        self.pinned.as_ref().filter(|_| self.stretches.is_empty()).map(|pinned| pinned.state().head)
    }

    /// The message of the next page, if it was made for somebody else meanwhile.
    pub(super) fn take_shelved(&mut self, spelling: Spelling) -> Option<Bytes> {
        let (pinned, place) = (self.pinned.as_ref()?, self.place(spelling)?);
        let Shelved { message, cursor, progress, is_over } = pinned.shelf().find(&place)?;
        (self.cursor, self.progress, self.source) = (cursor, progress, Some(Source::Scan));
        if is_over {
            self.stretches.clear();
        }
        Some(message)
    }

    /// The message of the next page, which others may get as well.
    pub(super) fn message(&mut self, pin: &dyn Pin, spelling: Spelling, head: Seq) -> Result<Bytes, LogError> {
        let place = self.place(spelling);
        let message = spelling.spell(self.next(pin, spelling.channel, head)?);
        if let (Some(pinned), Some(place)) = (&self.pinned, place) {
            let (cursor, progress, is_over) = (self.cursor.clone(), self.progress, self.stretches.is_empty());
            pinned.shelf().put(place, Shelved { message: message.clone(), cursor, progress, is_over });
        }
        Ok(message)
    }

    /// What makes the next page what it is, where others may get the same.
    fn place(&self, spelling: Spelling) -> Option<Place> {
        let is_from_nothing = self.from == Seq::FIRST && self.stretches.len() == 1 && !self.fresh;
        let place = || Place { spelling, order: self.order.clone(), after: self.cursor.clone() };
        is_from_nothing.then(place)
    }

    /// The next page.
    fn next(&mut self, pin: &dyn Pin, channel: Channel, head: Seq) -> Result<Page, LogError> {
        let mut gathered = Gathered::default();
        while !gathered.is_full() {
            let Some(stretch) = self.stretches.front().cloned() else { break };
            let mut source = match self.source.take() {
                Some(source) => source,
                None => self.find(pin, &stretch)?,
            };
            let is_over = match &mut source {
                Source::Keys(keys) => self.look_up(pin, &stretch, keys, &mut gathered)?,
                Source::Scan => self.scan(pin, &stretch, &mut gathered)?,
            };
            match is_over {
                true => self.cursor = self.stretches.pop_front().and_then(|over| over.until).or(self.cursor.take()),
                false => self.source = Some(source),
            }
        }
        Ok(self.page(pin, gathered, channel, head))
    }

    fn page(&mut self, pin: &dyn Pin, gathered: Gathered, channel: Channel, head: Seq) -> Page {
        let state = pin.state();
        self.progress.objects += gathered.looked_at() as u64;
        self.progress.bytes += gathered.bytes() as u64;
        let is_over = self.stretches.is_empty();
        let (items, gone, gone_unnamed) = gathered.into_parts();
        Page {
            channel,
            head: head.max(state.head),
            from: self.from,
            to: state.head,
            chain: state.chain,
            fresh: std::mem::take(&mut self.fresh),
            query: None,
            items,
            gone,
            gone_unnamed,
            after: self.cursor.clone().filter(|_| !is_over),
            end: is_over.then_some(End { digest: Some(state.digest), purge: false }),
            progress: Some(self.progress),
        }
    }

    /// Finds out where the entries of a stretch are.
    fn find(&mut self, pin: &dyn Pin, stretch: &Stretch) -> Result<Source, LogError> {
        if stretch.base > Seq::FIRST
            && let Touched::Keys(mut keys) = pin.touched(stretch.base, limits::TOUCHED_KEYS)?
        {
            let ahead = |key: &Key| self.cursor.as_ref().is_none_or(|cursor| self.order.compare(key, cursor).is_gt());
            keys.retain(|key| ahead(key) && !stretch.is_before(key, &self.order));
            keys.sort_by(|a, b| self.order.compare(a, b));
            self.progress.of = self.progress.objects + keys.len() as u64;
            return Ok(Source::Keys(keys.into()));
        }
        self.progress.of = pin.state().live;
        Ok(Source::Scan)
    }

    /// Takes entries under certain keys. Answers whether those were all.
    fn look_up(
        &mut self,
        pin: &dyn Pin,
        stretch: &Stretch,
        keys: &mut VecDeque<Key>,
        gathered: &mut Gathered,
    ) -> Result<bool, LogError> {
        while !keys.is_empty() && !gathered.is_full() {
            let some: Vec<Key> = keys.iter().take(limits::KEYS_AT_ONCE).cloned().collect();
            for (key, entry) in some.iter().zip(pin.entries(&some)?) {
                if gathered.is_full() {
                    break;
                }
                keys.pop_front();
                if let Some(entry) = entry {
                    gathered.take(key, &entry, stretch.base);
                }
                self.cursor = Some(key.clone());
            }
        }
        Ok(keys.is_empty())
    }

    /// Takes entries as they stand. Answers whether those were all.
    fn scan(&mut self, pin: &dyn Pin, stretch: &Stretch, gathered: &mut Gathered) -> Result<bool, LogError> {
        let mut after = self.cursor.clone();
        let first = self.order.first().to_vec();
        let place = |key: &Key| first.iter().position(|first| *first == key.collection).unwrap_or(first.len());
        let mut rank = after.as_ref().map_or(0, place);
        loop {
            let collection = first.get(rank).cloned();
            let part = Part { collection: collection.as_ref(), after: after.as_ref(), reverse: false };
            match self.scan_part(pin, part, stretch, gathered)? {
                Stop::Past => return Ok(true),
                Stop::Full => return Ok(false),
                Stop::Skip(collection) => after = Some(last_of(collection)),
                Stop::End if collection.is_none() => return Ok(true),
                Stop::End => (rank, after) = (rank + 1, None),
            }
        }
    }

    fn scan_part(
        &mut self,
        pin: &dyn Pin,
        part: Part<'_>,
        stretch: &Stretch,
        gathered: &mut Gathered,
    ) -> Result<Stop, LogError> {
        let (order, cursor, mut stop) = (&self.order, &mut self.cursor, Stop::End);
        pin.scan(part, &mut |key, entry| {
            stop = match key {
                _ if part.collection.is_none() && order.first().contains(&key.collection) => {
                    Stop::Skip(key.collection.clone())
                }
                _ if stretch.is_before(key, order) => Stop::Past,
                _ => {
                    gathered.take(key, entry, stretch.base);
                    *cursor = Some(key.clone());
                    if !gathered.is_full() {
                        return ControlFlow::Continue(());
                    }
                    Stop::Full
                }
            };
            ControlFlow::Break(())
        })?;
        Ok(stop)
    }
}

/// A key that none of a collection comes after.
fn last_of(collection: Collection) -> Key {
    const LAST: char = char::MAX;
    let id = LAST.to_string().repeat(core_limits::OBJECT_ID_BYTES / LAST.len_utf8());
    Key { collection, id: ObjectId::new(id).expect("an id may have any characters") }
}
