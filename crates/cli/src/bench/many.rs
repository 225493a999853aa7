//! A hundred thousand streams at random: 64 writers, 64 events on their way each.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tapeline_core::event::Authored;
use tapeline_core::frame::{ClientFrame, ErrorCode, ErrorFrame, Live, ServerFrame};
use tapeline_core::name::ObjectId;
use tapeline_core::numbers::{Channel, EventNumber};
use tokio::sync::Barrier;

use super::Size;
use super::figures::Figures;
use super::load::{Author, Todos, spawned, stream};
use super::server::Server;
use crate::failure::Failure;
use crate::http;
use crate::wire::{self, Receiver, Sender};

const STREAMS: u64 = 100_000;
const WRITERS: u64 = 64;
const OUTSTANDING: usize = 64;
/// How often it gives a sign of life while it waits.
const BEAT: Duration = Duration::from_secs(10);
/// How long it waits where it is told to send again later.
const LATER: Duration = Duration::from_millis(100);

/// Measures it, for a while and for six times as long.
pub async fn run(against: Option<&str>, size: Size, figures: &mut Figures) -> Result<(), Failure> {
    let server = Server::start(against).await?;
    let each = (STREAMS / size.divide / WRITERS).max(1);
    let run = fastrand::u32(..);
    let mut writers = try_join_all((0..WRITERS).map(|place| Writer::open(&server.url, place, each, run))).await?;
    let short = measure(&mut writers, Duration::from_secs(size.seconds)).await?;
    figures.add("append.many.events_per_s", short, "1/s")?;
    if let Some(bytes) = server.resident_bytes() {
        figures.add("append.many.rss_bytes", bytes as f64, "B")?;
    }
    let long = measure(&mut writers, Duration::from_secs(size.seconds * 6)).await?;
    figures.add("append.many.long_events_per_s", long, "1/s")?;
    if let Some(bytes) = server.resident_bytes() {
        figures.add("append.many.long_rss_bytes", bytes as f64, "B")?;
    }
    if let Some(late) = http::metric(&server.url, "tapeline_unflushed_age_seconds") {
        figures.add("append.many.long_write_behind_late_s", late, "s")?;
    }
    Ok(())
}

async fn measure(writers: &mut Vec<Writer>, time: Duration) -> Result<f64, Failure> {
    let start = Instant::now();
    let pushes = writers
        .drain(..)
        .map(|mut writer| spawned(async move { Ok((writer.push_until(start + time).await?, writer)) }));
    let done = try_join_all(pushes).await?;
    let rate = done.iter().map(|(count, _)| count).sum::<u64>() as f64 / start.elapsed().as_secs_f64();
    writers.extend(done.into_iter().map(|(_, writer)| writer));
    Ok(rate)
}

/// A writer with streams of its own.
pub struct Writer {
    sender: Sender,
    receiver: Receiver,
    todos: Todos,
    streams: Vec<(Author, Vec<ObjectId>)>,
    on_their_way: BTreeMap<(Channel, EventNumber), Authored>,
    /// How often it was told to send again later.
    pub late: u64,
}

impl Writer {
    /// Opens so many streams on one socket.
    pub async fn open(url: &str, place: u64, count: u64, run: u32) -> Result<Self, Failure> {
        let (mut sender, mut receiver) = wire::connect(url).await?;
        let mut todos = Todos::new(place);
        let mut streams = Vec::new();
        for number in 0..count {
            let author = Author::new(todos.client());
            let name = stream(format!("bench/many-{run:x}/{place}/{number}"));
            sender.send(&wire::open(Channel(number as u32), &name, author.client, Live::No)).await?;
            streams.push((author, Vec::new()));
        }
        let all_opened = async {
            for _ in 0..count {
                super::load::opened(&mut receiver).await?;
            }
            Ok(())
        };
        while_alive(&mut sender, all_opened).await?;
        Ok(Self { sender, receiver, todos, streams, on_their_way: BTreeMap::new(), late: 0 })
    }

