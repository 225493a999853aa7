//! Holding a part of a stream: the results of queries, each for as long as somebody wants it.

use std::sync::Arc;

use serde::Serialize;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::QueryNumber;
use tapeline_core::object::Object;
use tapeline_core::query::Query;
use tapeline_core::replica::Replica;
use tapeline_core::value::Value;

use crate::cell::Cell;
use crate::error::{Closed, HoldError};
use crate::hub::Shared;
use crate::{Stream, shape};

/// A query whose result a stream holds. With the last that wants the same, what it alone held leaves the device.
#[derive(Debug)]
#[must_use = "what is held goes when this is dropped"]
pub struct Held {
    shared: Arc<Shared>,
    cell: Arc<Cell>,
    number: QueryNumber,
}

impl Stream {
    /// Holds what a query finds, of a stream that was opened [in part](crate::Tapeline::part). What enters it comes, what
    /// leaves it goes, for as long as the answer lives. A query is a map: `collection`, and perhaps `where`, `orderBy`
    /// and `limit`; one with a limit is a window, which [`more`](Held::more) makes longer. `with` names fields and the
    /// collections of the objects that those refer to: they are held with what is found.
    ///
    /// ```no_run
    /// # async fn example(tapeline: tapeline_client::Tapeline) -> Result<(), Box<dyn std::error::Error>> {
    /// let room = tapeline.part("rooms/kitchen").await?;
    /// let newest = room.hold(&serde_json::json!({
    ///     "collection": "messages", "orderBy": "-at", "limit": 50,
    /// }))?;
    /// newest.ready().await?;
    /// println!("{} messages", newest.objects().len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where it is no query, there are too many, or the stream is held as a whole.
    pub fn hold(&self, query: &impl Serialize) -> Result<Held, HoldError> {
        self.hold_value(&shape::to_value(query)?)
    }

    /// An object of a stream that was opened [in part](crate::Tapeline::part): at once where it is held, from the server
    /// otherwise. Many who ask for the same ask once. It is held for as long as the answer's second part lives.
    ///
    /// # Errors
    /// Where there are too many queries, the stream is held as a whole, or the client is closed meanwhile.
    pub async fn load(&self, collection: &str, id: &ObjectId) -> Result<(Option<Arc<Object>>, Held), HoldError> {
        let key = Key { collection: Collection::new(collection)?, id: id.clone() };
        let held = self.hold_value(&Query::value_of_ids(&key.collection, std::iter::once(id)))?;
        held.ready().await?;
        Ok((self.get(&key), held))
    }

    fn hold_value(&self, query: &Value) -> Result<Held, HoldError> {
        self.shared().check_open()?;
        let number = self.cell().with(|replica| replica.subscribe(query))?;
        self.shared().attend(self.cell());
        Ok(Held { shared: self.shared().clone(), cell: self.cell().clone(), number })
    }
}

impl Held {
    /// Whether all that the query finds is here. What is here before that is what the device holds.
    pub fn is_ready(&self) -> bool {
        self.cell.with(|replica| replica.is_ready(self.number))
    }

    /// Waits until all that the query finds is here.
    ///
    /// # Errors
    /// Where the client is closed before.
    pub async fn ready(&self) -> Result<(), Closed> {
        let number = self.number;
        self.cell.wait_for(move |replica| replica.is_ready(number)).await
    }

    /// What the query finds, in its order, as it is shown now.
    pub fn objects(&self) -> Vec<(ObjectId, Arc<Object>)> {
        self.cell.with(|replica| found(replica, self.number))
    }

    /// Makes a window longer: it holds so many objects from now on, 1,000 at most. Answers whether it was a shorter window
    /// and now is so long.
    pub fn more(&self, limit: usize) -> bool {
        let longer = self.cell.with(|replica| replica.want_more(self.number, limit));
        self.shared.attend(&self.cell);
        longer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.cell.with(|replica| replica.unsubscribe(self.number));
        self.shared.attend(&self.cell);
    }
}

fn found(replica: &Replica, number: QueryNumber) -> Vec<(ObjectId, Arc<Object>)> {
    let Some(query) = replica.query(number) else { return Vec::new() };
    query.find(replica.collection(&query.collection))
}
