//! From what is there to what is wanted: it gets there, names nothing else, and a second time has nothing to do.

mod support;

use std::collections::BTreeMap;

use fastrand::Rng;
use support::for_seeds;
use tapeline_core::difference::{Difference, DifferenceError, Others, Rows};
use tapeline_core::event::Body;
use tapeline_core::limits;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::value::Value;

type Table = BTreeMap<ObjectId, Option<Entry>>;
type Fields = BTreeMap<String, Value>;

const WRITE: Write<'_> = Write::pending(ClientId(1), Seq(0), Millis(0));

fn tasks() -> Collection {
    Collection::new("tasks").unwrap()
}

fn id(text: &str) -> ObjectId {
    ObjectId::new(text).unwrap()
}

fn fields(fields: &[(&str, Value)]) -> FieldMap<Value> {
    FieldMap::new(fields.iter().map(|(name, value)| (FieldName::new(name).unwrap(), value.clone())).collect()).unwrap()
}

fn whole(_: &str, after: &str) -> Edit {
    Edit::Set(Value::text(after))
}

fn difference(there: &Table, wanted: Rows, others: Others) -> Result<Difference, DifferenceError> {
    let live = there.iter().filter_map(|(id, entry)| Some((id, entry.as_ref()?.live()?.as_ref())));
    Difference::new(&tasks(), live, wanted, others, &whole)
}

fn play(table: &mut Table, ops: &[Op]) {
    for op in ops {
        let entry = table.entry(op.key.id.clone()).or_default();
        let is_live = entry.as_ref().is_some_and(|entry| entry.live().is_some());
        assert_eq!(is_live, !matches!(op.action, Action::Insert(_)), "{op:?}");
        apply(entry, op, &WRITE);
    }
}

fn table_of(rows: Rows) -> Table {
    let mut table = Table::new();
    let insert = |(id, set)| Op { key: Key { collection: tasks(), id }, seen: None, action: Action::Insert(set) };
    play(&mut table, &rows.into_iter().map(insert).collect::<Vec<_>>());
    table
}

/// What a table shows, where null counts as absent.
fn shown(table: &Table) -> BTreeMap<ObjectId, Fields> {
    let live = table.iter().filter_map(|(id, entry)| Some((id.clone(), entry.as_ref()?.live()?)));
    let fields = live.map(|(id, object)| {
        let fields = object.fields().filter(|(_, field)| *field.value != Value::Null);
        (id, fields.map(|(name, field)| (name.to_string(), field.value.clone())).collect())
    });
    fields.collect()
}

fn random_rows(random: &mut Rng) -> Rows {
    let mut ids: Vec<u8> = (0..12).filter(|_| random.bool()).collect();
    random.shuffle(&mut ids);
    ids.into_iter().map(|number| (id(&number.to_string()), random_fields(random))).collect()
}

fn random_fields(random: &mut Rng) -> FieldMap<Value> {
    let values = [Value::Null, true.into(), 7.into(), "short".into(), "a".repeat(100).into(), "b".repeat(100).into()];
    let mut named = Vec::new();
    for name in ["a", "b", "c", "d"] {
        if random.bool() {
            named.push((name, random.choice(&values).unwrap().clone()));
        }
    }
    fields(&named)
}

#[test]
fn what_is_there_becomes_what_is_wanted_by_the_fields_that_differ() {
    for_seeds(3_000, |seed, random| {
        let (before, wanted) = (table_of(random_rows(random)), random_rows(random));
        let expected = shown(&table_of(wanted.clone()));
        let change = difference(&before, wanted.clone(), Others::Delete).unwrap();
        let mut after = before.clone();
        play(&mut after, &change.ops);
        assert_eq!(shown(&after), expected, "seed {seed}");
        assert_eq!(change.inserted() + change.updated() + change.unchanged, wanted.len(), "seed {seed}");
        only_what_differs_is_named(seed, [&shown(&before), &expected], &change.ops);
        let again = difference(&after, wanted, Others::Delete).unwrap();
        assert!(again.is_empty(), "seed {seed}: {again:?}");
    });
}

