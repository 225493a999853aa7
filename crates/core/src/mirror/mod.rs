//! A mirror: the copy of a replica's view in another place, read and edited at once.
//!
//! In a browser one tab leads and owns the replica; every tab, the leader's too, reads and edits a mirror of its own.
//! To a mirror the leader is what the server is to a replica: it orders the edits of all tabs, and what it shows is
//! what counts. A mirror shows that, with those of its own edits on top that the leader has not taken yet.
//!
//! ```text
//!   edit ──▶ Mirror ── Commit{number} ──▶ Replica::take ──▶ outbox ──▶ …
//!              ▲ shows at once               │ once, however often it is sent
//!              └────────── ViewChange ◀──────┘ what is shown now; how far it is with this tab's edits
//! ```
//!
//! A mirror keeps its edits until they are on the device. Where the leader is gone, they are sent to the next one.

mod change;
mod typed;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

pub(crate) use change::Pages;
pub use change::{Commit, Heard, Page, VERSION, ViewChange};
pub use typed::TypedOn;

use crate::codec::CodecError;
use crate::codec::cbor::{self, Reader};
use crate::event::Body;
use crate::name::{Collection, Key, ObjectId};
use crate::names::Names;
use crate::numbered::Numbered;
use crate::numbers::{ClientId, EditId, Millis, Seq, TabId};
use crate::object::{Entry, Object, Write, apply};
use crate::op::{Action, FieldMap, Op};
use crate::query::{LiveQuery, Moved, Query};
use crate::queue::Queue;
use crate::replica::{self, EditError, NewEdit, check_one, rehearse};
use crate::tables::Tables;
use crate::undo::{Direction, History};
use crate::valid::Validity;

/// The copy of a replica's view.
#[derive(Debug)]
pub struct Mirror {
    tab: TabId,
    /// What the leader shows.
    shown: Tables<Arc<Object>>,
    played: Seq,
    /// How many of what was done to texts it has heard of.
    heard: u64,
    /// While a whole view comes in: what was there before and no page has named.
    stale: Option<FxHashSet<Key>>,
    complete: bool,
    /// The leader is another one than before: what it says without its whole view is not understood.
    awaits_view: bool,
    /// Edits of this tab that are not known to be on the device, in order.
    edits: Queue<Commit>,
    last: EditId,
    taken: EditId,
    stored: EditId,
    next_to_send: EditId,
    /// What the keys show that edits touch which the leader has not taken.
    ahead: FxHashMap<Key, Option<Entry>>,
    names: Names,
    /// What edits are checked by.
    validity: Option<Arc<dyn Validity>>,
    /// What this tab can undo.
    history: History,
    watches: Numbered<u32, LiveQuery>,
    watched: u32,
    changed: Numbered<u32, ()>,
}

impl Mirror {
    /// An empty mirror, of no leader yet.
    pub fn new(tab: TabId) -> Self {
        Self {
            tab,
            shown: Tables::default(),
            played: Seq::FIRST,
            heard: 0,
            stale: None,
            complete: false,
            awaits_view: false,
            edits: Queue::default(),
            last: EditId::default(),
            taken: EditId::default(),
            stored: EditId::default(),
            next_to_send: EditId::FIRST,
            ahead: FxHashMap::default(),
            names: Names::default(),
            validity: None,
            history: History::default(),
            watches: Numbered::default(),
            watched: 0,
            changed: Numbered::default(),
        }
    }

    /// Checks edits by this from now on, where there is any: what is not valid is not taken. The server has the last word all
    /// the same.
    pub fn check_by(&mut self, validity: Option<Arc<dyn Validity>>) {
        self.validity = validity;
    }

    /// Reads the ops of an edit, as an app gives them. Their names are shared with those of earlier edits.
    ///
    /// # Errors
    /// Where the bytes are none, or break a limit.
    pub fn read_ops(&self, ops: &[u8]) -> Result<Vec<Op>, Box<CodecError>> {
        cbor::read_all_ops(Reader::knowing(ops, &self.names))
    }

