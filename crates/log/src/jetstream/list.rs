//! Which streams there are.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use tapeline_core::name::StreamName;

use super::{JetStream, Shared, failed, subject};
use crate::contract::LogError;

impl JetStream {
    /// The names of up to `limit` streams, those after `after`, in their order. All of the log are looked through.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn names(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamName>, LogError> {
        let (shared, after) = (self.shared.clone(), after.cloned());
        self.run(async move { shared.names(after.as_ref(), limit).await }).await
    }
}

impl Shared {
    async fn names(&self, after: Option<&StreamName>, limit: usize) -> Result<Vec<StreamName>, LogError> {
        let mut names = BTreeSet::new();
        for home in &self.streams {
            let all = &home.cached_info().config.subjects[0];
            let mut subjects = home.info_with_subjects(all).await.map_err(|error| failed(&error))?;
            while let Some((subject, _)) = subjects.try_next().await.map_err(|error| failed(&error))? {
                let name = subject::name(&subject).filter(|name| after.is_none_or(|after| name > after));
                names.extend(name);
                if names.len() > limit {
                    names.pop_last();
                }
            }
        }
        Ok(names.into_iter().collect())
    }
}
