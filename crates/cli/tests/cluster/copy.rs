//! Moving in and out: from a directory to NATS and back, while people write and are cut off, and the copy is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tapeline_client::{Connection, Outcome, Receipt, Stream, Tapeline};

use super::front::Front;
use super::nats::Nats;
use super::support::{Server, tapeline};
use super::world::{in_time, recorded};

const STREAMS: [&str; 3] = ["lists/home", "lists/work", "long"];
/// What of the long stream need not stay.
const SCHEMA: &str = "[streams.long]\nretain = { events = 10 }\n\n[collections.kept]\nkeep_events = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moves_to_nats_and_back_and_clients_go_along() {
    let (nats, schema) = (Nats::start(1), schema());
    let mut home = Server::start_with(&["--schema", schema.path().to_str().expect("text")]);
    let front = Front::before(&[address(&home)]).await;
    let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for stream in STREAMS {
        edit(&tapeline, stream, &mut random).await;
    }
    let said = sent(&home);
    assert!(home.stop());
    compact(&home, schema.path());
    home.restart();
    let mut before = status(&home);
    assert!(status_of(&home, "long")["horizon"].as_u64() > Some(1_000), "something was let go");
    let back = vacant(&["--schema", schema.path().to_str().expect("text")]);
    let log = nats.address();
    let places = [place(&home), log.clone(), place(&back)];
    let mut back = Some(back);
    for step in 0..2 {
        front.move_to(&[]);
        let mut connection = tapeline.stream("lists/home").await.expect("a stream").status_changes();
        while in_time(connection.next()).await.expect("a status").connection == Connection::Connected {}
        // Typed while there is no server: one that the old server recorded and another that it never saw.
        let pending: Vec<_> = [add(&tapeline, "lists/home", 7).await, add(&tapeline, "lists/work", 8).await].into();
        assert!(home.stop());
        let copied = copied(&places[step], &places[step + 1]);
        assert_eq!(copied["streams"].as_u64(), Some(4), "{copied}");
        // The same again finds everything there.
        let again = self::copied(&places[step], &places[step + 1]);
        assert_eq!((again["copied"].as_u64(), &again["digest"]), (Some(0), &copied["digest"]), "{again}");
        home = match step {
            0 => Server::start_with(&["--schema", schema.path().to_str().expect("text"), "--log", &log]),
            _ => restarted(back.take().expect("once")),
        };
        assert_eq!(status(&home), before, "step {step}");
        assert_eq!(sent(&home), said, "the same answers");
        front.move_to(&[address(&home)]);
        for receipt in pending {
            recorded(receipt).await;
        }
        for stream in STREAMS {
            edit(&tapeline, stream, &mut random).await;
            check_dense(&home, stream);
        }
        before = status(&home);
    }
}