    /// Makes an edit: all of its ops, or none. It shows at once.
    ///
    /// Before a whole view was heard, nobody knows what exists; then only the server can tell.
    ///
    /// # Errors
    /// Where the edit does not fit what is shown, is not valid, or breaks a limit. Nothing has changed then.
    pub fn edit(&mut self, now: Millis, new: impl Into<NewEdit>) -> Result<EditId, EditError> {
        self.commit(now, new.into(), None)
    }

    /// A draft becomes an object like others, and is sent, as it is when the leader hears of it. Where it is none any more
    /// by then, as another tab has published it too, nothing happens.
    ///
    /// # Errors
    /// Where there is no such draft, or it is not valid.
    pub fn publish(&mut self, now: Millis, key: &Key) -> Result<EditId, EditError> {
        let draft = self.get(key).filter(|object| object.is_draft());
        let draft = draft.ok_or_else(|| EditError::NotFound(key.clone()))?;
        if let Some(validity) = &self.validity {
            check_one(&**validity, key, None, Some(draft))?;
        }
        let op = Op { key: key.clone(), seen: None, action: Action::Insert(FieldMap::default()) };
        let body = Body { base: self.played, at: now, ops: vec![op], ..Body::default() };
        let (number, command, drafts, typed) = (self.last.next(), None, 0, Vec::new());
        let edit =
            self.push(Commit { number, body, command, drafts, publishes: true, typed, moved: None, heard: self.heard });
        self.look_ahead();
        Ok(edit)
    }

    fn commit(&mut self, now: Millis, new: NewEdit, way: Option<Direction>) -> Result<EditId, EditError> {
        EditError::check_room(new.ops.len(), self.edits.len())?;
        let write = write_of(self.played, now);
        let drafts = new.drafts;
        let validity = self.validity.as_deref();
        let ahead = rehearse(&new.ops, drafts, &write, self.complete, validity, &|key| self.entry(key))?;
        let (body, command) = new.into_body(self.played, now);
        EditError::check_bytes(&body)?;
        let typed = typed::typed_on(&body.ops, &write, &|key| self.entry(key));
        let mut history = std::mem::take(&mut self.history);
        let (before, after) =
            (|key: &Key| self.get(key).cloned(), |key: &Key| ahead.get(key)?.as_ref()?.live().cloned());
        history.committed(&body.ops, way, &before, &after);
        self.history = history;
        for (key, entry) in ahead {
            self.touch(&key);
            self.ahead.insert(key, entry);
        }
        let (number, heard) = (self.last.next(), self.heard);
        Ok(self.push(Commit { number, body, command, drafts, publishes: false, typed, moved: None, heard }))
    }

    /// Takes this tab's last edit back, or makes it again, as a new edit. What others have changed since is left alone,
    /// unless `forced`. `None`: there is nothing to do.
    ///
    /// # Errors
    /// Where the edit is not valid, or breaks a limit. Nothing has changed then.
    pub fn step(&mut self, now: Millis, way: Direction, forced: bool) -> Result<Option<EditId>, EditError> {
        let mut history = std::mem::take(&mut self.history);
        let next = history.next(way, forced, &|key: &Key| self.get(key).cloned());
        self.history = history;
        next.map(|new| self.commit(now, new, Some(way))).transpose()
    }

    /// What this tab can undo.
    pub fn history(&mut self) -> &mut History {
        &mut self.history
    }

    fn push(&mut self, commit: Commit) -> EditId {
        self.last = commit.number;
        self.edits.push_back(commit);
        self.last
    }

    /// The next edit to be sent to the leader.
    pub fn poll_commit(&mut self) -> Option<&Commit> {
        let place = self.edits.partition_point(|commit| commit.number < self.next_to_send);
        let commit = self.edits.get(place)?;
        self.next_to_send = commit.number.next();
        Some(commit)
    }

    /// There is a new leader: what is not known to be on the device goes to it. `elsewhere`: it tells its whole view before
    /// long, and until then what changes in it is not heard, as nobody knows which edits of this tab were there already.
    pub fn send_again(&mut self, elsewhere: bool) {
        self.next_to_send = EditId::FIRST;
        self.awaits_view = elsewhere;
    }

