//! What somebody may not read tells them nothing by what becomes of their events.

mod peers;

use std::sync::Arc;

use fastrand::Rng;
use peers::story::ANN;
use peers::*;
use tapeline_core::caller::Caller;
use tapeline_core::event::{Read, RefusalCode};
use tapeline_core::frame::ServerFrame;
use tapeline_core::name::{Collection, FieldName, Key};
use tapeline_core::numbers::Incarnation;
use tapeline_core::object::Object;
use tapeline_core::op::{Edit, Members};
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};
use tapeline_core::sequencer::{Change, Gate, Objection, Sequencer};
use tapeline_core::state::StreamState;
use tapeline_core::value::Value;

/// What is open may be read, and all may be done.
#[derive(Debug)]
struct Open;

impl Gate for Open {
    fn objection(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
    }

    fn invalid(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
    }

    fn may_write(&self, _: &Caller, _: &Collection) -> bool {
        true
    }

    fn may_read(&self, _: &Caller, _: &Key, object: &Object) -> bool {
        object.get("open") == Some(&Value::Int(1))
    }
}

#[test]
fn reads_of_what_is_hidden_do_not_tell_when_it_has_changed() {
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let mut server = Server::new();
        let (state, schema) = (StreamState::empty(Incarnation(7)), Arc::new(Schema::default()));
        server.sequencer = Sequencer::new(state, schema, Some(Arc::new(Open)));
        let mut clients = 0;
        // Each by another client: what was refused before has no part in it.
        let mut push = |server: &mut Server, base: u64, read: Option<(&str, &str)>, ops| {
            clients += 1;
            let mut event = authored(clients, 1, base, ops);
            let reads = read.map(|(id, field)| Read { key: key(id), field: FieldName::new(field).ok() });
            event.body.unchanged.extend(reads);
            assert!(server.push(ANN, event), "SEED={seed}");
            server.settle().pop().unwrap().1
        };
        push(&mut server, 0, None, vec![insert("seen", &[("open", 1), ("n", 0)])]);
        push(&mut server, 1, None, vec![insert("hidden", &[("open", 0), ("n", 0)])]);
        for _ in 0..random.u64(1..8) {
            let (id, base) = (["seen", "hidden"][random.usize(0..2)], server.log.end().0);
            push(&mut server, base, None, vec![update(id, "n", Edit::Set(Value::Int(random.i64(..))))]);
        }
        let end = server.log.end().0;
        let mut answers = |id: &str, field: &str| -> Vec<Option<RefusalCode>> {
            let answer = |base| match push(&mut server, base, Some((id, field)), vec![upsert("own", &[("open", 1)])]) {
                ServerFrame::Refused { refusal, .. } => Some(refusal.code),
                _ => None,
            };
            (0..=end).map(answer).collect()
        };
        assert!(answers("seen", "n").contains(&None), "SEED={seed}");
        for field in ["n", "open", "none"] {
            let told = answers("hidden", field);
            assert!(told.iter().all(|code| *code == Some(RefusalCode::NotFound)), "SEED={seed}: {field}: {told:?}");
        }
    }
}

/// Of an object that is gone and may come back its collection keeps what it was.
#[test]
fn what_a_hidden_object_was_is_told_to_nobody_who_edits_it_once_it_is_gone() {
    for policy in [Policy::Reject, Policy::Ask, Policy::First, Policy::Last] {
        let rules = Rules { policy, update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() };
        let schema = Schema::new([(key("hidden").collection, rules)]);
        let mut server = Server::new();
        let gate = Some(Arc::new(Open) as Arc<dyn Gate>);
        server.sequencer = Sequencer::new(StreamState::empty(Incarnation(7)), Arc::new(schema), gate);
        assert!(server.push(ANN, authored(1, 1, 0, vec![insert("hidden", &[("open", 0), ("n", 5)])])));
        assert!(server.push(ANN, authored(1, 2, 1, vec![delete("hidden")])));
        server.settle();
        let edits = [Edit::Set(Value::Int(1)), Edit::Inc(Value::Int(i64::MAX)), Edit::Members(Members::default())];
        for (client, edit) in (2..).zip(edits) {
            assert!(server.push(ANN, authored(client, 1, 0, vec![update("hidden", "n", edit)])));
            if let Some((_, ServerFrame::Refused { refusal, .. })) = server.settle().pop() {
                assert_eq!(
                    (refusal.code, refusal.current, refusal.field),
                    (RefusalCode::NotFound, None, None),
                    "{policy:?}"
                );
            }
        }
    }
}
