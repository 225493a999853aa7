//! The bounds of rules, checks and patterns, so that none takes long however it is written.

/// Bytes of one rule.
pub const RULE_BYTES: usize = 4 * 1024;
/// Parts of one rule.
pub const RULE_PARTS: usize = 1_000;
/// How deep parts of it may be in others.
pub const RULE_DEPTH: usize = 50;
/// Items of a list that a rule may go over.
pub const LIST_ITEMS: usize = 1_000;
/// Bytes of one pattern.
pub const PATTERN_BYTES: usize = 1024;
/// Bytes of a pattern once it is made ready.
pub const PATTERN_READY_BYTES: usize = 256 * 1024;
/// Bytes of a text that a pattern may look at: a longer one fits none.
pub const PATTERN_TEXT_BYTES: usize = 64 * 1024;
/// Bytes of what a check says to people.
pub const MESSAGE_BYTES: usize = 500;
/// Checks of one collection.
pub const CHECKS: usize = 64;
/// Callers that the gate of a stream remembers: as many as write on it at once, mostly.
pub const KNOWN_CALLERS: usize = 16;
