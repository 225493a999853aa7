//! How busy this node is: the events a second that it decides on, and on which streams most of them are.

use std::sync::Mutex;
use std::time::Instant;

use rustc_hash::FxHashMap;
use tapeline_core::name::StreamName;

use crate::limits;
use crate::lock::lock;

/// Counts what a node decides on.
pub(super) struct Heat(Mutex<Counts>);

struct Counts {
    since: Instant,
    /// Events since then, of all streams.
    events: u64,
    /// Events since then of as many streams as are counted.
    by_stream: FxHashMap<StreamName, u64>,
    load: Load,
}

/// Events a second that a node decides on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Of all streams.
    pub(super) events_per_s: u64,
    /// Of its hottest streams.
    pub(super) hot: FxHashMap<StreamName, u64>,
}

impl Heat {
    pub(super) fn new(now: Instant) -> Self {
        let load = Load::default();
        Self(Mutex::new(Counts { since: now, events: 0, by_stream: FxHashMap::default(), load }))
    }

    /// The node is to decide on events of a stream.
    pub(super) fn add(&self, stream: &StreamName, events: u64) {
        let mut counts = lock(&self.0);
        counts.events += events;
        if let Some(count) = counts.by_stream.get_mut(stream) {
            *count += events;
        } else if counts.by_stream.len() < limits::HEAT_STREAMS {
            counts.by_stream.insert(stream.clone(), events);
        }
    }

    /// What it was lately: half of it since this was last asked, a quarter in the time before, and so on.
    pub(super) fn look(&self, now: Instant) -> Load {
        let mut counts = lock(&self.0);
        let seconds = now.duration_since(counts.since).as_secs_f64();
        // Asked again at once, it has nothing new to say.
        if seconds < 0.1 {
            return counts.load.clone();
        }
        let lately = |before: u64, events: u64| (before as f64 / 2.0 + events as f64 / seconds / 2.0) as u64;
        let (before, mut by_stream) = (std::mem::take(&mut counts.load), std::mem::take(&mut counts.by_stream));
        for stream in before.hot.keys() {
            by_stream.entry(stream.clone()).or_default();
        }
        let rate = |(stream, events): (StreamName, u64)| {
            let rate = lately(before.hot.get(&stream).copied().unwrap_or_default(), events);
            (stream, rate)
        };
        let mut hot: Vec<_> = by_stream.into_iter().map(rate).filter(|(_, rate)| *rate >= limits::HOT_STREAM).collect();
        hot.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        hot.truncate(limits::HOT_STREAMS);
        let events_per_s = lately(before.events_per_s, counts.events);
        counts.load = Load { events_per_s, hot: hot.into_iter().collect() };
        (counts.since, counts.events) = (now, 0);
        counts.load.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_hottest_streams_are_told_and_cool_down() {
        let stream = |number: u64| StreamName::new(format!("many/{number}")).unwrap();
        let start = Instant::now();
        let (heat, mut time) = (Heat::new(start), start);
        for _ in 0..20 {
            (0..100).for_each(|number| heat.add(&stream(number), number * 20));
            time += Duration::from_secs(2);
            heat.look(time);
        }
        let load = heat.look(time);
        assert!((49_400..=49_500).contains(&load.events_per_s), "{load:?}");
        assert_eq!(load.hot.len(), limits::HOT_STREAMS);
        assert!(load.hot[&stream(99)].abs_diff(990) <= 2 && !load.hot.contains_key(&stream(50)), "{load:?}");
        (0..20).for_each(|second| drop(heat.look(time + Duration::from_secs(second))));
        assert_eq!(heat.look(time + Duration::from_secs(20)), Load::default());
    }
}
