//! Commands that are refused are run again on what has changed, and not for ever.

mod peers;
mod support;

use std::collections::VecDeque;
use std::sync::Arc;

use peers::*;
use support::for_seeds;
use tapeline_core::event::{Command, RefusalCode};
use tapeline_core::frame::ClientFrame;
use tapeline_core::limits;
use tapeline_core::name::{CommandName, ObjectId};
use tapeline_core::numbers::EditId;
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::replica::{Commanded, NewEdit, Ran, Reads, Replica};
use tapeline_core::value::Value;

/// A command that adds one to what it read.
fn next(device: &Device) -> Vec<Op> {
    vec![set("x", "n", device.int("x", "n").unwrap_or_default() + 1)]
}

fn reads(id: &str) -> Reads {
    Reads { objects: vec![key(id)], ..Reads::default() }
}

fn run_again(device: &mut Device) {
    while let Some(run) = device.replica.poll_run() {
        let ops = next(device);
        device.replica.ran(run.edit, Ran::Ops(ops, reads("x")));
    }
    while device.store() {}
}

#[test]
fn a_command_that_comes_too_late_each_time_is_parked_after_so_many_tries() {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ben.connect();
    ben.edit(vec![insert("x", &[("n", 0)])]);
    talk(&mut server, &mut [&mut ben, &mut ann]);
    let command = Command { name: CommandName::new("next").unwrap(), args: Value::Null };
    let commanded = Commanded { command, seed: 7, reads: reads("x"), serializable: true };
    let ops = next(&ann);
    ann.replica.edit(ann.now, NewEdit { ops, command: Some(commanded), ..NewEdit::default() }).unwrap();
    let mut tries = 0;
    while ann.replica.parked().len() == 0 {
        run_again(&mut ann);
        let said: Vec<_> = std::iter::from_fn(|| ann.frame()).collect();
        tries += u32::from(said.iter().any(|frame| matches!(frame, ClientFrame::Push { .. })));
        // Ben is always first.
        ben.edit(vec![inc("x", "n", 1)]);
        while ben.store() {}
        let ahead: Vec<_> = std::iter::from_fn(|| ben.frame()).collect();
        let (first, second) = (ben.peer(), ann.peer());
        let in_turn =
            ahead.into_iter().map(|frame| (first, frame)).chain(said.into_iter().map(|frame| (second, frame)));
        for (peer, frame) in in_turn {
            deliver(server.hear(peer, frame), &mut [&mut ann, &mut ben]);
        }
        while ann.store() {}
    }
    let (_, parked) = ann.replica.parked().next().unwrap();
    assert_eq!((tries, parked.refusal.code), (limits::TRIES + 1, RefusalCode::Stale));
    assert_eq!(ann.replica.outbox().len(), 0);
}

#[test]
fn commands_of_several_that_want_the_same_all_come_to_be() {
    for_seeds(100, |_, random| {
        let mut server = Server::new();
        let mut devices = [1, 2, 3].map(Device::new);
        devices.iter_mut().for_each(Device::connect);
        devices[0].edit(["x", "y"].map(|id| insert(id, &[("n", 0)])).to_vec());
        talk(&mut server, &mut devices.iter_mut().collect::<Vec<_>>());
        let (mut said, mut heard) = ([(); 3].map(|()| VecDeque::new()), [(); 3].map(|()| VecDeque::new()));
        let mut made = 0;
        for step in 0..3_000 {
            let place = random.usize(..3);
            let device = &mut devices[place];
            match random.u8(..5) {
                0 if step < 500 => {
                    count(device, random.choice(["x", "y"]).unwrap());
                    made += 1;
                }
                0 | 1 => {
                    count_again(device);
                    said[place].extend(std::iter::from_fn(|| device.frame()));
                }
                2 | 3 => {
                    let Some(frame) = said[place].pop_front() else { continue };
                    for (peer, frame) in server.hear(device.peer(), frame) {
                        heard[peer.session as usize - 1].push_back(frame);
                    }
                }
                _ => heard[place].pop_front().into_iter().for_each(|frame| device.receive(frame)),
            }
        }
        for device in &devices {
            assert_eq!((device.replica.outbox().len(), device.replica.parked().len()), (0, 0));
            assert_eq!(["x", "y"].iter().filter_map(|id| device.int(id, "n")).sum::<i64>(), made);
        }
    });
}

