//! `verify`: reads every record of a data directory and names what is damaged.

use std::path::Path;

use serde_json::json;
use tapeline_log::LogError;
use tapeline_log::embedded::{self, Verified};

use crate::failure::Failure;
use crate::{output, storage};

/// Verifies a data directory.
pub fn run(data: &Path, json: bool) -> Result<(), Failure> {
    storage::check_there(data)?;
    let spinner = output::spinner("records read");
    let verified = embedded::verify(data, |records| spinner.set_position(records));
    spinner.finish_and_clear();
    let verified = verified.map_err(|error| storage::cannot_open(data, error))?;
    verified.damage.iter().try_for_each(|damage| print_damage(damage, json))?;
    let Verified { journal_batches, streams, events, entries, clients, ref damage } = verified;
    match json {
        true => output::line(json!({
            "journal_batches": journal_batches, "streams": streams, "events": events, "objects": entries,
            "clients": clients, "damaged": damage.len(),
        }))?,
        false => output::line(format!(
            "{streams} streams with {events} events, {entries} objects and {clients} clients in the store, \
             {journal_batches} batches in the journal"
        ))?,
    }
    match damage.len() {
        0 => Ok(()),
        1 => Err(Failure::Damaged("1 place is damaged".into())),
        count => Err(Failure::Damaged(format!("{count} places are damaged"))),
    }
}

fn print_damage(damage: &LogError, json: bool) -> Result<(), Failure> {
    match (damage, json) {
        (LogError::Damaged { place, what }, true) => output::line(json!({ "place": place, "what": what })),
        (other, true) => output::line(json!({ "what": other.to_string() })),
        (other, false) => output::line(other),
    }
}
