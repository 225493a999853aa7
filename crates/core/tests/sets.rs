//! Sets: what an edit makes of one is what going through it member by member would, on its own, on an object, and where two
//! edits become one.

mod support;

use fastrand::Rng;
use support::{for_seeds, object_of};
use tapeline_core::edit::edited;
use tapeline_core::name::{FieldName, Key};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op};
use tapeline_core::value::Value;

fn values(random: &mut Rng) -> Vec<Value> {
    (0..random.usize(..8)).map(|_| Value::Int(random.i64(..6))).collect()
}

fn members(random: &mut Rng) -> Members {
    Members { add: values(random), remove: values(random) }
}

/// One member after the other. A list may hold one several times, where it was assigned as a whole.
fn one_by_one(list: &[Value], members: &Members) -> Vec<Value> {
    let goes = |member: &&Value| members.remove.contains(member) && !members.add.contains(member);
    let mut made: Vec<Value> = list.iter().filter(|member| !goes(member)).cloned().collect();
    for member in &members.add {
        if !made.contains(member) {
            made.push(member.clone());
        }
    }
    made
}

fn list(values: Vec<Value>) -> Value {
    Value::List(values.into())
}

#[test]
fn an_edit_does_what_its_members_say_one_by_one() {
    for_seeds(2_000, |seed, random| {
        let (there, members) = (values(random), members(random));
        let expected = list(one_by_one(&there, &members));
        assert_eq!(
            edited(Some(&list(there.clone())), &Edit::Members(members.clone())).unwrap(),
            expected,
            "seed {seed}"
        );

        let mut entry = Some(Entry::Live(object_of([("tags", list(there))])));
        let key = Key { collection: "things".parse().unwrap(), id: "a".parse().unwrap() };
        let edits = FieldMap::new(vec![(FieldName::new("tags").unwrap(), Edit::Members(members))]).unwrap();
        let op = Op { key, seen: None, action: Action::Update(edits) };
        apply(&mut entry, &op, &Write::pending(ClientId(1), Seq::FIRST, Millis(0)));
        let object = entry.as_ref().and_then(Entry::live).unwrap();
        assert_eq!(object.get("tags"), Some(&expected), "seed {seed}");
        let Some(Value::List(now)) = object.get("tags") else { panic!("it is a list still") };
        assert!((0..now.len()).all(|place| object.member_version("tags", place).is_some()), "seed {seed}");
    });
}

#[test]
fn two_edits_together_leave_the_members_that_both_do() {
    for_seeds(2_000, |seed, random| {
        let (there, first, later) = (values(random), members(random), members(random));
        let sorted = |value: Value| {
            let Value::List(list) = value else { panic!("it is a list still") };
            let mut members: Vec<String> = list.iter().map(|member| format!("{member:?}")).collect();
            members.sort_unstable();
            members.dedup();
            members
        };
        let both = Edit::Members(first.clone()).then(&Edit::Members(later.clone())).unwrap();
        let together = edited(Some(&list(there.clone())), &both).unwrap();
        let in_turn = list(one_by_one(&one_by_one(&there, &first), &later));
        assert_eq!(sorted(together), sorted(in_turn), "seed {seed}");
    });
}
