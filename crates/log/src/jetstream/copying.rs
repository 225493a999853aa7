//! A log that is being copied to another place says so, so that no node uses it before it is whole.
//!
//! It stands in the metadata of the log's first JetStream stream. When a copy is finished the log has a new identity: caches
//! from before are those of another log.

use async_nats::jetstream::stream::Config;
use futures_util::StreamExt;

use super::connect::{COPYING, FORMAT, LOG, STREAMS, new_id};
use super::{JetStream, failed};
use crate::contract::LogError;

impl JetStream {
    /// Whether something was being copied there when this connected.
    pub fn is_being_copied(&self) -> bool {
        self.shared.streams[0].cached_info().config.metadata.contains_key(COPYING)
    }

    /// Whether nodes are there that serve it.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn is_served(&self) -> Result<bool, LogError> {
        let shared = self.shared.clone();
        self.run(async move {
            let Some(bucket) = shared.bucket().await else {
                return Err(LogError::Storage("JetStream does not tell which nodes there are".into()));
            };
            let mut leases = bucket.keys().await.map_err(|error| failed(&error))?;
            Ok(leases.next().await.is_some())
        })
        .await
    }

    /// Nobody is to use the log from now on but those who copy to it.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn begin_copy(&self) -> Result<(), LogError> {
        self.say(|config| {
            config.metadata.insert(COPYING.into(), "yes".into());
        })
        .await
    }

    /// The log is whole.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn end_copy(&self) -> Result<(), LogError> {
        self.say(|config| {
            config.metadata.remove(COPYING);
            config.metadata.insert(LOG.into(), new_id());
        })
        .await
    }

    async fn say(&self, change: impl FnOnce(&mut Config)) -> Result<(), LogError> {
        let mut config = self.shared.streams[0].cached_info().config.clone();
        config.metadata.retain(|key, _| [FORMAT, LOG, STREAMS].contains(&key.as_str()));
        change(&mut config);
        let shared = self.shared.clone();
        self.run(async move { shared.context.update_stream(config).await.map(drop).map_err(|error| failed(&error)) })
            .await
    }
}
