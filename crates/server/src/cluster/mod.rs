//! What nodes that share a log do for each other.
//!
//! ```text
//! session ─ push ─▶ who decides on the stream? ─┬─ this node ─▶ shard
//!                                               └─ another one ─▶ forward ─▶ its shard ─▶ answers ─▶ session
//! ```
//!
//! A push that gets no answer is decided on here: whatever became of it over there, the log tells. So a node that is gone
//! costs time, and nothing is lost or recorded twice.

mod forward;
mod heat;
mod message;
mod presence;
mod says;
mod serve;
mod spread;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Instant;

use serde_json::{Value, json};
use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};
use tapeline_core::limits as core_limits;
use tapeline_core::name::StreamName;
use tapeline_log::cluster::{Cluster, NodeId, Said, home};
use tapeline_log::{EventLog, StateStore};
use tokio::sync::{Semaphore, mpsc};

use crate::limits;
use crate::shard::{Command, Push};
use crate::shared::Shared;
use forward::Forwards;
use heat::Heat;
use message::Head;
use says::Says;
use spread::Spread;

/// The nodes that share a log, as one of them sees them.
pub(crate) struct Nodes {
    cluster: Arc<dyn Cluster>,
    /// Where this node listens.
    address: SocketAddr,
    /// Whether this node decides on streams.
    sequences: bool,
    forwards: Forwards,
    heat: Heat,
    spread: Spread,
    /// Room for what others have this node decide on: apart from that for its own sessions, which may wait for the others.
    room: Arc<Semaphore>,
}

impl Nodes {
    pub(crate) fn new(cluster: Arc<dyn Cluster>, address: SocketAddr, sequences: bool) -> Self {
        let room = Arc::new(Semaphore::new(limits::QUEUE_BYTES / limits::COMMAND_BYTES));
        let (forwards, heat, spread) = (Forwards::default(), Heat::new(Instant::now()), Spread::default());
        Self { cluster, address, sequences, forwards, heat, spread, room }
    }

    /// Gives up what this node holds, so that others take it over at once.
    pub(crate) async fn leave(&self) {
        self.cluster.leave().await;
    }

    /// This node.
    pub(crate) fn me(&self) -> String {
        self.cluster.me().to_string()
    }

    /// Which node decides on a stream, where any does.
    pub(crate) fn holder(&self, stream: &StreamName) -> Option<NodeId> {
        let members = self.cluster.members().into_iter();
        let nodes: Vec<NodeId> = members.filter(|member| member.sequences).map(|member| member.id).collect();
        let home = home(nodes.iter().copied(), stream)?;
        Some(self.spread.given(home, stream).filter(|to| nodes.contains(to)).unwrap_or(home))
    }

    /// Whether it is this node that decides on a stream.
    pub(crate) fn holds(&self, stream: &StreamName) -> bool {
        self.holder(stream) == Some(self.cluster.me())
    }

    /// All nodes, as they describe themselves.
    pub(crate) fn list(&self) -> Vec<Value> {
        let described = self.cluster.members().into_iter().map(|member| {
            // One of another version may say something else.
            let mut node: Value = serde_json::from_slice(&member.says).unwrap_or_else(|_| json!({}));
            node["node"] = member.id.to_string().into();
            node["read_only"] = (!member.sequences).into();
            node
        });
        described.collect()
    }

    fn say(&self, to: NodeId, head: &Head, body: &[u8]) -> bool {
        self.cluster.say(Some(to), message::encode(head, body))
    }
}

impl<L: EventLog, S: StateStore> Shared<L, S> {
    /// Joins the nodes that share the log, where there are any.
    pub(crate) fn join_nodes(self: &Arc<Self>) {
        let Some(nodes) = &self.nodes else { return };
        let (asked, asking) = mpsc::channel(limits::ASKED);
        let (saying, hearing) = (Arc::downgrade(self), Arc::downgrade(self));
        let says = move || saying.upgrade().map_or_else(String::new, |shared| shared.says()).into();
        let ear = move |said| {
            if let Some(shared) = hearing.upgrade() {
                shared.hear(said, &asked);
            }
        };
        nodes.cluster.join(nodes.sequences, Arc::new(says), Arc::new(ear));
        tokio::spawn(serve::serve(Arc::downgrade(self), asking));
        tokio::spawn(give_up_late(Arc::downgrade(self)));
    }

