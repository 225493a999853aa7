//! `verify`: reads every record of a data directory and names what is damaged.

use std::path::Path;

use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// Verifies a data directory.
pub fn run(data: &Path, json: bool) -> Result<(), Failure> {
    let bar = output::bar(0, "reading");
    let report = tapeline_log::embedded::verify(data, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(Failure::failed)?;
    for damage in &report.damages {
        match json {
            true => output::line(json!({ "place": damage.place, "what": damage.what }))?,
            false => output::line(format!("{}: {}", damage.place, damage.what))?,
        }
    }
    match report.damages.len() {
        0 => output::line(format!("{} records of {} streams are whole", report.records, report.streams)),
        1 => Err(Failure::Damaged("1 damaged place".into())),
        count => Err(Failure::Damaged(format!("{count} damaged places"))),
    }
}
