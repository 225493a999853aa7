//! Who is present on a stream, across nodes: what the clients of one say of themselves is said to all.
//!
//! A node passes on what its clients say as they say it, their renewals too, so that it is forgotten everywhere at the same
//! time. Where somebody begins to watch a stream, the others are asked who is there. What is lost comes with the next
//! renewal.

use std::sync::Arc;

use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, Presence};
use tapeline_core::limits as core_limits;
use tapeline_core::name::{StreamName, Subject};
use tapeline_core::numbers::{Channel, PeerId};
use tapeline_core::value::Value;
use tapeline_log::cluster::NodeId;
use tapeline_log::{EventLog, StateStore};

use super::Nodes;
use super::message::{self, Head};
use crate::hub::{Opening, Speaker, Tape};
use crate::inbox::OpeningId;
use crate::shared::Shared;

/// Peers with what they say of themselves; nothing where they are gone.
type Peers = Vec<(PeerId, Option<Value>)>;

impl<L: EventLog, S: StateStore> Shared<L, S> {
    /// Tells other nodes what peers of a session say of themselves.
    pub(crate) fn pass_presence(
        &self,
        stream: &StreamName,
        subject: Option<&Subject>,
        peers: &[(PeerId, Option<Value>)],
    ) {
        if let Some(nodes) = self.nodes.as_ref().filter(|_| !peers.is_empty()) {
            nodes.say_presence(None, stream, subject, peers);
        }
    }

    /// A session wants to know who is present on a stream. The first one asks the other nodes.
    pub(crate) fn watch_presence(&self, tape: &Tape, opening: &Arc<Opening>) {
        let is_first = tape.watch_presence(opening);
        if let Some(nodes) = self.nodes.as_ref().filter(|_| is_first) {
            let (from, stream) = (nodes.cluster.me().to_string(), tape.stream().as_str().to_owned());
            nodes.cluster.say(None, message::encode(&Head::WhoIsThere { from, stream }, &[]));
        }
    }

    /// Hears who is present on another node.
    pub(super) fn hear_presence(&self, from: &str, stream: &str, subject: Option<String>, body: &[u8]) {
        let Some(tape) = self.of_another(from, stream) else { return };
        let Ok(subject) = subject.map(Subject::new).transpose() else { return };
        if let Ok(ClientFrame::Presence(Presence { peers, .. })) = Codec::Cbor.decode_client(body) {
            // Where too many are there, the last are not seen here.
            let _ = tape.present(Speaker { opening: OpeningId::ELSEWHERE, subject: subject.as_ref() }, peers);
        }
    }

    /// Another node asks who is here.
    pub(super) fn tell_who_is_here(&self, from: &str, stream: &str) {
        let (Some(tape), Some(nodes)) = (self.of_another(from, stream), &self.nodes) else { return };
        for (subject, peers) in tape.peers_here() {
            for some in peers.chunks(core_limits::PRESENCE_PEERS) {
                nodes.say_presence(NodeId::parse(from), tape.stream(), subject.as_ref(), some);
            }
        }
    }

    /// A stream that is active here, where it is another node that speaks of it.
    fn of_another(&self, from: &str, stream: &str) -> Option<Arc<Tape>> {
        let me = self.nodes.as_ref()?.cluster.me();
        let stream = StreamName::new(stream).ok().filter(|_| NodeId::parse(from).is_some_and(|from| from != me))?;
        self.hub.active(&stream)
    }
}

impl Nodes {
    fn say_presence(
        &self,
        to: Option<NodeId>,
        stream: &StreamName,
        subject: Option<&Subject>,
        peers: &[(PeerId, Option<Value>)],
    ) {
        let peers: Peers = peers.to_vec();
        let frame = ClientFrame::Presence(Presence { channel: Channel::default(), anew: false, peers });
        let subject = subject.map(|subject| subject.as_str().to_owned());
        let head = Head::Presence { from: self.cluster.me().to_string(), stream: stream.as_str().to_owned(), subject };
        self.cluster.say(to, message::encode(&head, &Codec::Cbor.encode_client(&frame)));
    }
}
