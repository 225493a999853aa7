//! What each address may do: how many connections it may have, how many requests it may send and how many bytes.
//!
//! This machine may do everything: it is its own, or that of a proxy, which looks at addresses itself.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::limits;
use crate::lock::lock;
use crate::pace::Pace;

/// The addresses that have connections, or had some lately.
#[derive(Debug, Default)]
pub(crate) struct Addresses(Mutex<FxHashMap<IpAddr, Known>>);

#[derive(Debug)]
struct Known {
    connections: usize,
    requests: Pace,
    bytes: Pace,
}

/// A connection of an address. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// Lets a connection in, unless its address has too many. Nobody counts those of this machine.
    pub(crate) fn let_in(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Option<Arc<Guest>>, TooMany> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Ok(None);
        }
        let address = one_of_many(address);
        let mut all = lock(&self.0);
        if all.len() >= limits::ADDRESSES {
            all.retain(|_, known| known.connections > 0);
        }
        let known = all.entry(address).or_insert_with(|| Known::new(now));
        if known.connections >= limits::ADDRESS_CONNECTIONS {
            return Err(TooMany);
        }
        known.connections += 1;
        Ok(Some(Arc::new(Guest { addresses: self.clone(), address })))
    }
}

/// An address has, or sends, as many as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// Whoever has one address of the newer kind has all of its network, which is counted as one.
fn one_of_many(address: IpAddr) -> IpAddr {
    const NETWORK_BITS: u32 = 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS)),
    }
}

impl Known {
    fn new(now: Instant) -> Self {
        Self { connections: 0, requests: Pace::new(now), bytes: Pace::new(now) }
    }
}

impl Guest {
    /// Takes a request, unless too many came. A moment later there is room for another.
    pub(crate) fn take_request(&self, now: Instant) -> Result<(), TooMany> {
        self.with(|known| {
            if !known.requests.wait(limits::ADDRESS_REQUESTS, now).is_zero() {
                return Err(TooMany);
            }
            known.requests.count(1, limits::ADDRESS_REQUESTS, now);
            Ok(())
        })
    }

    /// How long to wait before bytes are read.
    pub(crate) fn wait_for_bytes(&self, now: Instant) -> Duration {
        self.with(|known| known.bytes.wait(limits::ADDRESS_BYTES, now))
    }

    /// Bytes were read.
    pub(crate) fn count_bytes(&self, bytes: usize, now: Instant) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.with(|known| known.bytes.count(bytes, limits::ADDRESS_BYTES, now));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = lock(&self.addresses.0);
        // It stays there for as long as it has a connection.
        act(all.entry(self.address).or_insert_with(|| Known::new(Instant::now())))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = lock(&self.addresses.0);
        let Some(known) = all.get_mut(&self.address) else { return };
        known.connections = known.connections.saturating_sub(1);
        let now = Instant::now();
        // What it took is remembered until it might take it again: a new connection is no new beginning.
        if known.connections == 0 && known.requests.is_rested(now) && known.bytes.is_rested(now) {
            all.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_others_have_theirs() {
        let (addresses, now) = (Arc::new(Addresses::default()), Instant::now());
        let let_in = |text: &str| addresses.let_in(address(text), now);
        let mut guests: Vec<_> =
            (0..limits::ADDRESS_CONNECTIONS).map(|host| let_in(&format!("2001:db8::{host:x}"))).collect();
        assert!(guests.iter().all(Result::is_ok));
        assert_eq!(let_in("2001:db8::ffff:1").unwrap_err(), TooMany);
        assert!(let_in("2001:db8:0:1::1").is_ok() && let_in("192.0.2.1").is_ok());
        guests.pop();
        assert!(let_in("2001:db8::ffff:1").is_ok());
        assert!(let_in("127.0.0.1").unwrap().is_none() && let_in("::ffff:127.0.0.1").unwrap().is_none());
        drop(guests);
        assert!(lock(&addresses.0).is_empty());
    }

    #[test]
    fn a_new_connection_is_no_new_beginning() {
        let (addresses, now) = (Arc::new(Addresses::default()), Instant::now());
        let guest = || addresses.let_in(address("192.0.2.1"), now).unwrap().unwrap();
        let taken = (0..100_000).take_while(|_| guest().take_request(now).is_ok()).count();
        assert_eq!(taken, limits::ADDRESS_REQUESTS.at_once as usize + 1);
        assert_eq!(guest().take_request(now), Err(TooMany));
        assert_eq!(guest().take_request(now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn who_sends_much_is_read_more_slowly() {
        let (addresses, now) = (Arc::new(Addresses::default()), Instant::now());
        let guest = addresses.let_in(address("192.0.2.1"), now).unwrap().unwrap();
        guest.count_bytes(limits::ADDRESS_BYTES.at_once as usize, now);
        assert_eq!(guest.wait_for_bytes(now), Duration::ZERO);
        guest.count_bytes(limits::ADDRESS_BYTES.per_second as usize, now);
        let wait = guest.wait_for_bytes(now);
        assert!(wait.abs_diff(Duration::from_secs(1)) < Duration::from_millis(1), "{wait:?}");
    }
}
