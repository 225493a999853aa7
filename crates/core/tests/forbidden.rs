//! Who may do nothing brings nothing onto the log.

mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use peers::story::ANN;
use peers::*;
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::{Collection, Key};
use tapeline_core::numbers::Incarnation;
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use tapeline_core::sequencer::{Change, Gate, Objection, Sequencer};
use tapeline_core::state::StreamState;

/// Nobody may do anything, once it is closed.
#[derive(Debug, Default)]
struct Door(AtomicBool);

impl Gate for Door {
    fn objection(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        let no = || Objection { code: RefusalCode::Forbidden, field: None, reason: "you may not".into() };
        self.0.load(Ordering::Relaxed).then(no)
    }

    fn invalid(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
    }

    fn may_write(&self, _: &Caller, _: &Collection) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    fn may_read(&self, _: &Caller, _: &Key, _: &Object) -> bool {
        true
    }
}

fn schema() -> Schema {
    let rules = Rules { policy: Policy::Ask, update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() };
    Schema::new([(key("x").collection, rules)])
}

fn random_ops(random: &mut Rng) -> Vec<Op> {
    let ids = ["there", "gone", "never"];
    let mut op = || {
        let id = ids[random.usize(0..3)];
        match random.u8(0..5) {
            0 => insert(id, &[("n", 7)]),
            1 => upsert(id, &[("n", 7)]),
            2 => set(id, "n", 7),
            3 => inc(id, "n", 7),
            _ => delete(id),
        }
    };
    (0..4).map(|_| op()).collect()
}

#[test]
fn who_may_do_nothing_brings_nothing_onto_the_log() {
    for seed in 0..2_000 {
        let mut random = Rng::with_seed(seed);
        let (mut server, door) = (Server::new(), Arc::new(Door::default()));
        let state = StreamState::empty(Incarnation(7));
        server.sequencer = Sequencer::new(state, Arc::new(schema()), Some(door.clone()));
        let made = vec![insert("there", &[("n", 1)]), insert("gone", &[("n", 1)])];
        for (ops, n) in [made, vec![delete("gone")]].into_iter().zip(0..) {
            assert!(server.push(ANN, authored(1, n + 1, n, ops)));
        }
        server.settle();
        let before = server.objects();
        door.0.store(true, Ordering::Relaxed);
        let mut ops = random_ops(&mut random);
        ops.truncate(random.usize(1..=4));
        assert!(server.push(ANN, authored(2, 1, random.u64(0..=2), ops)), "SEED={seed}");
        server.settle();
        let brought = server.log.events().nth(2);
        assert!(brought.is_none(), "SEED={seed}: {brought:?}");
        assert_eq!(server.objects(), before, "SEED={seed}");
    }
}
