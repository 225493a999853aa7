//! Presence in CBOR, the same in both directions.

use super::frame::{Entries, kind};
use super::value::read_value;
use super::{CodecError, Reader, Writer, read_array, read_tuple};
use crate::frame::Presence;
use crate::limits;
use crate::numbers::{Channel, PeerId};
use crate::value::Value;

const ANEW: u64 = 2;
const PEERS: u64 = 3;

/// Encodes what a server says of peers up to these, which end it: what differs between those who are told the same.
pub fn encode_presence_head(channel: Channel, anew: bool) -> Vec<u8> {
    let mut writer = Writer::with_capacity(16);
    writer.presence_head(kind::PRESENCE_OF, channel, anew);
    writer.finish()
}

/// Encodes peers as they end a frame.
pub fn encode_peers(peers: &[(PeerId, Option<Value>)]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.peers(peers);
    writer.finish()
}

impl Writer {
    pub(super) fn presence(&mut self, kind: u64, presence: &Presence) -> &mut Self {
        self.presence_head(kind, presence.channel, presence.anew).peers(&presence.peers)
    }

    fn presence_head(&mut self, kind: u64, channel: Channel, anew: bool) -> &mut Self {
        self.frame(kind, 2 + u64::from(anew)).channel(channel).entry_if_so(ANEW, anew).uint(PEERS)
    }

    fn peers(&mut self, peers: &[(PeerId, Option<Value>)]) -> &mut Self {
        let array = self.array(peers.len() as u64);
        peers.iter().fold(array, |array, (peer, state)| {
            array.array(2).uint(peer.0).value(state.as_ref().unwrap_or(&Value::Null))
        })
    }
}

/// Reads who is present; `most` peers at most.
pub(super) fn read_presence(entries: &Entries<'_>, most: usize) -> Result<Presence, Box<CodecError>> {
    let peers = |reader: &mut _| read_array(reader, "peers in one frame", most, read_peer);
    Ok(Presence {
        channel: entries.channel()?,
        anew: entries.is_so(ANEW)?,
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
