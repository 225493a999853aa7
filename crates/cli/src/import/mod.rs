//! `import`: makes collections of a stream what a file says, by the smallest edits.
//!
//! A replica is filled from the server and compared with the file; what differs is edited as by any other client, so that
//! it merges with what others do meanwhile, and the same file a second time sends nothing.

mod csv;
mod json;
mod quotes;
pub mod send;
mod show;
mod summary;
mod tables;

use std::io::Read;
use std::path::Path;

use tapeline_client::Others;

use crate::arguments::{Format, Import};
use crate::failure::Failure;
use crate::{coming, http};
use summary::Summary;
use tables::{Tables, Wrong};

/// Makes collections what a file says.
pub async fn run(server: &str, import: Import, json: bool) -> Result<(), Failure> {
    let tables = read(&import)?;
    http::check(server)?;
    let tapeline = http::client(server).open().await.map_err(Failure::failed)?;
    let stream = tapeline.stream(import.stream.as_str()).await.map_err(Failure::failed)?;
    coming::all(server, &stream).await?;
    let others = if import.keep { Others::Keep } else { Others::Delete };
    let (mut summary, mut receipts) = (Summary::new(&import), Vec::new());
    for (collection, rows) in tables.into_rows() {
        let collection = stream.collection(collection.as_str()).map_err(Failure::failed)?;
        let difference = collection.plan_replace(rows.clone(), others).map_err(Failure::failed)?;
        summary.count(&difference);
        match import.dry_run {
            true if json => summary.ops.extend(show::to_json(&difference)?),
            true => show::print(&stream, &difference)?,
            false => receipts.extend(collection.replace_in_parts(rows, others).map_err(Failure::failed)?),
        }
    }
    summary.events = receipts.len();
    summary.lost = send::settle(server, &receipts).await?;
    tapeline.close().await.map_err(Failure::failed)?;
    summary.print(json)
}

fn read(import: &Import) -> Result<Tables, Failure> {
    let place = place(&import.file);
    let bytes = bytes(&import.file).map_err(|error| Failure::File { place: place.clone(), error })?;
    let usage = |what: &str| Failure::Usage(format!("{place}: {what}"));
    let format = import.format.or_else(|| format_of(&import.file));
    let format = format.ok_or_else(|| usage("no known ending: say what it is with --format json, ndjson or csv"))?;
    let which = || usage("say which collection the rows are of: --collection tasks");
    let id_field = import.id_field.as_str();
    let tables = match (format, &import.collection) {
        (Format::Csv, collection) => csv::read(&bytes, collection.as_ref().ok_or_else(which)?, id_field),
        (Format::Ndjson, Some(collection)) => {
            text(&bytes).and_then(|text| json::read_lines(text, collection, id_field))
        }
        (Format::Ndjson, None) => text(&bytes).and_then(json::read_objects),
        (Format::Json, collection) => text(&bytes).and_then(|text| json::read(text, collection.as_ref(), id_field)),
    };
    tables.map_err(|wrong| usage(&wrong.to_string()))
}

/// Where standard input is meant.
fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

fn place(file: &Path) -> String {
    if is_input(file) { "standard input".into() } else { file.display().to_string() }
}

fn bytes(file: &Path) -> std::io::Result<Vec<u8>> {
    if !is_input(file) {
        return std::fs::read(file);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file is by its ending; standard input is what `tapeline objects` prints.
fn format_of(file: &Path) -> Option<Format> {
    if is_input(file) {
        return Some(Format::Ndjson);
    }
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Result<&str, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|error| Wrong::not_utf8(&bytes[..error.valid_up_to()]))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
