//! Nodes that find each other on NATS: leases in a key-value bucket, and messages that nobody keeps.
//!
//! ```text
//! bucket  PREFIX-nodes            key: a node; value: "1" where it decides on streams, otherwise "0", then what it says
//! subject PREFIX-node.NODE        what is said to a node; PREFIX-node.all: to all of them
//! subject PREFIX-gone.ME.NODE     where NATS answers me that nobody listens to NODE
//! ```
//!
//! A lease is good for a while after it was last heard to be renewed, by this node's own clock: clocks need not agree.
//! Renewing waits for the bucket's quorum, so who is cut off is soon no member, not even for itself.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use async_nats::jetstream::context::CreateKeyValueErrorKind;
use async_nats::jetstream::kv::{self, Operation, Store};
use async_nats::{Message, StatusCode, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::{JetStream, Shared};
use crate::cluster::{Cluster, Ear, Member, NodeId, Said, Saying};
use crate::limits;

/// The nodes of a log.
pub struct Nodes {
    shared: Arc<Shared>,
    me: NodeId,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    known: FxHashMap<NodeId, Known>,
    /// Whether the lease was given up.
    has_left: bool,
    /// What waits to be said.
    outgoing: Option<mpsc::Sender<(Option<NodeId>, Bytes)>>,
}

struct Known {
    sequences: bool,
    says: Bytes,
    renewed: Instant,
}

impl JetStream {
    /// The nodes that share the log. This one has not joined them yet.
    pub fn nodes(&self) -> Arc<Nodes> {
        let (shared, me) = (self.shared.clone(), NodeId(fastrand::u64(..)));
        Arc::new(Nodes { shared, me, state: Arc::default() })
    }
}

impl Cluster for Nodes {
    fn me(&self) -> NodeId {
        self.me
    }

    fn join(&self, sequences: bool, saying: Saying, ear: Ear) {
        let (outgoing, waiting) = mpsc::channel(limits::SAYINGS);
        lock(&self.state).outgoing = Some(outgoing);
        let mine = || Mine { shared: self.shared.clone(), me: self.me, state: Arc::downgrade(&self.state) };
        let (holding, hearing) = (mine(), mine());
        let runtime = &self.shared.runtime;
        runtime.spawn(mine().watch());
        runtime.spawn(mine().say(waiting));
        runtime.spawn(async move {
            // It fails where the client is closed. Who holds a lease can be spoken to.
            let Ok(heard) = hearing.subscribe().await else { return };
            tokio::join!(holding.hold(sequences, saying), hearing.hear(heard, ear));
        });
    }

    fn leave(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            lock(&self.state).has_left = true;
            let leaving = async {
                if let Some(bucket) = self.shared.bucket().await {
                    // Otherwise it ends by itself.
                    let _ = bucket.delete(self.me.to_string()).await;
                }
            };
            let _ = tokio::time::timeout(limits::LEASE_RENEWED, leaving).await;
        })
    }

    fn members(&self) -> Vec<Member> {
        let state = lock(&self.state);
        let good = state.known.iter().filter(|(_, known)| known.renewed.elapsed() < limits::LEASE);
        let member = |(id, known): (&NodeId, &Known)| {
            let (sequences, says) = (known.sequences, known.says.clone());
            Member { id: *id, sequences, says }
        };
        let mut members: Vec<_> = good.map(member).collect();
        members.sort_unstable_by_key(|member| member.id);
        members
    }

    fn say(&self, to: Option<NodeId>, message: Bytes) -> bool {
        let outgoing = lock(&self.state).outgoing.clone();
        outgoing.is_some_and(|outgoing| outgoing.try_send((to, message)).is_ok())
    }
}

/// What the tasks of a node work with, for as long as it is there.
struct Mine {
    shared: Arc<Shared>,
    me: NodeId,
    state: Weak<Mutex<State>>,
}

