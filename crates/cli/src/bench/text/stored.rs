//! What a text takes on disk.

use std::sync::{Arc, mpsc};

use tapeline_core::numbers::{Incarnation, Position};
use tapeline_log::embedded::Embedded;
use tapeline_log::{Append, EventLog, StateStore};

use crate::bench::desk::Desk;
use crate::bench::load::stream;
use crate::bench::server::size_of;
use crate::failure::Failure;

/// The bytes on disk of a log in which all of it is, and nothing else: events, objects, verdicts and indexes.
pub fn bytes(desk: &mut Desk) -> Result<u64, Failure> {
    let directory = tempfile::tempdir_in(".").map_err(Failure::failed)?;
    let log = Embedded::open(directory.path()).map_err(Failure::failed)?;
    let name = stream("bench/text");
    let (told, answers) = mpsc::sync_channel(desk.log.len());
    for (place, batch) in desk.log.iter().enumerate() {
        let (stream, expected, incarnation) = (name.clone(), Position(place as u64), Incarnation(1));
        let told = told.clone();
        let append = Append { stream, incarnation, expected, batch: Arc::clone(batch) };
        log.append(append, Box::new(move |done| drop(told.send(done))));
    }
    for _ in &desk.log {
        answers.recv().map_err(Failure::failed)?.map_err(Failure::failed)?;
    }
    if let Some(changes) = desk.changes() {
        log.apply(&name, changes).map_err(Failure::failed)?;
    }
    log.close().map_err(Failure::failed)?;
    Ok(size_of(directory.path()))
}
