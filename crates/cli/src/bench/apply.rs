//! Updates of registers applied: by a replica from the bytes it is sent, by the objects alone, and by a bare hash table.

use std::collections::HashMap;
use std::hint::black_box;

use tapeline_core::block::EventBlock;
use tapeline_core::codec::cbor;
use tapeline_core::event::{Authored, Recorded};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Key, ObjectId};
use tapeline_core::numbers::Seq;
use tapeline_core::objects::Objects;
use tapeline_core::op::{Action, Edit};
use tapeline_core::value::Value;

use super::Size;
use super::desk::{Desk, Person, events};
use super::figures::Figures;
use super::load::{Author, Todos};
use super::stopwatch::Stopwatch;
use crate::failure::Failure;

/// Objects that are updated.
const OBJECTS: usize = 1_000;

/// Runs of which the fastest counts: what else the machine does only slows.
const ROUNDS: usize = 5;

/// Measures them.
pub fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let count = 1_000_000 / size.divide as usize;
    let blocks = recorded(count);
    let rate = |seconds: f64| count as f64 / seconds;
    let replica = best(|| play(&blocks[1..], &blocks[0]))?;
    figures.add("apply.replica_per_s", rate(replica), "1/s")?;
    let decoded: Vec<Recorded> = blocks.iter().flat_map(EventBlock::events).filter_map(Result::ok).collect();
    let objects = best(|| Ok(apply(&decoded)))?;
    figures.add("apply.objects_per_s", rate(objects), "1/s")?;
    let table = best(|| Ok(bare(&decoded)))?;
    figures.add("apply.bare_table_per_s", rate(table), "1/s")?;
    figures.add("apply.replica_of_bare_table", table / replica, "1")
}

fn best(mut round: impl FnMut() -> Result<f64, Failure>) -> Result<f64, Failure> {
    let rounds: Result<Vec<f64>, Failure> = (0..ROUNDS).map(|_| round()).collect();
    Ok(rounds?.into_iter().fold(f64::INFINITY, f64::min))
}

/// The objects made, and then `count` updates of one field of one of them each, as they are on the log.
fn recorded(count: usize) -> Vec<EventBlock> {
    const BLOCK_BYTES: usize = 256 << 10;
    let (mut todos, mut block) = (Todos::new(1), EventBlock::empty(Seq::FIRST, Chain::EMPTY));
    let mut author = Author::new(todos.client());
    let ids: Vec<ObjectId> = (0..OBJECTS).map(|_| todos.id()).collect();
    let mut blocks = Vec::new();
    for place in 0..OBJECTS + count {
        let op = match ids.get(place) {
            Some(id) => todos.insert(id.clone()),
            None => {
                let id = ids[todos.pick(OBJECTS)].clone();
                todos.register(id)
            }
        };
        let Authored { client, n, mut body, .. } = author.event(op);
        body.base = block.end();
        block.push(&cbor::encode_recorded(&Recorded {
            seq: block.end(),
            client,
            n,
            actor: None,
            body,
            lost: Vec::new(),
        }));
        if place + 1 == OBJECTS || place > OBJECTS && block.bytes().len() > BLOCK_BYTES {
            let next = EventBlock::empty(block.end(), block.after());
            blocks.push(std::mem::replace(&mut block, next));
        }
    }
    blocks.push(block);
    blocks
}

/// Plays blocks to a replica that holds the objects.
fn play(blocks: &[EventBlock], made: &EventBlock) -> Result<f64, Failure> {
    let mut person = Person::new(1, &mut Desk::new())?;
    person.take(&events(made))?;
    let frames: Vec<Vec<u8>> = blocks.iter().map(events).collect();
    let started = Stopwatch::start();
    for frame in &frames {
        person.take(frame)?;
    }
    let took = started.seconds();
    match blocks.last().map(EventBlock::end) == Some(person.replica.played()) {
        true => Ok(took),
        false => Err(Failure::Failed("the replica did not play all".into())),
    }
}

fn apply(decoded: &[Recorded]) -> f64 {
    let (made, updates) = decoded.split_at(OBJECTS);
    let mut objects = Objects::default();
    made.iter().for_each(|event| objects.play(event));
    let started = Stopwatch::start();
    updates.iter().for_each(|event| objects.play(event));
    let took = started.seconds();
    black_box(objects.digest());
    took
}

/// The same values written into a hash table of this language's library, with neither versions nor anything else.
fn bare(decoded: &[Recorded]) -> f64 {
    let mut table: HashMap<Key, Vec<(&str, Value)>> = HashMap::new();
    let mut write = |event: &'_ Recorded| {
        let op = &event.body.ops[0];
        match &op.action {
            Action::Upsert(set) => {
                let fields = set.iter().map(|(_, value)| ("position", value.clone())).take(1);
                table.insert(op.key.clone(), fields.collect());
            }
            Action::Update(edits) => {
                for (_, edit) in edits.iter() {
                    if let (Edit::Set(value), Some(fields)) = (edit, table.get_mut(&op.key)) {
                        fields[0].1 = value.clone();
                    }
                }
            }
            _ => {}
        }
    };
    let (made, updates) = decoded.split_at(OBJECTS);
    made.iter().for_each(&mut write);
    let started = Stopwatch::start();
    updates.iter().for_each(&mut write);
    let took = started.seconds();
    black_box(&table);
    took
}
