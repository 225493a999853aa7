//! A hundred people type in one text of 10 KB, each on a state that is up to two hundred events old: how long the
//! sequencer takes for an edit.

use std::time::Duration;

use tapeline_core::block::EventBlock;
use tapeline_core::splice::Splices;

use crate::bench::Size;
use crate::bench::desk::{Desk, Person, events};
use crate::bench::figures::Figures;
use crate::bench::stopwatch::Stopwatch;
use crate::failure::Failure;
use crate::replay::text::{edit, insert, text_of};

const PEOPLE: usize = 100;
const TEXT: usize = 10 << 10;

/// Measures it.
pub fn run(size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let mut times = typed(50_000 / size.divide as usize)?;
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    figures.add("text.typists.sequenced_p50_ms", at(0.5), "ms")?;
    figures.add("text.typists.sequenced_p99_ms", at(0.99), "ms")?;
    figures.add("text.typists.sequenced_max_ms", at(1.0), "ms")
}

/// The time of the sequencer for each of `count` edits: reading its frame, deciding, recording, answering.
fn typed(count: usize) -> Result<Vec<Duration>, Failure> {
    let (mut desk, mut random) = (Desk::new(), fastrand::Rng::with_seed(11));
    let mut people = (0..PEOPLE).map(|number| Person::new(number as u64, &mut desk)).collect::<Result<Vec<_>, _>>()?;
    people[0].edit(insert(&"some words ".repeat(TEXT / 11))?)?;
    people[0].send(&mut desk)?;
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        let person = random.usize(..PEOPLE);
        let behind = random.usize(..2 * PEOPLE);
        let due = desk.log.len().saturating_sub(behind).max(1);
        let person = &mut people[person];
        let from = person.replica.played();
        if (from.0 as usize) < due {
            let block = desk.block(from).slice(from, usize::MAX);
            person.take(&events(&block_until(block, due)))?;
        }
        let length = text_of(&person.replica).chars().count();
        let at = random.usize(..length) as u64;
        // As long as the text is about as long as it was.
        let splices = match random.usize(..2 * TEXT) < length && at + 1 < length as u64 {
            true => Splices::text(at, 1, ""),
            false => Splices::text(at, 0, random.choice(["a", "e", "n", " ", "\n"]).unwrap_or("x")),
        };
        person.edit(edit(splices)?)?;
        while let Some(frame) = person.frame() {
            let started = Stopwatch::start();
            let answers = desk.take(person.client(), &frame)?;
            times.push(started.elapsed());
            answers.iter().try_for_each(|answer| person.take(answer))?;
        }
    }
    same(&mut people, &mut desk)?;
    Ok(times)
}

/// The events of a block before one of them.
fn block_until(block: EventBlock, end: usize) -> EventBlock {
    let mut part = EventBlock::empty(block.from(), block.before());
    block.encoded().take(end.saturating_sub(block.from().0 as usize)).for_each(|event| part.push(event));
    part
}

/// Everybody ends with the same text.
fn same(people: &mut [Person], desk: &mut Desk) -> Result<(), Failure> {
    while people.iter().any(|person| person.replica.pending() > 0 || person.replica.played().0 < desk.log.len() as u64)
    {
        for person in people.iter_mut() {
            person.take(&events(&desk.block(person.replica.played())))?;
            person.send(desk)?;
        }
    }
    let text = text_of(&people[0].replica);
    match people.iter().all(|person| text_of(&person.replica) == text) {
        true => Ok(()),
        false => Err(Failure::Failed("the texts are not the same".into())),
    }
}
