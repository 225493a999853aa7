//! A rule as it is for one caller: filters, one for each object that it speaks of.
//!
//! Most rules compare fields of an object with what is known of whoever asks. The language takes some microseconds to say
//! so, for each event again; a filter a fraction of one. Where a rule compares fields with each other, or goes over a
//! list, the language is asked.

use cel::Value as Cel;
use cel::common::ast::{Expr, IdedExpr, operators};
use tapeline_core::query::Filter;
use tapeline_core::sequencer::Change;

use crate::parts::speaks_of;
use crate::translate::{OBJECTS, translate};

/// A rule for one caller: what must hold, all of it.
#[derive(Debug)]
pub(crate) struct Plain(Vec<(Of, Filter)>);

/// Of which object.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// As it was, and as it is: as far as it is there.
    Both,
    /// As it was.
    Old,
    /// As it is.
    New,
}

impl Plain {
    /// What a rule comes to. `None`: it says what filters cannot. `evaluate` tells what speaks of no object.
    pub(crate) fn of(rule: &IdedExpr, evaluate: &dyn Fn(&IdedExpr) -> Option<Cel>) -> Option<Self> {
        let filter = |part| Some((of(part)?, translate(part, evaluate, &|_, error| Err(error)).ok()?.yes));
        conjuncts(rule).into_iter().map(filter).collect::<Option<_>>().map(Self)
    }

    /// Whether it says yes to a change.
    pub(crate) fn holds(&self, change: &Change<'_>) -> bool {
        self.0.iter().all(|(of, filter)| {
            let (old, new) = match of {
                Of::Both => (change.before, change.after),
                Of::Old => (change.before, None),
                Of::New => (None, change.after),
            };
            let mut objects = old.into_iter().chain(new).peekable();
            objects.peek().is_some() && objects.all(|object| filter.matches(&change.key.id, object))
        })
    }
}

/// What is joined by `&&`: all of it holds, or the whole does not.
fn conjuncts(part: &IdedExpr) -> Vec<&IdedExpr> {
    match &part.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND && call.target.is_none() => {
            call.args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![part],
    }
}

/// The object that a part speaks of. `None`: of more than one.
fn of(part: &IdedExpr) -> Option<Of> {
    match OBJECTS.map(|name| speaks_of(part, &[name])) {
        [_, false, false] => Some(Of::Both),
        [false, true, false] => Some(Of::Old),
        [false, false, true] => Some(Of::New),
        _ => None,
    }
}
