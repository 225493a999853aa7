//! `rules test` and `why`: what the rules of a schema file say, of cases that a person wrote down and of what is there.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tapeline_authority::{Authority, Ruling, StreamGate};
use tapeline_core::caller::Caller;
use tapeline_core::codec::json::value_from_json;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId, StreamName, Subject};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::sequencer::{Change, Gate};
use tapeline_core::value::Value;

use super::schema;
use crate::arguments::Why;
use crate::failure::Failure;
use crate::{http, output};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    cases: Vec<Case>,
}

/// What somebody may do with an object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What their token claims; nobody in particular without it.
    #[serde(default)]
    auth: Map<String, Json>,
    stream: String,
    collection: String,
    id: Option<String>,
    /// The object as it is; not there without it.
    old: Option<Map<String, Json>>,
    /// What they make of it; they delete it without it.
    new: Option<Map<String, Json>>,
    /// Whether they may read it as it is.
    read: Option<bool>,
    /// Whether they may make that of it.
    write: Option<bool>,
}

/// What one case came to.
struct Outcome {
    name: String,
    /// What was expected, what is, and by which rules.
    wrong: Vec<(&'static str, bool, Vec<Ruling>)>,
}

/// Looks at each case of a file.
pub fn test(file: &Path, rules: &Path, json: bool) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::File { place: file.display().to_string(), error })?;
    let cases: Cases =
        toml::from_str(&text).map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    let authority = Arc::new(schema::read(Some(rules))?.authority);
    let (mut failed, count) = (0, cases.cases.len());
    for case in cases.cases {
        let outcome = look(&authority, case).map_err(|why| Failure::Failed(format!("{}: {why}", file.display())))?;
        failed += usize::from(!outcome.wrong.is_empty());
        print(&outcome, json)?;
    }
    match failed {
        0 if json => Ok(()),
        0 => output::line(format!("all {count} cases are as they say")),
        _ => Err(Failure::Failed(format!("{failed} of {count} cases are not as they say"))),
    }
}

fn look(authority: &Arc<Authority>, case: Case) -> Result<Outcome, String> {
    let of_case = |error: &dyn std::fmt::Display| format!("{}: {error}", case.name);
    let stream = StreamName::new(&case.stream).map_err(|error| of_case(&error))?;
    let key = Key {
        collection: Collection::new(&case.collection).map_err(|error| of_case(&error))?,
        id: ObjectId::new(case.id.as_deref().unwrap_or("id")).map_err(|error| of_case(&error))?,
    };
    let caller = caller(case.auth).map_err(|error| of_case(&error))?;
    let object = |fields: Option<Map<String, Json>>| fields.map(|fields| object(&key, fields)).transpose();
    let old = object(case.old).map_err(|error| of_case(&error))?;
    let new = object(case.new).map_err(|error| of_case(&error))?;
    let mut wrong = Vec::new();
    if let Some(expected) = case.read {
        let seen = old.as_ref().ok_or_else(|| of_case(&"an object that is not there is not read: say old"))?;
        let rulings = authority.read_rulings(&stream, &caller, &key, seen);
        if authority.reading(&stream, &caller).finds(&key, seen) != expected {
            wrong.push(("read", expected, rulings));
        }
    }
    if let Some(expected) = case.write {
        if old.is_none() && new.is_none() {
            return Err(of_case(&"nothing is made of nothing: say old or new"));
        }
        let gate = StreamGate::new(authority.clone(), stream);
        let change = Change { key: &key, before: old.as_deref(), after: new.as_deref() };
        let is_allowed = authority.is_empty() || gate.objection(&caller, &change).is_none();
        if is_allowed != expected {
            wrong.push(("write", expected, gate.rulings(&caller, &change)));
        }
    }
    Ok(Outcome { name: case.name, wrong })
}

fn print(outcome: &Outcome, json: bool) -> Result<(), Failure> {
    if json {
        let wrong = outcome.wrong.iter().map(|(what, expected, rulings)| {
            json!({ "what": what, "expected": expected, "rules": rulings.iter().map(ruling_to_json).collect::<Vec<_>>() })
        });
        let wrong: Vec<_> = wrong.collect();
        return output::line(json!({ "case": outcome.name, "ok": wrong.is_empty(), "wrong": wrong }));
    }
    if outcome.wrong.is_empty() {
        return output::line(format!("ok      {}", outcome.name));
    }
    output::line(format!("failed  {}", outcome.name))?;
    for (what, expected, rulings) in &outcome.wrong {
        let is = if *expected { "not allowed, but should be" } else { "allowed, but should not be" };
        output::line(format!("        {what} is {is}"))?;
        print_rulings(rulings, "        ")?;
    }
    Ok(())
}

