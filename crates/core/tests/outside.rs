//! What somebody outside has a say in: foreseeing what would be asked leaves nothing behind, and a word is good for what it
//! was given on.

mod peers;

use std::sync::Arc;

use fastrand::Rng;
use peers::story::ANN;
use peers::*;
use tapeline_core::caller::Caller;
use tapeline_core::event::{RefusalCode, Sealed};
use tapeline_core::frame::ServerFrame;
use tapeline_core::name::{Collection, Key};
use tapeline_core::numbers::{Incarnation, Seq};
use tapeline_core::object::Object;
use tapeline_core::op::{Edit, Op};
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use tapeline_core::sequencer::{Change, Changed, Gate, Objection, Pushed, Sequencer, Word};
use tapeline_core::splice::Splices;
use tapeline_core::state::StreamState;

/// Somebody outside has a say in everything, and nobody else.
#[derive(Debug)]
struct Outside;

impl Gate for Outside {
    fn objection(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
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

    fn is_asked(&self, _: &Change<'_>) -> bool {
        true
    }
}

fn schema() -> Schema {
    let rules = Rules { policy: Policy::First, update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() };
    Schema::new([(key("x").collection, rules)])
}

fn asking() -> Server {
    let mut server = Server::with_schema(schema());
    let state = StreamState::empty(Incarnation(7));
    server.sequencer = Sequencer::new(state, Arc::new(schema()), Some(Arc::new(Outside)));
    server
}

fn yes(on: Vec<Changed>) -> Word {
    Word { on, against: None }
}

fn random_ops(random: &mut Rng) -> Vec<Op> {
    let count = random.usize(1..3);
    let mut op = || {
        let id = ["a", "b", "c"][random.usize(0..3)];
        match random.u8(0..7) {
            0 => insert(id, &[("n", 1), ("m", 2)]),
            1 => upsert(id, &[("n", random.i64(0..3))]),
            2 => delete(id),
            3 => set(id, "m", random.i64(0..3)),
            4 => inc(id, "n", 1),
            5 => update(id, "text", Edit::Set("a text".into())),
            _ => update(id, "text", Edit::Splice(Splices::text(random.u64(0..6), random.u64(0..2), "x"))),
        }
    };
    (0..count).map(|_| op()).collect()
}

#[test]
fn foreseeing_leaves_nothing_behind_and_a_yes_changes_nothing() {
    for seed in 0..200 {
        let mut random = Rng::with_seed(seed);
        let (mut plain, mut asked) = (Server::with_schema(schema()), asking());
        let mut last = [0; 3];
        for _ in 0..40 {
            let client = random.usize(0..3);
            last[client] += 1;
            let base = random.u64(plain.log.end().0.saturating_sub(4)..=plain.log.end().0);
            let event = authored(client as u128, last[client], base, random_ops(&mut random));
            let other = Sealed::new(authored(9, 99, base, random_ops(&mut random)));
            assert!(plain.push(ANN, event.clone()));
            asked.sequencer.foresee(&Caller::default(), &other);
            if !asked.push(ANN, event.clone()) {
                let sealed = Sealed::new(event);
                let Pushed::Asks(on) = asked.sequencer.foresee(&Caller::default(), &sealed) else {
                    panic!("SEED={seed}")
                };
                asked.sequencer.foresee(&Caller::default(), &other);
                let pushed = asked.sequencer.push_with(ANN, &Caller::default(), &sealed, Some(&yes(on)));
                assert_eq!(pushed, Pushed::Decided, "SEED={seed}");
            }
            if random.bool() {
                assert_eq!(plain.settle(), asked.settle(), "SEED={seed}");
            }
        }
        assert_eq!(plain.settle(), asked.settle(), "SEED={seed}");
        assert_eq!((plain.log.after(), plain.objects()), (asked.log.after(), asked.objects()), "SEED={seed}");
    }
}

#[test]
fn a_word_is_good_for_what_it_was_given_on() {
    let mut server = asking();
    let push = |server: &mut Server, client, ops, word: Option<&Word>| {
        server.sequencer.load_client(tapeline_core::numbers::ClientId(client), None);
        server.sequencer.load_entry(key("a"), None);
        let sealed = Sealed::new(authored(client, 1, 0, ops));
        server.sequencer.push_with(ANN, &Caller::default(), &sealed, word)
    };
    let asks = |pushed| match pushed {
        Pushed::Asks(on) => on,
        other => panic!("{other:?}"),
    };
    let first = asks(push(&mut server, 1, vec![upsert("a", &[("n", 1)])], None));
    let second = asks(push(&mut server, 2, vec![upsert("a", &[("n", 2)])], None));
    assert!(first[0].before.is_none() && second[0].before.is_none());
    let word = yes(first);
    assert_eq!(push(&mut server, 1, vec![upsert("a", &[("n", 1)])], Some(&word)), Pushed::Decided);
    let again = asks(push(&mut server, 2, vec![upsert("a", &[("m", 2)])], Some(&yes(second))));
    assert!(again[0].before.is_some(), "it is another thing by now");
    let objection = Objection { code: RefusalCode::Forbidden, field: None, reason: "not so".into() };
    let no = Word { on: again, against: Some((0, objection)) };
    assert_eq!(push(&mut server, 2, vec![upsert("a", &[("m", 2)])], Some(&no)), Pushed::Decided);
    let answers = server.settle();
    let ServerFrame::Refused { refusal, .. } = &answers[1].1 else { panic!("{answers:?}") };
    assert_eq!((&*refusal.reason, &refusal.about), ("not so", &Some(key("a"))));
    assert_eq!(server.log.end(), Seq(1));
}
