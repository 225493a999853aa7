//! A rule as a filter: what is read becomes a query, and most of what is written can be told by one.
//!
//! What a rule says of a caller and a stream is evaluated; what it says of fields becomes conditions. An expression is
//! true, false or, where something is not there, neither: so two filters are made of each part, one that finds the
//! objects of which it is true and one for those of which it is false. Who negates swaps them, and no object is found of
//! which nothing can be said. (The three-valued logic of SQL, and of CEL's `&&` and `||`.)

use std::cmp::Ordering;

use cel::Value as Cel;
use cel::common::ast::{Expr, IdedExpr, operators};
use tapeline_core::name::FieldName;
use tapeline_core::query::{Filter, Test};
use tapeline_core::value::Value;

use crate::parts::speaks_of;
use crate::vars;

/// What rules call objects.
pub(crate) const OBJECTS: [&str; 3] = ["resource", "old", "new"];

/// The objects of which something is true, and those of which it is false.
pub(crate) struct Truth {
    pub(crate) yes: Filter,
    pub(crate) no: Filter,
}

/// What a part says that no query can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoQuery(pub(crate) String);

/// What a part comes to that says nothing of the object. `None` where that cannot be told.
type Evaluate<'e> = dyn Fn(&IdedExpr) -> Option<Cel> + 'e;

/// What becomes of a part that no query says.
type Otherwise<'o> = dyn Fn(&IdedExpr, NoQuery) -> Result<Truth, NoQuery> + 'o;

/// Translates a part of a rule, which speaks of one object at most.
///
/// # Errors
/// Where it says something that no query can, and nothing else is made of that.
pub(crate) fn translate(part: &IdedExpr, evaluate: &Evaluate<'_>, otherwise: &Otherwise<'_>) -> Result<Truth, NoQuery> {
    let translate = |part| translate(part, evaluate, otherwise);
    let joined = |a, b| Ok((translate(a)?, translate(b)?));
    match &part.expr {
        Expr::Call(call) => match (call.func_name.as_str(), &*call.args) {
            (operators::LOGICAL_NOT, [negated]) => {
                let Truth { yes, no } = translate(negated)?;
                Ok(Truth { yes: no, no: yes })
            }
            (operators::LOGICAL_AND, [a, b]) => {
                let (a, b) = joined(a, b)?;
                Ok(Truth { yes: all(a.yes, b.yes), no: any(a.no, b.no) })
            }
            (operators::LOGICAL_OR, [a, b]) => {
                let (a, b) = joined(a, b)?;
                Ok(Truth { yes: any(a.yes, b.yes), no: all(a.no, b.no) })
            }
            _ => condition(part, evaluate).or_else(|error| otherwise(part, error)),
        },
        _ => condition(part, evaluate).or_else(|error| otherwise(part, error)),
    }
}

/// Translates what joins no others.
fn condition(part: &IdedExpr, evaluate: &Evaluate<'_>) -> Result<Truth, NoQuery> {
    if !speaks_of_object(part) {
        return Ok(match evaluate(part) {
            Some(Cel::Bool(true)) => Truth { yes: Filter::Everything, no: nothing() },
            Some(Cel::Bool(false)) => Truth { yes: nothing(), no: Filter::Everything },
            _ => Truth { yes: nothing(), no: nothing() },
        });
    }
    match &part.expr {
        Expr::Select(select) if select.test => Ok(of_field(field(&select.operand, &select.field)?, |field| {
            (field(Test::Exists(true)), field(Test::Exists(false)))
        })),
        Expr::Select(select) => Ok(of_field(field(&select.operand, &select.field)?, |field| {
            (field(Test::Equal(Value::Bool(true))), field(Test::Equal(Value::Bool(false))))
        })),
        Expr::Call(call) => match (call.func_name.as_str(), &call.target, &*call.args) {
            (operators::IN, None, [item, list]) => membership(item, list, evaluate),
            ("startsWith", Some(text), [prefix]) => starts_with(text, prefix, evaluate),
            (comparison, None, [a, b]) => compare(comparison, a, b, evaluate),
            _ => Err(no_query(part)),
        },
        _ => Err(no_query(part)),
    }
}

