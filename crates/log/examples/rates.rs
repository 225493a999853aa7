//! Measures an embedded log on this disk: `cargo run --release -p tapeline-log --example rates [DIRECTORY] [SECONDS]`.
//!
//! Each event is one upsert of a to-do of some 150 bytes; what is acknowledged is applied at once by a second thread, as
//! a server does it. Beside each rate stands what the disk does with nothing but the writes and syncs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tapeline_core::batch::Batch;
use tapeline_core::codec::cbor;
use tapeline_core::event::{Body, Recorded};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName};
use tapeline_core::numbers::{ClientId, EventNumber, Incarnation, Millis, Position, Seq};
use tapeline_core::object::{Entry, Stamp, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::state::{ClientState, StreamState};
use tapeline_core::value::Value;
use tapeline_log::embedded::{Embedded, bare_journal};
use tapeline_log::{Append, EventLog, StateChanges, StateStore};

const MANY: usize = 100_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "target/rates".into()));
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let only = arguments.next();
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let during = Duration::from_secs(seconds);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).expect("a directory to measure in");
    if wanted("hot") {
        rate(&root, "one hot stream, 64 out", Load { streams: 1, batch: 1, outstanding: 64, during, most: None });
        rate(
            &root,
            "one hot stream, batches of 64, 64 out",
            Load { streams: 1, batch: 64, outstanding: 64, during, most: None },
        );
    }
    if wanted("many") {
        rate(&root, "100,000 streams, 64 out", Load { streams: MANY, batch: 1, outstanding: 64, during, most: None });
        rate(
            &root,
            "100,000 streams, 4096 out",
            Load { streams: MANY, batch: 1, outstanding: 4_096, during, most: None },
        );
    }
    if wanted("sustained") {
        let load = Load { streams: MANY, batch: 1, outstanding: 4_096, during: during * 6, most: Some(50_000) };
        rate(&root, "100,000 streams, 50,000 events/s", load);
    }
    if wanted("size") {
        size(&root);
    }
    if wanted("restart") {
        restart(&root);
    }
}

struct Load {
    streams: usize,
    batch: u64,
    outstanding: usize,
    during: Duration,
    /// Events a second.
    most: Option<u64>,
}

/// A stream as its writer sees it.
#[derive(Clone)]
struct Tape {
    name: StreamName,
    position: Position,
    seq: Seq,
    chain: Chain,
}

fn tapes(count: usize) -> Vec<Tape> {
    let name = |i| StreamName::new(format!("boards/{i}")).expect("a name");
    (0..count)
        .map(|i| Tape { name: name(i), position: Position::FIRST, seq: Seq::FIRST, chain: Chain::EMPTY })
        .collect()
}

fn uuid(id: u64) -> ObjectId {
    let random = fastrand::Rng::with_seed(id).u128(..) >> 54;
    ObjectId::from_uuid((0x0193_5000_0000 + id as u128 / 10) << 80 | 7 << 76 | random)
}

fn field(name: &str) -> FieldName {
    FieldName::new(name).expect("a name")
}

