//! What rules allow: what a read rule finds as a query is what it says of each object, and what is written passes the
//! rules of stream, collection and field.

mod support;

use std::sync::Arc;

use fastrand::Rng;
use support::*;
use tapeline_authority::{
    Access, Authority, CollectionRules, ExpressionError, Kind, Reading, Rule, StreamGate, StreamRules,
};
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::{Collection, FieldName, StreamName};
use tapeline_core::object::Object;
use tapeline_core::query::Filter;
use tapeline_core::sequencer::{Change, Gate};
use tapeline_core::value::{Entries, Value};

/// Rules of tasks on all streams.
fn of_tasks(access: Access) -> Arc<Authority> {
    let rules = CollectionRules { streams: None, collection: key("x").collection, access };
    Arc::new(Authority::new(Vec::new(), vec![rules], Vec::new()))
}

fn gate(authority: &Arc<Authority>) -> StreamGate {
    StreamGate::new(authority.clone(), stream())
}

fn is_allowed(gate: &StreamGate, caller: &Caller, before: Option<&Object>, after: Option<&Object>) -> bool {
    let objection = gate.objection(caller, &Change { key: &key("x"), before, after });
    assert!(objection.as_ref().is_none_or(|objection| objection.code == RefusalCode::Forbidden));
    objection.is_none()
}

const ATOMS: [&str; 31] = [
    "true",
    "false",
    "resource.owner == auth.sub",
    "auth.sub != resource.owner",
    "auth.sub in resource.members",
    "resource.team in auth.teams",
    "resource.team in ['red', 'blue']",
    "resource.team in auth.roles",
    "auth.roles[resource.team] == 'admin'",
    "has(resource.owner)",
    "resource.open",
    "resource.level < auth.level",
    "3 <= resource.level",
    "resource.level >= 2.5",
    "resource.level != 2",
    "resource.owner.startsWith(auth.sub)",
    "resource.owner == stream.parts[1]",
    "resource.id == 'x'",
    "auth.level > 2",
    "auth.missing == 'x'",
    "resource.owner == auth.missing",
    "auth.missing in resource.members",
    "stream.name.startsWith('lists/')",
    "auth.teams.exists(team, team == 'red')",
    // What no query says.
    "resource.owner == resource.team",
    "resource.level + 1 < auth.level",
    "size(resource.members) > 1",
    "resource.members.exists(member, member == auth.sub || member in auth.teams)",
    "resource.owner.endsWith(auth.sub)",
    "resource.open ? resource.owner == auth.sub : has(resource.team)",
    "resource.members[0] == auth.sub",
];

/// `SEED`, or any.
fn seed() -> u64 {
    std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

fn random_rule(random: &mut Rng, depth: usize) -> String {
    match random.u8(0..if depth == 0 { 1 } else { 5 }) {
        1 => format!("!({})", random_rule(random, depth - 1)),
        2 => format!("({}) && ({})", random_rule(random, depth - 1), random_rule(random, depth - 1)),
        3 => format!("({}) || ({})", random_rule(random, depth - 1), random_rule(random, depth - 1)),
        _ => (*random.choice(&ATOMS).unwrap()).into(),
    }
}

fn random_value(random: &mut Rng) -> Value {
    match random.u8(0..8) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => Value::Int(random.i64(0..5)),
        3 => Value::number(random.f64() * 5.0).unwrap(),
        4 => texts(&["ana", "ben"][..random.usize(..=2)]),
        _ => Value::text(random.choice(&["ana", "an", "ben", "red", "home", ""]).unwrap()),
    }
}

fn random_object(random: &mut Rng) -> Arc<Object> {
    let mut fields = Vec::new();
    for name in ["owner", "members", "team", "open", "level"] {
        let usual = match name {
            "members" => texts(&["ana", "ben", "cem"][random.usize(..3)..]),
            "open" => Value::Bool(random.bool()),
            "level" => Value::Int(random.i64(0..5)),
            _ => random_value(random),
        };
        match random.u8(0..6) {
            0 => {}
            1 => fields.push((name, random_value(random))),
            _ => fields.push((name, usual)),
        }
    }
    object(&fields)
}

