//! One page of a snapshot: objects, then where the next page is, or that this was the last.

use std::ops::ControlFlow;
use std::sync::Arc;

use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_log::{LogError, Part, Pin};

use super::pins::At;
use crate::limits;

/// Which page of which snapshot.
pub(super) struct Page {
    pub(super) pin: Arc<dyn Pin>,
    /// Of one collection alone.
    pub(super) collection: Option<Collection>,
    /// The last object of the page before.
    pub(super) after: Option<Key>,
}

impl Page {
    /// The lines of the page. They follow from what it is: whoever makes it gets the same bytes.
    pub(super) fn lines(&self) -> Result<String, LogError> {
        let mut text = String::new();
        let mut last = None;
        let part = Part { collection: self.collection.as_ref(), after: self.after.as_ref(), ..Part::default() };
        self.pin.scan(part, &mut |key, entry| {
            let Some(object) = entry.live() else { return ControlFlow::Continue(()) };
            text.push_str(&json::object_to_json(key, object));
            text.push('\n');
            if text.len() < limits::PAGE_BYTES {
                return ControlFlow::Continue(());
            }
            last = Some(key.clone());
            ControlFlow::Break(())
        })?;
        let (at, state) = (At::of(&*self.pin), self.pin.state());
        text.push_str(&match last {
            Some(key) => format!("{{\"next\":\"{}\"}}\n", address(at, self.collection.as_ref(), Some(&key))),
            None => format!("{{\"head\":{},\"chain\":\"{}\"}}\n", state.head, state.chain),
        });
        Ok(text)
    }
}

/// The address of a page, beside that of the snapshots. It needs no escapes in JSON.
pub(super) fn address(at: At, collection: Option<&Collection>, after: Option<&Key>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("at", &at.to_string());
    if let Some(collection) = collection {
        query.append_pair("collection", collection.as_str());
    }
    if let Some(Key { collection, id }) = after {
        query.append_pair("after", &serde_json::json!([collection.as_str(), id.to_string()]).to_string());
    }
    format!("snapshot?{}", query.finish())
}

/// Reads the key in an address.
pub(super) fn read_key(text: &str) -> Option<Key> {
    let (collection, id): (String, String) = serde_json::from_str(text).ok()?;
    Some(Key { collection: Collection::new(collection).ok()?, id: ObjectId::new(id).ok()? })
}
