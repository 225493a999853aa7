//! The whole contract, and what nodes add to it.

use std::path::Path;
use std::sync::Arc;

use tapeline_core::numbers::{Position, Seq};
use tapeline_log::embedded::{Embedded, OpenError};
use tapeline_log::jetstream::{ConnectError, JetStream};
use tapeline_log::node::Node;
use tapeline_log::suite::{Fresh, Writer, append, run_all, wait};
use tapeline_log::{EventLog, LogError, StateStore};

use super::{World, close};

/// Each case on a log of its own, and with what `stop` leaves of a node.
fn run_suite(world: &World, name: &str, stop: fn(&Node, &Path)) {
    let mut logs = 0;
    run_all(name, || {
        logs += 1;
        let prefix = format!("{}-{logs}", name.replace(' ', "-"));
        let (settings, directory) = (world.settings(&prefix), world.cache(&prefix));
        let (log, runtime) = (world.node(&prefix, &prefix), world.runtime.handle().clone());
        let reopen = move |node: Arc<Node>| {
            stop(&node, &directory);
            drop(node);
            let log = runtime.block_on(JetStream::connect(&settings)).unwrap();
            Arc::new(Node::open(log, &directory).unwrap())
        };
        Fresh { log, reopen: Some(Box::new(reopen)) }
    });
}

/// The machine is lost: another one has an empty disk.
fn lose(node: &Node, directory: &Path) {
    node.cache().close().unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn one_server() {
    run_suite(&World::new(1), "one server", close);
}

#[test]
fn one_server_and_nodes_that_are_lost() {
    run_suite(&World::new(1), "lost nodes", lose);
}

#[test]
fn a_cluster() {
    run_suite(&World::new(3), "a cluster", close);
}

#[test]
fn a_batch_larger_than_a_message_goes_in_parts() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("parts", "a"), Writer::new("s"));
    let (mut batches, mut random) = (Vec::new(), fastrand::Rng::with_seed(7));
    for titles in [1, 60_000, 1, 12_000] {
        // Nothing that could be packed to one message.
        let ids: Vec<u64> = (0..titles).map(|_| random.u64(..)).collect();
        let next = writer.upserts(&ids, &"x".repeat(40));
        batches.push(next.batch.clone());
        let expected = next.expected;
        assert_eq!(append(&*node, next), Ok(expected.next()));
    }
    assert!(batches[1].block.bytes().len() > 4 << 20, "{}", batches[1].block.bytes().len());
    // Somebody began such a batch, and did not get to its end.
    let last = batches.len() as u64;
    let messages = world.runtime.block_on(leave_a_part(&world, "parts")).unwrap();
    assert!(messages > batches.len() as u64 + 1, "{messages}");
    let next = writer.upserts(&[7], "after");
    batches.push(next.batch.clone());
    assert_eq!(append(&*node, next), Ok(Position(last + 1)));
    let other = world.node("parts", "b");
    for from in 0..batches.len() {
        let read = wait(other.replay(&writer.stream, Position(from as u64), usize::MAX)).unwrap();
        assert_eq!(read, batches[from..], "after {from}");
    }
    let read = wait(world.node("parts", "c").read(&writer.stream, Seq(60_000), usize::MAX)).unwrap();
    assert_eq!((read.from(), read.end()), (Seq(60_000), Seq(72_003)));
}

/// Appends a first part to the only stream of a log: as the last message is, but going on. Answers how many there are then.
async fn leave_a_part(world: &World, prefix: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let client = async_nats::connect(world.settings(prefix).servers).await?;
    let context = async_nats::jetstream::new(client);
    let mut messages = 0;
    for place in 0..4 {
        let mut home = context.get_stream(format!("{prefix}-{place}")).await?;
        let Ok(last) = home.get_last_raw_message_by_subject(&format!("{prefix}.{place}.s")).await else { continue };
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Tapeline-End", last.headers.get("Tapeline-End").expect("an end").as_str());
        headers.insert("Tapeline-Goes-On", "yes");
        context.publish_with_headers(last.subject, headers, "half of".into()).await?.await?;
        messages += home.info().await?.state.messages;
    }
    Ok(messages)
}

