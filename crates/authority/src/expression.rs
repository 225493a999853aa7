//! One rule: an expression that is true or not.
//!
//! It is checked before it is ever used: what it speaks of, which functions it calls, and that it cannot take long. It
//! goes over one list at most within another one's length: an `exists` within an `exists` is refused. What cannot be
//! evaluated, such as a comparison with a field that is not there, is a no.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Env, Program, Value as Cel};
use tapeline_core::object::Object;
use tapeline_core::query::Filter;

use crate::limits;
use crate::parts::{has_loop, speaks_of};
use crate::plain::Plain;
use crate::translate::{NoQuery, OBJECTS, Truth, is_nothing, translate};
use crate::vars;

/// The language, with its standard functions. It is the same for all rules and takes long to make.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// What a rule is about, which says what it may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whether a stream may be used at all: of `auth` and `stream`.
    Stream,
    /// Whether an object may be read: of `resource`, too.
    Read,
    /// Whether an object may be written, whatever is done: of `resource`, as it was and as it is, too.
    Write,
    /// Whether an object may be inserted: of `new`, too.
    Insert,
    /// Whether it may be updated: of `old` and `new`, too.
    Update,
    /// Whether it may be deleted: of `old`, too.
    Delete,
    /// Whether what is made of an object is valid: of `old` and `new`, too, where what is new was nothing before.
    Check,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It is no expression of the language.
    #[error("{0}")]
    Syntax(String),
    /// It is too large.
    #[error(
        "the rule is too large; it has at most {} bytes and {} parts, {} deep",
        limits::RULE_BYTES,
        limits::RULE_PARTS,
        limits::RULE_DEPTH
    )]
    TooLarge,
    /// It speaks of what such a rule does not know.
    #[error("such a rule does not know \"{found}\"; it knows {known}")]
    UnknownName {
        /// What it speaks of.
        found: String,
        /// What it may speak of.
        known: String,
    },
    /// It calls what a rule cannot.
    #[error(
        "a rule cannot call \"{0}\"; it can call has, size, startsWith, endsWith, contains, exists, exists_one, all, int, \
         double and string"
    )]
    UnknownFunction(String),
    /// It goes over a list for each item of another.
    #[error("a rule goes over one list at a time: take the inner exists or all out, or use in")]
    Nested,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    text: String,
    program: Program,
    /// The fields of objects that it looks at.
    fields: Vec<String>,
    /// Whether it goes over lists.
    loops: bool,
    /// Whether it speaks of whoever asks.
    asks_who: bool,
    /// Whether it can be told by filters.
    is_plain: bool,
    /// The first thing in it that no query says.
    no_query: Option<String>,
}

/// What a rule speaks of, by name.
pub(crate) type Vars<'v> = [(&'static str, &'v Cel)];

const OPERATORS: [&str; 16] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
];
const FUNCTIONS: [&str; 10] = [
    operators::INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
    "size",
    "startsWith",
    "endsWith",
    "contains",
    "int",
    "double",
    "string",
];

impl Kind {
    /// What such a rule may speak of.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Stream => &["auth", "stream"],
            Self::Read | Self::Write => &["auth", "stream", "resource"],
            Self::Insert => &["auth", "stream", "new"],
            Self::Update | Self::Check => &["auth", "stream", "old", "new"],
            Self::Delete => &["auth", "stream", "old"],
        }
    }
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// Where the text is none, or says what such a rule cannot.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, ExpressionError> {
        if text.len() > limits::RULE_BYTES {
            return Err(ExpressionError::TooLarge);
        }
        if text.trim().is_empty() {
            return Err(ExpressionError::Syntax("a rule is an expression, such as true".into()));
        }
        let syntax = |errors: cel::ParseErrors| ExpressionError::Syntax(first_of(&errors));
        let program = LANGUAGE.compile(text).map_err(syntax)?;
        let mut check = Check { kind, parts: 0, depth: 0, fields: Vec::new(), bound: Vec::new() };
        check.look(program.expression())?;
        let mut fields = check.fields;
        fields.sort_unstable();
        fields.dedup();
        let loops = has_loop(program.expression());
        let asks_who = speaks_of(program.expression(), &["auth"]);
        let no_query =
            translate(program.expression(), &|_| None, &|_, error| Err(error)).err().map(|NoQuery(what)| what);
        let is_plain = Plain::of(program.expression(), &|_| None).is_some();
        Ok(Self { text: text.into(), program, fields, loops, asks_who, is_plain, no_query })
    }

    /// The rule as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says that no query does, where it says such a thing: as a read rule it is asked of each object.
    pub fn no_query(&self) -> Option<&str> {
        self.no_query.as_deref()
    }

    /// Its first part, of which it is made.
    pub(crate) fn root(&self) -> &IdedExpr {
        self.program.expression()
    }

    /// The fields of objects that it looks at.
    pub(crate) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether it goes over lists.
    pub(crate) fn loops(&self) -> bool {
        self.loops
    }

    /// Whether it would go over a list of an object that is too long for that: it says nothing of such a one.
    pub(crate) fn takes_too_long(&self, object: &Object) -> bool {
        self.loops && vars::has_long(object, &self.fields)
    }

    /// Whether it speaks of whoever asks.
    pub(crate) fn asks_who(&self) -> bool {
        self.asks_who
    }

    /// The rule as it is for somebody, of whom and of the stream these are known. `None`: it says what filters cannot.
    pub(crate) fn plain(&self, known: &Vars<'_>) -> Option<Plain> {
        // What can be told by filters does not depend on who asks.
        self.is_plain.then(|| Plain::of(self.root(), &|part| evaluate(part, known))).flatten()
    }

    /// Whether there could be objects to which it says yes, where this is known of whoever asks and of the stream.
    pub(crate) fn may_hold(&self, known: &Vars<'_>) -> bool {
        let any = |_: &IdedExpr, _| Ok(Truth { yes: Filter::Everything, no: Filter::Everything });
        let truth = translate(self.root(), &|part| evaluate(part, known), &any);
        truth.is_ok_and(|truth| !is_nothing(&truth.yes))
    }

    /// Whether it says yes.
    pub(crate) fn holds(&self, vars: &Vars<'_>) -> bool {
        evaluate(self.root(), vars) == Some(Cel::Bool(true))
    }
}

