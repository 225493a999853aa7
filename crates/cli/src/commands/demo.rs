//! `demo`: a server with the example apps inside it.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use flate2::read::GzDecoder;
use rust_embed::Embed;
use serde_json::json;
use tapeline_server::{Page, read_schema};

use super::schema;
use super::serve::{Place, host};
use crate::arguments::Demo;
use crate::failure::Failure;
use crate::output;

/// What `scripts/build-examples` has built; empty where it was not run.
#[derive(Embed)]
#[folder = "../../examples/dist/"]
#[allow_missing = true]
struct Built;

/// How concurrent edits meet in the apps.
const SCHEMA: &str = include_str!("../../../../examples/schema.toml");

/// The board's issues: the body of a request that records them.
const ISSUES: &str = "seed/board.json.gz";
const ISSUES_STREAM: &str = "demo%2Fboard";

/// Runs the demonstration until it is told to stop.
pub async fn run(demo: Demo, json: bool) -> Result<(), Failure> {
    if Built::get("index.html").is_none() {
        let how = "this tapeline was built without the example apps: run scripts/build-examples, then build it again";
        return Err(Failure::Failed(how.into()));
    }
    let forgotten =
        tempfile::tempdir().map_err(|error| Failure::File { place: "temporary directory".into(), error })?;
    let data = demo.data.as_deref().unwrap_or(forgotten.path());
    let pages = Some(std::sync::Arc::new(page) as tapeline_server::Pages);
    let schema = match demo.schema {
        Some(file) => schema::read(Some(&file))?,
        None => read_schema(SCHEMA).map_err(Failure::failed)?,
    };
    let place = Place { data, listen: demo.listen, insecure: true, schema, pages };
    host(place, async |address| begin(address, demo.data.as_deref(), json).await).await
}

/// Puts up what the apps start with, and says where they are.
async fn begin(address: SocketAddr, data: Option<&Path>, json: bool) -> Result<(), Failure> {
    let here = if address.ip().is_unspecified() { ([127, 0, 0, 1], address.port()).into() } else { address };
    let seeded = tokio::task::spawn_blocking(move || record_issues(here)).await;
    seeded.map_err(Failure::failed)??;
    if json {
        let address = format!("http://{address}");
        return output::line(json!({ "listening": address, "data": data, "pid": std::process::id() }));
    }
    output::line(format!("the example apps are on http://{address}"))?;
    match data {
        Some(data) => output::line(format!("what is done there is kept in {}", data.display())),
        None => output::line("what is done there is forgotten at the end"),
    }
}

/// Records the board's issues where there is no board. The request names its events, so none is recorded twice.
fn record_issues(server: SocketAddr) -> Result<(), Failure> {
    let Some(issues) = Built::get(ISSUES) else { return Ok(()) };
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let board = format!("http://{server}/v1/streams/{ISSUES_STREAM}");
    if agent.get(&board).call().map_err(Failure::failed)?.status().is_success() {
        return Ok(());
    }
    let mut body = Vec::new();
    GzDecoder::new(&*issues.data).read_to_end(&mut body).map_err(Failure::failed)?;
    let answer = agent.post(format!("{board}/events")).send(&body[..]).map_err(Failure::failed)?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("the board's issues are not recorded: {}", answer.status()))),
    }
}

/// Nothing but what comes from here, and no code but from files and for the core.
const SECURITY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; \
                        img-src 'self' data:; base-uri 'none'; object-src 'none'; frame-ancestors 'none'";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_FIRST: &str = "no-cache";

/// Finds what was built for a path.
fn page(path: &str) -> Option<Page> {
    let mut name = path.strip_prefix('/')?.trim_end_matches('/').to_owned();
    if !name.contains('.') {
        name += if name.is_empty() { "index.html" } else { "/index.html" };
    }
    let body = Built::get(&name)?.data;
    let keep = if name.starts_with("assets/") { FOREVER } else { ASK_FIRST };
    let headers = vec![
        ("content-type", kind_of(&name)),
        ("cache-control", keep),
        ("content-security-policy", SECURITY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    Some(Page { body, headers })
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
