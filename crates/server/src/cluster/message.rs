//! What nodes say to each other.
//!
//! ```text
//! message   length:4 head body      head: JSON
//! push      body: a push frame, CBOR, as a client has sent it
//! answers   body: (length:4 frame)*, CBOR, as the client is answered
//! presence  body: a presence frame, CBOR, as a client has sent it
//! ```
//!
//! Frames carry the channel that the client knows the stream by. Numbers are little-endian.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tapeline_core::caller::Caller;
use tapeline_core::codec::{Codec, json};
use tapeline_core::frame::ServerFrame;
use tapeline_core::name::Subject;
use tapeline_core::value::Value;
use tapeline_log::cluster::NodeId;

use crate::shard::Push;

const LENGTH: usize = 4;

/// What a message begins with.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Head {
    /// Another node is to decide on events.
    Push(Asking),
    /// It takes long: where nobody listens any more, NATS says so.
    AreYouThere,
    /// It has decided, or does not.
    Answers { id: u64, decided: bool },
    /// What peers on a node say of themselves, whose client speaks for this subject.
    Presence { from: String, stream: String, subject: Option<String> },
    /// A node asks which peers others have.
    WhoIsThere { from: String, stream: String },
}

/// Another node is to decide on events.
#[derive(Serialize, Deserialize)]
pub(super) struct Asking {
    /// Whom to answer.
    from: String,
    /// Under which number.
    pub(super) id: u64,
    pub(super) stream: String,
    /// How many batches of it the log is known to have.
    pub(super) position: u64,
    /// Who the client speaks for.
    subject: Option<String>,
    /// What is verified of them, as the JSON of a value.
    claims: String,
    is_trusted: bool,
}

impl Asking {
    pub(super) fn new(me: NodeId, id: u64, push: &Push) -> Self {
        let Caller { subject, claims, is_trusted } = &*push.caller;
        Self {
            from: me.to_string(),
            id,
            stream: push.tape.stream().as_str().to_owned(),
            position: push.tape.heard().0,
            subject: subject.as_ref().map(|subject| subject.as_str().to_owned()),
            claims: json::value_to_json(&Value::Map(claims.clone())),
            is_trusted: *is_trusted,
        }
    }

    pub(super) fn from(&self) -> Option<NodeId> {
        NodeId::parse(&self.from)
    }

    /// Who the client speaks for, as the node has verified that it is connected to.
    pub(super) fn caller(&self) -> Option<Caller> {
        let subject = self.subject.as_ref().map(Subject::new).transpose().ok()?;
        let Ok(Value::Map(claims)) = json::value_from_json(&self.claims) else { return None };
        Some(Caller { subject, claims, is_trusted: self.is_trusted })
    }
}

pub(super) fn encode(head: &Head, body: &[u8]) -> Bytes {
    // It has nothing that JSON cannot say.
    let head = serde_json::to_vec(head).unwrap_or_default();
    let mut message = Vec::with_capacity(LENGTH + head.len() + body.len());
    put(&mut message, &head);
    message.extend_from_slice(body);
    message.into()
}

/// The head and body of a message. `None` where it is no such thing.
pub(super) fn decode(message: &Bytes) -> Option<(Head, Bytes)> {
    let mut rest = &message[..];
    let head = serde_json::from_slice(take(&mut rest)?).ok()?;
    Some((head, message.slice_ref(rest)))
}

/// Frames, one behind another.
pub(super) fn put_frames(frames: &[ServerFrame]) -> Vec<u8> {
    let mut body = Vec::new();
    frames.iter().for_each(|frame| put(&mut body, &Codec::Cbor.encode_server(frame)));
    body
}

/// The frames of a body, as far as they can be read.
pub(super) fn frames(mut body: &[u8]) -> Vec<ServerFrame> {
    let frames = std::iter::from_fn(|| Codec::Cbor.decode_server(take(&mut body)?).ok());
    frames.collect()
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u32).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, tail) = rest.split_first_chunk::<LENGTH>()?;
    let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use tapeline_core::frame::AckRun;
    use tapeline_core::numbers::{Channel, EventNumber, Seq};
    use tapeline_core::value::Entries;

    use super::*;

    #[test]
    fn messages_read_back() {
        let claims = Entries::new(vec![("role".into(), Value::text("editor")), ("n".into(), Value::Int(i64::MAX))]);
        let caller = Caller { subject: Subject::new("ana").ok(), claims: claims.unwrap(), is_trusted: true };
        let asking = Asking {
            from: NodeId(9).to_string(),
            id: 7,
            stream: "lists/home".into(),
            position: 3,
            subject: caller.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            claims: json::value_to_json(&Value::Map(caller.claims.clone())),
            is_trusted: true,
        };
        let run = AckRun { n: EventNumber(1), seq: Seq(5), count: 2 };
        let sent = vec![ServerFrame::Ack { channel: Channel(4), runs: vec![run], lost: Vec::new() }, ServerFrame::Pong];
        let (Head::Push(read), body) = decode(&encode(&Head::Push(asking), &put_frames(&sent))).unwrap() else {
            panic!("not as it was sent")
        };
        assert_eq!((read.from(), read.id, read.caller()), (Some(NodeId(9)), 7, Some(caller)));
        assert_eq!(frames(&body), sent);
        assert!(decode(&Bytes::from_static(b"\x05\0\0\0{}")).is_none());
        assert!(frames(&body[..body.len() - 1]).len() == 1);
    }
}
