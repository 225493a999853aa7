//! What an app says of its data, beside the data: how concurrent writes of a field meet, what an update of a deleted
//! object does, which fields refer to other objects, and which indexes help its queries. Without a schema everything is
//! `last`.
//!
//! Only the server reads it. What is on the log needs no schema to be played.

use std::sync::Arc;

use crate::name::{Collection, FieldName, StreamName};
use crate::query::index::Index;
use crate::retention::{Retain, StreamPattern};
use crate::shape::Shape;
use crate::versions::Versions;

/// How a write of a field and a concurrent one by another client meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The last to reach the log wins.
    #[default]
    Last,
    /// The first to reach the log wins; the author of the other is told.
    First,
    /// The later one is refused, with the current values.
    Reject,
    /// The later one stands on the object as a conflict, until somebody who has seen it sets the field.
    Ask,
}

/// What an update does to an object that was deleted concurrently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateAfterDelete {
    /// Nothing: its author is told.
    #[default]
    Drop,
    /// It brings the object back as it was, and takes effect.
    Revive,
}

/// What becomes of an object when one goes that it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// It stays, and so does what it refers to: the event that would delete it is refused.
    Restrict,
    /// It goes, too.
    Cascade,
    /// It refers to it no more: its field becomes null, or the id goes from the list there.
    SetNull,
}

/// A field that refers to objects by their ids, by one or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The field.
    pub field: FieldName,
    /// The collection of what it refers to.
    pub to: Collection,
    /// What happens when that goes. `None`: nothing, and it need not be there.
    pub on_delete: Option<OnDelete>,
}

/// A field that apps of an older version know by another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The name that it has now.
    pub now: FieldName,
    /// The name that it had.
    pub was: FieldName,
}

/// The rules of one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For all fields that have none of their own.
    pub policy: Policy,
    /// What an update of a deleted object does.
    pub update_after_delete: UpdateAfterDelete,
    /// Events that touch the collection stay readable where others are let go.
    pub keep_events: bool,
    /// By what its objects are sorted for queries: each index by these fields, the most significant first.
    pub indexes: Vec<Vec<FieldName>>,
    /// For single fields.
    pub fields: Vec<(FieldName, Policy)>,
    /// Fields of which no two objects have the same value, each alone or several together.
    pub unique: Vec<Vec<FieldName>>,
    /// Which values fields take.
    pub shapes: Vec<(FieldName, Shape)>,
    /// Fields that refer to objects of another collection, or of this one.
    pub refs: Vec<Reference>,
    /// Fields that had another name.
    pub renames: Vec<Rename>,
}

/// What an app says of its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    collections: Vec<(Collection, Rules)>,
    retention: Vec<(StreamPattern, Retain)>,
    /// By which the objects are to be found that hold a value.
    held: Arc<[Index]>,
    versions: Versions,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Last, Self::First, Self::Reject, Self::Ask];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Reject => "reject",
            Self::Ask => "ask",
        }
    }
}

impl OnDelete {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Restrict, Self::Cascade, Self::SetNull];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Cascade => "cascade",
            Self::SetNull => "set_null",
        }
    }
}

impl UpdateAfterDelete {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Drop, Self::Revive];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Revive => "revive",
        }
    }
}

impl Rules {
    /// The fields by which its objects are to be found that hold a value, alone or several together.
    fn held(&self) -> Vec<Vec<FieldName>> {
        let refs = self.refs.iter().filter(|reference| reference.on_delete.is_some());
        let refs = refs.map(|reference| vec![reference.field.clone()]);
        self.unique.iter().cloned().chain(refs).collect()
    }
}

impl Schema {
    /// A schema of these collections; of one that is named twice the last counts.
    pub fn new(collections: impl IntoIterator<Item = (Collection, Rules)>) -> Self {
        let mut schema = Self::default();
        for (collection, rules) in collections {
            match schema.collections.binary_search_by(|(known, _)| known.cmp(&collection)) {
                Ok(place) => schema.collections[place].1 = rules,
                Err(place) => schema.collections.insert(place, (collection, rules)),
            }
        }
        schema.held = schema.indexes_by(Rules::held).into();
        schema
    }

    /// The same, where of streams with such names no more events stay than this.
    #[must_use]
    pub fn retaining(mut self, retention: impl IntoIterator<Item = (StreamPattern, Retain)>) -> Self {
        self.retention.extend(retention);
        self.retention.sort_by(|(a, _), (b, _)| a.cmp(b));
        self
    }

