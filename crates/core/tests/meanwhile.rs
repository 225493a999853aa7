//! What an event makes of objects on the way to what it comes to, or puts beside what is there, passes the rules as well:
//! it stands on the log.

mod peers;

use std::sync::Arc;

use fastrand::Rng;
use peers::story::ANN;
use peers::*;
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::frame::ServerFrame;
use tapeline_core::name::{Collection, Key};
use tapeline_core::numbers::Incarnation;
use tapeline_core::object::{Object, Write, apply};
use tapeline_core::op::Op;
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use tapeline_core::sequencer::{Change, Gate, Objection, Sequencer};
use tapeline_core::state::StreamState;
use tapeline_core::value::Value;

/// What nobody may put there.
const FORBIDDEN: Value = Value::Int(7);

/// All of an object may be written but one value; one that is there has an `owner`.
#[derive(Debug)]
struct Owned;

impl Gate for Owned {
    fn objection(&self, _: &Caller, change: &Change<'_>) -> Option<Objection> {
        let is_wrong = |object: &Object| object.get("owner").is_none() || object.get("n") == Some(&FORBIDDEN);
        let no = || Objection { code: RefusalCode::Forbidden, field: None, reason: "you may not".into() };
        change.after.is_some_and(is_wrong).then(no)
    }

    fn invalid(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
    }

    fn may_write(&self, _: &Caller, _: &Collection) -> bool {
        true
    }

    fn may_read(&self, _: &Caller, _: &Key, _: &Object) -> bool {
        true
    }
}

fn guarded(policy: Policy) -> Server {
    let rules = Rules { policy, update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() };
    let schema = Schema::new([(key("x").collection, rules)]);
    let mut server = Server::new();
    let state = StreamState::empty(Incarnation(7));
    server.sequencer = Sequencer::new(state, Arc::new(schema), Some(Arc::new(Owned)));
    server
}

/// What becomes of one event of a client of its own.
fn code(server: &mut Server, client: u128, base: u64, ops: Vec<Op>) -> Option<RefusalCode> {
    assert!(server.push(ANN, authored(client, 1, base, ops)));
    match server.settle().pop().unwrap().1 {
        ServerFrame::Refused { refusal, .. } => Some(refusal.code),
        _ => None,
    }
}

fn owned(id: &str) -> Op {
    insert(id, &[("owner", 1), ("n", 1)])
}

#[test]
fn what_does_not_stay_is_asked_about_as_if_it_did() {
    let cases: [(&str, Vec<Op>); 5] = [
        ("set there and back", vec![set("x", "n", 7), set("x", "n", 1)]),
        ("set on the way elsewhere", vec![set("x", "n", 7), set("x", "n", 2)]),
        ("of what is made by it", vec![owned("new"), set("new", "n", 7), set("new", "n", 2)]),
        ("of what it deletes", vec![set("x", "n", 7), delete("x")]),
        (
            "of what it deletes and makes again",
            vec![delete("x"), insert("x", &[("n", 7)]), upsert("x", &[("n", 1), ("owner", 1)])],
        ),
    ];
    for (what, ops) in cases {
        let mut server = guarded(Policy::Last);
        assert_eq!(code(&mut server, 1, 0, vec![owned("x")]), None);
        assert_eq!(code(&mut server, 2, 1, ops), Some(RefusalCode::Forbidden), "{what}");
    }
}

#[test]
fn what_stands_beside_what_is_there_is_asked_about_as_if_it_was() {
    let mut server = guarded(Policy::Ask);
    assert_eq!(code(&mut server, 1, 0, vec![owned("x")]), None);
    assert_eq!(code(&mut server, 2, 0, vec![set("x", "n", 7)]), Some(RefusalCode::Forbidden));
    assert_eq!(code(&mut server, 3, 0, vec![set("x", "n", 3)]), None);
    assert_eq!(code(&mut server, 4, 0, vec![set("x", "owner", 3)]), None, "with the conflict that somebody else made");
    // What is beside it does not hide what is in it.
    let both = vec![set("x", "n", 2), inc("x", "n", 4), inc("x", "n", 2), delete("x")];
    assert_eq!(code(&mut server, 5, 0, both), Some(RefusalCode::Forbidden));
}

/// An object need not be whole before the event is over.
#[test]
fn what_stays_is_asked_about_once_all_of_it_is_there() {
    let mut server = guarded(Policy::Last);
    assert_eq!(code(&mut server, 1, 0, vec![insert("x", &[("n", 1)]), set("x", "owner", 1), set("x", "n", 2)]), None);
    assert_eq!(code(&mut server, 2, 1, vec![delete("x"), insert("x", &[]), set("x", "owner", 1)]), None);
    assert_eq!(code(&mut server, 3, 2, vec![inc("x", "n", 2), inc("x", "n", 3), delete("x")]), None);
}

fn random_op(random: &mut Rng) -> Op {
    let (id, n) = (["there", "gone", "never"][random.usize(0..3)], [1, 2, 7][random.usize(0..3)]);
    match random.u8(0..6) {
        0 => insert(id, &[("n", n), ("owner", 1)]),
        1 => upsert(id, &[("n", n), ("owner", 1)]),
        2 | 3 => set(id, "n", n),
        4 => inc(id, "n", n),
        _ => delete(id),
    }
}

/// Step by step, the ops of what is recorded never show what may not be there.
#[test]
fn what_may_not_be_there_never_stands_on_the_log() {
    let (mut recorded, mut refused) = (0, 0);
    for seed in 0..4_000 {
        let mut random = Rng::with_seed(seed);
        let mut server = guarded([Policy::Last, Policy::Ask][random.usize(0..2)]);
        assert_eq!(code(&mut server, 1, 0, vec![owned("there"), owned("gone")]), None);
        assert_eq!(code(&mut server, 2, 1, vec![delete("gone")]), None);
        for client in 3..6 {
            let base = random.u64(0..=server.log.end().0);
            let ops = (0..random.usize(1..5)).map(|_| random_op(&mut random)).collect();
            match code(&mut server, client, base, ops) {
                None => recorded += 1,
                Some(_) => refused += 1,
            }
        }
        let mut entries = std::collections::BTreeMap::new();
        for event in server.log.events().map(Result::unwrap) {
            for op in &event.body.ops {
                let entry = entries.entry(op.key.clone()).or_insert(None);
                apply(entry, op, &Write::of(&event));
                let Some(object) = entry.as_ref().and_then(|entry| entry.live()) else { continue };
                let asked = object.conflicts().iter().map(|conflict| &conflict.value);
                let is_there = object.get("n").into_iter().chain(asked).any(|value| *value == FORBIDDEN);
                assert!(!is_there, "SEED={seed}: {:?}", event.body.ops);
            }
        }
    }
    assert!(recorded > 1_000 && refused > 1_000, "{recorded} recorded, {refused} refused");
}