fn only_what_differs_is_named(seed: u64, tables: [&BTreeMap<ObjectId, Fields>; 2], ops: &[Op]) {
    for op in ops {
        let [before, after] = tables.map(|table| table.get(&op.key.id));
        match &op.action {
            Action::Insert(_) => assert!(before.is_none(), "seed {seed}: {op:?}"),
            Action::Delete => assert!(after.is_none(), "seed {seed}: {op:?}"),
            Action::Update(edits) => {
                let of = |fields: Option<&Fields>, name: &FieldName| fields.unwrap().get(name.as_str()).cloned();
                assert!(edits.iter().all(|(name, _)| of(before, name) != of(after, name)), "seed {seed}: {op:?}");
            }
            Action::Upsert(_) => panic!("seed {seed}: {op:?}"),
        }
    }
}

#[test]
fn what_is_not_named_may_stay() {
    let there = table_of(vec![(id("1"), fields(&[("a", 1.into())])), (id("2"), fields(&[]))]);
    let change = difference(&there, vec![(id("3"), fields(&[]))], Others::Keep).unwrap();
    assert_eq!((change.inserted(), change.updated(), change.deleted()), (1, 0, 0));
}

#[test]
fn null_counts_as_absent() {
    let there = table_of(vec![(id("1"), fields(&[("a", 1.into()), ("b", Value::Null)]))]);
    let same = vec![(id("1"), fields(&[("a", 1.into()), ("c", Value::Null)]))];
    assert!(difference(&there, same, Others::Delete).unwrap().is_empty());
    let change = difference(&there, vec![(id("1"), fields(&[]))], Others::Delete).unwrap();
    let Action::Update(edits) = &change.ops[0].action else { panic!("{change:?}") };
    assert_eq!(edits.iter().collect::<Vec<_>>(), [(&FieldName::new("a").unwrap(), &Edit::Set(Value::Null))]);
}

#[test]
fn long_texts_are_edited_and_short_ones_replaced() {
    let (long, short) = ("word ".repeat(20), "word");
    let there = table_of(vec![(id("1"), fields(&[("long", long.as_str().into()), ("short", short.into())]))]);
    let asked = std::cell::RefCell::new(Vec::new());
    let edit_text = |before: &str, after: &str| {
        asked.borrow_mut().push((before.to_owned(), after.to_owned()));
        whole(before, after)
    };
    let wanted = vec![(id("1"), fields(&[("long", (long.clone() + "x").into()), ("short", "other".into())]))];
    let live = there.iter().filter_map(|(id, entry)| Some((id, entry.as_ref()?.live()?.as_ref())));
    let change = Difference::new(&tasks(), live, wanted, Others::Delete, &edit_text).unwrap();
    assert_eq!(change.updated(), 1);
    assert_eq!(asked.take(), [(long.clone(), long + "x")]);
}

#[test]
fn an_object_is_wanted_once() {
    let wanted = vec![(id("1"), fields(&[])), (id("1"), fields(&[]))];
    let error = difference(&Table::new(), wanted, Others::Delete).unwrap_err();
    assert_eq!(error, DifferenceError::Twice(Key { collection: tasks(), id: id("1") }));
}

#[test]
fn many_ops_are_cut_into_events_that_fit() {
    let row = |number: usize, bytes: usize| (id(&number.to_string()), fields(&[("a", "x".repeat(bytes).into())]));
    for (rows, bytes, events) in [(0, 0, 0), (limits::EVENT_OPS + 1, 1, 2), (5, 400_000, 3)] {
        let wanted: Rows = (0..rows).map(|number| row(number, bytes)).collect();
        let change = difference(&Table::new(), wanted, Others::Delete).unwrap();
        let all = change.ops.clone();
        let cut = change.into_events().unwrap();
        assert_eq!(cut.len(), events);
        assert_eq!(cut.concat(), all);
        for ops in cut {
            assert!(ops.len() <= limits::EVENT_OPS);
            let body = Body { base: Seq(1 << 50), ops, ..Body::default() };
            assert!(tapeline_core::codec::cbor::encode_body(&body).len() <= limits::EVENT_BYTES);
        }
    }
    let change = difference(&Table::new(), vec![row(1, limits::EVENT_BYTES)], Others::Delete).unwrap();
    assert!(matches!(change.into_events(), Err(DifferenceError::TooLarge { .. })));
}
