//! What edits are checked by before they are taken: the app's schema, where it gave it to its client.

#[cfg(feature = "checks")]
use std::sync::Arc;

#[cfg(feature = "checks")]
use tapeline_authority::{DeviceChecks, SchemaFile, TextError, read_schema};
use tapeline_core::replica::Replica;

/// What edits are checked by. By default nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    #[cfg(feature = "checks")]
    schema: Option<Arc<SchemaFile>>,
}

impl Checks {
    #[cfg(feature = "checks")]
    pub(crate) fn read(schema: &str) -> Result<Self, TextError> {
        Ok(Self { schema: Some(Arc::new(read_schema(schema)?)) })
    }

    /// Has a replica check its edits.
    pub(crate) fn begin(&self, _replica: &mut Replica) {
        #[cfg(feature = "checks")]
        if let Some(schema) = &self.schema {
            _replica.check_by(Arc::new(DeviceChecks::new(schema.clone(), _replica.stream())));
        }
    }
}