/// Whether a filter finds nothing, whatever there is.
pub(crate) fn is_nothing(filter: &Filter) -> bool {
    matches!(filter, Filter::Any(filters) if filters.is_empty())
}

/// A field with something that it is compared with.
fn compare(name: &str, a: &IdedExpr, b: &IdedExpr, evaluate: &Evaluate<'_>) -> Result<Truth, NoQuery> {
    use Ordering::{Equal, Greater, Less};
    let is_turned = speaks_of_object(b);
    let (of, with) = if is_turned { (b, a) } else { (a, b) };
    let place = selected(of)?;
    if speaks_of_object(with) {
        return Err(NoQuery("a comparison of two fields".into()));
    }
    let orders: (&'static [Ordering], &'static [Ordering]) = match (name, is_turned) {
        (operators::EQUALS | operators::NOT_EQUALS, _) => (&[], &[]),
        (operators::LESS, false) | (operators::GREATER, true) => (&[Less], &[Equal, Greater]),
        (operators::LESS_EQUALS, false) | (operators::GREATER_EQUALS, true) => (&[Less, Equal], &[Greater]),
        (operators::GREATER, false) | (operators::LESS, true) => (&[Greater], &[Less, Equal]),
        (operators::GREATER_EQUALS, false) | (operators::LESS_EQUALS, true) => (&[Equal, Greater], &[Less]),
        (other, _) => return Err(NoQuery(spelled(other))),
    };
    let Some(value) = evaluate(with).as_ref().and_then(vars::value) else { return Ok(neither()) };
    if !orders.0.is_empty() && matches!(value, Value::Null | Value::List(_) | Value::Map(_)) {
        // Such values come in no order.
        return Ok(neither());
    }
    Ok(of_field(place, |field| match name {
        operators::EQUALS => (equal(field, &value), unequal(field, &value)),
        operators::NOT_EQUALS => (unequal(field, &value), equal(field, &value)),
        _ => (field(Test::Compares(orders.0, value.clone())), field(Test::Compares(orders.1, value.clone()))),
    }))
}

/// `resource.field in list`, or `item in resource.field`.
fn membership(item: &IdedExpr, list: &IdedExpr, evaluate: &Evaluate<'_>) -> Result<Truth, NoQuery> {
    if speaks_of_object(item) && speaks_of_object(list) {
        return Err(NoQuery("a comparison of two fields".into()));
    }
    if speaks_of_object(item) {
        let (place, list) = (selected(item)?, evaluate(list));
        if matches!(list, Some(Cel::Map(_))) {
            return Err(NoQuery("what is in a map".into()));
        }
        return Ok(match list.as_ref().and_then(vars::value) {
            Some(Value::List(values)) => of_field(place, |field| {
                let values = values.iter().filter(|value| **value != Value::Null);
                let listed = || field(Test::In(values.clone().cloned().collect()));
                (listed(), all(field(Test::Exists(true)), Filter::Not(Box::new(listed()))))
            }),
            _ => neither(),
        });
    }
    let place = selected(list)?;
    Ok(match evaluate(item).as_ref().and_then(vars::value) {
        Some(value) => of_field(place, |field| {
            let has = || field(Test::Has(value.clone()));
            (has(), all(field(Test::IsList), Filter::Not(Box::new(has()))))
        }),
        None => neither(),
    })
}

