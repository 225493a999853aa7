//! `cluster`: the nodes that share a log.

use serde_json::Value;
use tapeline_core::name::StreamName;

use crate::failure::Failure;
use crate::{http, output};

/// Shows the nodes, and which of them decides on a stream where one is named.
pub fn run(server: &str, stream: Option<&StreamName>, json: bool) -> Result<(), Failure> {
    let query = stream.map_or(String::new(), |stream| format!("?stream={}", http::encode(stream.as_str())));
    let cluster: Value = http::get_json(server, &format!("/v1/cluster{query}"))?;
    if json {
        return output::line(cluster);
    }
    let rows: Vec<_> = cluster["nodes"].as_array().into_iter().flatten().map(|node| row(&cluster, node)).collect();
    output::line(output::table(
        &["node", "address", "decides", "events/s", "streams", "behind", "batches behind"],
        &rows,
    ))?;
    match (stream, cluster["holder"].as_str()) {
        (None, _) => Ok(()),
        (Some(stream), Some(holder)) => output::line(format!("{holder} decides on {stream}")),
        (Some(stream), None) => output::line(format!("no node decides on {stream} now")),
    }
}

fn row(cluster: &Value, node: &Value) -> Vec<String> {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| node[name].as_u64().unwrap_or_default().to_string();
    let asked = if node["node"] == cluster["node"] { " *" } else { "" };
    let decides = if node["read_only"] == true { "no" } else { "yes" };
    vec![
        format!("{}{asked}", text("node")),
        text("address"),
        decides.to_owned(),
        number("events_per_s"),
        number("streams"),
        number("streams_behind"),
        number("batches_behind"),
    ]
}
