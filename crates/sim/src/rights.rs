//! Who may read and write what: a token names a level, and what a level may read goes by what objects say. What may not
//! be read, before or after, may not be written either.

use fastrand::Rng;
use tapeline_core::caller::Caller;
use tapeline_core::event::RefusalCode;
use tapeline_core::frame::Readable;
use tapeline_core::name::{Collection, Key};
use tapeline_core::numbers::View;
use tapeline_core::object::Object;
use tapeline_core::query::{Filter, Query, Test};
use tapeline_core::sequencer::{Change, Gate, Objection};
use tapeline_core::value::{Entries, Value};

/// What a token lets its owner read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing of the stream.
    Nothing,
    /// Some of few collections.
    Little,
    /// Some of many.
    Much,
    /// All of it.
    #[default]
    Whole,
}

/// The name of the claim.
const CLAIM: &str = "level";

impl Level {
    const ALL: [Self; 4] = [Self::Nothing, Self::Little, Self::Much, Self::Whole];

    /// One of them: `may_be_nothing`, or something at least.
    pub fn draw(random: &mut Rng, may_be_nothing: bool) -> Self {
        Self::ALL[random.usize(usize::from(!may_be_nothing)..Self::ALL.len())]
    }

    /// The token that names it.
    pub fn token(self) -> String {
        (self as u8).to_string()
    }

    /// The level that a token names.
    pub fn of_token(token: Option<&str>) -> Self {
        Self::numbered(token.and_then(|token| token.parse().ok()))
    }

    fn of_caller(caller: &Caller) -> Self {
        Self::numbered(caller.claims.get(CLAIM).and_then(Value::as_int))
    }

    fn numbered(number: Option<i64>) -> Self {
        number.and_then(|number| Self::ALL.get(usize::try_from(number).ok()?).copied()).unwrap_or_default()
    }

    /// Whoever shows its token.
    pub fn caller(self) -> Caller {
        let claims = Entries::new(vec![(CLAIM.into(), Value::Int(self as i64))]).expect("it is one");
        Caller { claims, ..Caller::default() }
    }

    /// What a replica knows it by.
    pub fn view(self) -> View {
        if self == Self::Whole { View::ALL } else { View(1 + self as u64) }
    }

    /// The level that a replica knows by this.
    pub fn of_view(view: View) -> Self {
        Self::ALL.into_iter().find(|level| level.view() == view).unwrap_or_default()
    }

    /// Whether it is some, and not all.
    pub fn is_part(self) -> bool {
        matches!(self, Self::Little | Self::Much)
    }

    /// What a replica is told of it, where it is not all.
    pub fn readable(self, continues: bool) -> Option<Readable> {
        let mut collections: Vec<Collection> = self.conditions()?.into_iter().map(|(of, _)| collection(of)).collect();
        collections.sort();
        Some(Readable { view: self.view(), continues, collections })
    }

    /// What may be read of each collection; of the others nothing. `None`: there is no such limit.
    fn conditions(self) -> Option<Vec<(&'static str, Filter)>> {
        let lacks = |field: &str| Filter::Field(field.parse().expect("a name"), Test::Equal(Value::Null));
        let all = || Filter::Everything;
        Some(match self {
            Self::Nothing => Vec::new(),
            Self::Little => vec![("tasks", lacks("b")), ("notes", lacks("a")), ("markers", all()), ("devices", all())],
            Self::Much => vec![
                ("tasks", all()),
                ("notes", Filter::Not(lacks("a").into())),
                ("cards", lacks("q")),
                ("badges", lacks("of")),
                ("people", all()),
                ("stock", all()),
                ("markers", all()),
            ],
            Self::Whole => return None,
        })
    }

    fn filter(self, of: &Collection) -> Filter {
        let Some(conditions) = self.conditions() else { return Filter::Everything };
        let found = conditions.into_iter().find(|(name, _)| of.as_str() == *name);
        found.map_or(Filter::Any(Vec::new()), |(_, filter)| filter)
    }

    /// A query, of what may be read alone.
    pub fn narrow(self, query: Query) -> Query {
        let filter = Filter::All(vec![query.filter, self.filter(&query.collection)]);
        Query { filter, ..query }
    }

    /// Whether an object may be read.
    pub fn reads(self, key: &Key, object: &Object) -> bool {
        self.filter(&key.collection).matches(&key.id, object)
    }
}

/// What stands before the log where not everybody may do everything.
#[derive(Debug)]
pub struct Rights;

impl Gate for Rights {
    fn objection(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection> {
        let mut objects = [change.before, change.after].into_iter().flatten();
        let hidden = objects.any(|object| !self.may_read(caller, change.key, object));
        let (code, reason) = (RefusalCode::Forbidden, format!("{}: you may not", change.key));
        hidden.then_some(Objection { code, field: None, reason })
    }

    fn invalid(&self, _: &Caller, _: &Change<'_>) -> Option<Objection> {
        None
    }

    fn may_write(&self, _: &Caller, _: &Collection) -> bool {
        true
    }

    fn may_read(&self, caller: &Caller, key: &Key, object: &Object) -> bool {
        Level::of_caller(caller).reads(key, object)
    }
}

fn collection(name: &str) -> Collection {
    Collection::new(name).expect("a name")
}
