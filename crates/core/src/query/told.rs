//! A condition that is told by whoever made it: what no other one says, such as a comparison of two fields.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::name::{FieldName, ObjectId};
use crate::object::Object;
use crate::value::Value;

/// A condition that a function tells.
#[derive(Clone)]
pub struct Told {
    what: Value,
    fields: Arc<[FieldName]>,
    tells: Arc<Telling>,
}

/// Whether an object meets it.
type Telling = dyn Fn(&ObjectId, &Object) -> bool + Send + Sync;

impl Told {
    /// A condition on these fields. `what` it is tells it from others: of two with the same, the functions tell the same
    /// of every object.
    pub fn new(
        what: Value,
        fields: Arc<[FieldName]>,
        tells: impl Fn(&ObjectId, &Object) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { what, fields, tells: Arc::new(tells) }
    }

    /// The fields that it looks at.
    pub fn fields(&self) -> &[FieldName] {
        &self.fields
    }

    /// Whether an object meets it.
    pub fn holds(&self, id: &ObjectId, object: &Object) -> bool {
        (self.tells)(id, object)
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl Eq for Told {}

impl Hash for Told {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.what.hash(state);
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.what).finish()
    }
}
