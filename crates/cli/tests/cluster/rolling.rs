//! All nodes are restarted one after another under load: clients reconnect, and notice nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    let counts: Vec<Arc<AtomicU64>> = streams.iter().map(|_| Arc::default()).collect();
    let editor = |(stream, count): (&Stream, &Arc<AtomicU64>)| {
        tokio::spawn(edit(stream.clone(), count.clone(), is_over.clone()))
    };
    let editing: Vec<_> = streams.iter().zip(&counts).map(editor).collect();
    for node in 0..3 {
        tokio::task::block_in_place(|| {
            assert!(world.nodes[node].stop());
            world.nodes[node].restart();
        });
        world.know_each_other(3).await;
        // Everybody gets something done before it goes on.
        let before: Vec<u64> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let get_on = async {
            while counts.iter().zip(&before).any(|(count, before)| count.load(Ordering::SeqCst) < before + 100) {
                tokio::task::yield_now().await;
            }
        };
        in_time(get_on).await;
    }
    is_over.store(true, Ordering::SeqCst);
    let mut longest = Vec::new();
    for editor in editing {
        longest.push(editor.await.expect("all was recorded"));
    }
    let counts: Vec<u64> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
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

/// Edits until all is over, several at a time. Answers how long it took at most until an edit was recorded.
async fn edit(stream: Stream, count: Arc<AtomicU64>, is_over: Arc<AtomicBool>) -> Duration {
    let things = stream.collection("things").expect("a name");
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let some: Vec<_> = (0..5).map(|n| things.insert([("n", Value::from(n))]).expect("an edit").1).collect();
        for receipt in some {
            recorded(receipt).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
        longest = longest.max(begun.elapsed());
    }
    longest
}
