//! Who asks: what a server has verified of whoever speaks to it.

use crate::name::Subject;
use crate::value::Entries;

/// Who asks. Where a server asks nobody who they are, everybody is [nobody in particular](Self::default).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Who a verified token speaks for.
    pub subject: Option<Subject>,
    /// What the token says of them, by name: what rules know as `auth`.
    pub claims: Entries,
    /// Whether no rule holds for them: an app's own servers.
    pub is_trusted: bool,
}
