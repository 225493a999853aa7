//! What may be written: the rules of one stream, and what is valid, as a gate before its log.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cel::Value as Cel;
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::{Collection, FieldName, Key, StreamName};
use tapeline_core::object::Object;
use tapeline_core::sequencer::{Change, Gate, Objection};

use crate::expression::Rule;
use crate::limits;
use crate::plain::Plain;
use crate::rules::{Access, Authority};
use crate::vars;

/// The rules of one stream, before its log.
pub struct StreamGate {
    authority: Arc<Authority>,
    stream: StreamName,
    vars: Cel,
    /// Who passed last: most often they come again.
    known: Mutex<VecDeque<Arc<Known>>>,
}

/// Somebody who has passed.
struct Known {
    caller: Caller,
    /// As rules know them.
    auth: Cel,
    /// The rules that were asked of them, by where they are: for as long as the gate is there they stay.
    plain: Mutex<Vec<(usize, Option<Arc<Plain>>)>>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Which rule it is.
    pub rule: String,
    /// As it was written.
    pub text: String,
    /// Whether it says yes.
    pub holds: bool,
}

/// Which rule it is.
#[derive(Clone, Copy, Debug)]
enum Of<'s> {
    Stream,
    Write,
    Doing(Doing),
    Field(&'s FieldName),
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Insert,
    Update,
    Delete,
}

impl StreamGate {
    /// A gate before a stream.
    pub fn new(authority: Arc<Authority>, stream: StreamName) -> Self {
        let vars = vars::stream(&stream);
        Self { authority, stream, vars, known: Mutex::default() }
    }

    /// What each rule says that has a say in a change. Where there is none that does, the change is not allowed.
    pub fn rulings(&self, caller: &Caller, change: &Change<'_>) -> Vec<Ruling> {
        let mut rulings = Vec::new();
        self.each(caller, change, &mut |of, rule, holds| {
            rulings.push(Ruling { rule: of.name(change), text: rule.text().into(), holds });
        });
        rulings
    }

    /// Shows what each rule says.
    fn each<'s>(&'s self, caller: &Caller, change: &Change<'_>, show: &mut dyn FnMut(Of<'s>, &Rule, bool)) {
        let (known, rules) = (self.known(caller), self.authority.on(&self.stream));
        let asked = Asked { auth: Some(&known.auth), stream: &self.vars, change };
        let says = |rule: &Rule, otherwise: &dyn Fn() -> bool| match known.plain(rule, &self.vars) {
            Some(plain) => plain.holds(change),
            None => otherwise(),
        };
        if let Some(rule) = rules.stream.and_then(|rules| rules.write.as_ref()) {
            show(Of::Stream, rule, says(rule, &|| asked.whether(rule, &[])));
        }
        let Some(access) = rules.access(&change.key.collection) else { return };
        let doing = Doing::of(change);
        if let Some(rule) = &access.write {
            show(Of::Write, rule, says(rule, &|| asked.both(rule)));
        }
        if let Some(rule) = doing.rule(access) {
            show(Of::Doing(doing), rule, says(rule, &|| asked.whether(rule, &asked.old_and_new(rule))));
        }
        let value = |object: Option<&Object>, field: &FieldName| object.and_then(|it| it.get(field.as_str())).cloned();
        let is_set = |field: &FieldName| value(change.before, field) != value(change.after, field);
        for (field, rule) in access.fields.iter().filter(|(field, _)| doing != Doing::Delete && is_set(field)) {
            show(Of::Field(field), rule, says(rule, &|| asked.both(rule)));
        }
    }

    fn known(&self, caller: &Caller) -> Arc<Known> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.caller == *caller) {
            return known.clone();
        }
        all.truncate(limits::KNOWN_CALLERS - 1);
        let known = Known { caller: caller.clone(), auth: vars::auth(caller), plain: Mutex::default() };
        all.push_front(Arc::new(known));
        all[0].clone()
    }
}

impl Known {
    /// A rule as it is for them, where filters can tell it.
    fn plain(&self, rule: &Rule, stream: &Cel) -> Option<Arc<Plain>> {
        let mut all = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        let place = std::ptr::from_ref(rule).addr();
        if let Some((_, plain)) = all.iter().find(|(known, _)| *known == place) {
            return plain.clone();
        }
        let plain = rule.plain(&[("auth", &self.auth), ("stream", stream)]).map(Arc::new);
        all.push((place, plain.clone()));
        plain
    }
}

