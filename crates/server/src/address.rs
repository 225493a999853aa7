//! Addresses that this server speaks to by itself: encrypted, unless they are on this machine.

use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;

/// An address that can be believed: by https or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(Uri);

impl Address {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let address = Self(text.parse().ok()?);
        match address.0.scheme_str()? {
            "https" => Some(address),
            "http" if address.is_here() => Some(address),
            _ => None,
        }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// What speaks to it, and takes so long at most for each request.
    pub(crate) fn agent(&self, within: Duration) -> ureq::Agent {
        // Sent elsewhere, it might be to where nothing is encrypted.
        let config = ureq::Agent::config_builder().timeout_global(Some(within)).max_redirects(0);
        let config = match self.is_here() {
            true => config.proxy(None),
            false => config,
        };
        config.build().into()
    }

    fn is_here(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}
