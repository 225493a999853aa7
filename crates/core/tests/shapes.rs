//! Which values fields take: what does not fit is refused before it is recorded, with the field and the reason, and an
//! event of several ops as a whole.

mod peers;

use fastrand::Rng;
use peers::*;
use tapeline_core::event::{Refusal, RefusalCode};
use tapeline_core::frame::ServerFrame;
use tapeline_core::name::FieldName;
use tapeline_core::numbers::{Channel, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::schema::{Rules, Schema};
use tapeline_core::sequencer::Peer;
use tapeline_core::shape::{Kind, Misfit, Shape};
use tapeline_core::value::Value;

const ANN: Peer = Peer { session: 0, channel: Channel(0) };

fn field(name: &str) -> FieldName {
    FieldName::new(name).unwrap()
}

fn schema() -> Schema {
    let title =
        Shape { kind: Some(Kind::Text), required: true, min_length: Some(1), max_length: Some(5), ..Shape::default() };
    let effort = Shape { min: Some(Value::Int(0)), max: Some(Value::Int(10)), ..Shape::default() };
    let state = Shape { one_of: vec![Value::text("open"), Value::text("done")], ..Shape::default() };
    let shapes = vec![(field("title"), title), (field("effort"), effort), (field("state"), state)];
    Schema::new([(key("x").collection, Rules { shapes, ..Rules::default() })])
}

fn op(id: &str, action: impl FnOnce(Vec<(FieldName, Value)>) -> Action, fields: &[(&str, Value)]) -> Op {
    let fields = fields.iter().map(|(name, value)| (field(name), value.clone())).collect();
    Op { key: key(id), seen: None, action: action(fields) }
}

fn insert_of(fields: Vec<(FieldName, Value)>) -> Action {
    Action::Insert(FieldMap::new(fields).unwrap())
}

fn update_of(fields: Vec<(FieldName, Value)>) -> Action {
    let edits = fields.into_iter().map(|(name, value)| (name, Edit::Set(value))).collect();
    Action::Update(FieldMap::new(edits).unwrap())
}

/// Pushes Ann's next event; answers why it was refused.
fn push(server: &mut Server, n: u64, ops: Vec<Op>) -> Option<Refusal> {
    let base = server.log.end().0;
    assert!(server.push(ANN, authored(1, n, base, ops)));
    let answer = server.settle().into_iter().find(|(peer, _)| *peer == ANN);
    match answer.expect("every event is answered").1 {
        ServerFrame::Refused { refusal, .. } => Some(refusal),
        ServerFrame::Ack { .. } => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_field() {
    let text = Value::text;
    let cases = [
        (vec![("effort", Value::Int(1))], Some(("title", "it must be there"))),
        (vec![("title", Value::Int(1))], Some(("title", "it must be a text"))),
        (vec![("title", text(""))], Some(("title", "at least 1 long"))),
        (vec![("title", text("🦀🦀🦀🦀🦀"))], None),
        (vec![("title", text("sixsix"))], Some(("title", "at most 5 long"))),
        (vec![("title", text("a")), ("effort", Value::Int(-1))], Some(("effort", "at least 0"))),
        (vec![("title", text("a")), ("effort", Value::number(10.5).unwrap())], Some(("effort", "at most 10"))),
        (vec![("title", text("a")), ("state", text("shut"))], Some(("state", "one of \"open\", \"done\""))),
        (vec![("title", text("a")), ("state", Value::Null), ("other", Value::Int(9))], None),
    ];
    for (fields, wrong) in cases {
        let mut server = Server::with_schema(schema());
        let refusal = push(&mut server, 1, vec![op("x", insert_of, &fields)]);
        assert_eq!(refusal.is_some(), wrong.is_some(), "{fields:?}: {refusal:?}");
        let Some((refusal, (name, words))) = refusal.zip(wrong) else { continue };
        assert_eq!(
            (refusal.code, refusal.field, refusal.about),
            (RefusalCode::Invalid, Some(field(name)), Some(key("x")))
        );
        assert!(refusal.reason.contains(words), "{}", refusal.reason);
        assert_eq!(server.log.end(), Seq(0));
    }
}

#[test]
fn all_ops_of_an_event_fit_or_none_takes_effect() {
    let mut server = Server::with_schema(schema());
    let good = op("x", insert_of, &[("title", Value::text("a"))]);
    let bad = op("y", insert_of, &[("title", Value::text("too long"))]);
    assert!(push(&mut server, 1, vec![good.clone(), bad]).is_some());
    assert!(push(&mut server, 2, vec![good]).is_none(), "it was not there");
    // What an event makes of an object in all is what counts.
    let twice = [op("x", update_of, &[("effort", Value::Int(99))]), op("x", update_of, &[("effort", Value::Int(9))])];
    assert!(push(&mut server, 3, twice.to_vec()).is_none());
}

#[test]
fn what_was_there_before_a_shape_stays_and_blocks_no_other_field() {
    let mut server = Server::new();
    assert!(
        push(&mut server, 1, vec![op("x", insert_of, &[("title", Value::Int(7)), ("effort", Value::Int(99))])])
            .is_none()
    );
    let mut later = server.restored_with(server.batches(), schema());
    assert!(push(&mut later, 2, vec![op("x", update_of, &[("state", Value::text("open"))])]).is_none());
    assert!(push(&mut later, 3, vec![op("x", update_of, &[("effort", Value::Int(98))])]).is_some());
}

/// Increments are looked at by what they come to.
#[test]
fn nothing_that_is_recorded_is_out_of_bounds() {
    for seed in 0..20 {
        let mut random = Rng::with_seed(seed);
        let mut server = Server::with_schema(schema());
        assert!(push(&mut server, 1, vec![op("x", insert_of, &[("title", Value::text("a"))])]).is_none());
        let (mut effort, mut refused) = (0, 0);
        for n in 2..200 {
            let by = random.i64(-6..=6);
            let refusal = push(&mut server, n, vec![inc("x", "effort", by)]);
            let fits = (0..=10).contains(&(effort + by));
            assert_eq!(refusal.is_none(), fits, "seed {seed}: {effort} and {by}");
            match fits {
                true => effort += by,
                false => refused += 1,
            }
        }
        assert!(refused > 20, "seed {seed}");
    }
}

#[test]
fn a_shape_says_what_is_wrong() {
    let list = Shape { kind: Some(Kind::List), max_length: Some(1), ..Shape::default() };
    let two = Value::List([Value::Int(1), Value::Int(2)].into());
    assert_eq!(list.check(&two), Err(Misfit::TooLong(1)));
    assert_eq!(list.check(&Value::Null), Ok(()));
    for kind in Kind::ALL {
        let shape = Shape { kind: Some(kind), ..Shape::default() };
        assert_eq!(shape.check(&Value::text("t")).is_ok(), kind == Kind::Text, "{kind:?}");
    }
}
