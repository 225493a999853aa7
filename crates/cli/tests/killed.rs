//! Servers and clients that are killed at random moments under load: nothing acknowledged, and nothing reported as
//! stored, is ever lost or doubled.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use support::{Server, tapeline};
use tapeline_client::{Outcome, Tapeline};
use tokio::sync::Notify;

const KILLS: u64 = 20;
const WRITERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

/// Writers that go on by themselves, whatever becomes of the server.
struct Load {
    acknowledged: AtomicU64,
    more: Notify,
    stop: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_twenty_times_loses_nothing_acknowledged() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut server = Server::start();
    let load = Arc::new(Load { acknowledged: AtomicU64::new(0), more: Notify::new(), stop: AtomicU64::new(0) });
    let writers: Vec<_> =
        (0..WRITERS).map(|place| tokio::spawn(write(server.url.clone(), place, load.clone()))).collect();
    for _ in 0..KILLS {
        let target = load.acknowledged.load(Ordering::SeqCst) + random.u64(1..200);
        while load.acknowledged.load(Ordering::SeqCst) < target {
            tokio::time::timeout(PATIENCE, load.more.notified()).await.expect("the writers get on");
        }
        server.kill();
        server.restart();
    }
    load.stop.store(1, Ordering::SeqCst);
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(tokio::time::timeout(PATIENCE, writer).await.expect("in time").expect("a writer"));
    }
    let events = server.lines(&["tail", "load"]);
    check_dense_and_single(&events);
    let on_log: BTreeSet<(u64, String)> =
        events.iter().map(|event| (event["seq"].as_u64().expect("a seq"), marker(event))).collect();
    assert!(acknowledged.is_subset(&on_log), "{} acknowledged, {} on the log", acknowledged.len(), on_log.len());
    server.stop();
    let verified = tapeline().args(["verify", "--data"]).arg(server.directory.path()).status();
    assert!(verified.expect("the binary runs").success());
}

/// Makes edits, a few on their way at a time, until told to stop. Answers what was acknowledged: seq and marker.
async fn write(url: String, place: usize, load: Arc<Load>) -> Vec<(u64, String)> {
    let tapeline = Tapeline::builder(url).open().await.expect("a client");
    let stream = tapeline.stream("load").await.expect("a stream");
    let things = stream.collection("things").expect("a name");
    let mut acknowledged = Vec::new();
    for round in 0.. {
        if load.stop.load(Ordering::SeqCst) == 1 {
            break;
        }
        let mut receipts = Vec::new();
        for step in 0..8 {
            let marker = format!("{place}-{round}-{step}");
            let (_, receipt) = things.insert([("marker", marker.as_str().into())]).expect("an edit");
            receipts.push((marker, receipt));
        }
        for (marker, receipt) in receipts {
            let outcome = receipt.recorded().await.expect("an outcome");
            let Outcome::Recorded { seq, .. } = outcome else { panic!("refused: {outcome:?}") };
            acknowledged.push((seq.0, marker));
            load.acknowledged.fetch_add(1, Ordering::SeqCst);
            load.more.notify_one();
        }
    }
    stream.caught_up().await.expect("in step");
    tapeline.close().await.expect("closed");
    acknowledged
}

fn check_dense_and_single(events: &[Value]) {
    let mut identities = BTreeSet::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["seq"].as_u64(), Some(place as u64), "seqs are dense");
        let identity = (event["client"].to_string(), event["n"].as_u64());
        assert!(identities.insert(identity), "recorded twice: {event}");
    }
    let markers: BTreeSet<String> = events.iter().map(marker).collect();
    assert_eq!(markers.len(), events.len(), "every edit stands there once");
}

fn marker(event: &Value) -> String {
    event["ops"][0]["set"]["marker"].as_str().expect("a marker").to_owned()
}

const CHILD: &str = "TAPELINE_TEST_KILLED_CLIENT";

#[test]
fn a_killed_client_loses_nothing_it_reported_as_stored() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::start();
    let store = server.directory.path().join("device");
    let mut stored = BTreeSet::new();
    for life in 0..KILLS {
        // Half of its lives it spends offline.
        let address = if random.bool() { &server.url } else { "offline" };
        stored.extend(live_and_die(&store, address, life, random.usize(1..60)));
    }
    let online = live_and_die(&store, &server.url, KILLS, 0);
    assert!(online.is_empty());
    let events = server.lines(&["tail", "device"]);
    check_dense_and_single(&events);
    let on_log: BTreeSet<String> = events.iter().map(marker).collect();
    let missing: Vec<_> = stored.difference(&on_log).collect();
    assert!(missing.is_empty(), "seed {seed}: {} of {} are missing: {missing:?}", missing.len(), stored.len());
}

/// Runs a client until it has reported so many edits as stored, and kills it. With 0 it lives until all is recorded.
fn live_and_die(store: &Path, address: &str, life: u64, reports: usize) -> Vec<String> {
    let mut client = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_life_of_a_client", "--nocapture", "--ignored"])
        .env(CHILD, format!("{address} {life} {reports} {}", store.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a client");
    let lines = BufReader::new(client.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let reported = lines.filter_map(|line| Some(line.split_once("STORED ")?.1.to_owned()));
    let seen: Vec<String> = match reports {
        0 => reported.collect(),
        count => reported.take(count).collect(),
    };
    if reports > 0 {
        client.kill().expect("killed");
    }
    let ended = client.wait().expect("ended");
    assert!(reports > 0 || ended.success());
    seen
}

/// Not a test by itself: the client process that the test above kills.
#[tokio::test]
#[ignore = "run by a_killed_client_loses_nothing_it_reported_as_stored"]
async fn the_life_of_a_client() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let mut arguments = arguments.splitn(4, ' ');
    let mut next = || arguments.next().expect("an argument").to_owned();
    let (address, life, reports, store) = (next(), next(), next(), next());
    let builder = match address.as_str() {
        "offline" => Tapeline::builder("ws://127.0.0.1:9").offline(),
        address => Tapeline::builder(address),
    };
    let tapeline = builder.store(store).open().await.expect("a client");
    let stream = tapeline.stream("device").await.expect("a stream");
    if reports == "0" {
        tokio::time::timeout(PATIENCE, stream.synced()).await.expect("in time").expect("in step");
        return tapeline.close().await.expect("closed");
    }
    let things = stream.collection("things").expect("a name");
    for step in 0.. {
        let marker = format!("{life}-{step}");
        let (_, receipt) = things.insert([("marker", marker.as_str().into())]).expect("an edit");
        receipt.stored().await.expect("stored");
        writeln!(std::io::stdout(), "STORED {marker}").expect("printed");
    }
}
