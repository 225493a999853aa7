//! Indexes: what is read of one is all that a query finds, and in its order where that is what the plan says.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use support::{for_seeds, object_of};
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, FieldName, ObjectId};
use tapeline_core::object::Object;
use tapeline_core::query::Query;
use tapeline_core::query::index::{Index, Place, Plan, Run};
use tapeline_core::value::Value;

fn index(fields: &[&str]) -> Index {
    let fields = fields.iter().map(|field| FieldName::new(field).unwrap()).collect();
    Index { collection: Collection::new("t").unwrap(), fields }
}

fn query(text: &str) -> Query {
    Query::from_value(&json::value_from_json(text).unwrap()).unwrap()
}

fn plan(parts: &str, indexes: &[Index]) -> Option<Plan> {
    Plan::of(&query(&format!(r#"{{"collection":"t",{parts}}}"#)), indexes)
}

/// Values that are close to each other, of all kinds.
fn value(random: &mut Rng) -> Value {
    let long = "a".repeat(62);
    let text = ["", "a", "a\0", "a\0b", "ab", "b", "\u{10ffff}", &long].map(String::from);
    match random.u8(..10) {
        0 => Value::Null,
        1 => random.bool().into(),
        2 => Value::Int(random.i64(-3..3)),
        3 => Value::Int(random.choice([i64::MIN, i64::MAX, i64::MAX - 1, -1, 1 << 53]).unwrap()),
        4 => Value::number(random.i64(-6..6) as f64 / 2.0).unwrap(),
        5 => Value::number(random.choice([-1e300, 1e19, -0.5, 0.1, 9e18, f64::MIN_POSITIVE]).unwrap()).unwrap(),
        6 => Value::Bytes(random.choice(&text).unwrap().as_bytes().into()),
        7 => Value::List(vec![Value::Int(random.i64(..3))].into()),
        8 => Value::text(format!("{long}{}", random.choice(&text).unwrap())),
        _ => Value::text(random.choice(&text).unwrap().as_str()),
    }
}

type Row<'o> = (Place, &'o ObjectId, &'o Arc<Object>);

/// The rows of an index that a plan reads, in the order in which it does.
fn read<'o>(plan: &Plan, objects: &'o BTreeMap<ObjectId, Arc<Object>>) -> Vec<Row<'o>> {
    let mut rows: Vec<Row<'o>> = objects.iter().map(|(id, object)| (plan.index.place(object), id, object)).collect();
    rows.sort_by(|a, b| a.0.bytes.cmp(&b.0.bytes).then_with(|| a.1.cmp(b.1)));
    let mut read = Vec::new();
    for stretch in &plan.stretches {
        let is_in = |row: &&Row<'o>| stretch.from <= row.0.bytes && row.0.bytes < stretch.upto;
        read.extend(rows.iter().filter(is_in).cloned());
    }
    match plan.in_order {
        Some(Run::Backward) => read.reverse(),
        Some(Run::BackwardByValue) => read.sort_by(|a, b| b.0.bytes.cmp(&a.0.bytes)),
        Some(Run::Forward) | None => {}
    }
    read
}

fn condition(random: &mut Rng) -> String {
    let value = json::value_to_json(&value(random));
    match random.u8(..8) {
        0..3 => value,
        3 => format!(r#"{{"in":[{value},{}]}}"#, json::value_to_json(&self::value(random))),
        4 => format!(r#"{{"prefix":"{}"}}"#, random.choice(["", "a", "aaaaa", "a\\u0000"]).unwrap()),
        5 => format!(r#"{{"ne":{value}}}"#),
        _ => format!(r#"{{"{}":{value}}}"#, random.choice(["lt", "le", "gt", "ge"]).unwrap()),
    }
}

#[test]
fn what_a_plan_reads_is_all_there_is_in_the_order_it_says() {
    let used = Cell::new(0);
    for_seeds(3_000, |seed, random| {
        let objects: BTreeMap<ObjectId, Arc<Object>> = (0..random.u8(..60))
            .map(|n| {
                let names = ["a", "b", "c"].into_iter().filter(|_| random.u8(..8) > 0).collect::<Vec<_>>();
                let fields = names.into_iter().map(|name| (name, value(random))).collect::<Vec<_>>();
                (ObjectId::new(format!("t{n}")).unwrap(), object_of(fields))
            })
            .collect();
        let fields: &[&str] = random.choice([&["a"][..], &["a", "b"], &["b", "a"], &["a", "b", "c"]]).unwrap();
        let condition = |name| (random.u8(..3) > 0).then(|| format!(r#""{name}":{}"#, condition(random)));
        let filter: Vec<String> = ["a", "b"].into_iter().filter_map(condition).collect();
        let order = random
            .choice([
                "null",
                r#""a""#,
                r#""-a""#,
                r#"["a","b"]"#,
                r#"["-a","-id"]"#,
                r#"["a","-b"]"#,
                r#""-id""#,
                r#""b""#,
            ])
            .unwrap();
        let text = format!(r#"{{"collection":"t","where":{{{}}},"orderBy":{order},"limit":9}}"#, filter.join(","));
        let query = query(&text);
        let Some(plan) = Plan::of(&query, &[index(fields)]) else { return };
        used.set(used.get() + 1);
        let found = |rows: &[Row<'_>]| -> Vec<ObjectId> {
            let found = rows.iter().filter(|(_, id, object)| query.filter.matches(id, object));
            found.map(|(_, id, _)| (*id).clone()).collect()
        };
        let sort = |ids: &mut Vec<ObjectId>| {
            ids.sort_by(|a, b| query.order.compare((a, &objects[a]), (b, &objects[b])));
        };
        let mut rows = read(&plan, &objects);
        let mut expected: Vec<ObjectId> =
            objects.keys().filter(|id| query.filter.matches(id, &objects[*id])).cloned().collect();
        sort(&mut expected);
        if plan.in_order.is_some() {
            for same in rows.chunk_by_mut(|a, b| a.0 == b.0).filter(|same| same[0].0.is_cut) {
                same.sort_by(|a, b| query.order.compare((a.1, a.2), (b.1, b.2)));
            }
            assert_eq!(found(&rows), expected, "seed {seed}: {text} by {fields:?}");
        } else {
            let mut all = found(&rows);
            sort(&mut all);
            assert_eq!(all, expected, "seed {seed}: {text} by {fields:?}");
        }
    });
    assert!(used.get() > 1_000, "{} of the queries are read from an index", used.get());
}

#[test]
fn the_index_that_leaves_least_to_read_is_taken() {
    let indexes = [index(&["state"]), index(&["position"]), index(&["state", "position"]), index(&["room"])];
    let taken = |parts: &str| plan(parts, &indexes).map(|plan| (plan.index.fields.len(), plan.in_order));
    let (board, column) = (r#""orderBy":"position","limit":50"#, r#""where":{"state":"done"}"#);
    assert_eq!(taken(&format!("{column},{board}")), Some((2, Some(Run::Forward))));
    assert_eq!(taken(column), Some((1, Some(Run::Forward))));
    assert_eq!(taken(board), Some((1, Some(Run::Forward))));
    assert_eq!(taken(r#""where":{"room":1},"orderBy":"-id","limit":9"#), Some((1, Some(Run::Backward))));
    assert_eq!(taken(r#""orderBy":"-position","limit":9"#), Some((1, Some(Run::BackwardByValue))));
    // All would be read, one by one: a scan is better at that.
    assert_eq!(taken(r#""orderBy":"position""#), None);
    assert_eq!(taken(r#""where":{"title":{"contains":"x"}},"orderBy":"position","limit":9"#), None);
    assert_eq!(taken(r#""where":{"id":"t1","state":"done"}"#), None);
    assert_eq!(taken(r#""where":{"or":[{"state":"done"}]}"#), None);
}
