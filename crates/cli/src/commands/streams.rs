//! `streams` and `status`: what exists.

use serde::Deserialize;
use serde_json::Value;
use tapeline_core::name::StreamName;

use crate::failure::Failure;
use crate::{http, output};

#[derive(Deserialize)]
struct Streams {
    streams: Vec<Value>,
}

/// Streams of one request.
const PAGE: usize = 1_000;

/// What is said where none is listed. Of a stream that may be read in part alone not even the name is told.
const NONE: &str = "There are no streams yet that you may read whole; those of which you may read a part are not listed.\n\
                    The first edit makes one: tapeline insert …";

/// Lists all streams that may be read whole.
pub fn run(server: &str, json: bool) -> Result<(), Failure> {
    let mut rows = Vec::new();
    each(server, |stream| match json {
        true => output::line(stream),
        false => {
            rows.push(row(stream));
            Ok(())
        }
    })?;
    match json {
        true => Ok(()),
        false if rows.is_empty() => output::line(NONE),
        false => output::line(output::table(&["stream", "head", "objects", "bytes", "subscribers"], &rows)),
    }
}

/// The names of all streams.
pub fn names(server: &str) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    each(server, |stream| {
        names.extend(stream["stream"].as_str().map(str::to_owned));
        Ok(())
    })?;
    Ok(names)
}

fn each(server: &str, mut show: impl FnMut(&Value) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let query = after.map_or(String::new(), |after: String| format!("&after={}", http::encode(&after)));
        let page: Streams = http::get_json(server, &format!("/v1/streams?limit={PAGE}{query}"))?;
        page.streams.iter().try_for_each(&mut show)?;
        after = page.streams.last().and_then(|stream| stream["stream"].as_str()).map(str::to_owned);
        if page.streams.len() < PAGE || after.is_none() {
            return Ok(());
        }
    }
}

fn row(stream: &Value) -> Vec<String> {
    let number = |name: &str| stream[name].as_u64().unwrap_or_default();
    vec![
        stream["stream"].as_str().unwrap_or_default().to_owned(),
        number("head").to_string(),
        stream["objects"].as_u64().map_or_else(|| "-".into(), |objects| objects.to_string()),
        output::bytes(number("bytes")),
        number("subscribers").to_string(),
    ]
}

/// Shows one stream.
pub fn status(server: &str, stream: &StreamName, json: bool) -> Result<(), Failure> {
    let status: Value = http::get_json(server, &format!("/v1/streams/{}", http::encode(stream.as_str())))?;
    if json {
        return output::line(status);
    }
    let fields = status.as_object().into_iter().flatten();
    let rows: Vec<(&String, String)> = fields.map(|(name, value)| (name, plain(value))).collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().try_for_each(|(name, value)| output::line(format!("{name:width$}  {value}")))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