fn words(random: &mut fastrand::Rng) -> String {
    const WORDS: [&str; 16] = [
        "buy", "milk", "call", "the", "plumber", "write", "report", "for", "Monday", "water", "plants", "review",
        "design", "book", "train", "tickets",
    ];
    (0..5).map(|_| WORDS[random.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

/// An insert of a to-do, or a later edit of it.
fn to_do(id: u64, first: bool, random: &mut fastrand::Rng) -> Op {
    let key = Key { collection: Collection::new("todos").expect("a name"), id: uuid(id) };
    let action = if first {
        let fields = vec![
            (field("title"), Value::Text(words(random).into())),
            (field("done"), Value::Bool(false)),
            (field("order"), Value::Int(id as i64)),
            (field("note"), Value::Text(words(random).into())),
        ];
        Action::Insert(FieldMap::new(fields).expect("fields"))
    } else {
        let edits = vec![
            (field("title"), Edit::Set(Value::Text(words(random).into()))),
            (field("done"), Edit::Set(Value::Bool(random.bool()))),
        ];
        Action::Update(FieldMap::new(edits).expect("fields"))
    };
    Op { key, seen: None, action }
}

fn event(seq: Seq, op: Op) -> Recorded {
    let client = ClientId(0x0193_5000_0000_7abc_9def_0123_4567_0000 | u128::from(seq.0 % 16));
    let body = Body { base: seq, at: Millis(1_763_640_000_000 + seq.0 * 37), ops: vec![op], ..Body::default() };
    Recorded { seq, client, n: EventNumber(seq.0 / 16 + 1), actor: None, body, lost: Vec::new() }
}

/// Counts what is out, and lets the writer wait.
#[derive(Default)]
struct Out {
    count: Mutex<usize>,
    less: Condvar,
}

/// What the applier is told of a durable batch.
struct Durable {
    stream: usize,
    state: StreamState,
    changed: Vec<(Key, Entry)>,
    client: ClientId,
    n: u64,
}

fn rate(root: &Path, title: &str, load: Load) {
    let path = root.join("rate");
    let _ = std::fs::remove_dir_all(&path);
    let log = Arc::new(Embedded::open(&path).expect("the log opens"));
    let mut tapes = tapes(load.streams);
    let names: Vec<_> = tapes.iter().map(|tape| tape.name.clone()).collect();
    let (tell, hear): (SyncSender<Durable>, Receiver<Durable>) = sync_channel(load.outstanding);
    let out = Arc::new(Out::default());
    let applier = spawn_applier(log.clone(), names, hear, out.clone());
    let mut latencies = Vec::new();
    let mut random = fastrand::Rng::with_seed(1);
    let main_before = processor_times().into_iter().find(|(name, _)| name == "rates").map_or(0, |(_, micros)| micros);
    let (started, mut sent, mut latest, mut worst) = (Instant::now(), 0u64, Duration::ZERO, Duration::ZERO);
    let measured = Arc::new(Mutex::new(Vec::<u32>::new()));
    while started.elapsed() < load.during {
        if sent.is_multiple_of(1_000) {
            let stats = log.stats();
            worst = worst.max(stats.unflushed_age);
            latest = stats.unflushed_age;
        }
        while load.most.is_some_and(|most| sent > most * started.elapsed().as_millis() as u64 / 1_000) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let stream = random.usize(..load.streams);
        sent += load.batch;
        send(&log, &mut tapes[stream], stream, load.batch, &mut random, &out, &tell, &measured, load.outstanding);
    }
    let mut count = out.count.lock().unwrap();
    while *count > 0 {
        count = out.less.wait(count).unwrap();
    }
    drop(count);
    let took = started.elapsed();
    let times: Vec<_> = processor_times()
        .into_iter()
        .map(|(name, micros)| {
            format!("{name} {:.1}", (micros - if name == "rates" { main_before } else { 0 }) as f64 / sent as f64)
        })
        .collect();
    drop(tell);
    applier.join().unwrap();
    latencies.append(&mut measured.lock().unwrap());
    latencies.sort_unstable();
    let stats = log.stats();
    let crashed = root.join("crashed");
    let _ = std::fs::remove_dir_all(&crashed);
    copy(&path, &crashed);
    let per_group = stats.events.max(1) / stats.groups.max(1);
    let group_bytes = (stats.journal_written / stats.groups.max(1)) as usize;
    let bare = bare_journal(root, group_bytes, Duration::from_secs(2)).expect("the disk can be written");
    let percentile = |part: f64| latencies.get((latencies.len() as f64 * part) as usize).copied().unwrap_or(0);
    println!(
        "{title}: {:.0} events/s durable (bare journal {:.0}); p50 {} us, p99 {} us; {per_group} events a group; written \
         behind at most {} ms late (now {}); memory {} MB; journal {} MB, store {} MB, {} checkpoints",
        sent as f64 / took.as_secs_f64(),
        bare.events_per_second(per_group),
        percentile(0.5),
        percentile(0.99),
        worst.as_millis(),
        latest.as_millis(),
        resident_mb(),
        stats.journal_bytes >> 20,
        stats.store_bytes >> 20,
        stats.checkpoints,
    );
    let buckets = stats.commit_durations.iter().enumerate().filter(|(_, count)| **count > 0);
    let buckets: Vec<_> = buckets.map(|(bucket, count)| format!("<{}us: {count}", 1u64 << bucket)).collect();
    println!("  commits {}", buckets.join(", "));
    println!("  processor, microseconds an event: {}", times.join(", "));
    log.close().expect("the log closes");
    reopen("a crash", &crashed);
    reopen("a clean stop", &path);
    let _ = std::fs::remove_dir_all(&path);
}

#[allow(clippy::too_many_arguments)]
fn send(
    log: &Embedded,
    tape: &mut Tape,
    stream: usize,
    events: u64,
    random: &mut fastrand::Rng,
    out: &Arc<Out>,
    tell: &SyncSender<Durable>,
    measured: &Arc<Mutex<Vec<u32>>>,
    outstanding: usize,
) {
    let mut batch = Batch::empty(tape.seq, tape.chain);
    let mut changed = Vec::with_capacity(events as usize);
    for _ in 0..events {
        let op = to_do(random.u64(..100) + stream as u64 * 100, true, random);
        let recorded = event(batch.block.end(), op);
        batch.block.push(&cbor::encode_recorded(&recorded));
        let op = recorded.body.ops.into_iter().next().expect("one op");
        let mut entry = None;
        apply(&mut entry, &op, Stamp { seq: recorded.seq, client: recorded.client });
        changed.extend(entry.map(|entry| (op.key, entry)));
    }
    let expected = tape.position;
    (tape.position, tape.seq, tape.chain) = (expected.next(), batch.block.end(), batch.block.after());
    let state = StreamState {
        position: tape.position,
        head: tape.seq,
        chain: tape.chain,
        ..StreamState::empty(Incarnation(1))
    };
    let durable = Durable { stream, state, changed, client: ClientId(stream as u128 + (7 << 100)), n: tape.seq.0 };
    let mut count = out.count.lock().unwrap();
    while *count >= outstanding {
        count = out.less.wait(count).unwrap();
    }
    *count += 1;
    drop(count);
    let (tell, measured, started) = (tell.clone(), measured.clone(), Instant::now());
    let done = Box::new(move |outcome: Result<Position, _>| {
        outcome.expect("the append succeeds");
        measured.lock().unwrap().push(started.elapsed().as_micros() as u32);
        drop(tell.send(durable));
    });
    let name = tape.name.clone();
    log.append(Append { stream: name, incarnation: Incarnation(1), expected, batch: Arc::new(batch) }, done);
}

fn spawn_applier(
    log: Arc<Embedded>,
    names: Vec<StreamName>,
    hear: Receiver<Durable>,
    out: Arc<Out>,
) -> std::thread::JoinHandle<()> {
    spawn("applier", move || {
        for durable in hear {
            let mut client = ClientState::new(None);
            (client.last, client.settled) = (EventNumber(durable.n), EventNumber(durable.n));
            let changes = StateChanges {
                state: durable.state,
                entries: durable.changed,
                clients: vec![(durable.client, client)],
            };
            log.apply(&names[durable.stream], changes).expect("the state is taken");
            *out.count.lock().unwrap() -= 1;
            out.less.notify_one();
        }
    })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::Builder::new().name(name.into()).spawn(run).expect("a thread")
}

/// Processor time of each thread in microseconds.
fn processor_times() -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned();
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((name, stat.split_whitespace().next()?.parse::<u64>().ok()? / 1_000))
    });
    times.collect()
}

