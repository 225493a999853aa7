//! Opening the stream on a connection, and asking for what is missing.
//!
//! One `open` says what the replica holds and who it is; the `opened` that answers it says where the stream is and
//! what became of the replica's own events. Only then are events and answers on this channel taken: whatever arrives
//! before belongs to an earlier opening. The outbox goes out at once after it, while the server plays what is missing.

use super::{Moment, Notice, Replica};
use crate::event::Verdict;
use crate::frame::{ClientFrame, ErrorCode, ErrorFrame, Live, Open, Opened, ResyncReason, ServerFrame};
use crate::limits;
use crate::numbers::{Channel, EventNumber, Millis, Seq};

/// Where a replica lets the server begin to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Where the replica is: events come in order, without a gap.
    #[default]
    Played,
    /// At the server's head: live events come at once and wait while the gap before them is fetched.
    Head,
}

/// The replica's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Down,
    Up {
        channel: Channel,
        phase: Phase,
        /// How many opens have not been answered; only the answer to the last one counts.
        unanswered: u32,
        /// The server asked for a pause before the stream is opened.
        pause: Option<Pause>,
    },
}

/// A time in which nothing is sent. A clock that jumps ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    since: Millis,
    until: Millis,
}

impl Pause {
    fn is_over(self, now: Millis) -> bool {
        now < self.since || now >= self.until
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `open` is to be sent.
    ToOpen,
    /// `open` was sent.
    Opening,
    /// The stream is open, and was at this head when it was opened.
    Open { head: Seq },
}

impl Link {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Up { phase: Phase::Open { .. }, .. })
    }
}

impl Replica {
    /// A connection is there, and the stream is to be spoken of as `channel`.
    pub fn connected(&mut self, channel: Channel) {
        if self.outdated {
            return;
        }
        self.link = Link::Up { channel, phase: Phase::ToOpen, unanswered: 0, pause: None };
        self.history.fetching = None;
    }

    /// The connection is gone. What was sent and not answered will be sent again.
    pub fn disconnected(&mut self) {
        self.link = Link::Down;
        self.history.fetching = None;
        self.peers.forget();
    }

    /// Whether the stream is open on a connection.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Takes a frame of this stream's channel.
    pub fn receive(&mut self, moment: Moment, frame: ServerFrame) {
        match frame {
            ServerFrame::Opened(opened) if self.is_answered() => self.opened(moment, opened),
            ServerFrame::Resync(resync) if self.is_answered() => self.start_over(moment, resync.reason, &resync.last),
            ServerFrame::Error(error) => self.error(moment, error),
            ServerFrame::Events(events) if self.link.is_open() => self.events(moment, events),
            ServerFrame::Page(page) if self.link.is_open() => self.page(moment, page),
            ServerFrame::Presence(presence) if self.link.is_open() => self.peers.receive(presence),
            ServerFrame::Ack { runs, lost, .. } if self.link.is_open() => self.acknowledged(moment, &runs, lost),
            ServerFrame::Refused { n, refusal, .. } if self.link.is_open() => self.refused(n, refusal),
            _ => {}
        }
        if self.is_caught_up() {
            self.drop_unwanted();
        }
    }

    /// Takes note that an open was answered. Answers whether it was the last one sent.
    fn is_answered(&mut self) -> bool {
        let Link::Up { phase, unanswered, .. } = &mut self.link else { return false };
        *unanswered = unanswered.saturating_sub(1);
        *unanswered == 0 && *phase == Phase::Opening
    }

    /// The next frame to send, as long as there is a connection.
    pub fn poll_frame(&mut self, now: Millis) -> Option<ClientFrame> {
        self.seal_ready();
        let Link::Up { channel, phase, unanswered, pause } = &mut self.link else { return None };
        let channel = *channel;
        match phase {
            Phase::Opening => return None,
            Phase::ToOpen if pause.is_some_and(|pause| !pause.is_over(now)) => return None,
            Phase::ToOpen => {
                *pause = None;
                *phase = Phase::Opening;
                *unanswered += 1;
                return Some(ClientFrame::Open(self.open(channel)));
            }
            Phase::Open { .. } => {}
        }
        if let Some(change) = self.next_subscription(channel) {
            return Some(change);
        }
        if let Some(fetch) = self.next_fetch(channel) {
            return Some(fetch);
        }
        let events = self.outbox.next_push();
        match events.is_empty() {
            false => Some(ClientFrame::Push { channel, events }),
            true => self.poll_presence(now),
        }
    }

    /// When [`poll_frame`](Self::poll_frame) may have something to send though nothing else happened.
    pub fn poll_timeout(&self) -> Option<Millis> {
        match self.link {
            Link::Down | Link::Up { phase: Phase::Opening, .. } => None,
            Link::Up { pause, phase, .. } => {
                let peers = if phase == Phase::ToOpen { None } else { self.peers.due() };
                pause.map(|pause| pause.until).into_iter().chain(peers).min()
            }
        }
    }

    /// Opens the stream anew on the connection: the two sides have to find out where they are.
    pub(super) fn reopen(&mut self) {
        if let Link::Up { phase, pause, .. } = &mut self.link {
            (*phase, *pause) = (Phase::ToOpen, None);
        }
    }

