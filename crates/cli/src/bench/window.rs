//! The first rows of a window over a million objects, by somebody who holds nothing, from a server that was just started:
//! by id, and by a field, before and after an index of it is declared.

use std::time::{Duration, Instant};

use tapeline_core::name::StreamName;

use super::Size;
use super::cold::{milliseconds, write};
use super::figures::Figures;
use super::load::stream;
use super::partial::{Partial, query};
use super::server::Server;
use crate::failure::Failure;
use crate::http;

/// Rows of the window.
const ROWS: usize = 50;
/// The newest ones.
const NEWEST: &str = "-id";
/// Those whose titles come first.
const SORTED: &str = "title";

/// Measures how long they take, and how long the next ones.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let mut server = Server::start(against).await?;
    let name = stream(format!("bench/window-{:x}", fastrand::u32(..)));
    let objects = 1_000_000 / size.divide;
    write(&server.url, &name, objects, objects).await?;
    if server.is_ours() {
        server.stop_and_restart().await?;
    }
    figures.add("window.first_ms", milliseconds(first(&server.url, &name, NEWEST).await?), "ms")?;
    figures.add("window.warm_ms", milliseconds(median(&server.url, &name, NEWEST).await?), "ms")?;
    if !server.is_ours() {
        return Ok(());
    }
    figures.add("window.sorted.unindexed_ms", milliseconds(first(&server.url, &name, SORTED).await?), "ms")?;
    server.take_schema("[collections.todos]\nindexes = [\"title\"]")?;
    server.stop_and_restart().await?;
    let begun = Instant::now();
    while http::metric(&server.url, "tapeline_building_indexes") != Some(0.0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    figures.add("window.sorted.built_ms", milliseconds(begun.elapsed()), "ms")?;
    figures.add("window.sorted.first_ms", milliseconds(first(&server.url, &name, SORTED).await?), "ms")?;
    figures.add("window.sorted.warm_ms", milliseconds(median(&server.url, &name, SORTED).await?), "ms")
}

async fn median(url: &str, name: &StreamName, order: &str) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..21 {
        times.push(first(url, name, order).await?);
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// Connects and opens the first to-dos in an order. Answers how long it took to have them.
async fn first(url: &str, name: &StreamName, order: &str) -> Result<Duration, Failure> {
    let started = Instant::now();
    let newest = query(&format!(r#"{{"collection":"todos","orderBy":"{order}","limit":{ROWS}}}"#))?;
    let (mut partial, mut rows) = (Partial::connect(url).await?, 0);
    partial.open(name, 0, newest).await?;
    loop {
        let page = partial.page().await?;
        rows += page.items.len();
        // What no query is told of comes with pages of its own.
        if page.query.is_some() && page.after.is_none() {
            break;
        }
    }
    match rows {
        ROWS => Ok(started.elapsed()),
        _ => Err(Failure::Failed(format!("the window has {rows} rows, not {ROWS}"))),
    }
}
