//! Deciding on what the clients of other nodes send.
//!
//! What is asked for is given to the shards in the order in which it comes, and answered once it is durable.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tapeline_core::codec::Codec;
use tapeline_core::event::Sealed;
use tapeline_core::frame::{ClientFrame, ServerFrame};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{EventNumber, Position};
use tapeline_log::{EventLog, StateStore};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::message::{Asking, Head, put_frames};
use crate::http::Listener;
use crate::limits;
use crate::shard::{Push, Room, Words};
use crate::shared::Shared;

/// Something that another node asks for.
pub(super) struct Asked {
    pub(super) push: Asking,
    pub(super) body: Bytes,
}

/// Does what other nodes ask for, for as long as there is a server.
pub(super) async fn serve<L: EventLog, S: StateStore>(shared: Weak<Shared<L, S>>, mut asked: mpsc::Receiver<Asked>) {
    let mut answering = Answering::default();
    while let Some(Asked { push, body }) = asked.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        if shared.serve(&push, &body, &mut answering).await.is_none()
            && let (Some(nodes), Some(from)) = (&shared.nodes, push.from())
        {
            nodes.say(from, &Head::Answers { id: push.id, decided: false }, &[]);
        }
    }
}

impl<L: EventLog, S: StateStore> Shared<L, S> {
    /// Gives the shard what another node asks for. Not at all where that is not for this one.
    async fn serve(self: &Arc<Self>, asking: &Asking, body: &[u8], answering: &mut Answering) -> Option<()> {
        let nodes = self.nodes.as_ref().filter(|nodes| nodes.sequences && !self.is_stopping())?;
        let (from, id, caller) = (asking.from()?, asking.id, asking.caller()?);
        let stream = StreamName::new(&asking.stream).ok()?;
        let Ok(ClientFrame::Push { channel, events }) = Codec::Cbor.decode_client(body) else { return None };
        let tape = self.hub.tape(&stream);
        self.shards.hear(&tape, Position(asking.position));
        let listener = Listener::join(&self.hub, &tape, events.first()?.client, channel);
        let open: BTreeSet<EventNumber> = events.iter().map(|event| event.n).collect();
        let events = events.into_iter().map(Sealed::new).collect();
        let _room = Room::of(nodes.room.clone(), body.len()).await.ok()?;
        let push =
            Push { tape, peer: listener.peer(), caller: Arc::new(caller), events, words: Words::default(), _room };
        self.decide(push);
        let (shared, (before, done)) = (Arc::downgrade(self), answering.next(stream));
        tokio::spawn(async move {
            let decided = tokio::time::timeout(limits::FORWARD_WITHIN, answers(listener, open)).await;
            if let Some(before) = before {
                // It ends without a word.
                let _ = before.await;
            }
            let Some(shared) = shared.upgrade() else { return };
            if let (Ok(frames), Some(nodes)) = (decided, &shared.nodes) {
                nodes.say(from, &Head::Answers { id, decided: true }, &put_frames(&frames));
            }
            drop(done);
        });
        Some(())
    }
}

/// Who is being answered about each stream: in the order in which they have asked.
#[derive(Default)]
struct Answering(FxHashMap<StreamName, Ended>);

/// Hears that somebody was answered, or is not going to be.
type Ended = oneshot::Receiver<()>;

impl Answering {
    /// Somebody asks. Gives whom they have to wait for, and what says, when it is dropped, that they need not be waited for.
    fn next(&mut self, stream: StreamName) -> (Option<Ended>, oneshot::Sender<()>) {
        if self.0.len() >= limits::ASKED {
            self.0.retain(|_, ended| matches!(ended.try_recv(), Err(TryRecvError::Empty)));
        }
        let (done, ended) = oneshot::channel();
        (self.0.insert(stream, ended), done)
    }
}

/// Waits until all events are decided on, or it is said that they are not.
async fn answers(listener: Listener, mut open: BTreeSet<EventNumber>) -> Vec<ServerFrame> {
    let mut frames = Vec::new();
    while !open.is_empty() {
        for answer in listener.answers().await {
            match &answer.frame {
                ServerFrame::Ack { runs, .. } => {
                    let decided = runs.iter().flat_map(|run| (0..run.count).map(|place| run.n.plus(place)));
                    decided.for_each(|n| {
                        open.remove(&n);
                    });
                }
                ServerFrame::Refused { n, .. } => {
                    open.remove(n);
                }
                _ => open.clear(),
            }
            frames.push(answer.frame);
        }
    }
    frames
}
