//! Somebody who writes on stream `s`, and what they write.

use tapeline_core::event::Authored;
use tapeline_core::frame::Live;
use tapeline_core::name::FieldName;
use tapeline_core::numbers::Seq;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;

use super::pages::key_of;
use super::{Client, World, event};

const AUTHOR: u128 = 1;
const READER: u128 = 1_000_000;

/// Somebody who alone writes on stream `s`, so that its last event is the stream's.
pub struct Author {
    client: Client,
    pub last: u64,
}

impl Author {
    pub async fn new(world: &World) -> Self {
        let mut client = world.client().await;
        client.open(0, "s", AUTHOR, Live::No).await;
        Self { client, last: 0 }
    }

    pub async fn push(&mut self, ops: impl Iterator<Item = Op>) {
        let mut events = Vec::new();
        for op in ops {
            self.last += 1;
            events.push(event(AUTHOR, self.last, vec![op]));
            if events.len() == 1_000 {
                self.send(std::mem::take(&mut events)).await;
            }
        }
        self.send(events).await;
    }

    /// Waits until all of it is played to others: authors are answered a moment before that.
    pub async fn is_played(&self, world: &World) {
        let mut reader = world.client().await;
        reader.open(0, "s", READER, Live::From(Seq(0))).await;
        reader.hear_range(0, self.last).await;
    }

    async fn send(&mut self, mut events: Vec<Authored>) {
        let Some(first) = events.first().map(|event| event.n) else { return };
        let count = events.len() as u64;
        events.iter_mut().for_each(|event| event.settled.0 = first.0 - 1);
        self.client.push(0, events).await;
        self.client.hear_acks(count).await;
    }
}

pub fn make(collection: &str, number: u64, text: &str) -> Op {
    let set = [("number", Value::Int(number as i64)), ("text", Value::text(text))];
    let set = set.map(|(name, value)| (FieldName::new(name).unwrap(), value)).to_vec();
    let key = key_of(collection, &format!("{number:08}"));
    Op { key, seen: None, action: Action::Upsert(FieldMap::new(set).unwrap()) }
}

pub fn edit(collection: &str, number: u64, text: &str) -> Op {
    let set = vec![(FieldName::new("text").unwrap(), Edit::Set(Value::text(text)))];
    let action = Action::Update(FieldMap::new(set).unwrap());
    Op { key: key_of(collection, &format!("{number:08}")), seen: None, action }
}

pub fn delete(collection: &str, number: u64) -> Op {
    Op { key: key_of(collection, &format!("{number:08}")), seen: None, action: Action::Delete }
}
