//! How the server fills a replica: pages of a pinned state, cut small, and now and then pinned anew.

use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::catchup::{Fill, Plan, Said, plan};
use tapeline_core::frame::{End, Filling, Open, Page, Progress};
use tapeline_core::name::Key;
use tapeline_core::numbers::{Channel, Seq};
use tapeline_core::object::Entry;
use tapeline_core::state::StreamState;

use crate::disk::Disk;

/// A filling under way.
#[derive(Debug)]
pub struct Filler {
    fill: Fill,
    /// The state that is sent.
    pinned: StreamState,
    /// Its entries, in the order of the filling.
    entries: Arc<[(Key, Entry)]>,
    /// The entries up to here are sent.
    next: usize,
}

/// How somebody who opens the stream is brought up. Where events would do, pages may do as well: this world is small.
pub fn chosen(open: &Open, disk: &Disk, horizon: Seq, random: &mut Rng) -> Plan {
    let chosen = plan(open, disk.head(), horizon);
    match chosen {
        Plan::Events if open.pages && random.u8(0..4) > 0 => {
            let order = tapeline_core::catchup::KeyOrder::new(open.first.clone());
            let fresh = random.u8(0..8) == 0;
            Plan::Fill(Fill { from: if fresh { Seq::FIRST } else { open.played }, cut: None, fresh, order })
        }
        chosen => chosen,
    }
}

impl Filler {
    /// Pins the state. `None`: it is not as far yet as what the receiver has.
    pub fn pinned(fill: &Fill, disk: &Disk, horizon: Seq) -> Option<Self> {
        let pinned = disk.state()?;
        let has = fill.cut.as_ref().map_or(fill.from, |cut| fill.from.max(cut.latest));
        // What was deleted below the horizon is forgotten.
        let known = |entry: &Entry| entry.live().is_some() || entry.version().last.seq >= horizon;
        let mut entries: Vec<_> = disk.entries().filter(|(_, entry)| known(entry)).collect();
        entries.sort_by(|(a, _), (b, _)| fill.order.compare(a, b));
        (pinned.head >= has).then(|| Self { fill: fill.clone(), pinned, entries: entries.into(), next: 0 })
    }

    /// The state that it brings the receiver to.
    pub fn to(&self) -> Seq {
        self.pinned.head
    }

    /// The oldest state that it tells what has changed since.
    pub fn since(&self) -> Seq {
        self.fill.cut.as_ref().map_or(self.fill.from, |cut| self.fill.from.min(cut.to))
    }

    /// Pins the state anew, and goes on as after a cut.
    pub fn pinned_anew(&self, disk: &Disk, horizon: Seq) -> Option<Self> {
        let Some((after, _)) = self.next.checked_sub(1).and_then(|last| self.entries.get(last)) else {
            return Self::pinned(&self.fill, disk, horizon);
        };
        let at = Filling { to: self.to(), latest: self.to(), chain: self.pinned.chain, after: after.clone() };
        let fill =
            Fill { cut: Some(self.fill.order.further(self.fill.cut.as_ref(), at)), fresh: false, ..self.fill.clone() };
        Self::pinned(&fill, disk, horizon)
    }

    /// The next page, of at most so many entries.
    pub fn page(&mut self, channel: Channel, disk: &Disk, most: usize) -> Page {
        let first = self.next == 0;
        let end = (self.next + most).min(self.entries.len());
        let (mut items, mut gone) = (Vec::new(), Vec::new());
        for (key, entry) in &self.entries[self.next..end] {
            match self.fill.say(key, entry) {
                Some(Said::Item(item)) => items.push(item),
                Some(Said::Gone(key)) => gone.push(key),
                None => {}
            }
        }
        self.next = end;
        let done = end == self.entries.len();
        let after = if done { None } else { self.entries.get(end.wrapping_sub(1)).map(|(key, _)| key.clone()) };
        Page {
            channel,
            head: disk.head(),
            from: self.fill.from,
            to: self.to(),
            chain: self.pinned.chain,
            fresh: first && self.fill.fresh,
            query: None,
            items,
            gone,
            gone_unnamed: Vec::new(),
            after,
            end: done.then_some(End { digest: Some(self.pinned.digest), purge: false }),
            progress: Some(Progress { objects: end as u64, of: self.entries.len() as u64, bytes: 0 }),
        }
    }
}
