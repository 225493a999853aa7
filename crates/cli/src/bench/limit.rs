//! What the machine itself allows: a bare journal, a bare echo, a bare fdatasync, in the same run.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hdrhistogram::Histogram;
use tokio_tungstenite::tungstenite::Message;

use crate::failure::Failure;

/// Events a second of a journal and nothing else: producers with so many events on their way in all, one file, one
/// write and one fdatasync for all that waits, a word back to each producer for each event.
pub fn journal(event_bytes: usize, outstanding: u64, time: Duration) -> Result<f64, Failure> {
    const PRODUCERS: u64 = 8;
    let mut file = tempfile::tempfile_in(".").map_err(Failure::failed)?;
    let (push, waiting) = mpsc::sync_channel::<(usize, Vec<u8>)>(outstanding as usize);
    let end = Instant::now() + time;
    let each = outstanding / PRODUCERS;
    let mut answers = Vec::new();
    let producers: Vec<_> = (0..PRODUCERS as usize)
        .map(|producer| {
            let (answer, acknowledged) = mpsc::sync_channel::<()>(each as usize);
            answers.push(answer);
            let push = push.clone();
            std::thread::spawn(move || produce(producer, event_bytes, each, &push, &acknowledged))
        })
        .collect();
    drop(push);
    let (mut count, mut buffer) = (0u64, Vec::new());
    let started = Instant::now();
    while Instant::now() < end {
        let Ok((producer, event)) = waiting.recv() else { break };
        let mut told = vec![producer];
        buffer.clear();
        buffer.extend_from_slice(&event);
        while let Ok((producer, event)) = waiting.try_recv() {
            buffer.extend_from_slice(&event);
            told.push(producer);
        }
        file.write_all(&buffer).and_then(|()| file.sync_data()).map_err(Failure::failed)?;
        count += told.len() as u64;
        for producer in told {
            // A producer that has ended wants no answer.
            let _ = answers[producer].send(());
        }
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    drop((waiting, answers));
    for producer in producers {
        let _ = producer.join();
    }
    Ok(rate)
}

fn produce(
    producer: usize,
    event_bytes: usize,
    outstanding: u64,
    push: &mpsc::SyncSender<(usize, Vec<u8>)>,
    acknowledged: &mpsc::Receiver<()>,
) {
    for _ in 0..outstanding {
        if push.send((producer, vec![7; event_bytes])).is_err() {
            return;
        }
    }
    while acknowledged.recv().is_ok() {
        if push.send((producer, vec![7; event_bytes])).is_err() {
            return;
        }
    }
}

/// The median time of a bare echo over a WebSocket, from a thread of its own: a server's answer is never on the same
/// thread either.
pub async fn echo(message_bytes: usize, count: u64) -> Result<Duration, Failure> {
    let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(Failure::failed)?;
    let address = listener.local_addr().map_err(Failure::failed)?;
    let serving = std::thread::spawn(move || serve_echo(listener));
    let connected = tokio_tungstenite::connect_async_with_config(format!("ws://{address}"), None, true).await;
    let (mut socket, _) = connected.map_err(Failure::failed)?;
    let mut times = histogram();
    for _ in 0..count {
        let sent = Instant::now();
        socket.send(Message::Binary(vec![7; message_bytes].into())).await.map_err(Failure::failed)?;
        socket.next().await;
        record(&mut times, sent.elapsed());
    }
    drop(socket);
    let _ = serving.join();
    Ok(quantile(&times, 0.5))
}

/// Answers every message of one socket with itself.
fn serve_echo(listener: std::net::TcpListener) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime
        .block_on(async {
            listener.set_nonblocking(true)?;
            let (socket, _) = tokio::net::TcpListener::from_std(listener)?.accept().await?;
            socket.set_nodelay(true)?;
            let mut socket = tokio_tungstenite::accept_async(socket).await.map_err(std::io::Error::other)?;
            while let Some(Ok(message)) = socket.next().await {
                socket.send(message).await.map_err(std::io::Error::other)?;
            }
            Ok::<(), std::io::Error>(())
        })
        .unwrap_or_default();
}

/// The median time of an append of so many bytes with fdatasync.
pub fn sync(bytes: usize, count: u64) -> Result<Duration, Failure> {
    let mut file: File = tempfile::tempfile_in(".").map_err(Failure::failed)?;
    let mut times = histogram();
    for _ in 0..count {
        let started = Instant::now();
        file.write_all(&vec![7; bytes]).and_then(|()| file.sync_data()).map_err(Failure::failed)?;
        record(&mut times, started.elapsed());
    }
    Ok(quantile(&times, 0.5))
}

/// A histogram of times up to a minute, in nanoseconds.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in order, three digits")
}

/// Takes one time.
pub fn record(times: &mut Histogram<u64>, time: Duration) {
    times.saturating_record(time.as_nanos() as u64);
}

/// A quantile of times.
pub fn quantile(times: &Histogram<u64>, quantile: f64) -> Duration {
    Duration::from_nanos(times.value_at_quantile(quantile))
}