#[test]
fn a_copy_that_is_killed_goes_on_and_is_not_served_before_it_is_whole() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let (nats, mut random) = (Nats::start(1), fastrand::Rng::with_seed(seed));
    let mut server = Server::start();
    write_many(&server, 60);
    let before = status_of(&server, "many/7");
    assert!(server.stop());
    let (log, moved) = (nats.address(), vacant(&[]));
    let (mut digests, mut unfinished) = (Vec::new(), 0);
    for (from, to) in [(&place(&server), &log), (&log, &place(&moved))] {
        let mut patience = 5;
        let copied = loop {
            let mut copying =
                command(from, to).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
            std::thread::sleep(Duration::from_millis(random.u64(0..patience)));
            if copying.try_wait().expect("a process").is_some() {
                let output = copying.wait_with_output().expect("its output");
                // A server was tried below, and its lease is not over yet.
                if output.status.success() || !errors_of(&output).contains("servers use the target") {
                    break output;
                }
                continue;
            }
            copying.kill().expect("killed");
            copying.wait().expect("ended");
            unfinished += u64::from(is_refused(to));
            patience = patience * 5 / 4;
        };
        digests.push(json(&copied)["digest"].clone());
        let again = self::copied(from, to);
        assert_eq!((again["streams"].as_u64(), again["copied"].as_u64()), (Some(60), Some(0)));
    }
    assert_eq!(digests[0], digests[1]);
    eprintln!("{unfinished} times a server was told that a copy is not whole");
    let moved = restarted(moved);
    assert_eq!(status_of(&moved, "many/7"), before);
    assert_eq!(moved.lines(&["tail", "many/7"]).len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_copies_itself_while_people_write() {
    let (nats, there) = (Nats::start(1), vacant(&[]));
    let on_nats = vacant(&["--log", &nats.address()]);
    for (to, moved) in [(nats.address(), on_nats), (place(&there), there)] {
        let mut server = Server::start_with(&["--copy-to", &to]);
        let front = Front::before(&[address(&server)]).await;
        let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
        let stream = tapeline.stream("lists/home").await.expect("a stream");
        let writing = tokio::spawn(write(stream.clone()));
        while stream.status().replica.head.0 < 300 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(server.stop(), "stopped, and copied");
        let moved = restarted(moved);
        front.move_to(&[address(&moved)]);
        let count = in_time(writing).await.expect("a writer");
        assert_eq!(check_dense(&moved, "lists/home"), count);
        assert_eq!(moved.lines(&["objects", "lists/home"]).len() as u64, count);
        in_time(stream.synced()).await.expect("in step");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_copied_while_its_node_is_written_to_and_once_more_when_it_is_not() {
    let (nats, there) = (Nats::start(1), vacant(&[]));
    let mut node = Server::start_with(&["--log", &nats.address()]);
    let front = Front::before(&[address(&node)]).await;
    let tapeline = Tapeline::builder(format!("ws://{}", front.address)).open().await.expect("a client");
    let stream = tapeline.stream("lists/home").await.expect("a stream");
    let writing = tokio::spawn(write(stream.clone()));
    while stream.status().replica.head.0 < 100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (from, to) = (nats.address(), place(&there));
    let first = tokio::task::spawn_blocking({
        let (from, to) = (from.clone(), to.clone());
        move || copied(&from, &to)
    });
    let first = first.await.expect("copied");
    assert_eq!(first["streams"].as_u64(), Some(1), "{first}");
    assert!(node.stop());
    copied(&from, &to);
    let moved = restarted(there);
    front.move_to(&[address(&moved)]);
    let count = in_time(writing).await.expect("a writer");
    assert_eq!(check_dense(&moved, "lists/home"), count);
}

#[test]
fn what_is_not_a_copy_of_the_source_is_refused_and_stays_as_it_is() {
    let nats = Nats::start(1);
    let (mut one, mut other) = (Server::start(), Server::start());
    let running = failed(&place(&one), &nats.address());
    assert!(running.contains("another server has") && running.contains("open"), "{running}");
    write_many(&one, 3);
    write_many(&other, 2);
    assert!(one.stop() && other.stop());
    copied(&place(&one), &nats.address());
    let before = copied(&nats.address(), &place(&one));
    for (from, to) in [(place(&other), nats.address()), (place(&other), place(&one)), (nats.address(), place(&other))] {
        let refused = failed(&from, &to);
        assert!(refused.contains("is not the source's: nothing was copied"), "{refused}");
    }
    assert_eq!(copied(&nats.address(), &place(&one))["digest"], before["digest"]);
    let mut node = Server::start_with(&["--log", &nats.address()]);
    node.run(&["status", "many/1"]);
    let served = failed(&place(&one), &nats.address());
    assert!(served.contains("servers use the target"), "{served}");
    assert!(node.stop());
    assert_eq!(copied(&place(&one), &nats.address())["digest"], before["digest"]);
    other.restart();
    assert_eq!(other.lines(&["streams", "--json"]).len(), 2);
    let elsewhere = format!("{}&prefix=none", nats.address());
    for (from, to, says) in [
        ("nowhere", "somewhere", "there is no log in nowhere"),
        (&*elsewhere, "somewhere", "there is no log \"none\""),
        // As there is none still, none was made.
        (&*elsewhere, "somewhere", "there is no log \"none\""),
        ("http://127.0.0.1:9", "somewhere", "say nats://HOST:PORT"),
        ("nats://127.0.0.1:9", "somewhere", "no NATS server can be reached"),
        ("same", "same", "are the same"),
    ] {
        let told = failed(from, to);
        assert!(told.contains(says), "{from}: {told}");
        assert!(!Path::new("somewhere").exists(), "nothing is made");
    }
}

/// Inserts until it has been cut off and is back, and so much is recorded. Answers how much that is.
async fn write(stream: Stream) -> u64 {
    let things = stream.collection("things").expect("a name");
    let mut count = 0;
    while count < 600 {
        let receipts: Vec<Receipt> =
            (0..10).map(|_| things.insert([("n", count.into())]).expect("an edit").1).collect();
        count += 10;
        for receipt in receipts {
            recorded(receipt).await;
        }
    }
    count as u64
}

/// Inserts, changes and deletes things, and waits until all of it is decided on. Of what is long there is more than need stay.
async fn edit(tapeline: &Tapeline, name: &str, random: &mut fastrand::Rng) {
    let stream = tapeline.stream(name).await.expect("a stream");
    in_time(stream.caught_up()).await.expect("in step");
    let things = ["things", "kept"].map(|name| stream.collection(name).expect("a name"));
    let mut receipts: Vec<Receipt> = Vec::new();
    for number in 0..(if name == "long" { 5_500 } else { 40 }) {
        let things = &things[usize::from(random.u8(..50) == 0)];
        let (id, receipt) = things.insert([("text", "x".into()), ("n", number.into())]).expect("an edit");
        receipts.push(receipt);
        match random.u8(..8) {
            0 => receipts.push(things.delete(&id).expect("an edit")),
            1 => receipts.push(things.update(&id, [("n", (number + 1).into())]).expect("an edit")),
            _ => {}
        }
    }
    for receipt in receipts {
        let outcome = in_time(receipt.recorded()).await.expect("an outcome");
        assert!(matches!(outcome, Outcome::Recorded { .. } | Outcome::Cancelled), "{outcome:?}");
    }
}

async fn add(tapeline: &Tapeline, name: &str, number: i64) -> Receipt {
    let stream = tapeline.stream(name).await.expect("a stream");
    let things = stream.collection("things").expect("a name");
    things.insert([("n", number.into())]).expect("an edit").1
}

/// What a client of its own is told of its events, however often it sends them: recorded, refused, recorded.
fn sent(server: &Server) -> String {
    let url = format!("{}/v1/streams/answers/events", server.url.replace("ws://", "http://"));
    let events =
        ["a", "a", "b"].map(|id| format!(r#"{{"base":0,"at":1,"ops":[{{"insert":"things","id":"{id}"}}]}}"#)).join(",");
    let body = format!(r#"{{"client":"01J00000000000000000000001","n":1,"events":[{events}]}}"#);
    let mut answer = ureq::post(&url).content_type("application/json").send(&body).expect("an answer");
    let told = answer.body_mut().read_to_string().expect("text");
    assert_eq!((told.matches("\"seq\"").count(), told.matches("\"exists\"").count()), (2, 1), "{told}");
    told
}

/// Makes so many streams of forty events.
fn write_many(server: &Server, streams: usize) {
    let url = server.url.replace("ws://", "http://");
    for stream in 0..streams {
        let events: Vec<String> = (0..40)
            .map(|row| {
                format!(r#"{{"ops":[{{"insert":"things","id":"t{row}","set":{{"text":"{}"}}}}]}}"#, "x".repeat(300))
            })
            .collect();
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let url = format!("{url}/v1/streams/many%2F{stream}/events");
        ureq::post(&url).content_type("application/json").send(&body).expect("recorded");
    }
}

/// Checks that a stream has each event once. Answers how many there are.
fn check_dense(server: &Server, stream: &str) -> u64 {
    let from = status_of(server, stream)["horizon"].as_u64().expect("a number");
    let events = server.lines(&["tail", stream, "--from", &from.to_string()]);
    let seqs = events.iter().map(|event| event["seq"].as_u64().expect("a seq"));
    assert!(seqs.eq(from..from + events.len() as u64), "dense seqs");
    let names = events.iter().map(|event| (event["client"].to_string(), event["n"].as_u64()));
    let distinct: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(distinct.len(), events.len(), "each event once");
    from + events.len() as u64
}

fn schema() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), SCHEMA).expect("written");
    file
}

fn compact(server: &Server, schema: &Path) {
    let mut compact = tapeline();
    compact.args(["compact", "--data"]).arg(server.directory.path()).arg("--schema").arg(schema);
    assert!(compact.stdout(Stdio::null()).status().expect("the binary runs").success());
}

/// A server that was stopped, with nothing in its directory, and nothing on its log.
fn vacant(arguments: &[&str]) -> Server {
    let mut server = Server::start_with(arguments);
    // Once it answers it hears when it is to stop, too.
    server.run(&["streams"]);
    assert!(server.stop());
    std::fs::remove_dir_all(server.directory.path()).expect("removed");
    server
}

fn restarted(mut server: Server) -> Server {
    server.restart();
    server
}

fn address(server: &Server) -> String {
    server.url.trim_start_matches("ws://").to_owned()
}

fn place(server: &Server) -> String {
    server.directory.path().to_str().expect("text").to_owned()
}

/// What the server says of each stream, but for who has it open, and for how long it still has what need not stay.
fn status(server: &Server) -> Vec<Value> {
    let of = |stream| {
        let mut status = status_of(server, stream);
        status.as_object_mut().expect("an object").remove("horizon");
        status
    };
    STREAMS.map(of).to_vec()
}

fn status_of(server: &Server, stream: &str) -> Value {
    let mut status = server.lines(&["status", stream, "--json"]).remove(0);
    let fields = status.as_object_mut().expect("an object");
    // A log counts its own batches, and the bytes of the events that it has.
    ["subscribers", "bytes", "batches"].iter().for_each(|field| drop(fields.remove(*field)));
    status
}

fn command(from: &str, to: &str) -> Command {
    let mut command = tapeline();
    command.args(["copy", "--json", "--from", from, "--to", to]);
    command
}

fn copied(from: &str, to: &str) -> Value {
    json(&command(from, to).output().expect("the binary runs"))
}

fn json(output: &Output) -> Value {
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

/// What a copy says that cannot be.
fn failed(from: &str, to: &str) -> String {
    let output = command(from, to).output().expect("the binary runs");
    assert!(!output.status.success());
    errors_of(&output)
}

fn errors_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a server is told that a copy is not whole. Another one would run.
fn is_refused(place: &str) -> bool {
    let cache = tempfile::tempdir().expect("a directory");
    let mut serve = tapeline();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
    match place.contains("://") {
        true => serve.arg(cache.path()).args(["--log", place]),
        false => serve.arg(place),
    };
    let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut said = String::new();
    BufReader::new(process.stdout.take().expect("piped")).read_line(&mut said).expect("text");
    process.kill().expect("killed");
    let output = process.wait_with_output().expect("its output");
    errors_of(&output).contains("a copy that was not finished")
}
