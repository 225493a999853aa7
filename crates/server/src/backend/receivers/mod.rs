//! Telling the application's own backend what was recorded: at least once, and of each stream in order.
//!
//! ```text
//! played ─▶ hub ─▶ Queue: streams with news ─▶ a thread for each receiver ─▶ post ─▶ how far it is, on a stream of its own
//! ```
//!
//! A receiver is a read head on each stream, as a subscriber is: nothing is held for it but the names of streams with news.
//! How far it is stands on a stream, so that it is as durable as what it counts, and known to all nodes that share the log.

mod cursors;
mod deliver;
mod queue;
mod told;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tapeline_core::name::StreamName;
use tapeline_core::retention::{Retain, StreamPattern};
use tapeline_core::schema::Schema;
use tapeline_log::{EventLog, StateStore};

use super::endpoint::Endpoint;
use crate::limits;
use crate::shared::Shared;
use deliver::Deliverer;
pub(crate) use queue::Queue;

/// How the streams are called on which it stands how far receivers are. Nobody is told of those.
const OWN: &str = ".tapeline/receivers/";

/// Somebody who is told what was recorded.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub(in crate::backend) name: String,
    /// On which streams; all where there is none.
    pub(in crate::backend) streams: Vec<StreamPattern>,
    pub(in crate::backend) begin: Begin,
    pub(in crate::backend) endpoint: Endpoint,
}

/// Where a receiver begins that was never told anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::backend) enum Begin {
    /// With all that there is.
    #[default]
    Start,
    /// With what is recorded from then on.
    Now,
}

/// The threads that tell receivers.
pub(crate) struct Receivers(Vec<(Arc<Queue>, JoinHandle<()>)>);

impl Receivers {
    /// Has receivers told, from the runtime that this is called on, until it is stopped or there is no server any more.
    pub(crate) fn start<L: EventLog, S: StateStore>(shared: &Arc<Shared<L, S>>, receivers: Vec<Receiver>) -> Self {
        let with_queue = receivers.into_iter().map(|receiver| {
            let queue = Arc::new(Queue::new(receiver.streams.clone()));
            (receiver, queue)
        });
        let with_queue: Vec<_> = with_queue.collect();
        shared.hub.tells(with_queue.iter().map(|(_, queue)| queue.clone()).collect());
        let threads = with_queue.into_iter().map(|(receiver, queue)| {
            let thread = thread::Builder::new().name(format!("receiver-{}", receiver.name));
            let deliverer = Deliverer::new(shared, receiver, queue.clone());
            (queue, thread.spawn(move || deliverer.run()).expect("a thread can be started"))
        });
        Self(threads.collect())
    }

    /// Lets what is on its way be answered, and waits for the threads to end.
    pub(crate) fn stop(self) {
        self.0.iter().for_each(|(queue, _)| queue.stop());
        for (_, thread) in self.0 {
            if thread.join().is_err() {
                tracing::error!("what tells a receiver panicked");
            }
        }
    }
}

/// Of the events that say how far receivers are the newest few are enough.
pub(crate) fn retaining(schema: &Schema) -> Schema {
    let pattern = format!("{OWN}*").parse().into_iter();
    schema.clone().retaining(pattern.map(|pattern| (pattern, Retain::Events(limits::RECEIVER_EVENTS))))
}

/// Whether a stream is not one of these.
pub(super) fn is_of_apps(stream: &StreamName) -> bool {
    !stream.as_str().starts_with(OWN)
}
