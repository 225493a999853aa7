//! A session: what one connection has opened, and what of it is still to be said.

use std::collections::VecDeque;

use fastrand::Rng;
use tapeline_core::catchup::{Fill, Plan};
use tapeline_core::frame::{ErrorCode, ErrorFrame, Live, Open, Opened, ServerFrame, Subscription};
use tapeline_core::numbers::{Channel, ClientId, Millis, Seq};

use super::Out;
use crate::disk::Disk;
use crate::filling::Filler;
use crate::network::ConnId;
use crate::part::{Change, Part};
use crate::rights::Level;

/// A connection, with the one stream it has open.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) heard: Millis,
    pub(super) client: Option<ClientId>,
    pub(super) channel: Channel,
    /// Opens that were not yet answered.
    pub(super) opening: VecDeque<Open>,
    /// The next event to play.
    pub(super) reader: Option<Seq>,
    /// A filling that is to begin, and one that has begun.
    pub(super) to_fill: Option<Fill>,
    pub(super) filler: Option<Filler>,
    /// The queries of a partial replica that is to be filled, and what is known of one that was.
    pub(super) to_part: Option<Vec<Subscription>>,
    pub(super) part: Option<Part>,
    /// What it had played when it opened the stream.
    pub(super) played: Seq,
    /// What its client may do, and could read before, where what it holds of that goes on to count.
    pub(super) level: Level,
    earlier: Option<Level>,
}

impl Session {
    pub(super) fn new(heard: Millis, level: Level) -> Self {
        Self {
            heard,
            client: None,
            channel: Channel(0),
            opening: VecDeque::new(),
            reader: None,
            to_fill: None,
            filler: None,
            to_part: None,
            part: None,
            played: Seq::FIRST,
            level,
            earlier: None,
        }
    }

    /// The client shows a newer token. Answers whether it has to open the stream again: what it may read is not what it
    /// was. An open that is yet to be answered is so by the newer token.
    pub(super) fn shows(&mut self, level: Level) -> bool {
        let is_other = std::mem::replace(&mut self.level, level) != level;
        let closes = is_other && self.client.is_some() && self.opening.is_empty();
        if closes {
            *self = Self { channel: self.channel, ..Self::new(self.heard, level) };
        }
        closes
    }

    /// A partial replica wants something else. Answers what is wrong with that, where something is.
    pub(super) fn change(&mut self, channel: Channel, change: Change) -> Option<ServerFrame> {
        match (&mut self.part, &mut self.to_part) {
            (Some(part), _) => part.change(change),
            (None, Some(queries)) => match change {
                Change::Unsubscribe(number) => queries.retain(|query| query.number != number),
                Change::Subscribe(query) => {
                    queries.retain(|known| known.number != query.number);
                    queries.push(query);
                }
            },
            (None, None) => return Some(error(channel, ErrorCode::NotOpen)),
        }
        None
    }

    /// Sends a partial replica what is to be told, a few pages at a time.
    pub(super) fn tell(&mut self, id: ConnId, disk: &Disk, random: &mut Rng, outs: &mut Vec<Out>) {
        if let (Some(fill), Some(queries)) = (&self.to_fill, &self.to_part)
            && let Some(part) = Part::opened(fill, queries, (self.level, self.earlier), self.channel, disk, random)
        {
            (self.to_fill, self.to_part, self.part) = (None, None, Some(part));
        }
        for _ in 0..random.u8(0..4) {
            let Some(page) = self.part.as_mut().and_then(|part| part.next(self.channel, disk, random)) else { break };
            outs.push(Out::Send(id, self.client, ServerFrame::Page(page)));
        }
    }

    /// Begins to play, or to fill, once the last open is answered. Answers what is to be said. `knows`: whether it is
    /// remembered what the client could read before.
    pub(super) fn answered(
        &mut self,
        frame: ServerFrame,
        knows: bool,
        plan: impl FnOnce(&Open) -> Plan,
    ) -> ServerFrame {
        match &frame {
            ServerFrame::Opened(opened) => {
                if let Some(open) = self.opening.pop_front()
                    && self.opening.is_empty()
                {
                    if self.level == Level::Nothing {
                        return error(opened.channel, ErrorCode::Denied);
                    }
                    let was = Level::of_view(open.view);
                    self.earlier =
                        Some(was).filter(|was| *was == self.level || knows && was.is_part() && self.level.is_part());
                    let continues = self.earlier.is_some_and(|was| was != self.level);
                    let opened = Opened { readable: self.level.readable(continues), ..opened.clone() };
                    if opened.readable.is_some() && open.queries.is_none() {
                        return ServerFrame::Opened(opened);
                    }
                    match plan(&open) {
                        Plan::Trimmed => return error(opened.channel, ErrorCode::UpgradeRequired),
                        Plan::Fill(fill) => (self.to_fill, self.to_part) = (Some(fill), open.queries),
                        Plan::Events => {
                            self.reader = match open.live {
                                Live::From(seq) => Some(seq),
                                Live::Head => Some(opened.head),
                                Live::No => None,
                            };
                        }
                    }
                    return ServerFrame::Opened(opened);
                }
            }
            ServerFrame::Resync(_) => drop(self.opening.pop_front()),
            ServerFrame::Error(error) if error.n.is_none() => drop(self.opening.pop_front()),
            _ => {}
        }
        frame
    }
}

/// What ends an open, and why.
pub(super) fn error(channel: Channel, code: ErrorCode) -> ServerFrame {
    ServerFrame::Error(ErrorFrame { channel: Some(channel), code, message: code.code().into(), n: None, retry: None })
}
