//! Filling a partial replica: first what became of all it holds, then the queries of which it holds nothing yet, then
//! the windows that have become short. All of it from one pinned state.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::frame::{End, Item, Page, Progress};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{Channel, QueryNumber, Seq};
use tapeline_core::object::Entry;
use tapeline_core::query::Query;
use tapeline_core::query::partial::{Changed, Difference, Held, Partial, Past, Subscribed};
use tapeline_core::query::routing::Routed;
use tapeline_core::query::window::Window;
use tapeline_log::{LogError, Part, Pin, Touched};

use super::gather::Gathered;
use super::pins::Pinned;
use super::rows::Rows;
use crate::finding::Course;
use crate::limits;

/// What a partial replica holds, and what it is still to get.
pub(crate) struct PartFill {
    /// Its queries.
    pub(crate) partial: Partial,
    /// How far it was told.
    pub(crate) played: Seq,
    /// Whether its client may not know of all there is.
    conceals: bool,
    /// Whether all that it held before is void.
    fresh: bool,
    /// Whether its windows are sent anew, so that it has to drop what is in none of its queries once they have come.
    purge: bool,
    /// Whether it is known what there is to do with what is pinned.
    planned: bool,
    steps: VecDeque<Step>,
    /// Objects that wait for room in a page.
    waiting: VecDeque<Changed>,
    /// How much was done of the step under way.
    done: Progress,
    pinned: Option<Arc<Pinned>>,
    /// Where the stream is with what waits, where that was played rather than read.
    playing: Option<(Seq, Chain)>,
}

/// One thing after the other.
enum Step {
    /// What became of what is held.
    Past(Course),
    /// All that a new query finds; nowhere yet.
    All(QueryNumber, Option<Course>),
    /// The rows of a window, new or short; none once they are read.
    Window(QueryNumber, Option<Rows>),
}

impl Step {
    /// What the receiver is taken to have, and the query that its pages are of.
    fn is_told_as(&self, played: Seq) -> (Seq, Option<QueryNumber>) {
        match self {
            Self::Past(_) => (played, None),
            Self::All(number, _) => (Seq::FIRST, Some(*number)),
            Self::Window(number, _) => (played, Some(*number)),
        }
    }
}

/// How far a step is.
enum Done {
    /// It goes on, in the next page.
    Later(Option<Key>),
    /// It is over.
    Over,
}

impl PartFill {
    /// Queries of somebody who was told as far as `played`.
    pub(crate) fn new(partial: Partial, played: Seq) -> Self {
        let (steps, waiting) = Default::default();
        let (fresh, purge, planned, done, pinned, playing) = Default::default();
        let conceals = false;
        Self { partial, played, conceals, fresh, purge, planned, steps, waiting, done, pinned, playing }
    }

    /// Queries of somebody who comes back with what it was told as far as `played`, or with nothing that counts; who
    /// may not know of all there is, where that is to be concealed.
    pub(crate) fn returning(partial: Partial, played: Seq, fresh: bool, conceals: bool) -> Self {
        let purge = partial.all().iter().any(|subscribed| subscribed.query.limit.is_some());
        Self { fresh, purge, conceals, ..Self::new(partial, played) }
    }

    /// Whether there is a query of which something is to be read.
    pub(crate) fn has_gaps(&self) -> bool {
        self.partial.all().iter().any(|one| one.is_short() || matches!(one.held, Held::Nothing))
    }

    /// The cursor of a page, as its receiver may know it: the last object in it, not the last one looked at.
    fn cursor(&self, after: Option<Key>, items: &[Item]) -> Option<Key> {
        let after = after?;
        if !self.conceals {
            return Some(after);
        }
        // Before all keys there can be.
        let first = || Some(Key { collection: Collection::new(" ").ok()?, id: ObjectId::new(" ").ok()? });
        items.last().map(|item| item.key.clone()).or_else(first)
    }

    /// What is read, where it is pinned.
    pub(crate) fn pin(&self) -> Option<Arc<dyn Pin>> {
        self.pinned.as_ref()?.read()
    }

