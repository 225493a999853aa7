//! All who have a say on the streams of a server: whether one has, and what all of them say.

use std::sync::Arc;

use tapeline_authority::{Authority, StreamGate};
use tapeline_core::caller::Caller;
use tapeline_core::name::{Collection, Key, StreamName};
use tapeline_core::object::Object;
use tapeline_core::sequencer::{Change, Gate, Objection, Word};

use super::line::Line;
use super::{NotAsked, Question, Unreachable, Validation};
use crate::metrics::Metrics;

/// All who have a say, in the order in which they are asked.
#[derive(Debug, Default)]
pub(crate) struct Validators(Vec<(Validation, Line)>);

impl Validators {
    /// Asks on the runtime that this is called on.
    pub(crate) fn start(validations: Vec<Validation>, metrics: &Arc<Metrics>) -> Self {
        let with_line = |validation: Validation| {
            let line = Line::start(validation.name.clone(), validation.validator.clone(), metrics.clone());
            (validation, line)
        };
        Self(validations.into_iter().map(with_line).collect())
    }

    /// Whether somebody has a say on a stream.
    pub(crate) fn are_on(&self, stream: &StreamName) -> bool {
        self.0.iter().any(|(validation, _)| validation.is_on(stream))
    }

    /// What they say of each: the first objection counts. Who is to be waited for and says nothing leaves all open.
    pub(crate) async fn ask(&self, questions: Vec<Question>) -> Result<Vec<Word>, NotAsked> {
        let unopposed = |question: &Question| Word { on: question.changes.clone(), against: None };
        let mut words: Vec<Word> = questions.iter().map(unopposed).collect();
        for (validation, line) in &self.0 {
            let open = questions.iter().zip(&mut words).filter(|(_, word)| word.against.is_none());
            let (places, asked): (Vec<_>, Vec<_>) =
                open.filter_map(|(question, word)| asked(validation, question, word)).unzip();
            match (line.ask(asked).await, validation.unreachable) {
                (Ok(answers), _) => places.into_iter().zip(answers).for_each(|((word, places), against)| {
                    word.against =
                        against.map(|(place, objection)| (places.get(place).copied().unwrap_or_default(), objection));
                }),
                (Err(_), Unreachable::Pass) => {}
                (Err(error), Unreachable::Wait) => return Err(error),
            }
        }
        Ok(words)
    }
}

/// What is put to one of them, where anything is, and which of all changes those are.
fn asked<'w>(
    validation: &Validation,
    question: &Question,
    word: &'w mut Word,
) -> Option<((&'w mut Word, Vec<usize>), Question)> {
    if !validation.is_on(&question.stream) {
        return None;
    }
    let of_concern =
        question.changes.iter().enumerate().filter(|(_, changed)| validation.is_of(&changed.key.collection));
    let (places, changes): (Vec<_>, Vec<_>) = of_concern.map(|(place, changed)| (place, changed.clone())).unzip();
    (!changes.is_empty()).then(|| ((word, places), Question { changes, ..question.clone() }))
}

/// What stands before a stream on which somebody outside has a say.
#[derive(Debug)]
pub(crate) struct ValidatedGate {
    gate: StreamGate,
    stream: StreamName,
    validators: Arc<Validators>,
}

impl ValidatedGate {
    pub(crate) fn new(authority: Arc<Authority>, stream: StreamName, validators: Arc<Validators>) -> Self {
        Self { gate: StreamGate::new(authority, stream.clone()), stream, validators }
    }
}

impl Gate for ValidatedGate {
    fn objection(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection> {
        self.gate.objection(caller, change)
    }

    fn invalid(&self, caller: &Caller, change: &Change<'_>) -> Option<Objection> {
        self.gate.invalid(caller, change)
    }

    fn may_write(&self, caller: &Caller, collection: &Collection) -> bool {
        self.gate.may_write(caller, collection)
    }

    fn may_read(&self, caller: &Caller, key: &Key, object: &Object) -> bool {
        self.gate.may_read(caller, key, object)
    }

    fn is_asked(&self, change: &Change<'_>) -> bool {
        let mut on = self.validators.0.iter().map(|(validation, _)| validation);
        on.any(|validation| validation.is_of(&change.key.collection) && validation.is_on(&self.stream))
    }
}