/// 300,000 events over 100,000 to-dos, then silence.
fn size(root: &Path) {
    let path = root.join("size");
    let log = Embedded::open(&path).expect("the log opens");
    let raw = fill(&log, "list", 100_000, 300_000);
    let started = Instant::now();
    let mut sizes = Vec::new();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_secs(1));
        sizes.push(format!("{:.1}", megabytes(&path)));
    }
    println!(
        "300,000 events ({:.0} bytes each) over 100,000 objects: MB on disk second by second {}; {} s",
        raw as f64 / 300_000.0,
        sizes.join(" "),
        started.elapsed().as_secs()
    );
    log.close().expect("the log closes");
    println!("  after a clean stop: {:.1} MB", megabytes(&path));
    let started = Instant::now();
    let verified = tapeline_log::embedded::verify(&path, |_| ()).expect("it can be verified");
    println!(
        "  verified {} events, {} objects in {} ms: {} damaged",
        verified.events,
        verified.entries,
        started.elapsed().as_millis(),
        verified.damage.len()
    );
    let log = Embedded::open(&path).expect("the log opens");
    let name = StreamName::new("list").expect("a name");
    let started = Instant::now();
    let mut objects = 0;
    log.objects(&name, None, &mut |_, _| {
        objects += 1;
        std::ops::ControlFlow::Continue(())
    })
    .expect("the objects can be read");
    println!("  {objects} objects read in {} ms", started.elapsed().as_millis());
    read_all(&log, &name);
}

