//! The snapshots that are being read, held so that all who read them read the same.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;
use tapeline_log::Pin;

use crate::limits;
use crate::lock::lock;

/// Names the state of a stream for good: the same seq of another life of it has another chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) seq: Seq,
    chain: Chain,
}

impl At {
    pub(super) fn of(pin: &dyn Pin) -> Self {
        Self { seq: pin.state().head, chain: pin.state().chain }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (seq, chain) = text.split_once('-')?;
        let chain = u64::from_str_radix(chain, 16).ok().map(Chain)?;
        let at = Self { seq: Seq(seq.parse().ok()?), chain };
        (at.to_string() == text).then_some(at)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.chain)
    }
}

/// The snapshots that are being read, those that were used last at the end.
#[derive(Default)]
pub(crate) struct Pins(Mutex<Vec<Held>>);

struct Held {
    stream: StreamName,
    pin: Arc<dyn Pin>,
    made: Instant,
    used: Instant,
}

impl Pins {
    /// A snapshot that was made just now.
    pub(super) fn recent(&self, stream: &StreamName) -> Option<Arc<dyn Pin>> {
        self.take(|held| held.stream == *stream && held.made.elapsed() < limits::SNAPSHOT_SHARED)
    }

    /// The snapshot at a place, if it is held.
    pub(super) fn get(&self, stream: &StreamName, at: At) -> Option<Arc<dyn Pin>> {
        self.take(|held| held.stream == *stream && At::of(&*held.pin) == at)
    }

    /// Holds a snapshot for as long as it is read.
    pub(super) fn hold(self: &Arc<Self>, stream: &StreamName, pin: &Arc<dyn Pin>) {
        let at = At::of(&**pin);
        if self.get(stream, at).is_some() {
            return;
        }
        let now = Instant::now();
        let mut all = lock(&self.0);
        if all.len() == limits::SNAPSHOTS {
            all.remove(0);
        }
        all.push(Held { stream: stream.clone(), pin: pin.clone(), made: now, used: now });
        drop(all);
        tokio::spawn(let_go(self.clone(), stream.clone(), at));
    }

    fn take(&self, is_meant: impl Fn(&Held) -> bool) -> Option<Arc<dyn Pin>> {
        let mut all = lock(&self.0);
        let place = all.iter().rposition(is_meant)?;
        let mut held = all.remove(place);
        held.used = Instant::now();
        let pin = held.pin.clone();
        all.push(held);
        Some(pin)
    }

    /// Lets a snapshot go that nobody has read for long enough. Otherwise answers how long that may yet be.
    fn let_go(&self, stream: &StreamName, at: At) -> Option<Duration> {
        let mut all = lock(&self.0);
        let place = all.iter().position(|held| held.stream == *stream && At::of(&*held.pin) == at)?;
        let left = limits::SNAPSHOT_KEPT.checked_sub(all[place].used.elapsed());
        if left.is_none() {
            all.remove(place);
        }
        left
    }
}

async fn let_go(pins: Arc<Pins>, stream: StreamName, at: At) {
    let mut left = Some(limits::SNAPSHOT_KEPT);
    while let Some(time) = left {
        tokio::time::sleep(time.max(Duration::from_millis(1))).await;
        left = pins.let_go(&stream, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_spelled_in_one_way() {
        let at = At { seq: Seq(7), chain: Chain(0xab) };
        assert_eq!(at.to_string(), "7-00000000000000ab");
        assert_eq!(At::parse("7-00000000000000ab"), Some(at));
        for text in
            ["", "7", "7-ab", "07-00000000000000ab", "7-00000000000000AB", "+7-00000000000000ab", "7-00000000000000ab "]
        {
            assert_eq!(At::parse(text), None, "{text}");
        }
    }
}
