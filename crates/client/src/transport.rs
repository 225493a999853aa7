//! What carries frames to the server: a WebSocket, or Server-Sent Events and POSTs where those are blocked.

use tapeline_core::limits;
use tapeline_core::numbers::Millis;

/// What carries frames to the server: see [`Builder::transport`](crate::Builder::transport).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket or, where attempts at one are cut off, Server-Sent Events.
    #[default]
    Auto,
    /// A WebSocket, whatever happens.
    WebSocket,
    /// Server-Sent Events one way, POSTs the other.
    Sse,
}

/// The way of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    WebSocket,
    Sse,
}

/// Chooses a way for each attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    transport: Transport,
    /// The way of the last attempt.
    way: Way,
    /// Attempts in a row at a WebSocket that looked blocked.
    blocked: u32,
    /// Since when it has been done without.
    without_since: Option<Millis>,
}

/// How a connection, or an attempt, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server had said welcome.
    Welcomed,
    /// It had not, and WebSockets may be blocked.
    LooksBlocked,
    /// It had not, for another reason.
    Failed,
}

impl Choice {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, way: Way::WebSocket, blocked: 0, without_since: None }
    }

    /// The way of the next attempt.
    pub(crate) fn next(&mut self, now: Millis) -> Way {
        self.way = match self.transport {
            Transport::Auto if self.blocked >= limits::WEBSOCKET_ATTEMPTS => Way::Sse,
            Transport::Auto | Transport::WebSocket => Way::WebSocket,
            Transport::Sse => Way::Sse,
        };
        if self.way == Way::Sse {
            self.without_since.get_or_insert(now);
        }
        self.way
    }

    /// The connection, or the attempt, has ended.
    pub(crate) fn ended(&mut self, now: Millis, end: End) {
        match (self.way, end) {
            (Way::WebSocket, End::LooksBlocked) => self.blocked += 1,
            (Way::WebSocket, _) => self.blocked = 0,
            (Way::Sse, End::Welcomed) if !self.is_long_without(now) => {}
            (Way::Sse, _) => (self.blocked, self.without_since) = (0, None),
        }
    }

    fn is_long_without(&self, now: Millis) -> bool {
        self.without_since.is_some_and(|since| now.since(since) >= limits::WEBSOCKET_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(choice: &mut Choice, ends: &[End]) -> Vec<Way> {
        let next = |end: &End| {
            choice.ended(Millis(0), *end);
            choice.next(Millis(0))
        };
        ends.iter().map(next).collect()
    }

    #[test]
    fn who_is_cut_off_twice_does_without_as_long_as_that_works() {
        let mut choice = Choice::new(Transport::Auto);
        assert_eq!(choice.next(Millis(0)), Way::WebSocket);
        let ends = [End::LooksBlocked, End::LooksBlocked, End::Welcomed, End::Welcomed, End::Failed];
        assert_eq!(after(&mut choice, &ends), [Way::WebSocket, Way::Sse, Way::Sse, Way::Sse, Way::WebSocket]);
        let ends = [End::LooksBlocked, End::Failed, End::LooksBlocked, End::Welcomed, End::LooksBlocked];
        assert_eq!(after(&mut choice, &ends), [Way::WebSocket; 5], "not twice in a row");
    }

    #[test]
    fn a_websocket_is_preferred_again_after_a_while() {
        let mut choice = Choice::new(Transport::Auto);
        choice.next(Millis(0));
        after(&mut choice, &[End::LooksBlocked, End::LooksBlocked, End::Welcomed]);
        choice.ended(limits::WEBSOCKET_AGAIN, End::Welcomed);
        assert_eq!(choice.next(Millis(0)), Way::WebSocket);
        choice.ended(limits::WEBSOCKET_AGAIN, End::LooksBlocked);
        assert_eq!(choice.next(Millis(0)), Way::WebSocket);
    }

    #[test]
    fn who_is_told_which_keeps_to_it() {
        for (transport, way) in [(Transport::WebSocket, Way::WebSocket), (Transport::Sse, Way::Sse)] {
            let mut choice = Choice::new(transport);
            choice.next(Millis(0));
            assert_eq!(after(&mut choice, &[End::LooksBlocked, End::LooksBlocked, End::LooksBlocked]), [way; 3]);
        }
    }
}