#[test]
fn another_log_or_directory_is_refused() {
    let world = World::new(1);
    let connect = |more: &str| {
        let settings = format!("{}{more}&prefix=mine", world.nats.address()).parse().unwrap();
        world.runtime.block_on(JetStream::connect(&settings))
    };
    drop(world.node("mine", "cache"));
    assert!(matches!(connect("&streams=5"), Err(ConnectError::Other { setting: "streams", .. })));
    assert!(matches!(connect("&storage=memory"), Err(ConnectError::Other { setting: "storage", .. })));
    assert!(connect("").is_ok());
    let open = |log, cache| Node::open(world.connect(log), &world.cache(cache)).map(drop);
    assert!(matches!(open("other", "cache"), Err(OpenError::Cache { .. })));
    assert!(matches!(Embedded::open(&world.cache("cache")), Err(OpenError::Cache { .. })));
    drop(Embedded::open(&world.cache("own")).unwrap());
    assert!(matches!(open("mine", "own"), Err(OpenError::NoCache { .. })));
    assert!(open("mine", "cache").is_ok());
}

#[test]
fn a_log_of_which_messages_were_removed_is_refused() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("gaps", "a"), Writer::new("s"));
    for id in 0..5 {
        append(&*node, writer.upserts(&[id], "x")).unwrap();
    }
    world.runtime.block_on(remove_all_but_the_last(&world, "gaps")).unwrap();
    let damaged = |error: LogError| matches!(error, LogError::Damaged { .. });
    let other = world.node("gaps", "b");
    assert!(wait(other.replay(&writer.stream, Position(0), usize::MAX)).is_err_and(damaged));
    assert!(wait(other.replay(&writer.stream, Position(2), usize::MAX)).is_err_and(damaged));
    assert!(wait(other.read(&writer.stream, Seq(1), usize::MAX)).is_err_and(damaged));
    assert_eq!(wait(other.replay(&writer.stream, Position(4), usize::MAX)).unwrap().len(), 1);
    assert_eq!(append(&*node, writer.upserts(&[5], "x")), Ok(Position(6)), "where it ends is known all the same");
}

async fn remove_all_but_the_last(world: &World, prefix: &str) -> Result<(), Box<dyn std::error::Error>> {
    let client = async_nats::connect(world.settings(prefix).servers).await?;
    let context = async_nats::jetstream::new(client);
    for place in 0..4 {
        context.get_stream(format!("{prefix}-{place}")).await?.purge().keep(1).await?;
    }
    Ok(())
}

/// Its state is that of another past, on which nothing may be decided.
#[test]
fn a_cache_of_what_its_log_had_before_it_was_restored_says_so() {
    let mut world = World::new(1);
    let mut writer = Writer::new("s");
    write(&world, "a", &mut writer, &[1]);
    world.nats.kill(0);
    world.nats.back_up(0);
    world.nats.resume(0);
    let mut otherwise = writer.clone();
    write(&world, "a", &mut writer, &[2]);
    world.nats.kill(0);
    world.nats.restore(0);
    world.nats.resume(0);
    write(&world, "b", &mut otherwise, &[3, 4, 5]);
    let read = |cache| wait(world.node("past", cache).replay(&writer.stream, Position(2), usize::MAX));
    let error = read("a").unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("remove its directory"), "{error}");
    assert_eq!(read("b").unwrap().len(), 2);
}

/// Has a node write a batch for each id.
fn write(world: &World, cache: &str, writer: &mut Writer, ids: &[u64]) {
    let node = world.node("past", cache);
    writer.catch_up(&*node);
    for id in ids {
        let next = writer.upserts(&[*id], "a");
        append(&*node, next.clone()).unwrap();
        let changes = writer.play(&next.batch);
        node.apply(&writer.stream, changes).unwrap();
    }
    close(&node, &world.cache(cache));
}

#[test]
fn a_cache_that_is_ahead_of_its_log_says_so() {
    let world = World::new(1);
    let (node, mut writer) = (world.node("mine", "cache"), Writer::new("s"));
    append(&*node, writer.upserts(&[1], "a")).unwrap();
    let next = writer.upserts(&[2], "b");
    node.cache().receive(next).unwrap();
    let error = wait(node.info(&writer.stream)).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("remove its directory"), "{error}");
    let error = wait(node.replay(&writer.stream, Position(2), usize::MAX)).err();
    assert!(error.is_none_or(|error| error.is_retryable()));
}
