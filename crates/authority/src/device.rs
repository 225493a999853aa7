//! What is valid as far as a device can tell, so that it need not wait for the server to say so: what fields are, patterns,
//! and checks. It is the code that the server's gate runs, and so says nothing that the server would not.
//!
//! Left to the server is what looks at other objects (unique values, references), at who asks, and what apps decide.

use std::sync::Arc;

use cel::Value as Cel;
use tapeline_core::name::{FieldName, StreamName};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::schema::Rename;
use tapeline_core::shape;
use tapeline_core::valid::{Change, Objection, Validity};

use crate::gate::Asked;
use crate::schema::SchemaFile;
use crate::vars;

/// What a device checks edits on one stream by.
#[derive(Debug)]
pub struct DeviceChecks {
    file: Arc<SchemaFile>,
    stream: Cel,
}

impl DeviceChecks {
    /// The checks of a schema file for a stream.
    pub fn new(file: Arc<SchemaFile>, stream: &StreamName) -> Self {
        Self { file, stream: vars::stream(stream) }
    }
}

impl Validity for DeviceChecks {
    fn objection(&self, change: &Change<'_>) -> Option<Objection> {
        let SchemaFile { schema, authority } = &*self.file;
        let collection = &change.key.collection;
        let evened = evened(schema.renames(collection), change);
        let change = &Change { after: evened.as_deref().or(change.after), ..*change };
        let checks = || authority.checks(collection)?.objection(&Asked { auth: None, stream: &self.stream, change });
        shape::objection(schema.shapes(collection), change).or_else(checks)
    }
}

/// What becomes of an object whose fields have two names: what was done under one of them alone is done under the other,
/// too. `None`: nothing was.
fn evened(renames: &[Rename], change: &Change<'_>) -> Option<Arc<Object>> {
    let after = change.after?;
    let before = |name: &FieldName| change.before.and_then(|before| before.get(name.as_str()));
    let is_set = |name: &FieldName| after.get(name.as_str()).is_some_and(|value| before(name) != Some(value));
    // Of an object that was made anew under the other name.
    let is_gone = |name: &FieldName| after.get(name.as_str()).is_none() && before(name).is_some();
    let follows = |name: &FieldName, other: &FieldName| (is_set(other) || is_gone(name)) && !is_set(name);
    let edits = renames.iter().filter_map(|Rename { now, was }| {
        let (used, other) = if follows(now, was) { (was, now) } else { (now, was) };
        let value = after.get(used.as_str()).filter(|_| follows(other, used))?;
        Some((other.clone(), Edit::Set(value.clone())))
    });
    let edits = FieldMap::new(edits.collect()).ok().filter(|edits| !edits.is_empty())?;
    let op = Op { key: change.key.clone(), seen: None, action: Action::Update(edits) };
    let mut entry = Some(Entry::Live(Arc::new(after.clone())));
    apply(&mut entry, &op, &Write::pending(ClientId(0), Seq::FIRST, Millis(0)));
    entry.as_ref().and_then(Entry::live).cloned()
}
