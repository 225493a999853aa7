//! `compact`: lets old events go as a schema says, and gives their space back, in a directory or on a running server.

use std::path::Path;

use serde_json::json;
use tapeline_log::{EventLog, StreamInfo};
use tapeline_server::{Ages, compact};

use super::schema;
use crate::failure::Failure;
use crate::{http, output, storage};

/// Compacts the directory of a stopped server.
pub async fn run(data: &Path, schema: Option<&Path>, json: bool) -> Result<(), Failure> {
    storage::check_there(data)?;
    let (schema, log) = (schema::read(schema)?.schema, storage::open(data)?);
    let before = log.stats().store_bytes;
    let spinner = output::spinner("streams compacted");
    let mut ages = Ages::default();
    let going = |_: &StreamInfo, _| {
        spinner.inc(1);
        true
    };
    let gone = compact(&log, &schema, &mut ages, going).await.map_err(Failure::failed)?;
    spinner.set_message("streams compacted, giving their space back");
    log.reclaim();
    log.close().map_err(Failure::failed)?;
    spinner.finish_and_clear();
    let after = log.stats().store_bytes;
    match json {
        true => output::line(json!({ "events": gone, "store_bytes_before": before, "store_bytes": after })),
        false => output::line(format!(
            "{gone} events let go; the store took {} and takes {} now",
            output::bytes(before),
            output::bytes(after)
        )),
    }
}

/// Has a running server compact.
pub fn ask(server: &str, json: bool) -> Result<(), Failure> {
    http::post(server, "/v1/compact")?;
    match json {
        true => output::line(json!({ "compacting": true })),
        false => output::line("the server lets old events go, as its schema says, and gives their space back"),
    }
}
