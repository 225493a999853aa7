//! The bounds of rules, so that none takes long however it is written.

/// Bytes of one rule.
pub const RULE_BYTES: usize = 4 * 1024;
/// Parts of one rule.
pub const RULE_PARTS: usize = 1_000;
/// How deep parts of it may be in others.
pub const RULE_DEPTH: usize = 50;
/// Items of a list that a rule may go over.
pub const LIST_ITEMS: usize = 1_000;
