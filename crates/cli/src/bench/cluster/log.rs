//! Streams appended to by who decides on them: the log alone, without clients and without what nodes make of events.

use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Incarnation, Position, Seq};
use tapeline_log::jetstream::{JetStream, Settings};
use tapeline_log::{Append, AppendError};
use tokio::sync::mpsc;

use super::beside::{STREAMS, measure};
use super::nodes::Nodes;
use crate::bench::Size;
use crate::bench::drive;
use crate::bench::figures::Figures;
use crate::bench::load::{recorded, stream};
use crate::failure::Failure;

/// Events that each appender has on their way.
const OUTSTANDING: u64 = 4_096;
/// Events of a batch.
const TOGETHER: u64 = 64;
/// Different events: more than compression looks back.
const EVENTS: usize = 20_000;

/// Measures it.
pub async fn run(nodes: &Nodes, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let settings: Settings = nodes.nats.log().parse().map_err(Failure::failed)?;
    let log = JetStream::connect(&settings).await.map_err(Failure::failed)?;
    let events: Arc<[Vec<u8>]> = recorded(EVENTS).into();
    let connect = async |round| {
        let names = (0..STREAMS).map(|place| stream(format!("bench/log-{round}-{place}")));
        Ok(names.map(|name| Appender::new(log.clone(), name, events.clone())).collect())
    };
    measure("log", (nodes, size), OUTSTANDING, connect, figures).await
}

/// Appends batches to a stream, each behind the one before.
struct Appender {
    log: JetStream,
    stream: StreamName,
    events: Arc<[Vec<u8>]>,
    /// Where the stream is with all that was sent.
    at: (Position, Seq, Chain),
    answer: mpsc::Sender<Result<u64, AppendError>>,
    answers: mpsc::Receiver<Result<u64, AppendError>>,
}

impl Appender {
    fn new(log: JetStream, stream: StreamName, events: Arc<[Vec<u8>]>) -> Self {
        let (answer, answers) = mpsc::channel(OUTSTANDING as usize);
        Self { log, stream, events, at: (Position::FIRST, Seq::FIRST, Chain::EMPTY), answer, answers }
    }

    /// The next batch of so many events.
    fn append(&mut self, count: u64) -> Append {
        let (position, seq, chain) = self.at;
        let mut batch = Batch::empty(seq, chain);
        let events = self.events.iter().cycle().skip(seq.0 as usize % self.events.len());
        events.take(count as usize).for_each(|event| batch.block.push(event));
        self.at = (position.next(), batch.block.end(), batch.block.after());
        let batch = Arc::new(batch);
        Append { stream: self.stream.clone(), incarnation: Incarnation(1), expected: position, batch }
    }
}

impl drive::Writer for Appender {
    async fn send(&mut self, count: u64) -> Result<(), Failure> {
        let mut left = count;
        while left > 0 {
            let together = left.min(TOGETHER);
            let (append, answer) = (self.append(together), self.answer.clone());
            // There is room for all that is on its way; who asked may have failed meanwhile.
            self.log.append(append, Box::new(move |outcome| drop(answer.try_send(outcome.map(|_| together)))));
            left -= together;
        }
        Ok(())
    }

    async fn acknowledged(&mut self) -> Result<u64, Failure> {
        let mut count = self.answers.recv().await.unwrap_or(Ok(0)).map_err(Failure::failed)?;
        while let Ok(more) = self.answers.try_recv() {
            count += more.map_err(Failure::failed)?;
        }
        Ok(count)
    }
}
