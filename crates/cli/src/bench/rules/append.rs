//! Writes that rules are asked of, beside the same writes where there are none, in turn on two servers.

use std::time::Duration;

use tapeline_core::name::{ObjectId, StreamName};
use tapeline_core::numbers::Seq;
use tapeline_core::op::Op;

use super::super::drive::{self, Target};
use super::super::figures::Figures;
use super::super::load::{Todos, Writer, stream};
use super::super::ours::Subscriber;
use super::super::server::Server;
use super::super::{Size, limit};
use super::guarded::{Guarded, OWNERS_AND_MEMBERS, owned, person};
use crate::failure::Failure;
use crate::wire;

const ROUNDS: u64 = 5;
/// To-dos that one writer changes.
const MADE: usize = 10_000;

/// Measures their rate, and the time of one at a time.
pub async fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let time = Duration::from_millis(size.seconds * 1_000 / ROUNDS);
    let (open, guarded) = (Server::start(None).await?, Guarded::start(OWNERS_AND_MEMBERS).await?);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = stream(format!("bench/rules-{round}"));
        without.push(drive::rate(&Lists { name: &name, whose: Whose::Open(&open.url) }, time).await?);
        with.push(drive::rate(&Lists { name: &name, whose: Whose::Guarded(&guarded) }, time).await?);
    }
    let (without, with) = (median(without), median(with));
    figures.add("rules.append.without_events_per_s", without, "1/s")?;
    figures.add("rules.append.events_per_s", with, "1/s")?;
    figures.add("rules.append.of_without", with / without, "1")?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = stream(format!("bench/rules-single-{round}"));
        without.push(p50(&Lists { name: &name, whose: Whose::Open(&open.url) }, size).await?);
        with.push(p50(&Lists { name: &name, whose: Whose::Guarded(&guarded) }, size).await?);
    }
    let (without, with) = (median(without), median(with));
    figures.add("rules.append.without_p50_us", without, "us")?;
    figures.add("rules.append.p50_us", with, "us")?;
    figures.add("rules.append.p50_ratio", with / without, "1")
}

/// A stream of to-dos.
struct Lists<'a> {
    name: &'a StreamName,
    whose: Whose<'a>,
}

#[derive(Clone, Copy)]
enum Whose<'a> {
    Open(&'a str),
    Guarded(&'a Guarded),
}

impl Target for Lists<'_> {
    type Writer = Owner;
    type Reader = Subscriber;

    async fn writer(&self, seed: u64) -> Result<Owner, Failure> {
        let who = person(seed);
        let socket = match self.whose {
            Whose::Open(url) => wire::connect(url).await?,
            Whose::Guarded(guarded) => guarded.connect(&who).await?,
        };
        let writer = Writer::open_on(socket, self.name, seed).await?;
        Ok(Owner { writer, todos: Todos::new(seed), who, made: Vec::new() })
    }

    async fn reader(&self, seed: u64) -> Result<Subscriber, Failure> {
        let socket = match self.whose {
            Whose::Open(url) => wire::connect(url).await?,
            Whose::Guarded(guarded) => guarded.connect_backend().await?,
        };
        Subscriber::open_on(socket, self.name, seed, Seq::FIRST).await
    }
}

/// Somebody who makes to-dos of their own and changes them.
struct Owner {
    writer: Writer,
    todos: Todos,
    who: String,
    made: Vec<ObjectId>,
}

impl Owner {
    fn next(&mut self) -> Op {
        if self.made.is_empty() || self.made.len() < MADE && self.todos.pick(3) == 0 {
            let id = self.todos.id();
            self.made.push(id.clone());
            let first = self.todos.pick(1_000) as u64;
            return owned(self.todos.insert(id), &self.who, first..first + 4);
        }
        let id = self.made[self.todos.pick(self.made.len())].clone();
        self.todos.update(id)
    }
}

impl drive::Writer for Owner {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let ops: Vec<Op> = (0..count).map(|_| self.next()).collect();
        self.writer.send_ops(ops).await
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        drive::Writer::acknowledged(&mut self.writer).await
    }
}

/// The median time of one write, in microseconds.
async fn p50(lists: &Lists<'_>, size: Size) -> Result<f64, Failure> {
    let (mut owner, mut times) = (lists.writer(1_000).await?, limit::histogram());
    for _ in 0..400 / size.divide {
        let op = owner.next();
        limit::record(&mut times, owner.writer.push_one(op).await?);
    }
    Ok(limit::quantile(&times, 0.5).as_secs_f64() * 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