fn random_caller(random: &mut Rng) -> Caller {
    let roles = ["red", "ana"].map(|name| (name.into(), Value::text(random.choice(&["admin", "guest"]).unwrap())));
    let roles = Value::Map(Entries::new(roles[random.usize(..2)..].to_vec()).unwrap());
    let level = random_value(random);
    let mut claims = vec![("teams", texts(&["red", "blue"][random.usize(..2)..])), ("level", level), ("roles", roles)];
    claims.truncate(random.usize(..=3));
    match random.u8(0..5) {
        0 => Caller::default(),
        _ => caller(random.choice(&["ana", "an", "ben"]).unwrap(), &claims),
    }
}

/// The same as a rule of reading, which becomes a query but for what none says; of writing, which becomes a filter; and as the language itself
/// evaluates it: a truth that is compared with another one is nothing for filters.
#[test]
fn what_a_read_rule_finds_is_what_it_says_of_each_object() {
    let seed = seed();
    let mut found = [0; 2];
    for step in 0..3_000 {
        let mut random = Rng::with_seed(seed.wrapping_add(step));
        let text = random_rule(&mut random, 3);
        let written = |text: &str| of_tasks(Access { write: rule(text, Kind::Write), ..Access::default() });
        let authority = of_tasks(Access { read: rule(&text, Kind::Read), ..Access::default() });
        let (plain, language) = (gate(&written(&text)), gate(&written(&format!("({text}) == true"))));
        let caller = random_caller(&mut random);
        let reading = authority.reading(&stream(), &caller);
        for _ in 0..4 {
            let object = random_object(&mut random);
            let is_found = reading.finds(&key("x"), &object);
            let says = [&plain, &language].map(|gate| is_allowed(gate, &caller, Some(&object), None));
            let fields: Vec<_> = object.fields().map(|(name, field)| (name, field.value)).collect();
            assert_eq!(says, [is_found; 2], "SEED={seed} step {step}: {text}\nof {fields:?}\nfor {caller:?}");
            found[usize::from(is_found)] += 1;
        }
    }
    assert!(found.iter().all(|count| *count > 1_000), "{found:?}");
}

/// What an update makes of an object, by a rule on both of what was and what is: as filters of each, and as the language
/// evaluates it.
#[test]
fn an_update_passes_where_the_language_says_so() {
    let seed = seed();
    let mut allowed = [0; 2];
    for step in 0..2_000 {
        let mut random = Rng::with_seed(seed.wrapping_add(step));
        let about = |random: &mut Rng, object: &str| random_rule(random, 2).replace("resource.", object);
        let (old, new) = (about(&mut random, "old."), about(&mut random, "new."));
        let more = ["true", "old.owner == new.owner", "new.level >= old.level"][random.usize(..3)];
        let joined = ["&&", "&&", "||"][random.usize(..3)];
        let text = format!("({old}) {joined} ({new}) && ({more})");
        let updated = |text: &str| of_tasks(Access { update: rule(text, Kind::Update), ..Access::default() });
        let (plain, language) = (gate(&updated(&text)), gate(&updated(&format!("({text}) == true"))));
        for _ in 0..4 {
            // Several who come in turn, as on a stream.
            let caller = random_caller(&mut random);
            let (before, after) = (random_object(&mut random), random_object(&mut random));
            let says = [&plain, &language].map(|gate| is_allowed(gate, &caller, Some(&before), Some(&after)));
            assert_eq!(says[0], says[1], "SEED={seed} step {step}: {text}\nfor {caller:?}");
            allowed[usize::from(says[0])] += 1;
        }
    }
    assert!(allowed.iter().all(|count| *count > 500), "{allowed:?}");
}

#[test]
fn without_rules_everything_is_allowed_and_with_any_only_what_they_allow() {
    let (ana, anything) = (caller("ana", &[]), object(&[]));
    let none = Arc::new(Authority::default());
    assert_eq!(none.reading(&stream(), &ana), Reading::Whole);
    let notes = CollectionRules {
        streams: None,
        collection: Collection::new("notes").unwrap(),
        access: Access { read: rule("true", Kind::Read), ..Access::default() },
    };
    let some = Arc::new(Authority::new(Vec::new(), vec![notes], vec![key("x").collection]));
    let notes = (Collection::new("notes").unwrap(), Filter::Everything);
    assert_eq!(some.reading(&stream(), &ana), Reading::Part(vec![notes]));
    assert!(!is_allowed(&gate(&some), &ana, None, Some(&anything)));
    let backend = Caller { is_trusted: true, ..Caller::default() };
    assert_eq!(some.reading(&stream(), &backend), Reading::Whole);
    assert!(is_allowed(&gate(&some), &backend, None, Some(&anything)));
}

