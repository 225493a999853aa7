//! `demo`: a server with the example apps inside it.

use std::net::SocketAddr;

use rust_embed::Embed;
use serde_json::json;
use tapeline_server::backend::Backend;
use tapeline_server::{Page, read_schema};

use super::seeds::Seeds;
use super::serve::{Place, host};
use super::{accounts, schema};
use crate::arguments::Demo;
use crate::failure::Failure;
use crate::log::{self, Level};
use crate::output;

/// What `scripts/build-examples` has built; empty where it was not run.
#[derive(Embed)]
#[folder = "../../examples/dist/"]
#[allow_missing = true]
struct Built;

/// How concurrent edits meet in the apps.
const SCHEMA: &str = include_str!("../../../../examples/schema.toml");

/// What the board's issues are made of.
const ISSUES: &str = "seed/board.json.gz";

/// Runs the demonstration until it is told to stop.
pub async fn run(demo: Demo, json: bool) -> Result<(), Failure> {
    if Built::get("index.html").is_none() {
        let how = "this tapeline was built without the example apps: run scripts/build-examples, then build it again";
        return Err(Failure::Failed(how.into()));
    }
    let forgotten =
        tempfile::tempdir().map_err(|error| Failure::File { place: "temporary directory".into(), error })?;
    log::start(Level::Warn, json);
    let data = demo.data.as_deref().unwrap_or(forgotten.path());
    let accounts = accounts::open(forgotten.path())?;
    let pages = {
        let accounts = accounts.clone();
        let find = move |path: &str| accounts::sign_in(&accounts, path).or_else(|| page(path));
        Some(std::sync::Arc::new(find) as tapeline_server::Pages)
    };
    let schema = match &demo.schema {
        Some(file) => schema::read(Some(file))?,
        None => read_schema(SCHEMA).map_err(Failure::failed)?,
    };
    let (auth, tls, origins) = (Some(accounts), None, Vec::new());
    let place = Place {
        data,
        log: None,
        listen: demo.listen,
        auth,
        tls,
        origins,
        insecure: true,
        read_only: false,
        schema,
        backend: Backend::default(),
        pages,
        copy_to: None,
    };
    host(place, async |address| begin(address, &demo, json).await).await.map(drop)
}

/// Puts up what the apps start with, and says where they are.
async fn begin(address: SocketAddr, demo: &Demo, json: bool) -> Result<(), Failure> {
    let here = reached_at(address);
    let (issues, messages) = (demo.issues, demo.messages);
    let seeded = tokio::task::spawn_blocking(move || {
        let seeds = Seeds::new(here);
        Built::get(ISSUES).map_or(Ok(()), |known| seeds.issues(&known.data, issues))?;
        seeds.messages(messages)
    });
    seeded.await.map_err(Failure::failed)??;
    let data = demo.data.as_deref();
    if json {
        let address = format!("http://{here}");
        return output::line(json!({ "listening": address, "data": data, "pid": std::process::id() }));
    }
    match here == address {
        true => output::line(format!("the example apps are on http://{here}"))?,
        false => output::line(format!(
            "the example apps are on http://{here}, and for others on port {} of this machine's addresses",
            here.port()
        ))?,
    }
    match data {
        Some(data) => output::line(format!("what is done there is kept in {}", data.display())),
        None => output::line("what is done there is forgotten at the end"),
    }
}

/// Where this machine reaches what listens on an address: on all of its own, that is no address to open.
fn reached_at(listening: SocketAddr) -> SocketAddr {
    match listening.ip().is_unspecified() {
        true => ([127, 0, 0, 1], listening.port()).into(),
        false => listening,
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
    let gzipped = Built::get(&format!("{name}.gz")).map(|file| file.data);
    let keep = if name.starts_with("assets/") { FOREVER } else { ASK_FIRST };
    let headers = vec![
        ("content-type", kind_of(&name)),
        ("cache-control", keep),
        ("content-security-policy", SECURITY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    Some(Page { body, gzipped, headers })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_opened() {
        for (listening, opened) in [
            ("0.0.0.0:7070", "127.0.0.1:7070"),
            ("[::]:81", "127.0.0.1:81"),
            ("127.0.0.1:7070", "127.0.0.1:7070"),
            ("192.168.1.5:80", "192.168.1.5:80"),
        ] {
            assert_eq!(reached_at(listening.parse().expect("an address")).to_string(), opened);
        }
    }
}
