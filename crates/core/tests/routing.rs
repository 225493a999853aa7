//! Routing by value finds what trying every filter finds.

mod support;

use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::query::Query;
use tapeline_core::query::routing::{Match, Route, Routes};
use tapeline_core::value::Value;

fn value(random: &mut Rng) -> &'static str {
    random.choice(["null", "true", "1", "2", "2.5", "\"a\"", "\"b\"", "[1]"]).unwrap()
}

fn condition(random: &mut Rng, depth: u8) -> String {
    let field = random.choice(["a", "b", "id"]).unwrap();
    match random.u8(..if depth == 0 { 5 } else { 8 }) {
        0 | 1 => format!(r#"{{"{field}":{}}}"#, value(random)),
        2 => format!(r#"{{"{field}":{{"in":[{},{},{}]}}}}"#, value(random), value(random), value(random)),
        3 => format!(r#"{{"{field}":{{"ne":{}}}}}"#, value(random)),
        4 => format!(r#"{{"a":{},"b":{{"in":[{},"o1"]}}}}"#, value(random), value(random)),
        5 => format!(r#"{{"and":[{},{}]}}"#, condition(random, depth - 1), condition(random, depth - 1)),
        6 => format!(r#"{{"or":[{},{}]}}"#, condition(random, depth - 1), condition(random, depth - 1)),
        _ => format!(r#"{{"not":{}}}"#, condition(random, depth - 1)),
    }
}

fn query(random: &mut Rng) -> Query {
    let collection = random.choice(["x", "y"]).unwrap();
    let text = format!(r#"{{"collection":"{collection}","where":{}}}"#, condition(random, 2));
    Query::from_value(&json::value_from_json(&text).unwrap()).unwrap()
}

fn object(random: &mut Rng, key: &Key) -> Option<Arc<Object>> {
    let mut fields = Vec::new();
    for name in ["a", "b"] {
        if random.bool() {
            fields.push((FieldName::new(name).unwrap(), json::value_from_json(value(random)).unwrap()));
        }
    }
    let mut entry = None;
    let op = Op { key: key.clone(), seen: None, action: Action::Insert(FieldMap::new(fields).unwrap()) };
    apply(&mut entry, &op, &Write::pending(ClientId(1), Seq(0), Millis(0)));
    entry.as_ref().and_then(Entry::live).filter(|_| random.u8(..4) > 0).cloned()
}

#[test]
fn routing_finds_what_trying_every_filter_finds() {
    support::for_seeds(300, |seed, random| {
        let (mut routes, mut added) = (Routes::default(), Vec::<(Route, Query)>::new());
        for _ in 0..60 {
            match random.u8(..4) {
                0 if !added.is_empty() => {
                    let (route, _) = added.swap_remove(random.usize(..added.len()));
                    routes.remove(route);
                }
                _ => {
                    let query = query(random);
                    added.push((routes.add(&query.collection, &query.filter), query));
                }
            }
            let collection = Collection::new(random.choice(["x", "y", "z"]).unwrap()).unwrap();
            let key = Key { collection, id: ObjectId::new(random.choice(["a", "o1"]).unwrap()).unwrap() };
            let (before, after) = (object(random, &key), object(random, &key));
            let found = routes.of(&key, before.as_deref(), after.as_deref());
            assert_eq!(found, tried(&added, &key, before.as_deref(), after.as_deref()), "seed {seed}");
        }
        added.into_iter().for_each(|(route, _)| routes.remove(route));
        assert!(routes.is_empty(), "seed {seed}");
    });
}

fn tried(added: &[(Route, Query)], key: &Key, before: Option<&Object>, after: Option<&Object>) -> Vec<Match> {
    let matches = |query: &Query, object: Option<&Object>| {
        query.collection == key.collection && object.is_some_and(|object| query.filter.matches(&key.id, object))
    };
    let mut found: Vec<Match> = added
        .iter()
        .map(|(route, query)| Match { route: *route, before: matches(query, before), after: matches(query, after) })
        .filter(|found| found.before || found.after)
        .collect();
    found.sort_unstable_by_key(|found| found.route);
    found.dedup();
    found
}

#[test]
fn the_same_filter_of_several_queries_is_one() {
    let mut routes = Routes::default();
    let text = |order| format!(r#"{{"collection":"x","where":{{"a":1}},"orderBy":"{order}"}}"#);
    let [one, other] =
        ["a", "b"].map(|order| Query::from_value(&json::value_from_json(&text(order)).unwrap()).unwrap());
    let route = routes.add(&one.collection, &one.filter);
    assert_eq!(routes.add(&other.collection, &other.filter), route);
    routes.remove(route);
    let key = Key { collection: one.collection.clone(), id: ObjectId::new("o").unwrap() };
    let mut entry = None;
    let fields = FieldMap::new(vec![(FieldName::new("a").unwrap(), Value::Int(1))]).unwrap();
    let op = Op { key: key.clone(), seen: None, action: Action::Insert(fields) };
    apply(&mut entry, &op, &Write::pending(ClientId(1), Seq(0), Millis(0)));
    let object = entry.as_ref().and_then(Entry::live).map(|object| &**object);
    assert_eq!(routes.of(&key, object, None), [Match { route, before: true, after: false }]);
    routes.remove(route);
    assert!(routes.of(&key, object, None).is_empty());
}
