//! A long log over few objects: how soon it is known what was touched, and what is left of it on the disk once most of it
//! is let go while it is written and read. Run it in release: `cargo run --release -p tapeline-log --example long`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tapeline_core::numbers::Seq;
use tapeline_log::embedded::{Embedded, verify};
use tapeline_log::suite::{Writer, start_append, wait};
use tapeline_log::{EventLog, StateStore, Touched};

const EVENTS: u64 = 1_000_000;
const OBJECTS: u64 = 1_000;
const BATCH: u64 = 100;

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = Arc::new(Embedded::open(directory.path()).expect("a log"));
    let writer = Mutex::new(Writer::new("long"));
    write(&log, &mut writer.lock().expect("a writer"), EVENTS);
    let before = settled(&log);
    println!("{EVENTS} events over {OBJECTS} objects: {} KB", before / 1_000);
    touched(&log, 200_000);
    touched(&log, EVENTS);
    let stream = writer.lock().expect("a writer").stream.clone();
    let (stop, slowest) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                write(&log, &mut writer.lock().expect("a writer"), BATCH);
                let pin = log.pin(&stream).expect("a pin").expect("a state");
                pin.touched(Seq(pin.state().head.0 - 1_000), 1_000).expect("what was touched");
                slowest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            }
        });
        let began = Instant::now();
        let horizon = wait(log.trim(&stream, Seq(EVENTS - 10_000), &[])).expect("trimmed");
        println!("let go up to {horizon} in {} ms", began.elapsed().as_millis());
        std::thread::sleep(Duration::from_secs(3));
        stop.store(true, Ordering::Relaxed);
    });
    println!("slowest batch written and read meanwhile: {} ms", slowest.load(Ordering::Relaxed) / 1_000);
    println!("left: {} KB", settled(&log) / 1_000);
    log.close().expect("closed");
    println!("damage: {:?}", verify(directory.path(), |_| ()).expect("verified").damage);
}

fn write(log: &Embedded, writer: &mut Writer, events: u64) {
    let mut random = fastrand::Rng::new();
    for _ in 0..events / BATCH {
        let ids: Vec<u64> = (0..BATCH).map(|_| random.u64(..OBJECTS)).collect();
        let next = writer.upserts(&ids, &format!("some words that differ {}", random.u32(..)));
        let batch = next.batch.clone();
        start_append(log, next).recv().expect("answered").expect("appended");
        let changes = writer.play(&batch);
        log.apply(&writer.stream, changes).expect("applied");
    }
}

fn touched(log: &Embedded, events: u64) {
    let stream = Writer::new("long").stream;
    let pin = log.pin(&stream).expect("a pin").expect("a state");
    let since = Seq(pin.state().head.0 - events + 77);
    for round in ["cold", "warm"] {
        let began = Instant::now();
        let Touched::Keys(keys) = pin.touched(since, 10_000).expect("what was touched") else { return };
        println!("touched by the last {events}: {} keys in {} us, {round}", keys.len(), began.elapsed().as_micros());
    }
}

/// Bytes of the store once it does not change any more.
fn settled(log: &Embedded) -> u64 {
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(4) {
        std::thread::sleep(Duration::from_millis(200));
        let now = log.stats().store_bytes;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}