#[test]
fn a_stream_says_who_may_use_any_of_it() {
    let own = StreamRules {
        read: rule("stream.name in auth.lists", Kind::Stream),
        write: rule("stream.name in auth.edits", Kind::Stream),
    };
    let open = StreamRules { read: rule("true", Kind::Stream), write: None };
    let streams = vec![("lists/*".parse().unwrap(), own), ("*".parse().unwrap(), open)];
    let authority = Arc::new(Authority::new(streams, Vec::new(), Vec::new()));
    let viewer = caller("ana", &[("lists", texts(&["lists/home"]))]);
    let editor = caller("ben", &[("lists", texts(&["lists/home"])), ("edits", texts(&["lists/home"]))]);
    let stranger = caller("eve", &[]);
    assert_eq!(authority.reading(&stream(), &viewer), Reading::Whole);
    assert_eq!(authority.reading(&stream(), &stranger), Reading::Nothing);
    assert_eq!(authority.reading(&StreamName::new("news").unwrap(), &stranger), Reading::Whole);
    let (gate, anything) = (gate(&authority), object(&[]));
    assert!(is_allowed(&gate, &editor, None, Some(&anything)));
    assert!(!is_allowed(&gate, &viewer, None, Some(&anything)));
    assert!(!is_allowed(&gate, &Caller::default(), Some(&anything), None));
}

#[test]
fn a_write_passes_the_rules_of_what_is_done_and_of_the_fields_that_are_set() {
    let done = (FieldName::new("done").unwrap(), rule("auth.role == 'checker'", Kind::Write).unwrap());
    let authority = of_tasks(Access {
        write: rule("resource.owner == auth.sub", Kind::Write),
        insert: rule("!has(new.done)", Kind::Insert),
        update: rule("new.revision > old.revision", Kind::Update),
        delete: rule("old.done", Kind::Delete),
        fields: vec![done],
        ..Access::default()
    });
    let (gate, ana) = (gate(&authority), caller("ana", &[]));
    let checker = caller("ana", &[("role", Value::text("checker"))]);
    let task = |owner: &str, revision: i64, done: Option<bool>| {
        let mut fields = vec![("owner", Value::text(owner)), ("revision", Value::Int(revision))];
        fields.extend(done.map(|done| ("done", Value::Bool(done))));
        object(&fields)
    };
    let (first, second, done) = (task("ana", 1, None), task("ana", 2, None), task("ana", 3, Some(true)));
    let passes = |caller: &Caller, before: Option<&Arc<Object>>, after: Option<&Arc<Object>>| {
        is_allowed(&gate, caller, before.map(AsRef::as_ref), after.map(AsRef::as_ref))
    };
    assert!(passes(&ana, None, Some(&first)));
    assert!(!passes(&ana, None, Some(&done)), "an insert of what is done");
    assert!(!passes(&ana, None, Some(&task("ben", 1, None))), "an insert for somebody else");
    assert!(passes(&ana, Some(&first), Some(&second)));
    assert!(!passes(&ana, Some(&second), Some(&first)), "back to an earlier revision");
    assert!(!passes(&ana, Some(&first), Some(&task("ben", 2, None))), "given away");
    assert!(!passes(&ana, Some(&second), Some(&done)), "a field that is for checkers");
    assert!(passes(&checker, Some(&second), Some(&done)));
    assert!(!passes(&ana, Some(&second), None), "deleted before it is done");
    assert!(passes(&ana, Some(&done), None));
}

