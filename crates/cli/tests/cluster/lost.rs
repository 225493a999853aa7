//! A server and its disk are lost: it comes back with everything.

use std::time::Duration;

use serde_json::Value;
use tapeline_client::{Outcome, Receipt, Tapeline};

use super::nats::Nats;
use super::support::{Server, tapeline};

const STREAMS: [&str; 3] = ["lists/home", "lists/work", "long"];
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_its_disk_are_lost_and_nothing_else() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let (nats, mut random) = (Nats::start(1), fastrand::Rng::with_seed(seed));
    let mut server = Server::start_with(&["--log", &nats.address()]);
    let tapeline = Tapeline::builder(server.url.clone()).open().await.expect("a client");
    for round in 0..3 {
        for stream in STREAMS {
            edit(&tapeline, stream, &mut random).await;
        }
        let before = status(&server);
        server.kill();
        std::fs::remove_dir_all(server.directory.path()).expect("the disk is lost");
        server.restart();
        assert_eq!(status(&server), before, "round {round}");
        for (stream, status) in STREAMS.iter().zip(&before) {
            let objects = server.lines(&["objects", stream]);
            assert_eq!(Some(objects.len() as u64), status["objects"].as_u64());
        }
    }
    // Killed alone, it goes on from its disk.
    edit(&tapeline, STREAMS[0], &mut random).await;
    let before = status(&server);
    server.kill();
    server.restart();
    assert_eq!(status(&server), before);
    let listed = server.lines(&["streams", "--json"]);
    assert_eq!(listed.len(), STREAMS.len());
    assert!(server.stop());
}

/// Inserts, changes and deletes things, and waits until all of it is recorded. Of what is long there is more than is
/// played at once.
async fn edit(tapeline: &Tapeline, name: &str, random: &mut fastrand::Rng) {
    let stream = tapeline.stream(name).await.expect("a stream");
    let things = stream.collection("things").expect("a name");
    let text = "x".repeat(if name == "long" { 100_000 } else { 20 });
    let mut receipts: Vec<Receipt> = Vec::new();
    for number in 0..40 {
        let (id, receipt) = things.insert([("text", text.as_str().into()), ("n", number.into())]).expect("an edit");
        receipts.push(receipt);
        match random.u8(..4) {
            0 => receipts.push(things.delete(&id).expect("an edit")),
            1 => receipts.push(things.update(&id, [("n", (number + 1).into())]).expect("an edit")),
            _ => {}
        }
    }
    for receipt in receipts {
        let outcome = tokio::time::timeout(PATIENCE, receipt.recorded()).await.expect("in time").expect("an outcome");
        // What is inserted and deleted before it was sent is never sent.
        assert!(matches!(outcome, Outcome::Recorded { .. } | Outcome::Cancelled), "{outcome:?}");
    }
}

/// What the server says of each stream, but for who has it open.
fn status(server: &Server) -> Vec<Value> {
    let of = |stream| {
        let mut lines = server.lines(&["status", stream, "--json"]);
        lines[0].as_object_mut().expect("an object").remove("subscribers");
        lines.remove(0)
    };
    STREAMS.map(of).to_vec()
}

#[test]
fn a_log_that_cannot_be_had_is_said_so() {
    let directory = tempfile::tempdir().expect("a directory");
    for (log, says) in [
        ("nats://127.0.0.1:9", "no NATS server can be reached at nats://127.0.0.1:9"),
        ("http://127.0.0.1:9", "say nats://HOST:PORT"),
        ("nats://127.0.0.1:9?stream=3", "no setting \"stream\""),
    ] {
        let mut serve = tapeline();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--log", log, "--data"]).arg(directory.path());
        let output = serve.output().expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(says), "{log}: {errors}");
    }
}
