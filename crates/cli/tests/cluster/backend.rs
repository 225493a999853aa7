//! The application's own backend beside several nodes: it is told all that was recorded, whichever of them dies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::application::{Backend, file, random};
use super::world::{World, recorded};

const STREAMS: u8 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_told_in_order_though_the_nodes_that_tell_are_killed() {
    let mut random = random();
    let backend = Arc::new(Backend::default());
    backend.fail(Some(random.fork()));
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), &backend.clone().start());
    let mut world = World::start_with(1, 3, &["--backend", &path]);
    world.know_each_other(3).await;
    let client = world.client_of_all().await;
    let names: Vec<String> = (0..STREAMS).map(|number| format!("stream/{number}")).collect();
    let mut things = Vec::new();
    for name in &names {
        things.push(client.stream(name).await.collection("tasks").expect("a collection"));
    }
    let mut told: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..4 {
        for _ in 0..random.usize(4..20) {
            let place = random.usize(..names.len());
            recorded(things[place].insert([("title", "good".into())]).expect("an edit").1).await;
            *told.entry(names[place].clone()).or_default() += 1;
        }
        let holder = world.holder(&names[random.usize(..names.len())]);
        world.nodes[holder].kill();
        world.nodes[holder].restart();
        world.know_each_other(3).await;
    }
    backend.fail(None);
    // Whoever decides on a stream now hears of what was left with the next event of it.
    for (things, name) in things.iter().zip(&names) {
        recorded(things.insert([("title", "good".into())]).expect("an edit").1).await;
        *told.entry(name.clone()).or_default() += 1;
    }
    backend.wait(&told);
}