    /// Takes a change of the leader's view.
    pub fn hear(&mut self, change: ViewChange) {
        let begins = change.page.begins();
        if self.awaits_view && !begins {
            return;
        }
        self.awaits_view = false;
        if begins {
            self.stale = (change.page != Page::Rest).then(|| self.keys().collect());
            // A new leader starts from what is on the device.
            self.taken = self.stored;
        }
        self.played = change.played;
        let moved = self.hear_moved(change.moved, change.moves);
        // To find answers anew takes less than to look at each, then.
        if change.objects.len() > self.shown.len() {
            self.touch_all();
        }
        let mut met = begins;
        let keys: Vec<Key> = match self.history.has_texts() {
            true => change.objects.iter().map(|(key, _)| key.clone()).collect(),
            false => Vec::new(),
        };
        for (key, object) in change.objects {
            if let Some(stale) = &mut self.stale {
                stale.remove(&key);
            }
            met |= self.show(key, object);
        }
        if change.page.ends() {
            for key in self.stale.take().unwrap_or_default() {
                met |= self.show(key, None);
            }
            self.complete = true;
        }
        let own = change.tabs.into_iter().find(|heard| heard.tab == self.tab);
        if own.is_some_and(|heard| self.settle(heard)) || met {
            self.look_ahead();
        }
        if !keys.is_empty() {
            let mut history = std::mem::take(&mut self.history);
            history.told(&moved, &|key: &Key| self.get(key).cloned());
            keys.iter().for_each(|key| history.changed(key, self.get(key)));
            self.history = history;
        }
    }

    /// Moves what this tab has typed past what others have done to texts. Answers what that is on top of what was typed.
    fn hear_moved(&mut self, moved: Vec<replica::Moved>, moves: u64) -> Vec<replica::Moved> {
        let heard = std::mem::replace(&mut self.heard, moves);
        let (mut taken, mut others) = (self.taken, Vec::new());
        // A whole view had some of them in it.
        for mut moved in moved.into_iter().filter(|moved| moved.number > heard) {
            if let Some((_, number)) = moved.by.filter(|(tab, _)| *tab == self.tab) {
                taken = taken.max(number);
                continue;
            }
            let untaken = self.edits.partition_point(|commit| commit.number <= taken);
            for place in untaken..self.edits.len() {
                if let Some(commit) = self.edits.get_mut(place) {
                    commit.move_past(&mut moved);
                }
            }
            others.push(moved);
        }
        others
    }

