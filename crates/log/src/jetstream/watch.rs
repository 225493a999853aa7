//! Hearing where streams are, whoever appends to them.
//!
//! Each of the JetStream streams sends the headers of its new messages, in order: they say where a stream is, and whoever
//! needs what is there reads it. Where one is missing, or the server that sends them is gone, they are sent again from
//! the last one on that was heard. So a node has a consumer for each of a few JetStream streams, however many streams and
//! clients there are.

use std::sync::{Arc, Weak};

use async_nats::jetstream::consumer::push::{Config, Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use futures_util::StreamExt;

use super::{JetStream, Sequence, Shared, message, subject};
use crate::contract::Heard;
use crate::limits;

impl JetStream {
    /// Has somebody hear where each stream is whenever it was appended to, for as long as there is a log.
    pub fn watch(&self, heard: Heard) {
        for place in 0..self.shared.streams.len() {
            self.shared.runtime.spawn(watch(Arc::downgrade(&self.shared), place, heard.clone()));
        }
    }
}

/// Watches one JetStream stream.
async fn watch(shared: Weak<Shared>, place: usize, heard: Heard) {
    let Some(mut last) = shared.upgrade().map(|there| there.last_when_connected(place)) else { return };
    while let Some(there) = shared.upgrade() {
        let messages = there.messages(place, last).await;
        drop(there);
        if let Some(messages) = messages {
            listen(messages, &mut last, &heard).await;
        }
        tokio::time::sleep(limits::WATCH_PAUSE).await;
    }
}

/// Passes on what messages say, until one is missing.
async fn listen(mut messages: Messages, last: &mut Sequence, heard: &Heard) {
    let mut count = 0;
    while let Some(Ok(message)) = messages.next().await {
        count += 1;
        let Ok(info) = message.info() else { return };
        if info.consumer_sequence != count {
            return;
        }
        *last = Sequence(info.stream_sequence);
        let Some(end) = message::end(message.headers.as_ref()) else { continue };
        if let Some(stream) = subject::name(&message.subject) {
            heard(&stream, end.head.position);
        }
    }
}

impl Shared {
    /// The last message of a JetStream stream before anything was read from it.
    fn last_when_connected(&self, place: usize) -> Sequence {
        Sequence(self.streams[place].cached_info().state.last_sequence)
    }

    /// The headers of the messages of a JetStream stream after the last one that was heard.
    async fn messages(&self, place: usize, last: Sequence) -> Option<Messages> {
        let config = Config {
            deliver_subject: self.client.new_inbox(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: last.next().0 },
            ack_policy: AckPolicy::None,
            headers_only: true,
            flow_control: true,
            idle_heartbeat: limits::WATCH_BEAT,
            num_replicas: 1,
            memory_storage: true,
            ..Config::default()
        };
        let consumer = self.streams[place].create_consumer(config).await.ok()?;
        consumer.messages().await.ok()
    }
}
