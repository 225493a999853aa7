//! All rules of an app, and which of them hold for what.
//!
//! A rule is about streams whose names fit a pattern, about a collection, or about a collection on such streams. Of
//! several that fit a collection, those for the most exact pattern count. What a stream's own rule says is wanted
//! besides what the rules of its collections say; a collection that has none for something goes by the stream's alone.

use tapeline_core::name::{Collection, FieldName, StreamName};
use tapeline_core::retention::StreamPattern;

use crate::checks::Checks;
use crate::expression::Rule;

/// All rules of an app, and all its checks.
#[derive(Debug, Default)]
pub struct Authority {
    streams: Vec<(StreamPattern, StreamRules)>,
    collections: Vec<CollectionRules>,
    /// The collections that the app names, with rules or without.
    known: Vec<Collection>,
    /// What is valid in a collection, each once, sorted.
    checks: Vec<(Collection, Checks)>,
}

/// What streams as a whole are used by.
#[derive(Debug, Default)]
pub struct StreamRules {
    /// Who may read of them.
    pub read: Option<Rule>,
    /// Who may write on them.
    pub write: Option<Rule>,
}

/// Whose rules these are.
#[derive(Debug)]
pub struct CollectionRules {
    /// On which streams; on all where none are said.
    pub streams: Option<StreamPattern>,
    /// Of which collection.
    pub collection: Collection,
    /// What they say.
    pub access: Access,
}

/// The rules of a collection.
#[derive(Debug, Default)]
pub struct Access {
    /// Which objects may be read.
    pub read: Option<Rule>,
    /// Which may be written in any way.
    pub write: Option<Rule>,
    /// Which may be inserted.
    pub insert: Option<Rule>,
    /// Which may be updated.
    pub update: Option<Rule>,
    /// Which may be deleted.
    pub delete: Option<Rule>,
    /// Where a field may be set.
    pub fields: Vec<(FieldName, Rule)>,
}

/// The rules that hold on one stream.
#[derive(Debug)]
pub(crate) struct OnStream<'a> {
    pub(crate) stream: Option<&'a StreamRules>,
    /// Each collection once, sorted.
    pub(crate) collections: Vec<(&'a Collection, &'a Access)>,
    /// All collections that the app names, sorted.
    pub(crate) known: &'a [Collection],
}

impl Access {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        let rules = [&self.read, &self.write, &self.insert, &self.update, &self.delete];
        rules.into_iter().all(Option::is_none) && self.fields.is_empty()
    }
}

impl Authority {
    /// The rules of an app that names these collections.
    pub fn new(
        streams: Vec<(StreamPattern, StreamRules)>,
        collections: Vec<CollectionRules>,
        mut known: Vec<Collection>,
    ) -> Self {
        known.extend(collections.iter().map(|rules| rules.collection.clone()));
        known.sort();
        known.dedup();
        Self { streams, collections, known, checks: Vec::new() }
    }

    /// The same, where this is valid in each of some collections.
    #[must_use]
    pub fn checking(mut self, checks: impl IntoIterator<Item = (Collection, Checks)>) -> Self {
        self.checks.extend(checks);
        self.checks.sort_by(|(a, _), (b, _)| a.cmp(b));
        self
    }

    /// Whether anything is checked, whoever writes it.
    pub fn has_checks(&self) -> bool {
        !self.checks.is_empty()
    }

    /// What is valid in a collection.
    pub fn checks(&self, collection: &Collection) -> Option<&Checks> {
        let place = self.checks.binary_search_by(|(known, _)| known.cmp(collection)).ok()?;
        Some(&self.checks[place].1)
    }

    /// The rules of streams as a whole, as they were said.
    pub fn streams(&self) -> &[(StreamPattern, StreamRules)] {
        &self.streams
    }

    /// The rules of collections, as they were said.
    pub fn collections(&self) -> &[CollectionRules] {
        &self.collections
    }

    /// Whether there are no rules: everything is allowed.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.collections.is_empty()
    }

    /// The rules that hold on a stream.
    pub(crate) fn on(&self, stream: &StreamName) -> OnStream<'_> {
        let fitting = self.streams.iter().filter(|(pattern, _)| pattern.fits(stream));
        let own = fitting.max_by_key(|(pattern, _)| pattern.exactness()).map(|(_, rules)| rules);
        let fits = |rules: &&CollectionRules| rules.streams.as_ref().is_none_or(|pattern| pattern.fits(stream));
        let mut collections: Vec<&CollectionRules> = self.collections.iter().filter(fits).collect();
        // The most exact one of each collection comes first.
        let exactness = |rules: &CollectionRules| rules.streams.as_ref().map(StreamPattern::exactness);
        collections.sort_by(|a, b| a.collection.cmp(&b.collection).then_with(|| exactness(b).cmp(&exactness(a))));
        collections.dedup_by(|later, first| later.collection == first.collection);
        let collections = collections.into_iter().map(|rules| (&rules.collection, &rules.access)).collect();
        OnStream { stream: own, collections, known: &self.known }
    }
}

impl<'a> OnStream<'a> {
    /// The rules of a collection.
    pub(crate) fn access(&self, collection: &Collection) -> Option<&'a Access> {
        let place = self.collections.binary_search_by(|(known, _)| (*known).cmp(collection)).ok()?;
        Some(self.collections[place].1)
    }
}
