//! What all frames have in common: an object with the frame's kind under `frame` and its channel under `channel`.

use crate::short_text::SmolStr;

use super::members::Members;
use super::tree::Json;
use super::{CodecError, Writer};
use crate::limits;
use crate::numbers::{Channel, EventNumber};

impl Writer {
    pub(super) fn frame(&mut self, kind: &str, members: impl FnOnce(&mut Self)) {
        self.object(|frame| members(frame.key("frame").text(kind)));
    }

    pub(super) fn channel(&mut self, channel: Channel) -> &mut Self {
        self.key("channel").uint(channel.0.into())
    }

    /// A member that is left out where it is not so.
    pub(super) fn member_if_so(&mut self, key: &str, so: bool) -> &mut Self {
        if so { self.key(key).bool(true) } else { self }
    }

    pub(super) fn numbers(&mut self, numbers: &[EventNumber]) -> &mut Self {
        self.list_of(numbers, |list, n| list.uint(n.0))
    }
}

impl Members {
    /// Takes the kind of a frame.
    pub(super) fn kind(&mut self) -> Result<SmolStr, CodecError> {
        let kind = self.text_if_any("frame")?;
        kind.ok_or(CodecError::Missing { what: "a frame", part: "kind" })
    }

    /// Takes a number of 32 bits.
    pub(super) fn small(&mut self, part: &'static str) -> Result<u32, CodecError> {
        small(part, self.count(part)?)
    }

    pub(super) fn small_if_any(&mut self, part: &'static str) -> Result<Option<u32>, CodecError> {
        self.count_if_any(part)?.map(|number| small(part, number)).transpose()
    }

    pub(super) fn channel(&mut self) -> Result<Channel, CodecError> {
        self.small("channel").map(Channel)
    }
}

/// Reads the last numbers of the clients that an open named.
pub(super) fn read_numbers(json: Json) -> Result<Vec<EventNumber>, CodecError> {
    json.list_of("clients named", limits::FORMER_CLIENTS + 1, |json| json.count("last").map(EventNumber))
}

fn small(part: &'static str, number: u64) -> Result<u32, CodecError> {
    u32::try_from(number).map_err(|_| CodecError::Json(format!("{part}: {number} is more than 4294967295")))
}
