//! What is asked of a connection and of its requests before what they say is looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{self, HeaderMap, HeaderValue};
use tokio::net::TcpStream;

use crate::addresses::{Addresses, Visitor};
use crate::guests::TooMany;
use crate::http::{Answer, Problem};
use crate::limits;
use crate::origin::Origin;
use crate::tls::Tls;
use crate::transport::Transport;

/// What is asked of a connection and of its requests.
#[derive(Debug, Default)]
pub(crate) struct Door {
    addresses: Addresses,
    tls: Option<Arc<Tls>>,
    /// The pages that may ask; any where there are none.
    origins: Vec<Origin>,
}

impl Door {
    pub(crate) fn new(tls: Option<Arc<Tls>>, origins: Vec<Origin>) -> Self {
        Self { addresses: Addresses::default(), tls, origins }
    }

    /// Lets a connection in, unless its address has too many.
    pub(crate) fn let_in(&self, address: IpAddr) -> Result<Option<Visitor>, TooMany> {
        self.addresses.let_in(address, Instant::now())
    }

    /// Greets a connection. There is none where it does not speak TLS but has to.
    pub(crate) async fn greet(&self, stream: TcpStream, guest: Option<Visitor>) -> Option<Transport> {
        let Some(tls) = &self.tls else { return Some(Transport::plain(stream, guest)) };
        let greeted = tokio::time::timeout(limits::TLS_WITHIN, tls.acceptor().accept(stream)).await;
        Some(Transport::encrypted(greeted.ok()?.ok()?, guest))
    }

    /// Takes a request.
    pub(crate) fn ask(&self, guest: Option<&Visitor>, headers: &HeaderMap) -> Result<(), Problem> {
        if guest.is_some_and(|guest| guest.take_request(Instant::now()).is_err()) {
            return Err(Problem::too_many_requests("this address"));
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.takes(origin) => Err(Problem::origin(origin)),
            _ => Ok(()),
        }
    }

    fn takes(&self, origin: &HeaderValue) -> bool {
        self.origins.is_empty() || self.origins.iter().any(|taken| taken.header() == origin)
    }

    /// Shows an answer to the page that asked alone, where not any page may ask.
    pub(crate) fn show_to(&self, origin: Option<HeaderValue>, answer: &mut Answer) {
        let headers = answer.headers_mut();
        if self.origins.is_empty() || headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin.filter(|origin| self.takes(origin)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}
