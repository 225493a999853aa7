//! What each address may do.
//!
//! This machine may do everything: it is its own, or that of a proxy, which looks at addresses itself.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use crate::guests::{Guest, Guests, TooMany};
use crate::limits;

/// The addresses that have connections, or had some lately.
#[derive(Debug)]
pub(crate) struct Addresses(Arc<Guests<IpAddr>>);

/// A connection of an address.
pub(crate) type Visitor = Arc<Guest<IpAddr>>;

impl Default for Addresses {
    fn default() -> Self {
        Self(Guests::new(limits::ADDRESS))
    }
}

impl Addresses {
    /// Lets a connection in, unless its address has too many. Nobody counts those of this machine.
    pub(crate) fn let_in(&self, address: IpAddr, now: Instant) -> Result<Option<Visitor>, TooMany> {
        let address = address.to_canonical();
        match address.is_loopback() {
            true => Ok(None),
            false => self.0.let_in(one_of_many(address), now).map(Some),
        }
    }
}

/// Whoever has one address of the newer kind has all of its network, which is counted as one.
fn one_of_many(address: IpAddr) -> IpAddr {
    const NETWORK_BITS: u32 = 64;
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> NETWORK_BITS << NETWORK_BITS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_counts_as_one_address_and_this_machine_as_none() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        let let_in = |text: &str| addresses.let_in(text.parse().unwrap(), now);
        let guests: Vec<_> =
            (0..limits::ADDRESS.connections).map(|host| let_in(&format!("2001:db8::{host:x}"))).collect();
        assert!(guests.iter().all(Result::is_ok));
        assert_eq!(let_in("2001:db8::ffff:1").unwrap_err(), TooMany);
        assert!(let_in("2001:db8:0:1::1").is_ok() && let_in("192.0.2.1").is_ok());
        assert!(let_in("127.0.0.1").unwrap().is_none() && let_in("::ffff:127.0.0.1").unwrap().is_none());
    }
}