    fn open(&mut self, channel: Channel) -> Open {
        // One's own events that may be on the log under a former identity are recognised by their content alone.
        let part = self.part.is_some();
        let pages = part || self.trimmed || self.start == Start::Played && !self.outbox.has_former();
        if !pages && self.history.filling.is_some() {
            self.drop_confirmed();
        }
        let filling = self.history.filling.as_ref();
        self.first_sent = filling.map_or_else(|| self.first.clone(), |filled| filled.order.clone());
        Open {
            channel,
            stream: self.stream.clone(),
            client: self.identity.client,
            former: self.identity.former.clone(),
            settled: self.outbox.settled_for_all().unwrap_or(self.identity.settled),
            incarnation: self.history.incarnation.filter(|_| self.history.played > Seq::FIRST || filling.is_some()),
            played: self.history.played,
            chain: self.history.chain,
            live: match self.start {
                Start::Head if !pages => Live::Head,
                Start::Played | Start::Head => Live::From(self.history.played),
            },
            pages,
            first: self.first_sent.first().to_vec(),
            filling: filling.map(|filled| filled.at.clone()),
            queries: self.part.as_mut().map(|part| part.opening(self.history.played)),
            view: self.view(),
        }
    }

    fn opened(&mut self, moment: Moment, opened: Opened) {
        self.history.incarnation = Some(opened.incarnation);
        self.storing.meta();
        if self.has_forgotten(&opened.last) {
            return self.start_over(moment, ResyncReason::Forked, &opened.last);
        }
        if self.is_shared(&opened) {
            return self.take_new_identity(moment);
        }
        for own in opened.verdicts {
            match own.verdict {
                Verdict::Recorded { seq, lost } => self.recorded(moment, own.n, seq, lost),
                Verdict::Refused(refusal) => self.refused(own.n, *refusal),
            }
        }
        self.denied = None;
        if !self.may_read(opened.readable) {
            return self.reopen();
        }
        self.history.head = opened.head;
        self.history.live = match self.start {
            Start::Head if !self.trimmed && self.part.is_none() => opened.head,
            Start::Played | Start::Head => self.history.played,
        };
        self.forget_held();
        self.history.digests.clear();
        if self.part.is_none() {
            self.expect_digest(opened.head, opened.digest);
        }
        self.check_digest(moment);
        if let Link::Up { phase, .. } = &mut self.link {
            *phase = Phase::Open { head: opened.head };
        }
        self.peers.forget();
        self.outbox.send_again();
    }

    /// Whether somebody else sends under this replica's client id: the server knows of numbers that it never gave, or
    /// of other content under a number that it did, or no longer knows what stood under one.
    fn is_shared(&self, opened: &Opened) -> bool {
        let last = opened.last.first().copied().unwrap_or_default();
        if last > self.outbox.last_sealed() {
            return true;
        }
        for (n, edit) in self.outbox.undecided_through(last) {
            let ours = self.outbox.pending.get(edit).and_then(|pending| pending.hash());
            let theirs = opened.verdicts.iter().find(|own| own.n == n).map(|own| own.hash);
            if ours != theirs {
                return true;
            }
        }
        false
    }

    /// An error without an event's number answers an open where one is waited for; what concerns an event, or says that
    /// the stream is not open, and comes before the open is answered belongs to an earlier opening.
    fn error(&mut self, moment: Moment, error: ErrorFrame) {
        let is_earlier = error.n.is_some() || error.code == ErrorCode::NotOpen;
        if !self.link.is_open() && (is_earlier || !self.is_put_off(error.code)) {
            return;
        }
        match error.code {
            // What was put off may be recorded after all: only a new opening tells.
            ErrorCode::Later | ErrorCode::Internal | ErrorCode::Other(_) => {
                self.reopen();
                self.pause(moment.now, error.retry.unwrap_or(limits::LATER_PAUSE));
            }
            ErrorCode::Denied => self.is_denied(moment.now, error.message),
            ErrorCode::Forbidden | ErrorCode::Forked => self.take_new_identity(moment),
            ErrorCode::Resume | ErrorCode::NotOpen => self.reopen(),
            _ => {}
        }
    }

    /// Takes note that an open was answered with an error. Answers whether it was the last one sent, which is then to
    /// be sent again, unless that would not help. Where the events that it asked for are gone, pages help.
    fn is_put_off(&mut self, code: ErrorCode) -> bool {
        let answered = self.is_answered();
        let asks_for_pages = code == ErrorCode::UpgradeRequired && !self.trimmed;
        self.trimmed |= answered && asks_for_pages;
        let helps = code.is_retryable() || code == ErrorCode::Forbidden || asks_for_pages;
        if answered
            && helps
            && let Link::Up { phase, .. } = &mut self.link
        {
            *phase = Phase::ToOpen;
        }
        answered
    }

    pub(super) fn pause(&mut self, now: Millis, how_long: Millis) {
        if let Link::Up { pause, .. } = &mut self.link {
            *pause = Some(Pause { since: now, until: now.plus(how_long) });
        }
    }

    fn next_fetch(&mut self, channel: Channel) -> Option<ClientFrame> {
        if self.history.fetching.is_some() {
            return None;
        }
        let gap = self.history.gap()?;
        let to = gap.end.min(gap.start.plus(limits::FETCH_EVENTS));
        self.history.fetching = Some(gap.start..to);
        Some(ClientFrame::Fetch { channel, from: gap.start, to })
    }

    /// Whether the server no longer knows of events of this replica that it had decided on.
    fn has_forgotten(&self, last: &[EventNumber]) -> bool {
        if last.first().is_some_and(|&last| last < self.outbox.decided()) {
            return true;
        }
        let last = |client| self.identity.place(client).and_then(|place| last.get(place));
        let is_forgotten = |client, n| last(client).is_some_and(|&last| n > last);
        self.outbox.kept.iter().any(|kept| is_forgotten(kept.client, kept.n))
            || self.outbox.pending.values().any(|pending| {
                let seal = pending.seal.filter(|_| pending.recorded.is_some());
                seal.is_some_and(|seal| is_forgotten(seal.client, seal.n))
            })
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }
}