fn print_rulings(rulings: &[Ruling], indent: &str) -> Result<(), Failure> {
    if rulings.is_empty() {
        return output::line(format!("{indent}no rule is about it"));
    }
    for ruling in rulings {
        let says = if ruling.holds { "yes" } else { "no" };
        output::line(format!("{indent}{says:<3}  {}: {}", ruling.rule, ruling.text))?;
    }
    Ok(())
}

fn ruling_to_json(ruling: &Ruling) -> Json {
    json!({ "rule": ruling.rule, "text": ruling.text, "holds": ruling.holds })
}

/// Says what somebody may do with an object that is there, and by which rules.
pub fn why(server: &str, why: Why, json: bool) -> Result<(), Failure> {
    let Why { subject, stream, collection, id, schema: file, claims } = why;
    let authority = Arc::new(schema::read(Some(&file))?.authority);
    let mut auth: Map<String, Json> = claims.into_iter().collect();
    auth.insert("sub".into(), subject.as_str().into());
    let caller = caller(auth).map_err(Failure::Usage)?;
    let key = Key { collection, id };
    let object = fetch(server, &stream, &key)?;
    let reads = authority.read_rulings(&stream, &caller, &key, &object);
    let may_read = authority.reading(&stream, &caller).finds(&key, &object);
    let gate = StreamGate::new(authority.clone(), stream);
    let mut doings = vec![("read", may_read, reads)];
    for (name, after) in [("update", Some(&*object)), ("delete", None)] {
        let change = Change { key: &key, before: Some(&object), after };
        let is_allowed = authority.is_empty() || gate.objection(&caller, &change).is_none();
        doings.push((name, is_allowed, gate.rulings(&caller, &change)));
    }
    for (name, is_allowed, rulings) in doings {
        if json {
            let rules: Vec<_> = rulings.iter().map(ruling_to_json).collect();
            output::line(json!({ "do": name, "allowed": is_allowed, "rules": rules }))?;
            continue;
        }
        let may = if is_allowed { "may" } else { "may not" };
        output::line(format!("{subject} {may} {name} {key}"))?;
        if !caller.is_trusted && !authority.is_empty() {
            print_rulings(&rulings, "  ")?;
        }
    }
    Ok(())
}

fn fetch(server: &str, stream: &StreamName, key: &Key) -> Result<Arc<Object>, Failure> {
    let (name, of) = (http::encode(stream.as_str()), http::encode(key.collection.as_str()));
    let path = format!("/v1/streams/{name}/objects?collection={of}&id={}", http::encode(&key.id.to_string()));
    let line = http::get_lines(server, &path)?.next().transpose()?;
    let line = line.ok_or_else(|| Failure::Failed(format!("{key} is not there, or not for you to read")))?;
    let found: Json = serde_json::from_str(&line).map_err(Failure::failed)?;
    let fields = found["fields"].as_object().cloned().unwrap_or_default();
    object(key, fields).map_err(Failure::Failed)
}

fn caller(mut claims: Map<String, Json>) -> Result<Caller, String> {
    let subject = match claims.remove("sub") {
        Some(Json::String(subject)) => Some(Subject::new(subject).map_err(|error| error.to_string())?),
        Some(_) => return Err("sub is a text".into()),
        None => None,
    };
    let Value::Map(claims) = value(Json::Object(claims))? else { return Err("claims are a map".into()) };
    Ok(Caller { subject, claims, is_trusted: false })
}

fn object(key: &Key, fields: Map<String, Json>) -> Result<Arc<Object>, String> {
    let field =
        |(name, json): (String, Json)| Ok((FieldName::new(name).map_err(|error| error.to_string())?, value(json)?));
    let fields = fields.into_iter().map(field).collect::<Result<Vec<_>, String>>()?;
    let fields = FieldMap::new(fields).map_err(|error| error.to_string())?;
    let (mut entry, op) = (None, Op { key: key.clone(), seen: None, action: Action::Insert(fields) });
    apply(&mut entry, &op, &Write::pending(ClientId(0), Seq::FIRST, Millis(0)));
    entry.as_ref().and_then(Entry::live).cloned().ok_or_else(|| "the object cannot be made".into())
}

fn value(json: Json) -> Result<Value, String> {
    value_from_json(&json.to_string()).map_err(|error| error.to_string())
}