fn starts_with(text: &IdedExpr, prefix: &IdedExpr, evaluate: &Evaluate<'_>) -> Result<Truth, NoQuery> {
    let place = selected(text)?;
    if speaks_of_object(prefix) {
        return Err(NoQuery("a comparison of two fields".into()));
    }
    let Some(Cel::String(prefix)) = evaluate(prefix) else { return Ok(neither()) };
    Ok(of_field(place, |field| {
        let begins = || field(Test::Prefix(prefix.to_string()));
        let is_text = field(Test::Compares(&[Ordering::Less, Ordering::Equal, Ordering::Greater], Value::text("")));
        (begins(), all(is_text, Filter::Not(Box::new(begins()))))
    }))
}

/// Where in an object a condition looks.
enum Place {
    Id,
    Field(FieldName),
}

/// Makes both filters of a field.
fn of_field(place: Place, make: impl FnOnce(&dyn Fn(Test) -> Filter) -> (Filter, Filter)) -> Truth {
    let (yes, no) = make(&|test| match &place {
        Place::Id => Filter::Id(test),
        Place::Field(name) => Filter::Field(name.clone(), test),
    });
    Truth { yes, no }
}

/// What is not there equals nothing, and nothing else either.
fn equal(field: &dyn Fn(Test) -> Filter, value: &Value) -> Filter {
    if *value == Value::Null { nothing() } else { field(Test::Equal(value.clone())) }
}

fn unequal(field: &dyn Fn(Test) -> Filter, value: &Value) -> Filter {
    all(field(Test::Exists(true)), field(Test::Unequal(value.clone())))
}

/// The field that a part is, where it is one.
fn selected(part: &IdedExpr) -> Result<Place, NoQuery> {
    match &part.expr {
        Expr::Select(select) if !select.test => field(&select.operand, &select.field),
        _ => Err(no_query(part)),
    }
}

fn field(of: &IdedExpr, name: &str) -> Result<Place, NoQuery> {
    match &of.expr {
        Expr::Ident(object) if OBJECTS.contains(&object.as_str()) && name == "id" => Ok(Place::Id),
        Expr::Ident(object) if OBJECTS.contains(&object.as_str()) => {
            FieldName::new(name).map(Place::Field).map_err(|_| NoQuery(format!("\"{name}\"")))
        }
        _ => Err(NoQuery(format!("what is within a field, such as {name}"))),
    }
}

fn speaks_of_object(part: &IdedExpr) -> bool {
    speaks_of(part, &OBJECTS)
}

fn no_query(part: &IdedExpr) -> NoQuery {
    NoQuery(match &part.expr {
        Expr::Call(call) => spelled(&call.func_name),
        Expr::Comprehension(_) => "exists or all".into(),
        Expr::Select(_) => "a comparison of has".into(),
        _ => "a comparison without a field".into(),
    })
}

/// A function as rules have it: the language calls an addition `_+_`.
fn spelled(function: &str) -> String {
    function.trim_start_matches('@').replace('_', "")
}

fn neither() -> Truth {
    Truth { yes: nothing(), no: nothing() }
}

fn nothing() -> Filter {
    Filter::Any(Vec::new())
}

/// Both of two filters, as short as that can be said.
pub(crate) fn all(a: Filter, b: Filter) -> Filter {
    match (a, b) {
        (Filter::Everything, other) | (other, Filter::Everything) => other,
        (a, b) if is_nothing(&a) || is_nothing(&b) => nothing(),
        (Filter::All(mut filters), Filter::All(others)) => {
            filters.extend(others);
            Filter::All(filters)
        }
        (Filter::All(mut filters), other) => {
            filters.push(other);
            Filter::All(filters)
        }
        (a, b) => Filter::All(vec![a, b]),
    }
}

/// Either of two filters, as short as that can be said.
fn any(a: Filter, b: Filter) -> Filter {
    match (a, b) {
        (Filter::Everything, _) | (_, Filter::Everything) => Filter::Everything,
        (a, b) if is_nothing(&a) => b,
        (a, b) if is_nothing(&b) => a,
        (a, b) => Filter::Any(vec![a, b]),
    }
}
