//! Edits that were made in other tabs, on mirrors of this replica's view, and what those are told in return.
//!
//! A tab numbers its edits 1, 2, 3, … and sends them until it hears that they are on the device. The replica takes
//! each exactly once: how many it has taken of each tab is stored in one transaction with them, so that a tab that
//! sends again to a replica that was restored, in another tab, is answered and not doubled.

use std::sync::Arc;

use super::Replica;
use super::edit::Reads;
use crate::limits;
use crate::mirror::{Commit, Heard, Mirror, Page, Pages, ViewChange};
use crate::name::Key;
use crate::numbers::{EditId, Seq, TabId};
use crate::object::{Entry, Object, Write};

/// The tabs whose edits were taken, the latest at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Tabs {
    known: Vec<Tab>,
    /// Those whose progress is yet to be told.
    untold: Vec<TabId>,
}

/// How far the replica is with the edits of one tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tab {
    pub(super) tab: TabId,
    /// The last edit that is in the outbox.
    pub(super) taken: EditId,
    /// The last edit that is on the device.
    pub(super) stored: EditId,
}

impl Tabs {
    /// What is stored of them.
    pub(super) fn taken(&self) -> Vec<(TabId, EditId)> {
        self.known.iter().map(|tab| (tab.tab, tab.taken)).collect()
    }

    pub(super) fn restore(&mut self, taken: Vec<(TabId, EditId)>) {
        self.known = taken.into_iter().map(|(tab, taken)| Tab { tab, taken, stored: taken }).collect();
    }

    /// What was taken by then is on the device now.
    pub(super) fn stored(&mut self, taken: &[(TabId, EditId)]) {
        for &(tab, edit) in taken {
            if let Some(known) = self.known.iter_mut().find(|known| known.tab == tab && known.stored < edit) {
                known.stored = edit;
                self.untold.push(tab);
            }
        }
    }

    /// How far the replica is with all of them is to be told anew.
    pub(super) fn all_untold(&mut self) {
        self.untold = self.known.iter().map(|known| known.tab).collect();
    }

    /// Whether an edit was not taken yet. It counts as taken from now on.
    fn is_new(&mut self, tab: TabId, edit: EditId) -> bool {
        let place = self.known.iter().position(|known| known.tab == tab);
        let mut known = match place {
            Some(place) => self.known.remove(place),
            None => Tab { tab, taken: EditId::default(), stored: EditId::default() },
        };
        let new = known.taken < edit;
        known.taken = known.taken.max(edit);
        self.known.push(known);
        if self.known.len() > limits::TABS {
            self.known.remove(0);
        }
        self.untold.push(tab);
        new
    }

    fn heard(&self, which: impl Fn(TabId) -> bool, on_device: bool) -> Vec<Heard> {
        let tabs = self.known.iter().filter(|known| which(known.tab));
        let stored = |known: &Tab| if on_device { known.stored } else { known.taken };
        tabs.map(|known| Heard { tab: known.tab, taken: known.taken, stored: stored(known) }).collect()
    }
}

impl Replica {
    /// Takes an edit that was made on a mirror, once however often it comes. It was checked there; what no longer fits
    /// by now is for the server to decide on, so that its author hears of it.
    pub fn take(&mut self, tab: TabId, mut commit: Commit) {
        if !self.tabs.is_new(tab, commit.number) {
            return;
        }
        // A mirror of an earlier leader may have been ahead of what was stored.
        commit.body.base = commit.body.base.min(self.history.played);
        let write = Write::pending(self.identity.client, commit.body.base, commit.body.at);
        self.moves.move_past(tab, &mut commit);
        commit.move_to(&write, &|key| self.get(key).cloned().map(Entry::Live));
        let Commit { number, mut body, command, drafts, publishes, typed, .. } = commit;
        // The splices refer to the texts as they are here now.
        body.on = Some(self.history.played).filter(|&on| !typed.is_empty() && on != body.base);
        let edit = self.outbox.next_edit();
        if publishes {
            // Another tab may have published it, or dropped it.
            body.ops = body.ops.first().and_then(|op| self.published(&op.key)).into_iter().collect();
        }
        self.take_drafts(&mut body, drafts);
        if body.ops.is_empty() {
            return;
        }
        // A command that has missed something is run again here.
        if command.as_ref().is_some_and(|commanded| self.may_have_missed(body.base, &commanded.reads)) {
            self.commands.due.insert(edit, ());
        }
        let keys: Vec<Key> = body.ops.iter().map(|op| op.key.clone()).collect();
        let shown = keys.iter().map(|key| (key.clone(), None)).collect();
        for op in &body.ops {
            op.splices().for_each(|(field, splices)| self.moves.push(&op.key, field, splices, Some((tab, number))));
        }
        self.add(edit, body, command, shown);
        self.reapply(keys);
    }

    /// Whether a tab that has played so much may not have seen what it read as it is shown here: another tab may have edited it.
    fn may_have_missed(&self, base: Seq, reads: &Reads) -> bool {
        let is_edited = |key: &Key| !self.view.ops(key).is_empty();
        base < self.history.played || !reads.collections.is_empty() || reads.objects.iter().any(is_edited)
    }

    /// What changed since this was last asked, for mirrors that have begun; `None` where nothing did.
    pub fn view_change(&mut self) -> Option<ViewChange> {
        let keys: Vec<Key> = self.take_changed().collect();
        let untold = std::mem::take(&mut self.tabs.untold);
        let played = self.history.played;
        if keys.is_empty() && untold.is_empty() && self.told == played {
            return None;
        }
        self.told = played;
        let tabs = self.tabs.heard(|tab| untold.contains(&tab), self.storing.on_device());
        let objects = keys.into_iter().map(|key| (self.get(&key).cloned(), key));
        let objects = objects.map(|(object, key)| (key, object)).collect();
        Some(ViewChange {
            page: Page::Change,
            played,
            tabs,
            objects,
            moved: self.moves.take(),
            moves: self.moves.count,
        })
    }

    /// The whole view in pages, for a mirror that begins, or begins anew. What changes later is told on top of it.
    pub fn whole_view(&self) -> Vec<ViewChange> {
        let mut pages =
            Pages::new(ViewChange::empty(Page::Only, self.history.played, self.all_heard(), self.moves.count));
        self.each_shown(&mut |key, object| pages.push(key, object.clone()));
        pages.done()
    }

    /// What a mirror in the same place lacks of the whole view.
    pub fn view_for(&self, mirror: &Mirror) -> ViewChange {
        let mut rest = ViewChange::empty(Page::Rest, self.history.played, self.all_heard(), self.moves.count);
        self.each_shown(&mut |key, object| {
            if !mirror.has_heard(&key, object) {
                rest.objects.push((key, Some(object.clone())));
            }
        });
        let gone = mirror.keys().filter(|key| self.get(key).is_none());
        rest.objects.extend(gone.map(|key| (key, None)));
        rest
    }

    /// All that is shown, as a change.
    pub(super) fn view_so_far(&self) -> ViewChange {
        let mut change = ViewChange::empty(Page::Change, self.history.played, self.all_heard(), self.moves.count);
        self.each_shown(&mut |key, object| change.objects.push((key, Some(object.clone()))));
        change
    }

    fn all_heard(&self) -> Vec<Heard> {
        self.tabs.heard(|_| true, self.storing.on_device())
    }

    fn each_shown(&self, tell: &mut dyn FnMut(Key, &Arc<Object>)) {
        for collection in self.collections() {
            for (id, object) in self.collection(&collection) {
                tell(Key { collection: collection.clone(), id: id.clone() }, object);
            }
        }
    }
}
