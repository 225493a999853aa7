//! `stats`: what takes the space in a data directory.

use std::path::Path;

use serde_json::json;
use tapeline_log::embedded::{self, Space, StreamSpace};

use crate::failure::Failure;
use crate::{output, storage};

/// Says what takes the space in the directory of a stopped server.
pub fn run(data: &Path, json: bool) -> Result<(), Failure> {
    storage::check_there(data)?;
    let bar = output::bar(0, "bytes read");
    let space = embedded::space(data, |read, of| {
        bar.set_length(of);
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let space = space.map_err(|error| storage::cannot_open(data, error))?;
    if json { print_json(&space) } else { print(&space) }
}

fn print_json(space: &Space) -> Result<(), Failure> {
    for of in &space.streams {
        let StreamSpace { stream, events, kept, index, objects, clients } = of;
        output::line(json!({
            "stream": stream.as_str(), "events": events, "kept": kept, "index": index, "objects": objects,
            "clients": clients, "total": of.total(),
        }))?;
    }
    output::line(json!({ "journal": space.journal, "store": space.store }))
}

fn print(space: &Space) -> Result<(), Failure> {
    let row = |of: &StreamSpace| {
        let parts = [of.events, of.kept, of.index, of.objects, of.clients, of.total()].map(output::bytes);
        std::iter::once(of.stream.to_string()).chain(parts).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = space.streams.iter().map(row).collect();
    if !rows.is_empty() {
        let head = ["stream", "events", "kept", "index", "objects", "clients", "total"];
        output::line(output::table(&head, &rows))?;
    }
    output::line(format!(
        "{} in the store's files, {} in the journal",
        output::bytes(space.store),
        output::bytes(space.journal)
    ))
}
