//! How the server tells a partial replica: in the plainest way, by comparing what its queries found with what they find.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::catchup::{self, Fill};
use tapeline_core::frame::{End, Item, Page, Subscription};
use tapeline_core::name::Key;
use tapeline_core::numbers::{Channel, QueryNumber, Seq};
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::Query;

use crate::disk::Disk;
use crate::rights::Level;

/// All objects at one place of the log.
type Objects = BTreeMap<Key, Entry>;

/// A partial replica, as the server knows it.
#[derive(Debug)]
pub struct Part {
    level: Level,
    queries: BTreeMap<QueryNumber, Wanted>,
    changes: VecDeque<Change>,
    /// What is to be sent, of the state below.
    pages: VecDeque<Page>,
    at: Seq,
    objects: Objects,
}

#[derive(Debug)]
struct Wanted {
    query: Query,
    /// Its result is held.
    held: bool,
}

/// What a client wants of its queries.
#[derive(Debug)]
pub enum Change {
    /// This one, or this many of it.
    Subscribe(Subscription),
    /// No more of this one.
    Unsubscribe(QueryNumber),
}

/// The keys that a query finds.
pub fn found<'o>(query: &Query, objects: impl Iterator<Item = (&'o Key, &'o Arc<Object>)>) -> Vec<Key> {
    let meets = |(key, object): &(&Key, &Arc<Object>)| {
        key.collection == query.collection && query.filter.matches(&key.id, object)
    };
    let mut found: Vec<_> = objects.filter(meets).collect();
    found.sort_by(|a, b| query.order.compare((&a.0.id, a.1), (&b.0.id, b.1)));
    found.into_iter().take(query.limit.unwrap_or(usize::MAX)).map(|(key, _)| key.clone()).collect()
}

fn live(objects: &Objects) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
    objects.iter().filter_map(|(key, entry)| Some((key, entry.live()?)))
}

impl Part {
    /// One that opens the stream with queries, and is to be brought up. `None`: the state is not so far yet. `levels`:
    /// what it may read, and could before, where what it holds of that counts.
    pub fn opened(
        fill: &Fill,
        queries: &[Subscription],
        (level, earlier): (Level, Option<Level>),
        channel: Channel,
        disk: &Disk,
        random: &mut Rng,
    ) -> Option<Self> {
        let at = disk.state()?.head;
        if at < fill.from {
            return None;
        }
        let wanted = |of: &Subscription, level: Level| {
            let query = level.narrow(Query::from_value(&of.query).expect("devices ask for what can be read"));
            let held = of.ready && fill.from > Seq::FIRST && query.limit.is_none() && earlier.is_some();
            (of.number, Wanted { query, held })
        };
        let all = |level: Level| queries.iter().map(|of| wanted(of, level)).collect();
        let (changes, pages, objects) = (VecDeque::new(), VecDeque::new(), objects(disk));
        let mut part = Self { level, queries: all(earlier.unwrap_or(level)), changes, pages, at, objects };
        let had = part.held(&part.objects);
        part.queries = all(level);
        part.bring_up(&had, fill, channel, disk, random);
        let to_send: Vec<QueryNumber> =
            part.queries.iter().filter(|(_, wanted)| !wanted.held).map(|(&number, _)| number).collect();
        to_send.into_iter().for_each(|number| part.send_query(number, channel, disk, random));
        let windows = part.queries.values().any(|wanted| wanted.query.limit.is_some());
        if let Some(end) = part.pages.back_mut().and_then(|page| page.end.as_mut()) {
            end.purge = windows;
        }
        Some(part)
    }

    /// How far it was told.
    pub fn since(&self) -> Seq {
        self.at
    }

    /// It wants something else.
    pub fn change(&mut self, change: Change) {
        self.changes.push_back(change);
    }

    /// The next page, where there is something to tell.
    pub fn next(&mut self, channel: Channel, disk: &Disk, random: &mut Rng) -> Option<Page> {
        if self.pages.is_empty() {
            match self.changes.pop_front() {
                // Up to where it is told there is nothing else to tell.
                Some(change) if disk.state().is_none_or(|state| state.head <= self.at) => {
                    self.take_change(change, channel, disk, random);
                }
                change => {
                    change.into_iter().for_each(|change| self.changes.push_front(change));
                    self.go_on(channel, disk);
                }
            }
        }
        self.pages.pop_front().map(|page| Page { head: disk.head(), ..page })
    }