    async fn push_until(&mut self, end: Instant) -> Result<u64, Failure> {
        let mut acknowledged = 0;
        while Instant::now() < end {
            while self.on_their_way.len() < OUTSTANDING {
                let place = self.todos.pick(self.streams.len());
                self.send(place).await?;
            }
            acknowledged += self.take_answer().await?;
        }
        while !self.on_their_way.is_empty() {
            acknowledged += self.take_answer().await?;
        }
        Ok(acknowledged)
    }

    /// Waits for the others of a round.
    pub async fn wait_for_all(&mut self, round: &Barrier) -> Result<(), Failure> {
        let mut all = pin!(round.wait());
        let hearing = async {
            loop {
                tokio::select! {
                    _ = &mut all => return Ok(()),
                    heard = self.receiver.next() => drop(heard?),
                }
            }
        };
        while_alive(&mut self.sender, hearing).await
    }

    /// Writes once to each of its streams, evenly over a time, and waits until all is acknowledged.
    pub async fn write_once_each(&mut self, over: Duration) -> Result<(), Failure> {
        let (start, streams) = (tokio::time::Instant::now(), self.streams.len());
        for place in 0..streams {
            let due = start + over.mul_f64(place as f64 / streams as f64);
            while self.on_their_way.len() == OUTSTANDING {
                self.take_answer().await?;
            }
            while let Ok(answer) = tokio::time::timeout_at(due, self.take_answer()).await {
                answer?;
            }
            self.send(place).await?;
        }
        while !self.on_their_way.is_empty() {
            self.take_answer().await?;
        }
        Ok(())
    }

    /// Sends an event to one of its streams.
    async fn send(&mut self, place: usize) -> Result<(), Failure> {
        let (event, channel) = (self.event(place), Channel(place as u32));
        self.on_their_way.insert((channel, event.n), event.clone());
        self.sender.send(&ClientFrame::Push { channel, events: vec![event] }).await
    }

    /// Sends again what is on its way to one of its streams.
    async fn send_again(&mut self, channel: Channel) -> Result<(), Failure> {
        self.late += 1;
        tokio::time::sleep(LATER).await;
        let all = (channel, EventNumber::default())..=(channel, EventNumber(u64::MAX));
        let events = self.on_their_way.range(all).map(|(_, event)| event.clone()).collect();
        self.sender.send(&ClientFrame::Push { channel, events }).await
    }

    fn event(&mut self, place: usize) -> Authored {
        let (author, made) = &mut self.streams[place];
        author.event(self.todos.next(made))
    }

    async fn take_answer(&mut self) -> Result<u64, Failure> {
        match self.receiver.next().await? {
            ServerFrame::Ack { channel, runs, .. } => {
                let author = &mut self.streams[channel.0 as usize].0;
                let said = runs.into_iter().flat_map(|run| (0..run.count).map(move |place| run.n.plus(place)));
                let mut count = 0;
                for n in said {
                    author.settled = author.settled.max(n);
                    count += u64::from(self.on_their_way.remove(&(channel, n)).is_some());
                }
                Ok(count)
            }
            ServerFrame::Refused { refusal, .. } => Err(Failure::Refused(refusal.reason)),
            ServerFrame::Error(ErrorFrame { code: ErrorCode::Later, channel: Some(channel), .. }) => {
                self.send_again(channel).await.map(|()| 0)
            }
            ServerFrame::Error(error) => Err(Failure::Refused(error.message)),
            _ => Ok(0),
        }
    }
}

/// Waits for something, giving signs of life meanwhile.
async fn while_alive(sender: &mut Sender, what: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let (mut what, mut beat) = (pin!(what), tokio::time::interval(BEAT));
    loop {
        tokio::select! {
            done = &mut what => return done,
            _ = beat.tick() => sender.send(&ClientFrame::Ping).await?,
        }
    }
}
