//! What edits are checked by before they are taken: the app's schema, where it gave it to its client.

use std::sync::Arc;

#[cfg(feature = "checks")]
use tapeline_authority::{DeviceChecks, SchemaFile, TextError, read_schema};
use tapeline_core::name::StreamName;
use tapeline_core::valid::Validity;

/// What edits are checked by. By default nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    #[cfg(feature = "checks")]
    schema: Option<Arc<SchemaFile>>,
}

#[cfg(feature = "checks")]
impl Checks {
    pub(crate) fn read(schema: &str) -> Result<Self, TextError> {
        Ok(Self { schema: Some(Arc::new(read_schema(schema)?)) })
    }

    /// Those of a stream.
    pub(crate) fn of(&self, stream: &StreamName) -> Option<Arc<dyn Validity>> {
        Some(Arc::new(DeviceChecks::new(self.schema.clone()?, stream)))
    }
}

#[cfg(not(feature = "checks"))]
impl Checks {
    pub(crate) fn of(&self, _: &StreamName) -> Option<Arc<dyn Validity>> {
        None
    }
}
