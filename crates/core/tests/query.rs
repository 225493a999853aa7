//! Queries: what they find, and that what is told of a live one is the whole difference.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;
use support::for_seeds;
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::object::{Entry, Object};
use tapeline_core::query::{LiveQuery, Query, QueryError};
use tapeline_core::value::Value;

fn query(text: &str) -> Result<Query, QueryError> {
    Query::from_value(&json::value_from_json(text).unwrap())
}

fn object(fields: &str) -> Arc<Object> {
    let Value::Map(fields) = json::value_from_json(fields).unwrap() else { panic!("not a map") };
    support::object_of(fields.iter().map(|(name, value)| (name.as_str(), value.clone())))
}

fn matches(filter: &str, fields: &str) -> bool {
    let query = query(&format!(r#"{{"collection":"tasks","where":{filter}}}"#)).unwrap();
    query.filter.matches(&ObjectId::new("t1").unwrap(), &object(fields))
}

#[test]
fn conditions_hold_or_not() {
    let task = r#"{"title":"Buy milk","priority":3,"done":false,"tags":["home","food"],"due":null,"weight":2.5}"#;
    for holds in [
        r#"{}"#,
        r#"{"done":false}"#,
        r#"{"due":null,"owner":null}"#,
        r#"{"priority":{"ge":3,"lt":4}}"#,
        r#"{"weight":{"gt":2}}"#,
        r#"{"priority":{"ne":2},"title":{"prefix":"Buy"}}"#,
        r#"{"title":{"contains":"mil"},"tags":{"contains":"food"}}"#,
        r#"{"priority":{"in":[1,3]}}"#,
        r#"{"due":{"exists":false},"title":{"exists":true}}"#,
        r#"{"or":[{"done":true},{"priority":3}]}"#,
        r#"{"not":{"done":true}}"#,
        r#"{"and":[{"done":false},{"id":"t1"}]}"#,
        r#"{"id":{"in":["t1","t2"]}}"#,
    ] {
        assert!(matches(holds, task), "{holds}");
        assert!(!matches(&format!(r#"{{"not":{holds}}}"#), task), "not {holds}");
    }
    for fails in [r#"{"priority":{"gt":"2"}}"#, r#"{"title":{"lt":5}}"#, r#"{"due":{"lt":5}}"#, r#"{"id":"t2"}"#] {
        assert!(!matches(fails, task), "{fails}");
    }
}

#[test]
fn what_is_no_query_says_what_to_write() {
    for (wrong, says) in [
        (r#"[]"#, "a map with at least a collection"),
        (r#"{"where":{}}"#, "collection is a name"),
        (r#"{"collection":"","where":{}}"#, "empty"),
        (r#"{"collection":"t","order":"x"}"#, "orderBy"),
        (r#"{"collection":"t","limit":-1}"#, "0 or more"),
        (r#"{"collection":"t","where":{"a":{"greater":1}}}"#, "eq, ne, lt"),
        (r#"{"collection":"t","where":{"a":{"in":3}}}"#, "list of values"),
        (r#"{"collection":"t","where":{"or":{}}}"#, "list of conditions"),
        (r#"{"collection":"t","orderBy":[1]}"#, "a field"),
        (r#"{"collection":"t","with":["a"]}"#, "a map of fields to the collections"),
        (r#"{"collection":"t","with":{"a":1}}"#, "a map of fields to the collections"),
        (r#"{"collection":"t","with":{"a":""}}"#, "empty"),
    ] {
        let error = query(wrong).unwrap_err().to_string();
        assert!(error.contains(says), "{wrong}: {error}");
    }
    let many = vec![r#"{"a":1}"#; 2_000].join(",");
    assert_eq!(query(&format!(r#"{{"collection":"t","where":{{"or":[{many}]}}}}"#)), Err(QueryError::TooLarge));
}

#[test]
fn what_is_told_of_a_live_query_is_the_whole_difference() {
    for_seeds(1_000, |_, random| {
        let limit = if random.bool() { String::new() } else { format!(r#","limit":{}"#, random.u8(..8)) };
        let order = random.choice([r#""n""#, r#"["-n","m"]"#, "null"]).unwrap();
        let filter = random.choice(["{}", r#"{"m":{"lt":3}}"#, r#"{"n":{"ne":0}}"#]).unwrap();
        let text = format!(r#"{{"collection":"t","where":{filter},"orderBy":{order}{limit}}}"#);
        let mut objects = BTreeMap::new();
        (0..random.u8(..20)).for_each(|_| drop(change(&mut objects, random)));
        let mut live = LiveQuery::new(query(&text).unwrap(), objects.iter());
        let mut told = Vec::new();
        for _ in 0..30 {
            if random.u8(..4) == 0 {
                live.touch_all();
            }
            for _ in 0..random.u8(..30) {
                let before = objects.clone();
                let id = change(&mut objects, random);
                let was = before.get(&id).cloned().map(Entry::Live);
                live.touch(&Key { collection: Collection::new("t").unwrap(), id }, was);
            }
            if let Some(moved) = live.look(|key| objects.get(&key.id).cloned(), objects.iter()) {
                assert!(moved.removed.is_sorted() && moved.inserted.is_sorted());
                moved.removed.iter().rev().for_each(|&place| drop(told.remove(place)));
                moved.inserted.iter().zip(moved.rows).for_each(|(&place, row)| told.insert(place, row));
            }
            let fresh = LiveQuery::new(query(&text).unwrap(), objects.iter());
            assert!(fresh.rows().eq(&told), "{text}");
        }
    });
}

fn change(objects: &mut BTreeMap<ObjectId, Arc<Object>>, random: &mut Rng) -> ObjectId {
    let id = ObjectId::new(format!("t{}", random.u8(..20))).unwrap();
    match random.u8(..4) {
        0 => drop(objects.remove(&id)),
        _ => drop(objects.insert(id.clone(), object(&format!(r#"{{"n":{},"m":{}}}"#, random.u8(..4), random.u8(..5))))),
    }
    id
}
