//! `bench`: the measurements, each beside a limit or a peer measured in the same run.

mod append;
mod apply;
mod auth;
mod cluster;
mod cold;
mod crowd;
mod desk;
mod drive;
mod fanout;
mod figures;
mod limit;
mod load;
mod log;
mod many;
mod offline;
mod ours;
mod partial;
mod peers;
mod rebase;
mod restart;
mod returning;
mod route;
mod rules;
mod server;
mod single;
mod stopwatch;
mod text;
mod window;

use clap::ValueEnum;

use crate::arguments::{Bench, Measure};
use crate::failure::Failure;
use crate::{http, stop};
use figures::Figures;

/// How large the measures are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Seconds of each measure that runs for a time.
    pub seconds: u64,
    /// Divides the sizes of the others.
    pub divide: u64,
    /// Whether peers are measured too.
    pub peers: bool,
}

/// Runs the measures that were named, or all.
pub async fn run(arguments: Bench, against: Option<&str>, json: bool) -> Result<(), Failure> {
    let all = Measure::value_variants();
    let measures = if arguments.measures.is_empty() { all.to_vec() } else { arguments.measures.clone() };
    let size = match arguments.quick {
        true => Size { seconds: arguments.seconds.min(2), divide: 20, peers: arguments.peers },
        false => Size { seconds: arguments.seconds, divide: 1, peers: arguments.peers },
    };
    against.map_or(Ok(()), http::check)?;
    let mut figures = Figures::new(json);
    // Stopped in the middle, it ends the processes that it has started.
    tokio::select! {
        done = measure(&measures, against, &arguments, size, &mut figures) => done?,
        told = stop::told() => return told.and_then(|()| Err(Failure::Failed("stopped".into()))),
    }
    figures.finish()
}

async fn measure(
    measures: &[Measure],
    against: Option<&str>,
    arguments: &Bench,
    size: Size,
    figures: &mut Figures,
) -> Result<(), Failure> {
    for measure in measures {
        match measure {
            Measure::Append => {
                append::run(against, size, figures).await?;
                single::run(against, size, figures).await?;
                many::run(against, size, figures).await?;
                restart::run(against, size, figures).await?;
            }
            Measure::Fanout => fanout::run(against, size, figures).await?,
            Measure::Cold => cold::run(against, size, figures).await?,
            Measure::Return => returning::run(against, size, figures).await?,
            Measure::Window => window::run(against, size, figures).await?,
            Measure::Route => route::run(against, size, figures).await?,
            Measure::Rules => rules::run(against, size, figures).await?,
            Measure::Cluster => cluster::run(against, arguments.streams, size, figures).await?,
            Measure::Offline => offline::run(against, size, figures).await?,
            Measure::Apply => apply::run(size, figures)?,
            Measure::Rebase => rebase::run(figures)?,
            Measure::Auth => auth::run(size, figures)?,
            Measure::Text => text::run(&arguments.recordings, size, figures).await?,
        }
    }
    Ok(())
}
