//! Several devices that edit, lose their connection, are killed, copied and started anew, with a server that is put
//! back to a backup, in an order drawn from a seed: in the end all hold the same, and every edit that was stored is
//! there once.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{TestServer, builder, client_by, converged, copy_store, soon};
use tapeline_client::{Stream, Tapeline, Transport};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const DEVICES: usize = 3;
/// Devices with those that are copies.
const COPIES: usize = 5;
const STEPS: usize = 400;

struct Device {
    path: PathBuf,
    transport: Transport,
    open: Option<(Tapeline, Stream)>,
    edits: usize,
}

impl Device {
    async fn stream(&mut self, server: &TestServer) -> &(Tapeline, Stream) {
        if self.open.is_none() {
            let tapeline = builder(server.address(), self.transport).store(&self.path).open().await.unwrap();
            let stream = tapeline.stream("list").await.unwrap();
            self.open = Some((tapeline, stream));
        }
        self.open.as_ref().unwrap()
    }
}

by_each_transport! {
    devices_converge_whatever_happens_to_them,
    a_process_that_is_killed_loses_nothing_it_had_stored,
}

async fn devices_converge_whatever_happens_to_them(transport: Transport) {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(6);
    let first = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        println!("SEED={seed}");
        run(seed, transport).await;
    }
}

async fn run(seed: u64, transport: Transport) {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let new_device =
        |number: usize| Device { path: directory.path().join(number.to_string()), transport, open: None, edits: 0 };
    let mut devices: Vec<Device> = (0..DEVICES).map(new_device).collect();
    let (mut stored, mut backup) = (BTreeSet::new(), None);
    for _ in 0..STEPS {
        let count = devices.len();
        let number = random.usize(..count);
        let device = &mut devices[number];
        let edits = device.edits;
        let (tapeline, stream) = device.stream(&server).await;
        match random.u32(..100) {
            0..60 => {
                let text = format!("{number}/{edits}");
                let notes = stream.collection("notes").unwrap();
                let (id, receipt) = notes.insert([("text", text.as_str().into())]).unwrap();
                if random.bool() {
                    soon(receipt.stored()).await.unwrap();
                    stored.insert(text);
                }
                if random.bool() {
                    notes.increment(&id, "touched", 1).unwrap();
                }
                device.edits += 1;
            }
            60..75 => {
                // Somebody else's note may be gone or going; what is left of the edit is the sequencer's to say.
                let notes = stream.collection("shared").unwrap();
                let id = tapeline_client::ObjectId::new(random.u8(..20).to_string()).unwrap();
                drop(match random.u8(..4) {
                    0 => notes.delete(&id),
                    1 => notes.insert_as(&id, [("by", (number as i64).into())]),
                    2 => notes.increment(&id, "count", 1),
                    _ => notes.upsert(&id, [("at", (edits as i64).into())]),
                });
            }
            75..82 => tapeline.go_offline(),
            82..92 => tapeline.go_online(),
            92..95 => server.hang_up(None),
            95..97 => device.open = None,
            97 => {
                tapeline.close().await.unwrap();
                device.open = None;
            }
            98 if count < COPIES => {
                tapeline.close().await.unwrap();
                device.open = None;
                let copy = new_device(count);
                copy_store(&devices[number].path, &copy.path);
                devices.push(copy);
            }
            98 => {}
            _ => match backup.take() {
                None => backup = Some(server.backup()),
                Some(backup) => server.restore(&backup),
            },
        }
    }
    // On new connections, so that none takes one that is ending for the state of things.
    for device in &mut devices {
        device.open = None;
        soon(device.stream(&server).await.1.synced()).await.unwrap();
    }
    let fresh = client_by(&server, transport).await;
    let everything = fresh.stream("list").await.unwrap();
    for device in &mut devices {
        let (_, stream) = device.stream(&server).await;
        converged(stream, &everything).await;
        assert_eq!(stream.status().replica.diverged, 0);
    }
    hold_each_once(&everything, &stored);
}

fn hold_each_once(stream: &Stream, stored: &BTreeSet<String>) {
    let notes = stream.collection("notes").unwrap().all().into_iter();
    let texts: Vec<_> = notes.map(|(_, note)| note.get("text").unwrap().as_text().unwrap().to_owned()).collect();
    let once: BTreeSet<String> = texts.iter().cloned().collect();
    assert_eq!(once.len(), texts.len());
    let lost: Vec<_> = stored.difference(&once).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

const ROLE: &str = "TAPELINE_TEST_CHILD";

async fn a_process_that_is_killed_loses_nothing_it_had_stored(transport: Transport) {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let path = directory.path().join("app.tapeline");
    let mut stored = BTreeSet::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "edits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(ROLE, format!("{}\n{}\n{round}\n{transport:?}", server.address(), path.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while stored.len() < (round + 1) * 25 {
            let line = soon(lines.next_line()).await.unwrap().expect("the child goes on");
            stored.extend(line.strip_prefix("stored ").map(str::to_owned));
        }
        child.kill().await.unwrap();
    }
    let tapeline = builder(server.address(), transport).store(&path).open().await.unwrap();
    let stream = tapeline.stream("list").await.unwrap();
    soon(stream.synced()).await.unwrap();
    hold_each_once(&stream, &stored);
}

/// What the process does that is killed: started by the test above alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test"]
async fn edits_until_it_is_killed() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let role: Vec<&str> = role.lines().collect();
    let transport = if role[3] == "Sse" { Transport::Sse } else { Transport::WebSocket };
    let tapeline = builder(role[0], transport).store(Path::new(role[1])).open().await.unwrap();
    let stream = tapeline.stream("list").await.unwrap();
    let notes = stream.collection("notes").unwrap();
    println!();
    for place in 0.. {
        let text = format!("{}/{place}", role[2]);
        let (id, receipt) = notes.insert([("text", text.as_str().into())]).unwrap();
        notes.update(&id, [("done", true.into())]).unwrap();
        receipt.stored().await.unwrap();
        println!("stored {text}");
    }
}