impl Mine {
    /// Renews the lease.
    async fn hold(self, sequences: bool, saying: Saying) {
        let mut beat = tokio::time::interval(limits::LEASE_RENEWED);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let Some(state) = self.state.upgrade() else { return };
            if lock(&state).has_left {
                return;
            }
            let mut value = vec![if sequences { b'1' } else { b'0' }];
            value.extend_from_slice(&saying());
            let renewing = async { self.shared.bucket().await?.put(self.me.to_string(), value.into()).await.ok() };
            // One that comes too late is none.
            let _ = tokio::time::timeout(limits::LEASE_RENEWED, renewing).await;
        }
    }

    /// Keeps up with who renews.
    async fn watch(self) {
        while self.state.strong_count() > 0 {
            if let Some(bucket) = self.shared.bucket().await
                && let Ok(mut watch) = bucket.watch_with_history(">").await
            {
                // What is not renewed in time is looked at anew: the one that tells may be gone, too.
                while let Ok(Some(Ok(entry))) = tokio::time::timeout(limits::LEASE, watch.next()).await {
                    let Some(state) = self.state.upgrade() else { return };
                    take(&mut lock(&state), &entry);
                }
            }
            tokio::time::sleep(limits::WATCH_PAUSE).await;
        }
    }

    async fn say(self, mut waiting: mpsc::Receiver<(Option<NodeId>, Bytes)>) {
        while let Some((to, message)) = waiting.recv().await {
            let to = to.map_or_else(|| ALL.to_owned(), |node| node.to_string());
            let (subject, reply) = (self.shared.to(&to), format!("{}.{to}", self.shared.gone(self.me)));
            let client = &self.shared.client;
            // What cannot be said is lost, as anything said may be.
            let _ = match to.as_str() {
                ALL => client.publish(subject, message).await,
                _ => client.publish_with_reply(subject, reply, message).await,
            };
        }
    }

    /// Listens to what is said to this node, to all, and to what NATS says of others.
    async fn subscribe(&self) -> Result<[Subscriber; 3], SubscribeError> {
        let gone = format!("{}.*", self.shared.gone(self.me));
        let client = &self.shared.client;
        let mine = client.subscribe(self.shared.to(&self.me.to_string())).await?;
        Ok([mine, client.subscribe(self.shared.to(ALL)).await?, client.subscribe(gone).await?])
    }

    async fn hear(self, heard: [Subscriber; 3], ear: Ear) {
        let mut heard = futures_util::stream::select_all(heard);
        while let Some(message) = heard.next().await {
            let Some(state) = self.state.upgrade() else { return };
            match self.gone_of(&message) {
                None => ear(Said::Message(message.payload)),
                Some(node) => {
                    lock(&state).known.remove(&node);
                    ear(Said::Gone(node));
                }
            }
        }
    }

    /// The node that a message says to be gone.
    fn gone_of(&self, message: &Message) -> Option<NodeId> {
        let is_gone = message.status == Some(StatusCode::NO_RESPONDERS);
        NodeId::parse(message.subject.rsplit('.').next().filter(|_| is_gone)?)
    }
}

/// What is said to all nodes is said to this one.
const ALL: &str = "all";

/// Takes what the bucket says of a node.
fn take(state: &mut State, entry: &kv::Entry) {
    let Some(node) = NodeId::parse(&entry.key) else { return };
    match (entry.operation, entry.value.split_first()) {
        (Operation::Put, Some((sequences, says))) => {
            let (sequences, says) = (*sequences == b'1', Bytes::copy_from_slice(says));
            state.known.insert(node, Known { sequences, says, renewed: Instant::now() });
        }
        _ => drop(state.known.remove(&node)),
    }
    state.known.retain(|_, known| known.renewed.elapsed() < limits::LEASE);
}

impl Shared {
    fn to(&self, node: &str) -> String {
        format!("{}-node.{node}", self.prefix)
    }

    fn gone(&self, me: NodeId) -> String {
        format!("{}-gone.{me}", self.prefix)
    }

    /// The bucket with the leases, made where there is none.
    pub(super) async fn bucket(&self) -> Option<Store> {
        let bucket = format!("{}-nodes", self.prefix);
        if let Ok(found) = self.context.get_key_value(&bucket).await {
            return Some(found);
        }
        let like = &self.streams[0].cached_info().config;
        let config = kv::Config {
            bucket: bucket.clone(),
            description: "leases of Tapeline nodes".into(),
            history: 1,
            max_age: limits::LEASE,
            storage: async_nats::jetstream::stream::StorageType::Memory,
            num_replicas: like.num_replicas,
            ..kv::Config::default()
        };
        match self.context.create_key_value(config).await {
            Ok(made) => Some(made),
            // Somebody else may have made it meanwhile.
            Err(error) if error.kind() == CreateKeyValueErrorKind::BucketCreate => {
                self.context.get_key_value(bucket).await.ok()
            }
            Err(_) => None,
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