    /// The object under a key, as it is shown.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        match self.ahead.get(key) {
            Some(entry) => entry.as_ref()?.live(),
            None => self.shown.get(key),
        }
    }

    /// All objects of a collection, in no particular order.
    #[expect(clippy::disallowed_methods, reason = "no order is promised; whoever shows one sorts")]
    pub fn collection(&self, collection: &Collection) -> impl Iterator<Item = (&ObjectId, &Arc<Object>)> {
        let untouched = self.shown.rows(collection);
        let is_ahead = |id: &ObjectId| {
            !self.ahead.is_empty() && self.ahead.contains_key(&Key { collection: collection.clone(), id: id.clone() })
        };
        let untouched = untouched.filter(move |(id, _)| !is_ahead(id));
        let ahead = self.ahead.iter().filter(|(key, _)| key.collection == *collection);
        untouched.chain(ahead.filter_map(|(key, entry)| Some((&key.id, entry.as_ref()?.live()?))))
    }

    /// Whether a whole view was heard.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// This tab's last edit.
    pub fn last_edit(&self) -> EditId {
        self.last
    }

    /// The last edit of this tab that the leader's view includes.
    pub fn taken_through(&self) -> EditId {
        self.taken
    }

    /// The last edit of this tab that is on the device.
    pub fn stored_through(&self) -> EditId {
        self.stored
    }

    /// The answer to a query now, in its order.
    pub fn find(&self, query: Query) -> Vec<(ObjectId, Arc<Object>)> {
        query.find(self.collection(&query.collection))
    }

    fn live(&self, query: Query) -> LiveQuery {
        let collection = query.collection.clone();
        LiveQuery::new(query, self.collection(&collection))
    }

    /// Keeps the answer to a query up to date, under the number that is answered.
    pub fn watch(&mut self, query: Query) -> u32 {
        self.watched += 1;
        let live = self.live(query);
        self.watches.insert(self.watched, live);
        self.changed.insert(self.watched, ());
        self.watched
    }

    /// No longer does.
    pub fn unwatch(&mut self, watch: u32) {
        self.watches.remove(watch);
        self.changed.remove(watch);
    }

    /// The next query whose answer may have changed.
    pub fn poll_changed(&mut self) -> Option<u32> {
        self.changed.pop_first().map(|(watch, ())| watch)
    }

    /// What became of the answer to a query since this was last asked, where something did.
    pub fn look(&mut self, watch: u32) -> Option<Moved> {
        self.changed.remove(watch);
        let mut live = self.watches.remove(watch)?;
        let moved = live.look(|key| self.get(key).cloned(), self.collection(&live.query().collection.clone()));
        self.watches.insert(watch, live);
        moved
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        match self.ahead.get(key) {
            Some(entry) => entry.clone(),
            None => self.shown.get(key).cloned().map(Entry::Live),
        }
    }

    /// All keys under which the leader shows something.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.shown.iter().map(|(key, _)| key)
    }

    /// Whether the leader shows this very object under a key, as far as was heard.
    pub(crate) fn has_heard(&self, key: &Key, object: &Arc<Object>) -> bool {
        self.shown.get(key).is_some_and(|shown| Arc::ptr_eq(shown, object))
    }

    /// The leader shows something under a key. Answers whether edits of this tab touch it too.
    fn show(&mut self, key: Key, object: Option<Arc<Object>>) -> bool {
        let was = match object {
            Some(object) => self.shown.insert(key.clone(), object),
            None => self.shown.remove(&key),
        };
        let met = self.ahead.contains_key(&key);
        if !met {
            self.touch_from(&key, &was.map(Entry::Live));
        }
        met
    }

    /// Takes note how far the leader is with this tab's edits. Answers whether it has taken more of them.
    fn settle(&mut self, heard: Heard) -> bool {
        let before = self.taken;
        self.taken = self.taken.max(heard.taken);
        self.stored = self.stored.max(heard.stored);
        while self.edits.pop_front_if(|commit| commit.number <= self.stored).is_some() {}
        self.taken > before
    }

    /// Applies the edits anew that the leader has not taken.
    fn look_ahead(&mut self) {
        for (key, entry) in std::mem::take(&mut self.ahead) {
            self.touch_from(&key, &entry);
        }
        let untaken = self.edits.partition_point(|commit| commit.number <= self.taken);
        for place in untaken..self.edits.len() {
            let Some(mut commit) = self.edits.get(place).cloned() else { return };
            let (write, draft) = (write_of(commit.body.base, commit.body.at), Write::draft(commit.body.at));
            if commit.move_to(&write, &|key| self.entry(key)) {
                commit.heard = self.heard;
                if let Some(kept) = self.edits.get_mut(place) {
                    *kept = commit.clone();
                }
            }
            let Commit { body: Body { ops, .. }, drafts, publishes, .. } = commit;
            for (place, op) in ops.into_iter().enumerate() {
                let mut entry = self.entry(&op.key);
                if publishes && !entry.as_ref().and_then(Entry::live).is_some_and(|object| object.is_draft()) {
                    continue;
                }
                apply(&mut entry, &op, if place < drafts { &draft } else { &write });
                self.touch(&op.key);
                self.ahead.insert(op.key, entry);
            }
        }
    }

    /// What is shown under a key is about to become something else.
    fn touch(&mut self, key: &Key) {
        self.touch_from(key, &self.entry(key));
    }

    fn touch_all(&mut self) {
        for (watch, live) in self.watches.iter_mut() {
            live.touch_all();
            self.changed.insert(watch, ());
        }
    }

    fn touch_from(&mut self, key: &Key, was: &Option<Entry>) {
        for (watch, live) in self.watches.iter_mut() {
            if live.query().collection == key.collection {
                live.touch(key, was.clone());
                self.changed.insert(watch, ());
            }
        }
    }
}

/// Whose edits they are matters to nobody here.
fn write_of(base: Seq, at: Millis) -> Write<'static> {
    Write::pending(ClientId(0), base, at)
}