    /// Begins to read from a pinned state; anew, where it had begun with an earlier one.
    pub(crate) fn take_pin(&mut self, pinned: Arc<Pinned>) {
        self.pinned = Some(pinned);
        self.planned = false;
        self.steps.clear();
        self.waiting.clear();
        self.done = Progress::default();
    }

    /// Whether all is done that there was to do with what is pinned. That is then let go.
    pub(crate) fn is_over(&mut self) -> bool {
        let is_over = self.planned && self.steps.is_empty();
        if is_over {
            self.pinned = None;
        }
        is_over
    }

    /// Goes on by what happened, up to where it ends.
    pub(crate) fn play(&mut self, blocks: &[&Routed], to: Seq, chain: Chain, gathered: &mut Gathered) {
        let Difference { changed, gone } = self.partial.play(self.played, Past::Blocks(blocks), Vec::new());
        self.waiting.extend(changed);
        gone.into_iter().for_each(|key| gathered.is_gone(key));
        self.playing = Some((to, chain));
    }

    /// Whether something that was played waits to be told.
    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// The next page of what was played.
    pub(crate) fn played_page(&mut self, mut gathered: Gathered, channel: Channel, head: Seq) -> Option<Page> {
        let (to, chain) = self.playing?;
        let mut after = None;
        while let Some(changed) = self.waiting.pop_front_if(|_| !gathered.is_full()) {
            gathered.change(&changed, self.played);
            after = Some(changed.key);
        }
        let (items, gone, gone_unnamed) = gathered.into_parts();
        let is_over = self.waiting.is_empty();
        let end = is_over.then_some(End { digest: None, purge: false });
        let page = Page {
            channel,
            head: head.max(to),
            from: self.played,
            to,
            chain,
            fresh: false,
            query: None,
            items,
            gone,
            gone_unnamed,
            after: after.filter(|_| !is_over),
            end,
            progress: None,
        };
        if is_over {
            (self.played, self.playing) = (to, None);
        }
        Some(page)
    }

    /// The next page. `None`: it takes longer, and others have their turn first.
    pub(crate) fn next(&mut self, pin: &dyn Pin, channel: Channel, head: Seq) -> Result<Option<Page>, LogError> {
        let Some(mut step) = self.steps.pop_front() else {
            self.plan(pin)?;
            return Ok(None);
        };
        let (from, query) = step.is_told_as(self.played);
        let (mut gathered, state) = (Gathered::default(), pin.state());
        let (is_over, after) = match self.take(pin, &mut step, &mut gathered)? {
            Done::Over => (true, None),
            Done::Later(after) => (false, after),
        };
        let progress = self.progress(&step, is_over, &gathered);
        match step {
            step if !is_over => self.steps.push_front(step),
            Step::Past(_) => {
                self.played = state.head;
                self.partial.has_changed();
                self.steps = self.gaps();
            }
            Step::All(..) | Step::Window(..) => {}
        }
        if !is_over && gathered.is_empty() {
            return Ok(None);
        }
        // Once: what enters a window later is not told as a part of it.
        let purge = is_over && self.steps.is_empty() && std::mem::take(&mut self.purge);
        let end = is_over.then_some(End { digest: None, purge });
        let (items, gone, gone_unnamed) = gathered.into_parts();
        let fresh = std::mem::take(&mut self.fresh);
        let (head, to, chain) = (head.max(state.head), state.head, state.chain);
        // How many there are in all is for those who may know of all.
        let progress = progress.filter(|_| !self.conceals);
        let after = self.cursor(after, &items);
        let page =
            Page { channel, head, from, to, chain, fresh, query, items, gone, gone_unnamed, after, end, progress };
        Ok(Some(page))
    }

