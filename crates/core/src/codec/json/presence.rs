//! Presence in JSON, the same in both directions.

use super::members::Members;
use super::tree::Json;
use super::value::read_value;
use super::{CodecError, Writer};
use crate::frame::Presence;
use crate::limits;
use crate::numbers::PeerId;
use crate::value::Value;

impl Writer {
    pub(super) fn presence(&mut self, presence: &Presence) {
        self.frame("presence", |frame| {
            frame.channel(presence.channel).member_if_so("anew", presence.anew);
            frame.key("peers").list_of(&presence.peers, |list, (peer, state)| {
                list.object(|object| {
                    object.key("peer").hex_64(peer.0);
                    if let Some(state) = state {
                        object.key("state").value(state);
                    }
                })
            });
        });
    }
}

/// Reads who is present; `most` peers at most.
pub(super) fn read_presence(mut frame: Members, most: usize) -> Result<Presence, CodecError> {
    let peers = |json: Json| json.list_of("peers in one frame", most, read_peer);
    Ok(Presence {
        channel: frame.channel()?,
        anew: frame.is_so("anew"),
        peers: frame.read_if_any("peers", peers)?.unwrap_or_default(),
    })
}

fn read_peer(json: Json) -> Result<(PeerId, Option<Value>), CodecError> {
    let mut members = Members::of(json, "a peer")?;
    let peer = PeerId(members.need("peer")?.hex_64("peer")?);
    let state = members.read_if_any("state", read_value)?.filter(|state| *state != Value::Null);
    let bytes = state.as_ref().map_or(0, |state| crate::codec::cbor::encode_value(state).len());
    CodecError::check_count("bytes of one peer", bytes, limits::PRESENCE_BYTES)?;
    Ok((peer, state))
}
