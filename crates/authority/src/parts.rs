//! What an expression is made of.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// The parts that a part is made of.
pub(crate) fn parts_of(part: &IdedExpr) -> Vec<&IdedExpr> {
    match &part.expr {
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Comprehension(looping) => {
            vec![&looping.iter_range, &looping.accu_init, &looping.loop_cond, &looping.loop_step, &looping.result]
        }
        Expr::Map(map) => {
            let parts = map.entries.iter().map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            });
            parts.flatten().collect()
        }
        Expr::Struct(_) | Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
    }
}

/// Whether a part speaks of one of these.
pub(crate) fn speaks_of(part: &IdedExpr, names: &[&str]) -> bool {
    match &part.expr {
        Expr::Ident(name) => names.contains(&name.as_str()),
        _ => parts_of(part).into_iter().any(|part| speaks_of(part, names)),
    }
}

/// Whether a part goes over a list, or something in it does.
pub(crate) fn has_loop(part: &IdedExpr) -> bool {
    matches!(part.expr, Expr::Comprehension(_)) || parts_of(part).into_iter().any(has_loop)
}