#[test]
fn who_could_write_nothing_whatever_were_there_is_known() {
    let cases = [
        ("old.owner == auth.sub", [true, true]),
        ("auth.role == 'judge' && old.owner == auth.sub", [false, true]),
        ("auth.role == 'judge' || old.owner == auth.sub", [true, true]),
        ("size(old.members) > 1 && auth.role == 'judge'", [false, true]),
        ("!(auth.role != 'judge' || has(old.done))", [false, true]),
        ("false", [false, false]),
    ];
    let callers = [caller("ana", &[("role", Value::text("guest"))]), caller("ana", &[("role", Value::text("judge"))])];
    let notes = Collection::new("notes").unwrap();
    for (text, may) in cases {
        let authority = of_tasks(Access { delete: rule(text, Kind::Delete), ..Access::default() });
        for (caller, may) in callers.iter().zip(may) {
            assert_eq!(gate(&authority).may_write(caller, &key("x").collection), may, "{text}");
            assert_eq!(authority.may_write(&stream(), caller), may, "{text}");
            assert!(!gate(&authority).may_write(caller, &notes), "nothing is said of it");
        }
    }
    let trusted = Caller { is_trusted: true, ..Caller::default() };
    let nobody = Arc::new(Authority::new(
        vec![("*".parse().unwrap(), StreamRules { read: None, write: rule("auth.sub == 'ana'", Kind::Stream) })],
        Vec::new(),
        Vec::new(),
    ));
    let may = |caller: &Caller| [nobody.may_write(&stream(), caller), gate(&nobody).may_write(caller, &notes)];
    assert_eq!([&trusted, &callers[0], &caller("ben", &[])].map(may), [[true; 2], [true; 2], [false; 2]]);
}

/// It never says that nothing could be written where something may.
#[test]
fn who_may_write_something_could_write_something() {
    let seed = seed();
    let mut allowed = 0;
    for step in 0..1_000 {
        let mut random = Rng::with_seed(seed.wrapping_add(step));
        let mut written = |kind, object: &str| {
            let text = random_rule(&mut random, 2).replace("resource.", object);
            rule(&text, kind).filter(|_| random.bool())
        };
        let access = Access {
            write: written(Kind::Write, "resource."),
            insert: written(Kind::Insert, "new."),
            update: written(Kind::Update, "old."),
            delete: written(Kind::Delete, "old."),
            ..Access::default()
        };
        let authority = of_tasks(access);
        for _ in 0..4 {
            let (caller, gate) = (random_caller(&mut random), gate(&authority));
            let (before, after) = (random_object(&mut random), random_object(&mut random));
            let changes = [(None, Some(&*after)), (Some(&*before), Some(&*after)), (Some(&*before), None)];
            if changes.iter().any(|(before, after)| is_allowed(&gate, &caller, *before, *after)) {
                allowed += 1;
                assert!(gate.may_write(&caller, &key("x").collection), "SEED={seed} step {step}: {authority:?}");
                assert!(authority.may_write(&stream(), &caller), "SEED={seed} step {step}: {authority:?}");
            }
        }
    }
    assert!(allowed > 500, "{allowed}");
}

#[test]
fn the_most_exact_rules_of_a_collection_count() {
    let rules = |streams: Option<&str>, read: &str| CollectionRules {
        streams: streams.map(|pattern| pattern.parse().unwrap()),
        collection: key("x").collection,
        access: Access { read: rule(read, Kind::Read), ..Access::default() },
    };
    let rules = vec![rules(Some("lists/*"), "false"), rules(None, "true"), rules(Some("lists/home"), "true")];
    let authority = Authority::new(Vec::new(), rules, Vec::new());
    let reads = |name: &str| authority.reading(&StreamName::new(name).unwrap(), &Caller::default());
    assert!(reads("lists/home").finds(&key("x"), &object(&[])));
    assert_eq!(reads("lists/work"), Reading::Nothing);
    assert!(reads("other").finds(&key("x"), &object(&[])));
}

#[test]
fn views_differ_where_what_may_be_read_does() {
    let read = rule("resource.owner == auth.sub", Kind::Read);
    let authority = of_tasks(Access { read, ..Access::default() });
    let view = |sub: &str| authority.reading(&stream(), &caller(sub, &[])).readable().unwrap().view;
    assert_eq!(view("ana"), view("ana"));
    assert_ne!(view("ana"), view("ben"));
    let told =
        "size(resource.title) > 3 && (resource.owner + 's' == auth.sub || resource.a.exists(x, x in auth.teams))";
    assert_eq!(rule(told, Kind::Read).unwrap().no_query(), Some("size"));
    let authority = of_tasks(Access { read: rule(told, Kind::Read), ..Access::default() });
    let view = |sub: &str, teams: &[&str], expires: i64| {
        let caller = caller(sub, &[("teams", texts(teams)), ("exp", Value::Int(expires))]);
        authority.reading(&stream(), &caller).readable().unwrap().view
    };
    let one = view("ana", &["red"], 1);
    assert_eq!(one, view("ana", &["red"], 2), "of which no rule speaks");
    assert!(
        [view("ben", &["red"], 1), view("ana", &["blue"], 1), view("ana", &[], 1)].iter().all(|other| *other != one)
    );
}