/// What a part of a rule comes to. `None` where that cannot be told.
pub(crate) fn evaluate(part: &IdedExpr, vars: &Vars<'_>) -> Option<Cel> {
    let mut context = Context::with_env(LANGUAGE.clone());
    for (name, value) in vars {
        context.add_variable_from_value(*name, Cel::clone(value));
    }
    Cel::resolve(part, &context).ok()
}

/// The first of many errors, on one line.
fn first_of(errors: &cel::ParseErrors) -> String {
    let message = errors.errors.first().map(|error| error.msg.lines().next().unwrap_or_default().to_owned());
    message.unwrap_or_else(|| "this is no expression".into())
}

/// A look at all parts of a rule.
struct Check {
    kind: Kind,
    parts: usize,
    /// How many parts the one that is looked at is in.
    depth: usize,
    fields: Vec<String>,
    /// The names that loops around a part give to the items.
    bound: Vec<String>,
}

impl Check {
    fn look(&mut self, part: &IdedExpr) -> Result<(), ExpressionError> {
        (self.parts, self.depth) = (self.parts + 1, self.depth + 1);
        if self.parts > limits::RULE_PARTS || self.depth > limits::RULE_DEPTH {
            return Err(ExpressionError::TooLarge);
        }
        self.look_into(part)?;
        self.depth -= 1;
        Ok(())
    }

    fn look_into(&mut self, part: &IdedExpr) -> Result<(), ExpressionError> {
        match &part.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified => Err(ExpressionError::Syntax("this is no expression".into())),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                if let Expr::Ident(of) = &select.operand.expr
                    && OBJECTS.contains(&of.as_str())
                {
                    self.fields.push(select.field.clone());
                }
                self.look(&select.operand)
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.look(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.look(&entry.key).and_then(|()| self.look(&entry.value)),
                EntryExpr::StructField(field) => self.look(&field.value),
            }),
            Expr::Struct(made) => Err(ExpressionError::UnknownFunction(made.type_name.clone())),
            Expr::Call(call) => {
                let known = OPERATORS.iter().chain(&FUNCTIONS).any(|known| *known == call.func_name);
                if !known {
                    return Err(ExpressionError::UnknownFunction(call.func_name.clone()));
                }
                call.target.iter().try_for_each(|target| self.look(target))?;
                call.args.iter().try_for_each(|argument| self.look(argument))
            }
            Expr::Comprehension(looping) => {
                // What makes a list begins with one; what answers a question with a truth or a number.
                if !matches!(looping.accu_init.expr, Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_))) {
                    return Err(ExpressionError::UnknownFunction("map or filter".into()));
                }
                if !self.bound.is_empty() || has_loop(&looping.iter_range) {
                    return Err(ExpressionError::Nested);
                }
                self.look(&looping.iter_range)?;
                self.bound = vec![looping.iter_var.clone(), looping.accu_var.clone()];
                self.bound.extend(looping.iter_var2.clone());
                let inner = [&looping.loop_cond, &looping.loop_step, &looping.result];
                inner.into_iter().try_for_each(|part| self.look(part))?;
                self.bound.clear();
                Ok(())
            }
        }
    }

    fn name(&self, name: &str) -> Result<(), ExpressionError> {
        let known = self.kind.names();
        if known.contains(&name) || self.bound.iter().any(|bound| bound == name) {
            return Ok(());
        }
        Err(ExpressionError::UnknownName { found: name.into(), known: known.join(", ") })
    }
}
