//! Recordings are played through clients spread over nodes, which they change again and again, while nodes and NATS servers
//! are killed, stopped, held up and cut off, and nodes lose their disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};

use super::front::Front;
use super::nats::Nats;
use super::support::{Server, expected, fixture, tapeline};
use super::world::World;

const SERVERS: usize = 3;
const NODES: usize = 3;

/// Nodes of which each has a front before every NATS server, and clients a front before all nodes.
struct Stage {
    world: World,
    /// What stands between each node and NATS, to be cut.
    fronts: Vec<Front>,
    clients: Front,
}

impl Stage {
    async fn set() -> Self {
        let nats = Nats::start(SERVERS);
        let servers: Vec<String> = nats.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (mut nodes, mut fronts) = (Vec::new(), Vec::new());
        for _ in 0..NODES {
            let front = Front::before(&servers).await;
            let log = format!("nats://{}?replicas=3&streams=2", front.address);
            nodes.push(tokio::task::block_in_place(|| Server::start_with(&["--log", &log])));
            fronts.push(front);
        }
        let world = World { nats, nodes };
        world.know_each_other(NODES).await;
        let addresses: Vec<String> = (0..NODES).map(|node| world.address(node)).collect();
        let clients = Front::before(&addresses).await;
        Self { world, fronts, clients }
    }

    /// Does some harm, and undoes it after a while.
    fn harm(&mut self, random: &mut fastrand::Rng) {
        let (node, server) = (random.usize(..NODES), random.usize(..SERVERS));
        let while_it_lasts = |random: &mut fastrand::Rng| pause(random.u64(100..1_500));
        let what = random.u8(..6);
        eprintln!("harm {what}: node {node}, server {server}");
        match what {
            0 => {
                self.world.nodes[node].kill();
                if random.bool() {
                    std::fs::remove_dir_all(self.world.nodes[node].directory.path()).expect("the disk is lost");
                }
                while_it_lasts(random);
                self.world.nodes[node].restart();
            }
            1 => {
                assert!(self.world.nodes[node].stop(), "it ends well");
                while_it_lasts(random);
                self.world.nodes[node].restart();
            }
            2 => {
                self.world.nats.kill(server);
                while_it_lasts(random);
                self.world.nats.resume(server);
            }
            3 => {
                let servers = self.fronts[node].targets();
                self.fronts[node].move_to(&[]);
                pause(random.u64(100..5_000));
                self.fronts[node].move_to(&servers);
            }
            4 => {
                // Longer than its lease, it may be, so that it believes to hold what others hold by then.
                self.world.nodes[node].signal("-STOP");
                pause(random.u64(100..5_000));
                self.world.nodes[node].signal("-CONT");
            }
            _ => self.clients.move_to(&self.clients.targets()),
        }
        pause(random.u64(..700));
    }
}

fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Plays a recording while harm is done, and checks what came of it.
async fn survives(name: &str, seed: u64) {
    eprintln!("seed {seed}");
    let expected = expected(name);
    let mut stage = Stage::set().await;
    let (mut random, stream) = (fastrand::Rng::with_seed(seed), "repo/main");
    let (address, is_over) = (format!("ws://{}", stage.clients.address), AtomicBool::new(false));
    let file = fixture(&format!("{name}.ndjson.gz"));
    let report = std::thread::scope(|scope| {
        let play = || {
            let mut replay = tapeline();
            replay.args(["--server", &address, "replay", "--json", "--stream", stream, "--seed", &seed.to_string()]);
            let output = replay.arg(&file).output().expect("the binary runs");
            is_over.store(true, Ordering::SeqCst);
            output
        };
        let playing = scope.spawn(play);
        tokio::task::block_in_place(|| {
            while !is_over.load(Ordering::SeqCst) {
                stage.harm(&mut random);
            }
        });
        playing.join().expect("played")
    });
    let errors = String::from_utf8_lossy(&report.stderr);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap_or_else(|_| panic!("seed {seed}: {errors}"));
    assert_eq!((&report["equal"], &report["refused"]), (&true.into(), &0.into()), "seed {seed}: {report}");
    stage.world.know_each_other(NODES).await;
    stage.world.check_agreement(stream);
    for node in &stage.world.nodes {
        check_events(&node.lines(&["tail", stream]), seed);
        let objects = node.lines(&["objects", stream, "--json"]);
        let found: BTreeMap<String, Map<String, Value>> = objects.into_iter().map(by_id).collect();
        assert!(found == expected, "seed {seed}: the objects are not the expected ones");
    }
}

/// Seqs are dense, and each event stands there once.
fn check_events(events: &[Value], seed: u64) {
    let mut identities = BTreeSet::new();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["seq"].as_u64(), Some(place as u64), "seed {seed}: seqs are dense");
        let identity = (event["client"].to_string(), event["n"].as_u64());
        assert!(identities.insert(identity), "seed {seed}: recorded twice: {event}");
    }
}

fn by_id(object: Value) -> (String, Map<String, Value>) {
    let id = object["id"].as_str().expect("an id").to_owned();
    (id, object["fields"].as_object().expect("fields").clone())
}

/// One seed drawn anew, or those of `SEEDS=FROM..TO`.
fn seeds() -> std::ops::Range<u64> {
    let Ok(seeds) = std::env::var("SEEDS") else {
        let seed = fastrand::u64(..1 << 32);
        return seed..seed + 1;
    };
    let (from, to) = seeds.split_once("..").expect("SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_branches_survive_what_befalls_nodes_and_servers() {
    for seed in seeds() {
        survives("history-branches", seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linear_history_survives_what_befalls_nodes_and_servers() {
    for seed in seeds() {
        survives("history-linear", seed).await;
    }
}