/// A rule that goes over lists and is asked of each object takes no longer than any other.
#[test]
fn of_a_list_that_is_too_long_nothing_is_said_where_a_rule_is_asked_of_each_object() {
    let by = |negated: &str| {
        let read = rule(&format!("{negated}resource.a.all(x, x in resource.b)"), Kind::Read);
        of_tasks(Access { read, ..Access::default() })
    };
    let all = |negated: &str| by(negated).reading(&stream(), &caller("ana", &[]));
    let list = |count: i64| Value::List((0..count).map(Value::Int).collect());
    let lists = |count| object(&[("a", list(count)), ("b", list(count))]);
    assert!(all("").finds(&key("x"), &lists(1_000)));
    assert!(!all("").finds(&key("x"), &lists(1_001)) && !all("!").finds(&key("x"), &lists(1_001)));
    let told = |count| by("").read_rulings(&stream(), &caller("ana", &[]), &key("x"), &lists(count))[0].holds;
    assert!(told(1_000) && !told(1_001), "who asks why is told the same");
}

#[test]
fn what_no_query_says_is_known_by_what_it_is() {
    let cases = [
        ("resource.owner == auth.sub && (resource.open || !has(resource.team))", None),
        ("resource.a.all(x, x > 0)", Some("exists or all")),
        ("resource.owner == resource.author", Some("a comparison of two fields")),
        ("resource.meta.owner == auth.sub", Some("what is within a field, such as owner")),
        ("resource.level + 1 == auth.level", Some("+")),
        ("resource.a[0] == auth.sub", Some("[]")),
        ("resource.a ? true : auth.open", Some("?:")),
    ];
    for (text, what) in cases {
        assert_eq!(rule(text, Kind::Read).unwrap().no_query(), what, "{text}");
    }
}

#[test]
fn what_is_no_rule_is_refused_with_what_would_be_one() {
    let deep = format!("{}1 == 1", "1 + ".repeat(200));
    let long = format!("auth.sub == '{}'", "x".repeat(5_000));
    let cases = [
        ("", Kind::Read, "expression"),
        ("resource.owner ==", Kind::Read, ""),
        ("resource.owner = auth.sub", Kind::Read, ""),
        ("owner == auth.sub", Kind::Read, "auth, stream, resource"),
        ("old.owner == auth.sub", Kind::Insert, "auth, stream, new"),
        ("resource.owner == auth.sub", Kind::Stream, "it knows auth, stream"),
        ("resource.name.matches('(a+)+$')", Kind::Write, "cannot call \"matches\""),
        ("resource.items.map(x, x * 2).size() > 3", Kind::Write, "map or filter"),
        ("resource.a.exists(x, resource.b.exists(y, x == y))", Kind::Write, "one list at a time"),
        (&deep, Kind::Write, "too large"),
        (&long, Kind::Write, "too large"),
    ];
    for (text, kind, words) in cases {
        let error = Rule::parse(text, kind).expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(matches!(Rule::parse(&long, Kind::Write), Err(ExpressionError::TooLarge)));
}

/// Sets that are far too large for one go through nothing.
#[test]
fn a_list_that_is_too_long_to_go_over_is_a_no() {
    let authority =
        of_tasks(Access { write: rule("resource.a.all(x, x in resource.b)", Kind::Write), ..Access::default() });
    let list = |count: i64| Value::List((0..count).map(Value::Int).collect());
    let passes = |count| {
        is_allowed(
            &gate(&authority),
            &caller("ana", &[]),
            None,
            Some(&object(&[("a", list(count)), ("b", list(count))])),
        )
    };
    assert!(passes(1_000));
    assert!(!passes(1_001));
}
