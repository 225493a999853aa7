//! Commands that are refused are run again on what has changed, and not for ever.

mod peers;

use peers::*;
use tapeline_core::event::{Command, RefusalCode};
use tapeline_core::frame::ClientFrame;
use tapeline_core::limits;
use tapeline_core::name::CommandName;
use tapeline_core::op::Op;
use tapeline_core::replica::{Commanded, NewEdit, Ran, Reads};
use tapeline_core::value::Value;

/// A command that adds one to what it read.
fn next(device: &Device) -> Vec<Op> {
    vec![set("x", "n", device.int("x", "n").unwrap_or_default() + 1)]
}

fn reads() -> Reads {
    Reads { objects: vec![key("x")], ..Reads::default() }
}

fn run_again(device: &mut Device) {
    while let Some(run) = device.replica.poll_run() {
        let ops = next(device);
        device.replica.ran(run.edit, Ran::Ops(ops, reads()));
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
    let commanded = Commanded { command, seed: 7, reads: reads(), serializable: true };
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
