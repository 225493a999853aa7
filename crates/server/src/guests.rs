//! What each of many may do: how many connections it may have, how many requests it may send and how many bytes.
//! Addresses are such, and so are the callers that tokens speak for.

use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::lock::lock;
use crate::pace::{Pace, Rate};

/// Those who have connections, or had some lately.
#[derive(Debug)]
pub(crate) struct Guests<K: Hash + Eq> {
    allowance: Allowance,
    known: Mutex<FxHashMap<K, Known>>,
}

/// What each of them may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Connections at once.
    pub(crate) connections: usize,
    /// Requests.
    pub(crate) requests: Rate,
    /// Bytes that are read.
    pub(crate) bytes: Rate,
    /// How many are remembered that have no connection.
    pub(crate) remembered: usize,
}

#[derive(Debug)]
struct Known {
    connections: usize,
    requests: Pace,
    bytes: Pace,
}

/// A connection of one of them. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Guest<K: Hash + Eq> {
    guests: Arc<Guests<K>>,
    key: K,
}

/// Somebody has, or sends, as many as they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl<K: Hash + Eq + Clone> Guests<K> {
    pub(crate) fn new(allowance: Allowance) -> Arc<Self> {
        Arc::new(Self { allowance, known: Mutex::default() })
    }

    /// Lets a connection in, unless there are too many of the same.
    pub(crate) fn let_in(self: &Arc<Self>, key: K, now: Instant) -> Result<Arc<Guest<K>>, TooMany> {
        let mut all = lock(&self.known);
        if all.len() >= self.allowance.remembered {
            all.retain(|_, known| known.connections > 0);
        }
        let known = all.entry(key.clone()).or_insert_with(|| Known::new(now));
        if known.connections >= self.allowance.connections {
            return Err(TooMany);
        }
        known.connections += 1;
        Ok(Arc::new(Guest { guests: self.clone(), key }))
    }

    /// Whether nobody is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.known).is_empty()
    }
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { connections: 0, requests: Pace::new(now), bytes: Pace::new(now) }
    }
}

impl<K: Hash + Eq> Guest<K> {
    /// Takes a request, unless too many came. A moment later there is room for another.
    pub(crate) fn take_request(&self, now: Instant) -> Result<(), TooMany> {
        let rate = self.guests.allowance.requests;
        self.with(|known| {
            if !known.requests.wait(rate, now).is_zero() {
                return Err(TooMany);
            }
            known.requests.count(1, rate, now);
            Ok(())
        })
        .unwrap_or(Ok(()))
    }

    /// How long to wait before bytes are read.
    pub(crate) fn wait_for_bytes(&self, now: Instant) -> Duration {
        self.with(|known| known.bytes.wait(self.guests.allowance.bytes, now)).unwrap_or_default()
    }

    /// Bytes were read.
    pub(crate) fn count_bytes(&self, bytes: usize, now: Instant) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let _ = self.with(|known| known.bytes.count(bytes, self.guests.allowance.bytes, now));
    }

    /// It stays there for as long as it has a connection.
    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> Option<T> {
        lock(&self.guests.known).get_mut(&self.key).map(act)
    }
}

impl<K: Hash + Eq> Drop for Guest<K> {
    fn drop(&mut self) {
        let mut all = lock(&self.guests.known);
        let Some(known) = all.get_mut(&self.key) else { return };
        known.connections = known.connections.saturating_sub(1);
        let now = Instant::now();
        // What it took is remembered until it might take it again: a new connection is no new beginning.
        if known.connections == 0 && known.requests.is_rested(now) && known.bytes.is_rested(now) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance {
        connections: 3,
        requests: Rate { per_second: 10, at_once: 100 },
        bytes: Rate { per_second: 1_000, at_once: 10_000 },
        remembered: 100,
    };

    #[test]
    fn each_has_so_many_connections_and_others_have_theirs() {
        let (guests, now) = (Guests::new(ALLOWANCE), Instant::now());
        let mut of_one: Vec<_> = (0..3).map(|_| guests.let_in("ana", now).unwrap()).collect();
        assert_eq!(guests.let_in("ana", now).unwrap_err(), TooMany);
        assert!(guests.let_in("ben", now).is_ok());
        of_one.pop();
        assert!(guests.let_in("ana", now).is_ok());
        drop(of_one);
        assert!(guests.is_empty());
    }

    #[test]
    fn a_new_connection_is_no_new_beginning() {
        let (guests, now) = (Guests::new(ALLOWANCE), Instant::now());
        let guest = || guests.let_in("ana", now).unwrap();
        let taken = (0..1_000).take_while(|_| guest().take_request(now).is_ok()).count();
        assert_eq!(taken, ALLOWANCE.requests.at_once as usize + 1);
        assert_eq!(guest().take_request(now), Err(TooMany));
        assert_eq!(guest().take_request(now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn who_sends_much_is_read_more_slowly() {
        let (guests, now) = (Guests::new(ALLOWANCE), Instant::now());
        let guest = guests.let_in("ana", now).unwrap();
        guest.count_bytes(ALLOWANCE.bytes.at_once as usize, now);
        assert_eq!(guest.wait_for_bytes(now), Duration::ZERO);
        guest.count_bytes(ALLOWANCE.bytes.per_second as usize, now);
        let wait = guest.wait_for_bytes(now);
        assert!(wait.abs_diff(Duration::from_secs(1)) < Duration::from_millis(1), "{wait:?}");
    }
}