    /// The same, for a server that serves these versions of the app.
    #[must_use]
    pub fn serving(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// Which versions of the app are served.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Whether it says nothing of any collection.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }

    /// Which events of a stream stay.
    pub fn retain(&self, stream: &StreamName) -> Retain {
        let fitting = self.retention.iter().filter(|(pattern, _)| pattern.fits(stream));
        let exact = fitting.max_by_key(|(pattern, _)| pattern.exactness());
        exact.map_or(Retain::All, |(_, retain)| *retain)
    }

    /// Which events of which streams stay, as it was said.
    pub fn retention(&self) -> &[(StreamPattern, Retain)] {
        &self.retention
    }

    /// The collections whose events are kept.
    pub fn kept(&self) -> Vec<Collection> {
        let kept = self.collections.iter().filter(|(_, rules)| rules.keep_events);
        kept.map(|(collection, _)| collection.clone()).collect()
    }

    /// All indexes, each once: those that are declared, and those by which holders are found.
    pub fn indexes(&self) -> Vec<Index> {
        let mut indexes = self.indexes_by(|rules| rules.indexes.clone());
        indexes.extend(self.held.iter().cloned());
        indexes.sort();
        indexes.dedup();
        indexes
    }

    /// The indexes by which the objects are to be found that hold a value, each once.
    pub fn held(&self) -> &[Index] {
        &self.held
    }

    /// The fields of a collection of which no two objects have the same value, each alone or several together.
    pub fn unique(&self, collection: &Collection) -> &[Vec<FieldName>] {
        self.rules(collection).map_or(&[], |rules| &rules.unique)
    }

    fn indexes_by(&self, fields: impl Fn(&Rules) -> Vec<Vec<FieldName>>) -> Vec<Index> {
        let of = |(collection, rules): &(Collection, Rules)| {
            let index = |fields| Index { collection: collection.clone(), fields };
            fields(rules).into_iter().map(index).collect::<Vec<_>>()
        };
        let mut indexes: Vec<Index> = self.collections.iter().flat_map(of).collect();
        indexes.sort();
        indexes.dedup();
        indexes
    }

    /// All collections it names, sorted.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = (&Collection, &Rules)> {
        self.collections.iter().map(|(collection, rules)| (collection, rules))
    }

    /// Which values the fields of a collection take.
    pub fn shapes(&self, collection: &Collection) -> &[(FieldName, Shape)] {
        self.rules(collection).map_or(&[], |rules| &rules.shapes)
    }

    /// Whether it says of any field which values it takes.
    pub fn has_shapes(&self) -> bool {
        self.collections.iter().any(|(_, rules)| !rules.shapes.is_empty())
    }

    /// The collection whose objects a field refers to.
    pub fn referred(&self, collection: &Collection, field: &FieldName) -> Option<&Collection> {
        Some(&self.references(collection).iter().find(|reference| reference.field == *field)?.to)
    }

    /// The fields of a collection that refer to objects.
    pub fn references(&self, collection: &Collection) -> &[Reference] {
        self.rules(collection).map_or(&[], |rules| &rules.refs)
    }

    /// The fields that refer to objects of a collection, each with its own, where something happens when those go.
    pub fn referring(&self, to: &Collection) -> impl Iterator<Item = (&Collection, &Reference, OnDelete)> {
        let all = self.collections.iter().flat_map(|(own, rules)| rules.refs.iter().map(move |it| (own, it)));
        let there = all.filter(move |(_, reference)| reference.to == *to);
        there.filter_map(|(own, reference)| Some((own, reference, reference.on_delete?)))
    }

    /// The fields of a collection that had another name.
    pub fn renames(&self, collection: &Collection) -> &[Rename] {
        self.rules(collection).map_or(&[], |rules| &rules.renames)
    }

    /// How concurrent writes of a field meet, under whichever name.
    pub fn policy(&self, collection: &Collection, field: &FieldName) -> Policy {
        let Some(rules) = self.rules(collection) else { return Policy::Last };
        let renamed = rules.renames.iter().find(|rename| rename.was == *field);
        let field = renamed.map_or(field, |rename| &rename.now);
        let own = rules.fields.iter().find(|(name, _)| name == field);
        own.map_or(rules.policy, |(_, policy)| *policy)
    }

    /// Whether an update brings back an object of a collection that was deleted concurrently.
    pub fn revives(&self, collection: &Collection) -> bool {
        self.rules(collection).is_some_and(|rules| rules.update_after_delete == UpdateAfterDelete::Revive)
    }

    fn rules(&self, collection: &Collection) -> Option<&Rules> {
        let place = self.collections.binary_search_by(|(known, _)| known.cmp(collection)).ok()?;
        Some(&self.collections[place].1)
    }
}