/// A command that adds one to what is shown.
fn count(device: &mut Device, id: &str) {
    let command = Command { name: CommandName::new("count").unwrap(), args: Value::text(id) };
    let commanded = Commanded { command, seed: 7, reads: reads(id), serializable: true };
    let ops = vec![set(id, "n", device.int(id, "n").unwrap() + 1)];
    device.replica.edit(device.now, NewEdit { ops, command: Some(commanded), ..NewEdit::default() }).unwrap();
}

fn count_again(device: &mut Device) {
    while let Some(run) = device.replica.poll_run() {
        let id = run.command.args.as_text().unwrap();
        let was = device.replica.get_before(run.edit, &key(id)).unwrap().get("n").unwrap().as_int().unwrap();
        device.replica.ran(run.edit, Ran::Ops(vec![set(id, "n", was + 1)], reads(id)));
    }
    while device.store() {}
}

#[test]
fn a_command_is_run_again_on_what_it_read_and_never_sees_itself() {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ben.connect();
    ben.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 2)]), insert("sum", &[("n", 0)])]);
    talk(&mut server, &mut [&mut ben, &mut ann]);
    let sum = |all: Vec<(ObjectId, Arc<Object>)>| -> i64 {
        let added = all.iter().filter(|(id, _)| id.to_string() != "sum");
        added.map(|(_, object)| object.get("n").and_then(Value::as_int).unwrap()).sum()
    };
    let things = key("sum").collection;
    // One adds up all there is, and one, having read a, raises b; neither names what it reads to the server.
    let ways = [
        ("add up", Reads { collections: vec![things.clone()], ..Reads::default() }),
        ("raise", Reads { objects: vec![key("a")], ..Reads::default() }),
    ];
    let ops = |name: &str, ann: &Replica, edit: Option<EditId>| {
        let get = |id: &str| edit.map_or_else(|| ann.get(&key(id)).cloned(), |edit| ann.get_before(edit, &key(id)));
        let all = || match edit {
            Some(edit) => ann.collection_before(edit, &things),
            None => ann.collection(&things).map(|(id, object)| (id.clone(), object.clone())).collect(),
        };
        let n = |id: &str| get(id).unwrap().get("n").and_then(Value::as_int).unwrap();
        match name {
            "add up" => vec![set("sum", "n", sum(all())), insert("counted", &[("n", 1_000)])],
            _ => vec![set("b", "n", n("b") + n("a"))],
        }
    };
    for (name, reads) in &ways {
        let command = Command { name: CommandName::new(name).unwrap(), args: Value::Null };
        let commanded = Commanded { command, seed: 7, reads: reads.clone(), serializable: false };
        let ops = ops(name, &ann.replica, None);
        ann.replica.edit(ann.now, NewEdit { ops, command: Some(commanded), ..NewEdit::default() }).unwrap();
    }
    // Nothing of it is on its way when Ben changes what both have read.
    ben.edit(vec![set("a", "n", 10)]);
    while ben.store() {}
    while let Some(frame) = ben.frame() {
        deliver(server.hear(ben.peer(), frame), &mut [&mut ann, &mut ben]);
    }
    while let Some(run) = ann.replica.poll_run() {
        let (_, reads) = ways.iter().find(|(name, _)| *name == run.command.name.as_str()).unwrap();
        let ops = ops(run.command.name.as_str(), &ann.replica, Some(run.edit));
        ann.replica.ran(run.edit, Ran::Ops(ops, reads.clone()));
    }
    talk(&mut server, &mut [&mut ann, &mut ben]);
    let numbers = ["a", "b", "sum", "counted"].map(|id| ben.int(id, "n").unwrap());
    assert_eq!(numbers, [10, 12, 12, 1_000]);
    assert_eq!(ann.replica.outbox().len(), 0);
}