    /// What this node says of itself.
    fn says(&self) -> String {
        let (streams_behind, batches_behind) = self.hub.behind();
        let mut says = Says { streams: self.metrics.streams.get(), streams_behind, batches_behind, ..Says::default() };
        if let Some(nodes) = &self.nodes {
            says.address = Some(nodes.address.to_string());
            let load = nodes.heat.look(Instant::now());
            nodes.spread.look(nodes.cluster.me(), &nodes.cluster.members(), load, &mut says);
        }
        serde_json::to_string(&says).unwrap_or_default()
    }

    /// Hears what another node says. What it asks for is put where it is done in order; what there is no room for is lost,
    /// as anything said may be.
    fn hear(&self, said: Said, asked: &mpsc::Sender<serve::Asked>) {
        let Some(nodes) = &self.nodes else { return };
        let message = match said {
            Said::Gone(node) => return nodes.forwards.of(node).into_iter().for_each(|push| self.decide(push)),
            Said::Message(message) => message,
        };
        match message::decode(&message) {
            Some((Head::AreYouThere, _)) => {}
            Some((Head::Push(push), body)) => drop(asked.try_send(serve::Asked { push, body })),
            Some((Head::Answers { id, decided: true }, body)) => {
                if let Some((push, since)) = nodes.forwards.answered(id) {
                    let frames = message::frames(&body).into_iter().map(|frame| (push.peer, frame));
                    push.tape.answer_once(frames.collect(), since);
                }
            }
            Some((Head::Answers { id, decided: false }, _)) => {
                nodes.forwards.answered(id).into_iter().for_each(|(push, _)| self.decide(push));
            }
            Some((Head::Presence { from, stream, subject }, body)) => {
                self.hear_presence(&from, &stream, subject, &body)
            }
            Some((Head::WhoIsThere { from, stream }, _)) => self.tell_who_is_here(&from, &stream),
            None => tracing::warn!("another node says what cannot be read: all nodes need one version"),
        }
    }

    /// Has events decided on, wherever that is.
    pub(crate) fn push(&self, push: Push) {
        let Some(nodes) = &self.nodes else { return self.decide(push) };
        let holder = nodes.holder(push.tape.stream()).filter(|holder| *holder != nodes.cluster.me());
        let left = match holder {
            Some(holder) => nodes.forward(holder, push),
            None => Some(push),
        };
        left.into_iter().for_each(|push| self.decide(push));
    }

    /// Decides on events here.
    fn decide(&self, push: Push) {
        let stream = push.tape.stream().clone();
        match &self.nodes {
            None => return self.shards.send(&stream, Command::Push(push)),
            Some(nodes) if nodes.sequences => {
                nodes.heat.add(&stream, push.events.len() as u64);
                return self.shards.send(&stream, Command::Push(push));
            }
            Some(_) => {}
        }
        let error = ErrorFrame {
            channel: Some(push.peer.channel),
            code: ErrorCode::Later,
            message: "this node takes no events, and no other one answers: send again".into(),
            n: push.events.first().map(|sealed| sealed.event.n),
            retry: Some(core_limits::LATER_PAUSE),
        };
        push.tape.answer(vec![(push.peer, ServerFrame::Error(error))]);
    }
}

/// Asks whether those are there who take long, and decides on what was not answered in time, for as long as there is a server.
async fn give_up_late<L: EventLog, S: StateStore>(shared: Weak<Shared<L, S>>) {
    let mut looks = tokio::time::interval(limits::FORWARD_LOOKS_EVERY);
    loop {
        looks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let Some(nodes) = &shared.nodes else { return };
        for node in nodes.forwards.slow() {
            nodes.say(node, &Head::AreYouThere, &[]);
        }
        nodes.forwards.late().into_iter().for_each(|push| shared.decide(push));
    }
}
