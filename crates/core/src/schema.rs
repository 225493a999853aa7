//! The schema: what an app says of its data, beside the data.
//!
//! The sequencer alone needs it: what it decided stands on the log, so that a schema may change at any time and nothing
//! recorded is ever read in another way.

use std::collections::BTreeMap;

use crate::name::{Collection, FieldName};

/// How concurrent writes of a field meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Each takes effect: the last to reach the log wins.
    #[default]
    Last,
    /// The first to reach the log wins. A later one does not take effect, and its author is told.
    First,
    /// The whole event of the later one is refused, with the current values.
    Reject,
    /// The later one stands on the object as a conflict, until a write that has seen it settles it.
    Ask,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Last, Self::First, Self::Reject, Self::Ask];

    /// The word for it, in schema files and docs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::First => "first",
            Self::Reject => "reject",
            Self::Ask => "ask",
        }
    }

    /// The policy with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.word() == word)
    }
}

/// What becomes of an update of an object that was deleted concurrently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateAfterDelete {
    /// It does not take effect, and its author is told.
    #[default]
    Drop,
    /// The object is there again, with its last values and the update.
    Revive,
}

impl UpdateAfterDelete {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Drop, Self::Revive];

    /// The word for it, in schema files and docs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Revive => "revive",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.word() == word)
    }
}

/// The rules of one collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionRules {
    /// The policy of fields that have none of their own.
    pub policy: Policy,
    /// What becomes of an update of an object that was deleted concurrently.
    pub update_after_delete: UpdateAfterDelete,
    /// Fields with a policy of their own.
    pub fields: BTreeMap<FieldName, Policy>,
}

impl CollectionRules {
    /// The policy of a field.
    pub fn policy(&self, field: &FieldName) -> Policy {
        self.fields.get(field).copied().unwrap_or(self.policy)
    }
}

/// The rules of all collections that have some. Empty: everything is `last`, and nothing is revived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    collections: BTreeMap<Collection, CollectionRules>,
}

impl Schema {
    /// Gives a collection its rules, instead of those it had.
    #[must_use]
    pub fn with(mut self, collection: Collection, rules: CollectionRules) -> Self {
        self.collections.insert(collection, rules);
        self
    }

    /// The rules of a collection, where it has some: looked up once for many fields.
    pub fn rules(&self, collection: &Collection) -> Option<&CollectionRules> {
        self.collections.get(collection)
    }

    /// The policy of a field.
    pub fn policy(&self, collection: &Collection, field: &FieldName) -> Policy {
        self.rules(collection).map_or(Policy::default(), |rules| rules.policy(field))
    }

    /// Whether an update brings a concurrently deleted object of the collection back.
    pub fn revives(&self, collection: &Collection) -> bool {
        self.rules(collection).is_some_and(|rules| rules.update_after_delete == UpdateAfterDelete::Revive)
    }

    /// All collections with rules, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Collection, &CollectionRules)> {
        self.collections.iter()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection(name: &str) -> Collection {
        Collection::new(name).unwrap()
    }

    fn field(name: &str) -> FieldName {
        FieldName::new(name).unwrap()
    }

    #[test]
    fn a_field_has_its_own_policy_or_that_of_its_collection() {
        let fields = BTreeMap::from([(field("title"), Policy::Ask)]);
        let rules = CollectionRules { policy: Policy::First, fields, ..CollectionRules::default() };
        let schema = Schema::default().with(collection("tasks"), rules);
        assert_eq!(schema.policy(&collection("tasks"), &field("title")), Policy::Ask);
        assert_eq!(schema.policy(&collection("tasks"), &field("done")), Policy::First);
        assert_eq!(schema.policy(&collection("notes"), &field("title")), Policy::Last);
    }

    #[test]
    fn only_what_is_told_to_is_revived() {
        let rules = CollectionRules { update_after_delete: UpdateAfterDelete::Revive, ..CollectionRules::default() };
        let schema = Schema::default().with(collection("tasks"), rules);
        assert!(schema.revives(&collection("tasks")));
        assert!(!schema.revives(&collection("notes")));
        assert!(!schema.is_empty() && Schema::default().is_empty());
    }

    #[test]
    fn each_word_is_read_as_it_is_written() {
        assert!(Policy::ALL.into_iter().all(|policy| Policy::from_word(policy.word()) == Some(policy)));
        assert!(UpdateAfterDelete::ALL.into_iter().all(|rule| UpdateAfterDelete::from_word(rule.word()) == Some(rule)));
        assert_eq!(Policy::from_word("newest"), None);
    }
}
