//! What a caller may read of a stream: all of it, the objects that filters find, or nothing.

use std::hash::{Hash, Hasher};

use cel::common::ast::IdedExpr;
use tapeline_core::caller::Caller;
use tapeline_core::frame::Readable;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::numbers::View;
use tapeline_core::object::Object;
use tapeline_core::query::Filter;
use xxhash_rust::xxh3::Xxh3Default;

use crate::expression::evaluate;
use crate::gate::Ruling;
use crate::rules::Authority;
use crate::told::told;
use crate::translate::{all, is_nothing, translate};
use crate::vars;

/// What a caller may read of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it.
    Whole,
    /// What these find, each collection once, sorted.
    Part(Vec<(Collection, Filter)>),
    /// Nothing.
    Nothing,
}

impl Authority {
    /// What a caller may read of a stream.
    pub fn reading(&self, stream: &StreamName, caller: &Caller) -> Reading {
        if caller.is_trusted || self.is_empty() {
            return Reading::Whole;
        }
        let rules = self.on(stream);
        let (auth, of) = (vars::auth(caller), vars::stream(stream));
        let known = [("auth", &auth), ("stream", &of)];
        let own = rules.stream.and_then(|rules| rules.read.as_ref());
        if own.is_some_and(|rule| !rule.holds(&known)) {
            return Reading::Nothing;
        }
        let ruled = |collection: &Collection| rules.access(collection).and_then(|access| access.read.as_ref());
        let filter = |collection: &Collection| match ruled(collection) {
            Some(rule) => {
                let otherwise = |part: &IdedExpr, _| Ok(told(rule, part, &auth, &of));
                translate(rule.root(), &|part| evaluate(part, &known), &otherwise).ok().map(|truth| truth.yes)
            }
            None => own.map(|_| Filter::Everything),
        };
        let parts = rules.known.iter().filter_map(|collection| Some((collection.clone(), filter(collection)?)));
        let parts: Vec<_> = parts.filter(|(_, filter)| !is_nothing(filter)).collect();
        let is_limited = rules.known.iter().any(|collection| ruled(collection).is_some());
        let finds_all = |filter: &Filter| *filter == Filter::Everything;
        match own {
            Some(_) if !is_limited => Reading::Whole,
            Some(_) if parts.len() == rules.known.len() && parts.iter().all(|(_, it)| finds_all(it)) => Reading::Whole,
            _ if parts.is_empty() => Reading::Nothing,
            _ => Reading::Part(parts),
        }
    }
}

impl Authority {
    /// What each rule says that has a say in whether an object may be read. Where there is none, it may not be, unless there
    /// are no rules at all.
    pub fn read_rulings(&self, stream: &StreamName, caller: &Caller, key: &Key, object: &Object) -> Vec<Ruling> {
        let rules = self.on(stream);
        let (auth, of) = (vars::auth(caller), vars::stream(stream));
        let own = rules.stream.and_then(|rules| rules.read.as_ref());
        let own = own.map(|rule| Ruling {
            rule: "the stream: read".into(),
            text: rule.text().into(),
            holds: rule.holds(&[("auth", &auth), ("stream", &of)]),
        });
        let ruled = rules.access(&key.collection).and_then(|access| access.read.as_ref());
        let ruled = ruled.map(|rule| {
            let resource = vars::object(&key.id, object, rule.fields());
            let holds = || rule.holds(&[("auth", &auth), ("stream", &of), ("resource", &resource)]);
            let holds = !rule.takes_too_long(object) && holds();
            Ruling { rule: format!("{}: read", key.collection), text: rule.text().into(), holds }
        });
        own.into_iter().chain(ruled).collect()
    }
}

impl Reading {
    /// Whether an object may be read.
    pub fn finds(&self, key: &Key, object: &Object) -> bool {
        match self {
            Self::Whole => true,
            Self::Part(_) => self.filter(&key.collection).is_some_and(|filter| filter.matches(&key.id, object)),
            Self::Nothing => false,
        }
    }

    /// The objects of a collection that may be read. `None`: there are none.
    pub fn filter(&self, collection: &Collection) -> Option<&Filter> {
        match self {
            Self::Whole => Some(&Filter::Everything),
            Self::Part(parts) => {
                let place = parts.binary_search_by(|(known, _)| known.cmp(collection)).ok()?;
                Some(&parts[place].1)
            }
            Self::Nothing => None,
        }
    }

    /// A filter of a collection, of what may be read alone.
    pub fn narrow(&self, collection: &Collection, filter: &Filter) -> Filter {
        match self.filter(collection) {
            Some(readable) => all(filter.clone(), readable.clone()),
            None => Filter::Any(Vec::new()),
        }
    }

    /// What a replica is told of it, where it is not all.
    pub fn readable(&self) -> Option<Readable> {
        let Self::Part(parts) = self else { return None };
        let mut hasher = Xxh3Default::new();
        parts.hash(&mut hasher);
        // That is all of the stream.
        let view = View(hasher.finish().max(View::ALL.0 + 1));
        Some(Readable {
            view,
            continues: false,
            collections: parts.iter().map(|(collection, _)| collection.clone()).collect(),
        })
    }
}
