//! A client that was away while a thousand objects changed two hundred thousand times.

use std::time::Instant;

use tapeline_client::Tapeline;

use super::Size;
use super::cold::write;
use super::figures::Figures;
use super::load::{Writer, stream};
use super::server::Server;
use crate::failure::Failure;

/// Measures its return.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let name = stream(format!("bench/return-{:x}", fastrand::u32(..)));
    let objects = 1_000 / size.divide;
    let ids = write(&server.url, &name, objects, objects).await?;
    let tapeline = Tapeline::builder(&server.url).open().await.map_err(Failure::failed)?;
    let replica = tapeline.stream(name.as_str()).await.map_err(Failure::failed)?;
    replica.caught_up().await.map_err(Failure::failed)?;
    tapeline.go_offline();
    let mut writer = Writer::open(&server.url, &name, 2).await?;
    let mut next = |todos: &mut super::load::Todos| {
        let place = todos.pick(ids.len());
        // Somebody else made these to-dos: an upsert edits them whoever did.
        todos.insert(ids[place].clone())
    };
    writer.push(200_000 / size.divide, 4_096, &mut next).await?;
    let started = Instant::now();
    tapeline.go_online();
    replica.caught_up().await.map_err(Failure::failed)?;
    figures.add("return.ms", started.elapsed().as_secs_f64() * 1e3, "ms")?;
    tapeline.close().await.map_err(Failure::failed)
}
