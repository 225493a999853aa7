//! A tab's copy of the view.

use tapeline_core::codec::cbor;
use tapeline_core::mirror::{Mirror as CoreMirror, ViewChange};
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::TabId;
use tapeline_core::query::Query;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, bits, millis};

/// A tab's copy of the view of one stream: read and edited at once.
#[wasm_bindgen]
pub struct Mirror(pub(crate) CoreMirror);

#[wasm_bindgen]
impl Mirror {
    /// An empty mirror of the tab with this id, 16 bytes.
    ///
    /// # Errors
    /// Where the id has another length.
    #[wasm_bindgen(constructor)]
    pub fn new(tab: &[u8]) -> Result<Mirror> {
        Ok(Mirror(CoreMirror::new(TabId(bits(tab)?))))
    }

    /// Makes an edit, all of its ops or none, and answers its number in this tab. It shows at once.
    ///
    /// # Errors
    /// Where it does not fit what is shown, or breaks a limit. Nothing has changed then.
    pub fn edit(&mut self, ops: &[u8], now: f64) -> Result<f64> {
        let edit = self.0.edit(millis(now), cbor::decode_ops(ops)?, None)?;
        Ok(edit.0 as f64)
    }

    /// The next edit to be sent to the leader of another tab.
    pub fn poll_commit(&mut self) -> Option<Vec<u8>> {
        self.0.poll_commit().map(|commit| commit.encode())
    }

    /// There is a new leader: what is not known to be on the device goes to it.
    pub fn send_again(&mut self) {
        self.0.send_again();
    }

    /// Takes a change of the view of another tab's leader.
    ///
    /// # Errors
    /// Where the bytes are none, or of another version.
    pub fn hear(&mut self, change: &[u8]) -> Result<()> {
        self.0.hear(ViewChange::decode(change)?);
        Ok(())
    }

    /// Whether a whole view was heard.
    pub fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// This tab's last edit.
    pub fn last_edit(&self) -> f64 {
        self.0.last_edit().0 as f64
    }

    /// The last edit of this tab that the leader has in its outbox.
    pub fn taken_through(&self) -> f64 {
        self.0.taken_through().0 as f64
    }

    /// The last edit of this tab that is on the device.
    pub fn stored_through(&self) -> f64 {
        self.0.stored_through().0 as f64
    }

    /// One object, as a row.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn get(&self, collection: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let key = Key { collection: Collection::new(collection)?, id: ObjectId::new(id)? };
        Ok(self.0.get(&key).map(|object| cbor::encode_row(&key.id, object)))
    }

    /// The answer to a query now, as rows.
    ///
    /// # Errors
    /// Where the query is none.
    pub fn find(&self, query: &[u8]) -> Result<Vec<u8>> {
        Ok(cbor::encode_rows(&self.0.find(read_query(query)?)))
    }

    /// Keeps the answer to a query up to date, under the number that is answered.
    ///
    /// # Errors
    /// Where the query is none.
    pub fn watch(&mut self, query: &[u8]) -> Result<u32> {
        Ok(self.0.watch(read_query(query)?))
    }

    /// No longer does.
    pub fn unwatch(&mut self, watch: u32) {
        self.0.unwatch(watch);
    }

    /// The next query whose answer may have changed.
    pub fn poll_changed(&mut self) -> Option<u32> {
        self.0.poll_changed()
    }

    /// What became of the answer to a query since this was last asked: places taken out, and rows put in.
    pub fn look(&mut self, watch: u32) -> Option<Vec<u8>> {
        self.0.look(watch).map(|moved| cbor::encode_moved(&moved))
    }
}

fn read_query(query: &[u8]) -> Result<Query> {
    Ok(Query::from_value(&cbor::decode_value(query)?)?)
}
