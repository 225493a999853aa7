//! All nodes are restarted one after another under load: clients reconnect, and notice nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tapeline_client::{Stream, Value};

use super::world::{World, in_time, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn while_all_nodes_are_restarted_no_client_sees_an_error() {
    let mut world = World::together(3, 3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(world.client_of_all().await);
    }
    let mut streams = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        streams.push(client.stream(["lists/home", "lists/work", "lists/home"][number]).await);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let editing: Vec<_> = streams.iter().map(|stream| tokio::spawn(edit(stream.clone(), is_over.clone()))).collect();
    for node in 0..3 {
        tokio::task::block_in_place(|| {
            assert!(world.nodes[node].stop());
            world.nodes[node].restart();
        });
        world.know_each_other(3).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut edits = Vec::new();
    for editor in editing {
        edits.push(editor.await.expect("all was recorded"));
    }
    let (counts, longest): (Vec<u64>, Vec<Duration>) = edits.into_iter().unzip();
    eprintln!("edits {counts:?}, the longest took {longest:?}");
    for stream in &streams {
        in_time(stream.synced()).await.expect("in step");
        assert!(stream.parked().is_empty());
    }
    for (name, count) in [("lists/home", counts[0] + counts[2]), ("lists/work", counts[1])] {
        world.check_agreement(name);
        assert_eq!(world.nodes[0].lines(&["status", name, "--json"])[0]["head"].as_u64(), Some(count));
    }
}

/// Edits until all is over. Answers how often, and how long it took at most until an edit was recorded.
async fn edit(stream: Stream, is_over: Arc<AtomicBool>) -> (u64, Duration) {
    let things = stream.collection("things").expect("a name");
    let (mut count, mut longest) = (0, Duration::ZERO);
    while !is_over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        recorded(things.insert([("n", Value::from(count as i64))]).expect("an edit").1).await;
        longest = longest.max(begun.elapsed());
        count += 1;
    }
    (count, longest)
}
