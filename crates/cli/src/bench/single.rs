//! One writer, one event at a time: what an acknowledgement costs beside the least it can cost.

use super::figures::Figures;
use super::load::{Todos, Writer, stream};
use super::server::Server;
use super::{Size, limit};
use crate::failure::Failure;

/// Measures it.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    const ROUNDS: u64 = 5;
    let count = 2_000 / size.divide;
    let server = Server::start(against).await?;
    let mut writer = Writer::open(&server.url, &stream(format!("bench/single-{:x}", fastrand::u32(..))), 1).await?;
    let (mut todos, mut made) = (Todos::new(2), Vec::new());
    let mut times = limit::histogram();
    let (mut echo, mut sync) = (Vec::new(), Vec::new());
    // In turn, so that a change of the machine's mood meets all three.
    for _ in 0..ROUNDS {
        for _ in 0..count / ROUNDS {
            let op = todos.next(&mut made);
            limit::record(&mut times, writer.push_one(op).await?);
        }
        echo.push(limit::echo(150, count / ROUNDS).await?);
        sync.push(limit::sync(200, count / ROUNDS)?);
    }
    let (echo, sync) = (median(echo), median(sync));
    figures.add("append.single.echo_us", echo.as_secs_f64() * 1e6, "us")?;
    figures.add("append.single.fdatasync_us", sync.as_secs_f64() * 1e6, "us")?;
    let limit = (echo + sync).as_secs_f64();
    let p50 = limit::quantile(&times, 0.5).as_secs_f64();
    figures.add("append.single.p50_us", p50 * 1e6, "us")?;
    figures.add("append.single.limit_us", limit * 1e6, "us")?;
    figures.add("append.single.of_limit", p50 / limit, "1")
}

fn median(mut times: Vec<std::time::Duration>) -> std::time::Duration {
    times.sort();
    times[times.len() / 2]
}