    /// How far a step is, where it is known how much is left of it: of what was found by ids, by an index or by reading a
    /// window, but not of a look at all.
    fn progress(&mut self, step: &Step, is_over: bool, gathered: &Gathered) -> Option<Progress> {
        let left = match step {
            Step::Past(Course::Keys(keys)) | Step::All(_, Some(Course::Keys(keys))) => Some(keys.len()),
            Step::Window(_, None) => Some(self.waiting.len()),
            Step::Past(_) | Step::All(..) | Step::Window(..) => None,
        };
        self.done.objects += gathered.dealt_with() as u64;
        self.done.bytes += gathered.bytes() as u64;
        let done = self.done;
        if is_over {
            self.done = Progress::default();
        }
        left.map(|left| Progress { of: done.objects + left as u64, ..done })
    }

    /// Goes on with a step.
    fn take(&mut self, pin: &dyn Pin, step: &mut Step, gathered: &mut Gathered) -> Result<Done, LogError> {
        match step {
            Step::Past(course) => self.past(pin, course, gathered),
            Step::All(number, course) => self.all(pin, *number, course, gathered),
            Step::Window(number, rows) => self.window(pin, *number, rows, gathered),
        }
    }

    /// Where what was touched since is found.
    fn plan(&mut self, pin: &dyn Pin) -> Result<(), LogError> {
        let is_held = self.partial.all().iter().any(|one| !matches!(one.held, Held::Nothing));
        let mut course = match is_held && self.played < pin.state().head {
            false => Course::Keys(VecDeque::new()),
            true => match pin.touched(self.played, limits::TOUCHED_KEYS)? {
                Touched::Keys(keys) => Course::Keys(keys.into()),
                Touched::More => Course::Scan(None),
            },
        };
        for one in self.partial.all() {
            let Some(earlier) = &one.earlier else { continue };
            let before = Query { filter: earlier.clone(), ..Query::clone(&one.query) };
            course = course.and(Course::of(pin, &before)?).and(Course::of(pin, &one.query)?);
        }
        self.steps.push_back(Step::Past(course));
        self.planned = true;
        Ok(())
    }

    /// What is to be read once it is known what became of all that is held.
    fn gaps(&self) -> VecDeque<Step> {
        let gap = |one: &Subscribed| match (&one.held, one.query.limit) {
            (Held::Nothing, None) => Some(Step::All(one.number, None)),
            (Held::Nothing, Some(_)) => Some(Step::Window(one.number, Some(Rows::new(one.query.clone())))),
            _ if one.is_short() => Some(Step::Window(one.number, Some(Rows::new(one.query.clone())))),
            _ => None,
        };
        self.partial.all().iter().filter_map(gap).collect()
    }

    /// What became of what is held.
    fn past(&mut self, pin: &dyn Pin, course: &mut Course, gathered: &mut Gathered) -> Result<Done, LogError> {
        // Keys are those of what was touched; a scan finds everything, of which all concerns who is to hold other things.
        let is_scan = matches!(course, Course::Scan(_)) && !self.partial.is_changing();
        go_on(pin, course, None, gathered, &mut |key, entry, gathered| {
            let is_old = |entry: &Entry| is_scan && entry.version().last.seq < self.played;
            match entry.as_ref().is_some_and(is_old) {
                true => gathered.look(),
                false => self.became(key, entry, gathered),
            }
        })
    }

    /// What became of one object.
    fn became(&mut self, key: Key, entry: Option<Entry>, gathered: &mut Gathered) {
        gathered.look();
        let Difference { changed, gone } = self.partial.play(self.played, Past::Entries(&[(key, entry)]), Vec::new());
        changed.iter().for_each(|changed| gathered.change(changed, self.played));
        for key in gone {
            match self.conceals {
                true => gathered.is_gone_unnamed(&key),
                false => gathered.is_gone(key),
            }
        }
    }

    /// All that a new query finds.
    fn all(
        &mut self,
        pin: &dyn Pin,
        number: QueryNumber,
        course: &mut Option<Course>,
        gathered: &mut Gathered,
    ) -> Result<Done, LogError> {
        let Some(subscribed) = self.partial.get_mut(number) else { return Ok(Done::Over) };
        let query = subscribed.query.clone();
        let course = match course {
            Some(course) => course,
            None => course.insert(Course::of(pin, &query)?),
        };
        let done = go_on(pin, course, Some(&query.collection), gathered, &mut |key, entry, gathered| {
            let object = entry.as_ref().and_then(Entry::live);
            match object.filter(|object| query.filter.matches(&key.id, object)) {
                Some(object) => gathered.whole(&key, object),
                None => gathered.look(),
            }
        })?;
        if matches!(done, Done::Over) {
            subscribed.held = Held::All;
        }
        Ok(done)
    }

