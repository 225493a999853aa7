//! Presence in CBOR, the same in both directions.

use super::frame::Entries;
use super::value::read_value;
use super::{CodecError, Reader, Writer, read_array, read_tuple};
use crate::frame::Presence;
use crate::limits;
use crate::numbers::PeerId;
use crate::value::Value;

const ANEW: u64 = 2;
const PEERS: u64 = 3;

impl Writer {
    pub(super) fn presence(&mut self, kind: u64, presence: &Presence) -> &mut Self {
        self.frame(kind, 2 + u64::from(presence.anew)).channel(presence.channel);
        if presence.anew {
            self.uint(ANEW).bool(true);
        }
        let peers = self.uint(PEERS).array(presence.peers.len() as u64);
        presence.peers.iter().fold(peers, |peers, (peer, state)| {
            peers.array(2).uint(peer.0).value(state.as_ref().unwrap_or(&Value::Null))
        })
    }
}

/// Reads who is present; `most` peers at most.
pub(super) fn read_presence(entries: &Entries<'_>, most: usize) -> Result<Presence, Box<CodecError>> {
    let peers = |reader: &mut _| read_array(reader, "peers in one frame", most, read_peer);
    Ok(Presence {
        channel: entries.channel()?,
        anew: entries.get(ANEW, read_value)?.is_some_and(|anew| anew == Value::Bool(true)),
        peers: entries.get(PEERS, peers)?.unwrap_or_default(),
    })
}

fn read_peer(reader: &mut Reader<'_>) -> Result<(PeerId, Option<Value>), Box<CodecError>> {
    read_tuple(reader, 2, "a peer")?;
    let peer = PeerId(reader.u64()?);
    let start = reader.position();
    let state = read_value(reader)?;
    CodecError::check_count("bytes of one peer", reader.position() - start, limits::PRESENCE_BYTES)?;
    Ok((peer, Some(state).filter(|state| *state != Value::Null)))
}