    /// What has changed since, of what it holds of its queries: told by versions alone. And what it is to hold now that
    /// it may read something else: `had` is what it would hold otherwise.
    fn bring_up(&mut self, had: &BTreeSet<Key>, fill: &Fill, channel: Channel, disk: &Disk, random: &mut Rng) {
        let held = self.held(&self.objects);
        let (mut items, mut gone) = (Vec::new(), Vec::new());
        let base = fill.from;
        let is_told = |key: &Key, entry: &Entry| {
            base > Seq::FIRST && (entry.version().last.seq >= base || had.contains(key) != held.contains(key))
        };
        for (key, entry) in self.objects.iter().filter(|(key, entry)| is_told(key, entry)) {
            match entry {
                Entry::Live(object) if held.contains(key) => items.push(whole(key, object)),
                _ => gone.push(key.clone()),
            }
        }
        self.cut(Page { from: base, fresh: fill.fresh, ..self.page(channel, disk, items, gone) }, random);
    }

    fn take_change(&mut self, change: Change, channel: Channel, disk: &Disk, random: &mut Rng) {
        match change {
            Change::Unsubscribe(number) => drop(self.queries.remove(&number)),
            Change::Subscribe(subscription) => {
                let query = Query::from_value(&subscription.query).expect("devices ask for what can be read");
                let query = self.level.narrow(query);
                self.queries.insert(subscription.number, Wanted { query, held: false });
                self.send_query(subscription.number, channel, disk, random);
            }
        }
    }

    /// The result of a query.
    fn send_query(&mut self, number: QueryNumber, channel: Channel, disk: &Disk, random: &mut Rng) {
        let Some(wanted) = self.queries.get_mut(&number) else { return };
        wanted.held = true;
        let found = found(&wanted.query, live(&self.objects));
        let items = found.iter().filter_map(|key| Some(whole(key, self.objects.get(key)?.live()?)));
        let page = self.page(channel, disk, items.collect(), Vec::new());
        self.cut(Page { query: Some(number), ..page }, random);
    }

    /// What has become of what it holds.
    fn go_on(&mut self, channel: Channel, disk: &Disk) {
        let Some(state) = disk.state().filter(|state| state.head > self.at) else { return };
        let now = objects(disk);
        let (had, has) = (self.held(&self.objects), self.held(&now));
        let (mut items, mut gone) = (Vec::new(), Vec::new());
        for key in had.union(&has) {
            match now.get(key).and_then(Entry::live).filter(|_| has.contains(key)) {
                Some(object) if !had.contains(key) => items.push(whole(key, object)),
                Some(object) if object.seq() >= self.at => items.push(catchup::item(key, object, self.at)),
                Some(_) => {}
                None => gone.push(key.clone()),
            }
        }
        let from = self.at;
        (self.at, self.objects) = (state.head, now);
        let page = Page { from, ..self.page(channel, disk, items, gone) };
        self.pages.push_back(page);
    }

    /// What its queries find.
    fn held(&self, objects: &Objects) -> BTreeSet<Key> {
        let held = self.queries.values().filter(|wanted| wanted.held);
        held.flat_map(|wanted| found(&wanted.query, live(objects))).collect()
    }

    fn page(&self, channel: Channel, disk: &Disk, items: Vec<Item>, gone: Vec<Key>) -> Page {
        let chain = disk.chain_at(self.at).unwrap_or_default();
        Page {
            channel,
            head: disk.head(),
            from: self.at,
            to: self.at,
            chain,
            fresh: false,
            query: None,
            items,
            gone,
            gone_unnamed: Vec::new(),
            after: None,
            end: Some(End { digest: None, purge: false }),
            progress: None,
        }
    }

    /// Sends a page as several.
    fn cut(&mut self, mut page: Page, random: &mut Rng) {
        page.items.sort_by(|a, b| a.key.cmp(&b.key));
        while page.items.len() > 1 && random.u8(0..3) > 0 {
            let rest = page.items.split_off(random.usize(1..page.items.len()));
            let after = page.items.last().map(|item| item.key.clone());
            let is_past = |key: &Key| Some(key) > after.as_ref();
            let (later, gone) = page.gone.iter().cloned().partition(is_past);
            self.pages.push_back(Page { gone, after, end: None, ..page.clone() });
            (page.items, page.gone, page.fresh) = (rest, later, false);
        }
        self.pages.push_back(page);
    }
}

fn objects(disk: &Disk) -> Objects {
    disk.entries().collect()
}

fn whole(key: &Key, object: &Arc<Object>) -> Item {
    catchup::item(key, object, Seq::FIRST)
}
