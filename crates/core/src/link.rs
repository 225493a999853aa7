//! When a client connects, asks for a sign of life, and gives a socket up. One socket carries many streams.
//!
//! A socket that did not hold for long counts like a failed attempt, whatever was said on it: where two programs
//! displace each other, or a server hangs up on everybody, the pauses grow all the same.

use crate::limits;
use crate::numbers::Millis;

/// The client's end of the socket to a server. Times are monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    state: State,
    /// Attempts in a row on which nothing was heard.
    failed: u32,
    /// Sockets in a row on which something was heard, and which did not hold.
    broken: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No socket; the next attempt is due at `next`.
    Down { next: Millis },
    /// An attempt is under way since `since`.
    Connecting { since: Millis },
    /// The socket is up since `since`. `heard`: when something last came, or it came up; `asked`: when a ping was sent
    /// and nothing came since.
    Up { since: Millis, heard: Millis, asked: Option<Millis> },
}

/// What is to be done about the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Connect now.
    Connect,
    /// Send a ping.
    Ping,
    /// Give the socket, or the attempt, up.
    Drop,
    /// Nothing before this time.
    Wait(Millis),
}

impl Link {
    /// No socket yet; the first attempt is due at once.
    pub const fn new(now: Millis) -> Self {
        Self { state: State::Down { next: now }, failed: 0, broken: 0 }
    }

    /// What is to be done now. Ask again after any other call, and when the time it names has come.
    pub fn poll(&mut self, now: Millis) -> LinkAction {
        match &mut self.state {
            State::Down { next } if now >= *next => {
                self.state = State::Connecting { since: now };
                LinkAction::Connect
            }
            State::Down { next } => LinkAction::Wait(*next),
            State::Connecting { since } => drop_at(now, since.plus(limits::SILENCE)),
            State::Up { heard, asked: asked @ None, .. } if now >= heard.plus(limits::HEARTBEAT) => {
                *asked = Some(now);
                LinkAction::Ping
            }
            State::Up { heard, asked: None, .. } => LinkAction::Wait(heard.plus(limits::HEARTBEAT)),
            State::Up { heard, asked: Some(_), .. } => drop_at(now, heard.plus(limits::SILENCE)),
        }
    }

    /// The socket is up.
    pub fn connected(&mut self, now: Millis) {
        self.state = State::Up { since: now, heard: now, asked: None };
    }

    /// Something came.
    pub fn heard(&mut self, now: Millis) {
        self.failed = 0;
        if let State::Up { heard, asked, .. } = &mut self.state {
            (*heard, *asked) = (now, None);
        }
    }

    /// The socket is gone, or the attempt failed. The next attempt waits, longer each time, somewhere between half
    /// the pause and all of it, so that clients of a restarted server do not come all at once.
    pub fn lost(&mut self, now: Millis, random: u64) {
        match self.state {
            State::Up { since, .. } if now.since(since) > limits::BACKOFF_MOST => self.broken = 0,
            State::Up { .. } if self.failed == 0 => self.broken = self.broken.saturating_add(1),
            _ => self.failed = self.failed.saturating_add(1),
        }
        let before = self.failed.max(self.broken).saturating_sub(1).min(16);
        let pause = limits::BACKOFF_FIRST.0.saturating_mul(1 << before).min(limits::BACKOFF_MOST.0);
        let jitter = random % (pause / 2 + 1);
        self.state = State::Down { next: now.plus(Millis(pause - jitter)) };
    }

    /// There is reason to believe that an attempt would succeed now.
    pub fn nudge(&mut self, now: Millis) {
        if let State::Down { next } = &mut self.state {
            *next = now;
        }
    }

    /// Whether the socket is up.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }
}

fn drop_at(now: Millis, at: Millis) -> LinkAction {
    if now >= at { LinkAction::Drop } else { LinkAction::Wait(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_with_jitter_and_end_at_the_most() {
        let mut link = Link::new(Millis(0));
        let mut now = Millis(0);
        for failure in 0..12 {
            assert_eq!(link.poll(now), LinkAction::Connect);
            link.lost(now, failure * 7919);
            let LinkAction::Wait(next) = link.poll(now) else { panic!("an attempt follows a pause") };
            let pause = limits::BACKOFF_FIRST.0 << failure;
            let pause = pause.min(limits::BACKOFF_MOST.0);
            assert!((pause / 2..=pause).contains(&next.since(now).0), "failure {failure}");
            now = next;
        }
    }

    #[test]
    fn sockets_that_do_not_hold_are_paused_between_like_failed_attempts() {
        let mut link = Link::new(Millis(0));
        let mut now = Millis(0);
        let mut end = |link: &mut Link, held: Millis| {
            assert_eq!(link.poll(now), LinkAction::Connect);
            link.connected(now);
            link.heard(now);
            now = now.plus(held);
            link.lost(now, 0);
            let LinkAction::Wait(next) = link.poll(now) else { panic!("an attempt follows a pause") };
            let pause = next.since(now);
            now = next;
            pause
        };
        let first = limits::BACKOFF_FIRST;
        let pauses: Vec<Millis> = (0..4).map(|_| end(&mut link, Millis(10))).collect();
        assert_eq!(pauses, [first, Millis(first.0 * 2), Millis(first.0 * 4), Millis(first.0 * 8)]);
        assert_eq!(end(&mut link, limits::BACKOFF_MOST.plus(Millis(1))), first);
        assert_eq!(end(&mut link, Millis(10)), first);
        assert_eq!(end(&mut link, Millis(10)), Millis(first.0 * 2));
    }

    #[test]
    fn a_silent_socket_is_asked_then_dropped() {
        let mut link = Link::new(Millis(0));
        assert_eq!(link.poll(Millis(0)), LinkAction::Connect);
        link.connected(Millis(10));
        let ask = Millis(10).plus(limits::HEARTBEAT);
        assert_eq!(link.poll(Millis(11)), LinkAction::Wait(ask));
        assert_eq!(link.poll(ask), LinkAction::Ping);
        let end = Millis(10).plus(limits::SILENCE);
        assert_eq!(link.poll(ask), LinkAction::Wait(end));
        link.heard(end);
        assert_eq!(link.poll(end), LinkAction::Wait(end.plus(limits::HEARTBEAT)));
        assert_eq!(link.poll(end.plus(limits::HEARTBEAT)), LinkAction::Ping);
        assert_eq!(link.poll(end.plus(limits::SILENCE)), LinkAction::Drop);
    }
}