    /// The rows of a window.
    fn window(
        &mut self,
        pin: &dyn Pin,
        number: QueryNumber,
        rows: &mut Option<Rows>,
        gathered: &mut Gathered,
    ) -> Result<Done, LogError> {
        if let Some(reading) = rows {
            let Some(window) = reading.read(pin)? else { return Ok(Done::Later(None)) };
            *rows = None;
            self.put_window(number, window, gathered);
        }
        let mut last = None;
        while !gathered.is_full() {
            let Some(changed) = self.waiting.pop_front() else { return Ok(Done::Over) };
            gathered.change(&changed, self.played);
            last = Some(changed.key);
        }
        Ok(if self.waiting.is_empty() { Done::Over } else { Done::Later(last) })
    }

    /// A window was read: what of it is new goes to the replica.
    fn put_window(&mut self, number: QueryNumber, window: Window, gathered: &mut Gathered) {
        let Some(subscribed) = self.partial.get_mut(number) else { return };
        if matches!(subscribed.held, Held::Nothing) {
            let key = |id: &_| Key { collection: window.query().collection.clone(), id: Clone::clone(id) };
            let whole = window.rows().iter().map(|(id, object)| (key(id), object.clone()));
            self.waiting.extend(whole.map(|(key, object)| Changed { key, object, whole: true }));
            subscribed.held = Held::Window(window);
            return;
        }
        let difference = self.partial.play(self.played, Past::Blocks(&[]), vec![(number, window)]);
        self.waiting.extend(difference.changed);
        difference.gone.into_iter().for_each(|key| gathered.is_gone(key));
    }
}

/// Shows the next entries of a course until the page is full. A scan is of one collection, or of all.
fn go_on(
    pin: &dyn Pin,
    course: &mut Course,
    collection: Option<&Collection>,
    gathered: &mut Gathered,
    show: &mut dyn FnMut(Key, Option<Entry>, &mut Gathered),
) -> Result<Done, LogError> {
    match course {
        Course::Keys(keys) => look_up(pin, keys, gathered, show),
        Course::Scan(after) => scan(pin, after, collection, gathered, show),
    }
}

fn look_up(
    pin: &dyn Pin,
    keys: &mut VecDeque<Key>,
    gathered: &mut Gathered,
    show: &mut dyn FnMut(Key, Option<Entry>, &mut Gathered),
) -> Result<Done, LogError> {
    let mut last = None;
    while !keys.is_empty() && !gathered.is_full() {
        let some: Vec<Key> = keys.iter().take(limits::KEYS_AT_ONCE).cloned().collect();
        let entries = pin.entries(&some)?;
        for (key, entry) in some.into_iter().zip(entries) {
            if gathered.is_full() {
                break;
            }
            keys.pop_front();
            last = Some(key.clone());
            show(key, entry, gathered);
        }
    }
    Ok(if keys.is_empty() { Done::Over } else { Done::Later(last) })
}

fn scan(
    pin: &dyn Pin,
    after: &mut Option<Key>,
    collection: Option<&Collection>,
    gathered: &mut Gathered,
    show: &mut dyn FnMut(Key, Option<Entry>, &mut Gathered),
) -> Result<Done, LogError> {
    let (begin, mut is_over) = (after.clone(), true);
    pin.scan(Part { collection, after: begin.as_ref(), reverse: false }, &mut |key, entry| {
        if gathered.is_full() {
            is_over = false;
            return ControlFlow::Break(());
        }
        *after = Some(key.clone());
        show(key.clone(), Some(entry.clone()), gathered);
        ControlFlow::Continue(())
    })?;
    Ok(if is_over { Done::Over } else { Done::Later(after.clone()) })
}
