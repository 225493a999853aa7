//! A part of a read rule that no query says, such as a comparison of two fields: the language is asked of each object.
//!
//! For a server it is a condition as any other, but for two things: no index finds what meets it, and whoever subscribes
//! by it is asked about at every change of the collection.

use std::sync::Arc;

use cel::Value as Cel;
use cel::common::ast::{Expr, IdedExpr};
use tapeline_core::name::{FieldName, ObjectId};
use tapeline_core::object::Object;
use tapeline_core::query::{Filter, Told};
use tapeline_core::value::Value;

use crate::expression::{Rule, evaluate};
use crate::parts::parts_of;
use crate::translate::Truth;
use crate::vars;

/// What is known of a caller and a stream, as read rules speak of them.
const KNOWN: [&str; 2] = ["auth", "stream"];

/// The objects of which a part of a rule is true, and those of which it is false, for who and where this is known of.
pub(crate) fn told(rule: &Rule, part: &IdedExpr, auth: &Cel, stream: &Cel) -> Truth {
    let part = Arc::new(Part {
        expression: part.clone(),
        auth: auth.clone(),
        stream: stream.clone(),
        fields: rule.fields().to_vec(),
        loops: rule.loops(),
    });
    let fields: Arc<[FieldName]> = part.fields.iter().filter_map(|field| FieldName::new(field).ok()).collect();
    let filter = |wanted: bool| {
        let (what, part) = (part.what(rule, wanted), part.clone());
        Filter::Told(Told::new(what, fields.clone(), move |id, object| part.tells(id, object) == Some(wanted)))
    };
    Truth { yes: filter(true), no: filter(false) }
}

struct Part {
    expression: IdedExpr,
    auth: Cel,
    stream: Cel,
    /// The fields of objects that the rule looks at.
    fields: Vec<String>,
    /// Whether it goes over lists.
    loops: bool,
}

impl Part {
    /// Whether it is true of an object. `None`: nothing can be said.
    fn tells(&self, id: &ObjectId, object: &Object) -> Option<bool> {
        if self.loops && vars::has_long(object, &self.fields) {
            return None;
        }
        let resource = vars::object(id, object, &self.fields);
        match evaluate(&self.expression, &[("auth", &self.auth), ("stream", &self.stream), ("resource", &resource)]) {
            Some(Cel::Bool(truth)) => Some(truth),
            _ => None,
        }
    }

    /// What it is: which part of which rule, and what that comes to by what it says of caller and stream. What else a
    /// token claims makes no difference, so that a newer one need not bring everything again.
    fn what(&self, rule: &Rule, wanted: bool) -> Value {
        let place = Value::Int(i64::try_from(self.expression.id).unwrap_or(i64::MAX));
        let mut what = vec![Value::text(rule.text()), place, Value::Bool(wanted)];
        let known = [("auth", &self.auth), ("stream", &self.stream)];
        each_known(&self.expression, &mut |part| {
            let value = evaluate(part, &known).as_ref().and_then(vars::value);
            what.push(Value::List(value.into_iter().collect()));
        });
        Value::List(what.into())
    }
}

/// Shows what a part says of caller and stream: `auth.teams`, `stream.parts`.
fn each_known(part: &IdedExpr, show: &mut dyn FnMut(&IdedExpr)) {
    match is_known(part) {
        true => show(part),
        false => parts_of(part).into_iter().for_each(|part| each_known(part, show)),
    }
}

fn is_known(part: &IdedExpr) -> bool {
    match &part.expr {
        Expr::Ident(name) => KNOWN.contains(&name.as_str()),
        Expr::Select(select) => is_known(&select.operand),
        _ => false,
    }
}
