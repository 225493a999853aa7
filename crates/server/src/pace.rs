//! How fast something may go on for long, and how much of it may come at once.

use std::time::{Duration, Instant};

/// A rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// How much a second, for long.
    pub(crate) per_second: u32,
    /// How much at once, after a while of nothing.
    pub(crate) at_once: u32,
}

/// How far somebody is ahead of a rate. A single moment: when all that they took would have come by the rate alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(Instant);

impl Pace {
    /// Nobody has taken anything.
    pub(crate) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// How long to wait before more may come.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Duration {
        let ahead = self.0.saturating_duration_since(now);
        ahead.saturating_sub(rate.time_of(rate.at_once))
    }

    /// So much has come, whether it might or not.
    pub(crate) fn count(&mut self, much: u32, rate: Rate, now: Instant) {
        self.0 = self.0.max(now) + rate.time_of(much);
    }

    /// Whether nothing is left of what was taken.
    pub(crate) fn is_rested(&self, now: Instant) -> bool {
        self.0 <= now
    }
}

impl Rate {
    fn time_of(self, much: u32) -> Duration {
        Duration::from_secs_f64(f64::from(much) / f64::from(self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_may_come_at_once_and_then_no_more_than_the_rate() {
        let rate = Rate { per_second: 10, at_once: 100 };
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let mut came = 0;
        for tick in 0..=1_000 {
            let now = begin + Duration::from_millis(20 * tick);
            while pace.wait(rate, now).is_zero() {
                pace.count(1, rate, now);
                came += 1;
            }
        }
        assert!((300..=302).contains(&came), "{came} in 20 s");
        assert!(!pace.is_rested(begin + Duration::from_secs(20)) && pace.is_rested(begin + Duration::from_secs(31)));
    }
}
