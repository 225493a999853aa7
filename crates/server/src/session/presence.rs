//! Who is present: what the client says of its own peers, and what it is told of others.

use tapeline_authority::Reading;
use tapeline_core::codec::{Codec, cbor};
use tapeline_core::frame::{ErrorCode, Presence as PresenceFrame, ServerFrame};
use tapeline_core::limits as core_limits;
use tapeline_core::numbers::Channel;
use tapeline_log::{EventLog, StateStore};

use super::Session;
use super::channels::Presence;
use super::requests::NOT_OPEN;
use crate::hub::{News, Speaker};
use crate::inbox::OpeningId;
use crate::limits;
use crate::wire::Tail;

impl<L: EventLog, S: StateStore> Session<L, S> {
    /// Takes what the client's peers say of themselves.
    pub(super) fn present(&mut self, PresenceFrame { channel, anew, peers }: PresenceFrame) {
        let known = self.channels.get_mut(&channel).filter(|open| *open.reading != Reading::Nothing);
        let Some(open) = known else {
            return self.say_error(Some(channel), ErrorCode::NotOpen, NOT_OPEN, None);
        };
        if anew {
            open.presence = Presence::Watched(None);
            self.shared.watch_presence(&open.tape, &open.opening);
            self.jobs.extend(open.presence_job(channel));
        } else if open.presence == Presence::Unused {
            open.presence = Presence::Said;
        }
        let speaker = Speaker { opening: open.opening.id(), subject: self.caller.subject.as_ref() };
        self.shared.pass_presence(open.tape.stream(), speaker.subject, &peers);
        if open.tape.present(speaker, peers).is_err() {
            let message = format!("the most is {} peers on one stream: try again later", core_limits::PEERS);
            self.say_error(None, ErrorCode::Later, message, None);
        }
    }

    /// Tells the client who came, went, or said something new.
    pub(super) fn tell_presence(&mut self, opening: OpeningId, channel: Channel) {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.is(opening)) else { return };
        open.tells_presence = false;
        let Presence::Watched(told) = open.presence else { return };
        let news = open.tape.presence_since(told);
        open.presence = Presence::Watched(Some(news.told));
        if news.since.is_none() || !news.peers.is_empty() {
            self.say_presence(channel, &news);
        }
    }

    fn say_presence(&mut self, channel: Channel, news: &News) {
        let anew = news.since.is_none();
        match self.codec {
            Codec::Cbor => {
                let (head, peers) = (cbor::encode_presence_head(channel, anew), news.encoded());
                let is_small = peers.len() <= limits::COPIED_BYTES;
                self.wire.push(Codec::Cbor, &head, if is_small { Tail::Copied(&peers) } else { Tail::Shared(peers) });
            }
            Codec::Json => {
                let peers = news.peers.clone();
                self.say(&ServerFrame::Presence(PresenceFrame { channel, anew, peers }));
            }
        }
    }
}