impl Gate for StreamGate {
    fn objection(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection> {
        if caller.is_trusted || self.authority.is_empty() {
            return None;
        }
        let (mut has_say, mut against) = (false, None);
        self.each(caller, change, &mut |of, _, holds| {
            // Rules of fields only ever narrow what others allow.
            has_say |= !matches!(of, Of::Field(_));
            if !holds {
                against.get_or_insert(of);
            }
        });
        let doing = Doing::of(change).name();
        let reason = match (against, has_say) {
            (Some(of), _) => format!("{}: you may not {doing} it (rule of {})", change.key, of.name(change)),
            (None, true) => return None,
            (None, false) => format!("{}: you may not {doing} it (no rule allows it)", change.key),
        };
        let field = match against {
            Some(Of::Field(field)) => Some(field.clone()),
            _ => None,
        };
        Some(Objection { code: RefusalCode::Forbidden, field, reason })
    }

    fn invalid(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection> {
        let checks = self.authority.checks(&change.key.collection)?;
        let known = self.known(caller);
        checks.objection(&Asked { auth: Some(&known.auth), stream: &self.vars, change })
    }

    fn may_write(&self, caller: &Caller, collection: &Collection) -> bool {
        let known = self.known(caller);
        let vars = [("auth", &known.auth), ("stream", &self.vars)];
        let is_free = caller.is_trusted || self.authority.is_empty();
        is_free || self.authority.on(&self.stream).may_write_in(collection, &vars)
    }

    fn may_read(&self, caller: &Caller, key: &Key, object: &Object) -> bool {
        self.authority.reading(&self.stream, caller).finds(key, object)
    }
}

impl fmt::Debug for StreamGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamGate").field(&self.stream).finish()
    }
}

impl Of<'_> {
    fn name(self, change: &Change<'_>) -> String {
        let collection = &change.key.collection;
        match self {
            Self::Stream => "the stream: write".into(),
            Self::Write => format!("{collection}: write"),
            Self::Doing(doing) => format!("{collection}: {}", doing.name()),
            Self::Field(field) => format!("{collection}.{field}: write"),
        }
    }
}

impl Doing {
    fn of(change: &Change<'_>) -> Self {
        match (change.before, change.after) {
            (None, _) => Self::Insert,
            (Some(_), Some(_)) => Self::Update,
            (Some(_), None) => Self::Delete,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn rule(self, access: &Access) -> Option<&Rule> {
        match self {
            Self::Insert => access.insert.as_ref(),
            Self::Update => access.update.as_ref(),
            Self::Delete => access.delete.as_ref(),
        }
    }
}

/// A change that rules are asked about.
pub(crate) struct Asked<'a> {
    /// Whoever asks; `None` where that is not known here.
    pub(crate) auth: Option<&'a Cel>,
    pub(crate) stream: &'a Cel,
    pub(crate) change: &'a Change<'a>,
}

impl Asked<'_> {
    /// Whether all is known here that a rule speaks of.
    pub(crate) fn can_tell(&self, rule: &Rule) -> bool {
        self.auth.is_some() || !rule.asks_who()
    }

    /// Whether a rule says yes, of these objects besides the caller and the stream.
    fn whether(&self, rule: &Rule, objects: &[(&'static str, Cel)]) -> bool {
        let mut asked_of = [self.change.before, self.change.after].into_iter().flatten();
        if asked_of.any(|object| rule.takes_too_long(object)) {
            return false;
        }
        let mut vars = vec![("stream", self.stream)];
        vars.extend(self.auth.map(|auth| ("auth", auth)));
        vars.extend(objects.iter().map(|(name, object)| (*name, object)));
        rule.holds(&vars)
    }

    /// Whether a rule says yes of the object as it was and as it is.
    fn both(&self, rule: &Rule) -> bool {
        let objects = [self.change.before, self.change.after].into_iter().flatten();
        objects.map(|object| self.object(rule, object)).all(|object| self.whether(rule, &[("resource", object)]))
    }

    fn old_and_new(&self, rule: &Rule) -> Vec<(&'static str, Cel)> {
        let named = [("old", self.change.before), ("new", self.change.after)];
        named.into_iter().filter_map(|(name, object)| Some((name, self.object(rule, object?)))).collect()
    }

    /// Whether a check holds. What was not there had no fields, which a check of both can so ask for.
    pub(crate) fn is_met(&self, check: &Rule) -> bool {
        let [old, new] = [self.change.before, self.change.after];
        let known = |object: Option<&Object>| object.map_or_else(vars::nothing, |object| self.object(check, object));
        self.whether(check, &[("old", known(old)), ("new", known(new))])
    }

    fn object(&self, rule: &Rule, object: &Object) -> Cel {
        vars::object(&self.change.key.id, object, rule.fields())
    }
}
