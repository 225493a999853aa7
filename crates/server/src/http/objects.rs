//! `GET /v1/streams/{name}/objects`: what is there, as of one moment.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key, ObjectId, StreamName};
use tapeline_core::object::{Entry, Object};
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::runtime::Handle;

use super::problem::Problem;
use super::query::Query;
use super::{Answer, full, lines, streams};
use crate::limits;
use crate::shard::Pin;
use crate::shared::Shared;

/// Gives the objects of a stream, of one of its collections, or a single one, one a line.
pub(super) async fn read<L: EventLog, S: StateStore>(
    shared: Arc<Shared<L, S>>,
    stream: StreamName,
    query: &str,
) -> Result<Answer, Problem> {
    let query = Query::new(query);
    let collection = query.name("collection", |text| Collection::new(text))?;
    let id = query.name("id", |text| ObjectId::new(text))?;
    streams::exists(&shared, &stream).await?;
    let pin = shared.shards.settle(shared.hub.tape(&stream)).await?;
    let head = shared.store.stream(&stream)?.map_or(0, |state| state.head.0);
    match (collection, id) {
        (Some(collection), Some(id)) => one(&shared, &stream, Key { collection, id }, head),
        (None, Some(_)) => Err(Problem::bad_request("an id is looked for in a collection: name it, too")),
        (collection, None) => all(&shared, stream, collection, pin, head),
    }
}

fn one<L: EventLog, S: StateStore>(
    shared: &Shared<L, S>,
    stream: &StreamName,
    key: Key,
    head: u64,
) -> Result<Answer, Problem> {
    let mut entries = shared.store.entries(stream, std::slice::from_ref(&key))?;
    let entry = entries.pop().flatten();
    let line = entry.as_ref().and_then(Entry::live).map_or(String::new(), |object| line(&key, object));
    Ok(lines(full(line.into()), head))
}

fn all<L: EventLog, S: StateStore>(
    shared: &Arc<Shared<L, S>>,
    stream: StreamName,
    collection: Option<Collection>,
    pin: Pin,
    head: u64,
) -> Result<Answer, Problem> {
    let busy = |_| Problem::busy("too many lists of objects are under way; ask again later");
    let permit = shared.lists.clone().try_acquire_owned().map_err(busy)?;
    let (sender, body) = Channel::new(limits::PARTS);
    let (shared, runtime) = (shared.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let mut list = List { sender, runtime, part: String::new(), pin: Some(pin) };
        let visited = shared.store.objects(&stream, collection.as_ref(), &mut |key, object| list.visit(key, object));
        list.finish(visited.map(drop));
        drop(permit);
    });
    Ok(lines(body, head))
}

/// A list of objects on its way to a client.
struct List {
    sender: Sender<Bytes, LogError>,
    runtime: Handle,
    part: String,
    /// Held until the store shows what it had when the list began, and keeps showing that.
    pin: Option<Pin>,
}

impl List {
    fn visit(&mut self, key: &Key, object: &Arc<Object>) -> ControlFlow<()> {
        self.pin = None;
        self.part.push_str(&line(key, object));
        if self.part.len() < limits::PART_BYTES {
            return ControlFlow::Continue(());
        }
        self.send()
    }

    /// Sends a part once the client has taken those before it. Breaks where it takes too long.
    fn send(&mut self) -> ControlFlow<()> {
        let part = std::mem::take(&mut self.part);
        let sent = async { tokio::time::timeout(limits::REQUEST_WITHIN, self.sender.send_data(part.into())).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    fn finish(mut self, visited: Result<(), LogError>) {
        match visited {
            Ok(()) => drop(self.send()),
            Err(error) => {
                tracing::error!(%error, "a list of objects breaks off");
                self.sender.abort(error);
            }
        }
    }
}

fn line(key: &Key, object: &Object) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (collection, id) = (text(key.collection.as_str()), key.id.with_str(text));
    let (fields, seq) = (json::object_fields_to_json(object), object.seq());
    format!("{{\"collection\":{collection},\"id\":{id},\"fields\":{fields},\"seq\":{seq}}}\n")
}
