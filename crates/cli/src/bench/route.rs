//! What an event costs the server when many watch for it by a value of one field, each for another value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::Value;
use tokio::task::JoinSet;

use super::Size;
use super::figures::Figures;
use super::load::{Todos, Writer, stream};
use super::partial::{Partial, query};
use super::server::Server;
use crate::failure::Failure;

/// Queries on one socket.
const A_SOCKET: u64 = 100;

/// Measures it with one query, with a hundred, and with ten thousand.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    if !server.is_ours() {
        return figures.miss("route.ratio_10000", "the server's processor time is not to be seen");
    }
    let mut costs = Vec::new();
    for queries in [1, 100 / size.divide, 10_000 / size.divide] {
        let name = stream(format!("bench/route-{queries}"));
        let cost = cost(&server, &name, queries.max(1), 4_000 / size.divide).await?;
        figures.add(format!("route.server_us_per_event.{queries}"), cost.as_secs_f64() * 1e6, "us")?;
        costs.push(cost.as_secs_f64());
    }
    figures.add("route.ratio_100", costs[1] / costs[0], "1")?;
    figures.add("route.ratio_10000", costs[2] / costs[0], "1")
}

/// The server's processor time for an event that one of so many queries matches.
async fn cost(server: &Server, name: &StreamName, queries: u64, events: u64) -> Result<Duration, Failure> {
    let mut writer = Writer::open(&server.url, name, 1).await?;
    let mut todos = Todos::new(2);
    let ids: Vec<ObjectId> = (0..queries).map(|_| todos.id()).collect();
    let mut made = ids.iter().zip(0..);
    let mut insert = |_: &mut Todos| made.next().map(|(id, place)| assigned(id.clone(), place)).expect("as many");
    // While there is nothing yet, everybody knows soon what there is for them.
    let seen = Arc::new(AtomicU64::new(0));
    let _watching = watch(&server.url, name, queries, &seen).await?;
    writer.push(queries, 1_000, &mut insert).await?;
    // One at a time, so that each is told of by itself, to one of those who watch.
    let event = |todos: &mut Todos| {
        let place = todos.pick(ids.len());
        assigned(ids[place].clone(), place as u64)
    };
    for _ in 0..events / 4 {
        writer.push_one(event(&mut todos)).await?;
    }
    let before = server.processor_time().unwrap_or_default();
    let was = seen.load(Ordering::Relaxed);
    for _ in 0..events {
        writer.push_one(event(&mut todos)).await?;
    }
    let took = server.processor_time().unwrap_or_default() - before;
    // Some are told of together.
    let told = seen.load(Ordering::Relaxed) - was;
    match told >= events / 2 {
        true => Ok(took / events as u32),
        false => Err(Failure::Failed(format!("of {events} events {told} were told of"))),
    }
}

/// A to-do that is assigned to somebody, with another title each time.
fn assigned(id: ObjectId, to: u64) -> Op {
    let name = |name: &str| FieldName::new(name).expect("a field name");
    let title = Value::text(format!("title {:x}", fastrand::u64(..)));
    let fields = vec![(name("assignee"), Value::text(format!("person {to}"))), (name("title"), title)];
    let key = Key { collection: Collection::new("todos").expect("a collection name"), id };
    Op { key, seen: None, action: Action::Upsert(FieldMap::new(fields).expect("two fields")) }
}

/// Has everybody watch for what is assigned to them, counting what they are told. They do until this is dropped.
async fn watch(url: &str, name: &StreamName, queries: u64, seen: &Arc<AtomicU64>) -> Result<JoinSet<()>, Failure> {
    let mut watching = JoinSet::new();
    for first in (0..queries).step_by(A_SOCKET as usize) {
        let mut partial = Partial::connect(url).await?;
        let all = first..queries.min(first + A_SOCKET);
        for (person, channel) in all.clone().zip(0..) {
            let assigned = format!(r#"{{"collection":"todos","where":{{"assignee":"person {person}"}}}}"#);
            partial.open(name, channel, query(&assigned)?).await?;
        }
        for _ in all {
            while partial.page().await?.after.is_some() {}
        }
        let seen = seen.clone();
        watching.spawn(async move {
            while partial.page().await.is_ok() {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    Ok(watching)
}
