//! Who asks with a request, and what that lets them have.

use std::sync::Arc;

use hyper::header::{self, HeaderMap};
use tapeline_authority::Reading;
use tapeline_core::caller::Caller;
use tapeline_core::name::StreamName;
use tapeline_log::{EventLog, StateStore};

use super::problem::Problem;
use crate::auth::Verified;
use crate::callers::Counted;
use crate::guests::TooMany;
use crate::shared::Shared;

/// Who asks, of which server.
pub(super) struct Rights<L: EventLog, S: StateStore> {
    shared: Arc<Shared<L, S>>,
    caller: Arc<Caller>,
    /// What they showed, where the server asks.
    verified: Option<Verified>,
    counted: Option<Counted>,
}

impl<L: EventLog, S: StateStore> Rights<L, S> {
    /// Finds out who asks: the bearer of a token.
    pub(super) fn of(shared: &Arc<Shared<L, S>>, headers: &HeaderMap) -> Result<Self, Problem> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let verified = shared.verify(token.map(|(_, token)| token.trim()));
        let verified = verified.map_err(|error| Problem::unauthorized(error.to_string()))?;
        let caller = verified.as_ref().map(|verified| verified.caller.clone()).unwrap_or_default();
        let counted = shared.callers.let_in(&caller).and_then(|counted| {
            counted.as_ref().map_or(Ok(()), Counted::take_request)?;
            Ok(counted)
        });
        let counted = counted.map_err(|TooMany| Problem::too_many_requests("who this token speaks for"))?;
        Ok(Self { shared: shared.clone(), caller: Arc::new(caller), verified, counted })
    }

    /// A problem where what they showed is good no more.
    pub(super) fn are_good(&self) -> Result<(), Problem> {
        let checked = self.verified.as_ref().map_or(Ok(()), |verified| self.shared.check(verified));
        checked.map_err(|error| Problem::unauthorized(error.to_string()))
    }

    /// Bytes came with the request.
    pub(super) fn count_bytes(&self, bytes: usize) {
        self.counted.iter().for_each(|counted| counted.count_bytes(bytes));
    }

    /// Who asks.
    pub(super) fn caller(&self) -> Arc<Caller> {
        self.caller.clone()
    }

    /// What of a stream may be read; where that is nothing, that is a problem.
    pub(super) fn reading(&self, stream: &StreamName) -> Result<Reading, Problem> {
        match self.shared.authority.reading(stream, &self.caller) {
            Reading::Nothing => Err(Problem::denied(format!("nothing of the stream {stream} may be read by you"))),
            reading => Ok(reading),
        }
    }

    /// A problem where not all of a stream may be read.
    pub(super) fn read_all(&self, stream: &StreamName) -> Result<(), Problem> {
        match self.reading(stream)? {
            Reading::Whole => Ok(()),
            _ => Err(Problem::denied(format!(
                "only a part of the stream {stream} may be read by you: ask for its objects, or open it with queries"
            ))),
        }
    }

    /// A problem where of a stream nothing may be read nor written: who may do nothing is not told by a verdict how it is.
    pub(super) fn write(&self, stream: &StreamName) -> Result<(), Problem> {
        match self.shared.authority.may_write(stream, &self.caller) {
            true => Ok(()),
            false => self.reading(stream).map(drop),
        }
    }

    /// A problem where the server asks who somebody is, and they are none of its own.
    pub(super) fn be_trusted(&self) -> Result<(), Problem> {
        match self.caller.is_trusted || !self.shared.asks_who() {
            true => Ok(()),
            false => Err(Problem::denied("this is for those who run the server: show a key that is trusted")),
        }
    }
}