fn read_all(log: &Embedded, name: &StreamName) {
    let started = Instant::now();
    let mut from = Seq::FIRST;
    loop {
        let block = tapeline_log::suite::wait(log.read(name, from, 256 << 10)).expect("the events can be read");
        if block.is_empty() {
            break;
        }
        from = block.end();
    }
    println!("  {from} events read at {:.0} events/s", from.0 as f64 / started.elapsed().as_secs_f64());
}

/// Writes events of a stream in batches of 100, the first `objects` of them inserts. Answers their bytes.
fn fill(log: &Embedded, name: &str, objects: u64, events: u64) -> usize {
    let name = StreamName::new(name).expect("a name");
    let (mut random, mut entries) = (fastrand::Rng::with_seed(3), HashMap::<u64, Option<Entry>>::new());
    let mut batch = Batch::empty(Seq::FIRST, Chain::EMPTY);
    let (mut position, mut changed, mut bytes) = (Position::FIRST, HashMap::new(), 0);
    for place in 0..events {
        let id = if place < objects { place } else { random.u64(..objects) };
        let recorded = event(Seq(place), to_do(id, place < objects, &mut random));
        batch.block.push(&cbor::encode_recorded(&recorded));
        let (op, entry) = (&recorded.body.ops[0], entries.entry(id).or_default());
        apply(entry, op, Stamp { seq: recorded.seq, client: recorded.client });
        changed.insert(op.key.clone(), entry.clone().expect("it is there"));
        if batch.block.count() == 100 || place + 1 == events {
            bytes += batch.block.bytes().len();
            let state = StreamState {
                position: position.next(),
                head: batch.block.end(),
                chain: batch.block.after(),
                ..StreamState::empty(Incarnation(1))
            };
            let next = Batch::empty(batch.block.end(), batch.block.after());
            let append = Append {
                stream: name.clone(),
                incarnation: Incarnation(1),
                expected: position,
                batch: Arc::new(batch),
            };
            position = tapeline_log::suite::append(log, append).expect("the append succeeds");
            batch = next;
            let entries = changed.drain().collect();
            log.apply(&name, StateChanges { state, entries, clients: Vec::new() }).expect("the state is taken");
        }
    }
    bytes
}

/// 10 million events on 1,000 streams, stopped well and not so well.
fn restart(root: &Path) {
    let path = root.join("restart");
    let log = Embedded::open(&path).expect("the log opens");
    let started = Instant::now();
    for stream in 0..100 {
        fill(&log, &format!("list/{stream}"), 10_000, 100_000);
    }
    println!(
        "10,000,000 events on 100 streams written in {} s: {:.0} MB",
        started.elapsed().as_secs(),
        megabytes(&path)
    );
    let crashed = root.join("crashed");
    copy(&path, &crashed);
    log.close().expect("the log closes");
    reopen("a clean stop", &path);
    reopen("a crash", &crashed);
}

fn reopen(what: &str, path: &Path) {
    let started = Instant::now();
    let log = Embedded::open(path).expect("the log opens");
    let took = started.elapsed();
    println!(
        "  open after {what}: {} ms, {} MB of journal, {} streams to replay",
        took.as_millis(),
        log.stats().journal_bytes >> 20,
        log.unapplied_streams().len()
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory to copy to");
    for file in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(file.file_name());
        match file.path().is_dir() {
            true => copy(&file.path(), &target),
            false => drop(std::fs::copy(file.path(), target)),
        }
    }
}

fn megabytes(path: &Path) -> f64 {
    let sizes = std::fs::read_dir(path).into_iter().flatten().flatten().map(|file| match file.path().is_dir() {
        true => megabytes(&file.path()),
        false => file.metadata().map_or(0.0, |file| file.len() as f64 / 1e6),
    });
    sizes.sum()
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
