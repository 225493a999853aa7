//! What was lately done to texts, so that a splice typed before it can be moved past it.
//!
//! An author's splice is defined on the state at its `on`, plus its own earlier events. What others have recorded since
//! is moved past those, and the splice past it: the splice as it is recorded fits the text as it is now. Only splices
//! are remembered. That a field was set as a whole meanwhile shows in its version: there is a write that no splice made.
//!
//! What is remembered begins at some event. For an author who typed before that, the log is read
//! ([`Sequencer::text_history_from`](super::Sequencer::text_history_from)).

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::event::Recorded;
use crate::limits;
use crate::name::{FieldName, Key};
use crate::numbers::{ClientId, Seq};
use crate::object::{Object, Stamp};
use crate::op::{Action, Edit, Op};
use crate::splice::{SpliceError, Splices};
use crate::value::Value;

/// The splices of each text since some event.
#[derive(Debug)]
pub(super) struct Texts {
    from: Seq,
    texts: FxHashMap<Key, Vec<Text>>,
    /// The events that made an object anew whose author took it for live. What the log says of that does not tell.
    remade: FxHashMap<(Key, Seq), Remade>,
    count: usize,
}

/// Whether an object was made anew by somebody who took it for live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remade {
    Surely,
    Perhaps,
}

/// Whoever has typed nothing on a text: it was brought back as it was.
const NOBODY: ClientId = ClientId(u128::MAX);

/// One text.
#[derive(Debug)]
struct Text {
    field: FieldName,
    changes: VecDeque<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    by: Stamp,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The field was set as a whole.
    Assigned,
    /// The field was set as a whole, as the log says, which does not tell whether its author meant to, or only brought
    /// the object back.
    Restored,
    Spliced {
        recorded: Splices,
        /// As its author made it, on the state at this event; not known where it was read from the log.
        authored: Option<(Seq, Splices)>,
    },
}

/// What stands between an author's splice and the text as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// Nothing.
    Nothing,
    /// What others have edited meanwhile, one after the other, the first of them on the text that the author saw. Not
    /// made one op: that would forget on which side of what is gone somebody typed.
    Splices(Vec<Splices>),
    /// Somebody else has set the text anew.
    Overwritten,
    /// It cannot be told any more.
    Unknown,
}

/// A splice that took effect.
#[derive(Debug)]
pub(super) struct Spliced {
    pub(super) key: Key,
    pub(super) field: FieldName,
    /// The write of the field before it.
    pub(super) before: Option<Stamp>,
    pub(super) by: Stamp,
    pub(super) recorded: Splices,
    pub(super) authored: Option<(Seq, Splices)>,
    /// What others have done meanwhile, moved past it.
    pub(super) others: Vec<Splices>,
}

/// What one event has done to texts so far.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub(super) spliced: Vec<Spliced>,
    /// Where what the event said of a text was lost: what it types on top of that is lost with it.
    pub(super) lost: Vec<(Key, FieldName)>,
}

impl Typed {
    /// An op is to set fields of an object.
    pub(super) fn sets(&mut self, op: &Op) {
        self.lost.retain(|(key, name)| *key != op.key || !op.sets(name));
    }

    /// An op took effect: what was typed before on the texts that it sets is gone.
    pub(super) fn took_effect(&mut self, op: &Op) {
        self.spliced.retain(|spliced| spliced.key != op.key || !op.sets(&spliced.field));
    }
}

impl Texts {
    /// Nothing is remembered of what is before `from`.
    pub(super) fn new(from: Seq) -> Self {
        Self { from, texts: FxHashMap::default(), remade: FxHashMap::default(), count: 0 }
    }

    /// From where on all is remembered.
    pub(super) fn from(&self) -> Seq {
        self.from
    }

    /// What stands between the text of an object and a splice that `client` made on the state at `on`.
    pub(super) fn between(&self, key: &Key, object: &Object, field: &FieldName, on: Seq, client: ClientId) -> Between {
        let last = last_write(object, field);
        if on < self.from && last.is_some_and(|last| last.seq >= on) {
            return Between::Unknown;
        }
        let changes = self.find(key, field).map(|text| &text.changes);
        let listed = changes.and_then(VecDeque::back).map(|change| change.by.seq);
        let unlisted = last.filter(|last| last.seq >= on && Some(last.seq) > listed);
        let made = object.created();
        let own_making = match self.remade.get(&(key.clone(), made.seq)) {
            Some(Remade::Surely) => Between::Overwritten,
            Some(Remade::Perhaps) => Between::Unknown,
            None => Between::Nothing,
        };
        match unlisted {
            Some(assigned) if assigned.client != client => Between::Overwritten,
            Some(_) if object.field(field.as_str()).is_none() => own_making,
            // Set as it was made: whether by its author's will, the log does not tell.
            Some(assigned) if assigned.seq == made.seq && own_making == Between::Unknown => Between::Unknown,
            Some(_) => Between::Nothing,
            None => {
                let (begin, from) = match made.seq >= on {
                    true if made.client == client => (own_making, made.seq),
                    true => (Between::Overwritten, made.seq),
                    false => (Between::Nothing, on),
                };
                let since =
                    changes.map(|changes| changes.range(changes.partition_point(|change| change.by.seq < from)..));
                since.into_iter().flatten().fold(begin, |between, change| between.then(change, on, client))
            }
        }
    }

    /// Remembers a splice.
    pub(super) fn push(&mut self, spliced: Spliced) {
        if self.count >= limits::TEXT_CHANGES {
            *self = Self::new(spliced.by.seq);
        }
        let from = self.from;
        let Spliced { key, field, before, by, recorded, authored, .. } = spliced;
        let text = self.make(key, field);
        let listed = text.changes.back().map(|change| change.by.seq);
        // A write that no splice made has set the text.
        let assigned = before.filter(|before| before.seq >= from && Some(before.seq) > listed);
        text.changes.extend(assigned.map(|by| Change { by, what: What::Assigned }));
        text.changes.push_back(Change { by, what: What::Spliced { recorded, authored } });
        self.count += 1;
    }

    /// An object was made anew by somebody who took it for live: what was typed on its texts is typed on nothing.
    pub(super) fn remade(&mut self, key: &Key, seq: Seq) {
        self.remade.insert((key.clone(), seq), Remade::Surely);
        self.count += 1;
    }

    /// An object was brought back as it was, by an op on it. What its reviver had typed on its texts before that went with
    /// it, and was lost; so is what was typed on top of that, unless the op sets the text.
    pub(super) fn revived(&mut self, op: &Op, object: &Object, seq: Seq) {
        let key = &op.key;
        let texts = object.values().filter(|(_, value)| matches!(value, Value::Text(_) | Value::Bytes(_)));
        for (field, _) in texts.filter(|(field, _)| !op.sets(field)) {
            let by = Stamp { seq, client: NOBODY };
            self.make(key.clone(), field.clone()).changes.push_back(Change { by, what: What::Assigned });
            self.count += 1;
        }
    }

    /// A further op of the event that brought an object back sets texts of it: they are its author's after all.
    pub(super) fn set_by_reviver(&mut self, op: &Op, seq: Seq) {
        let by = Stamp { seq, client: NOBODY };
        for text in self.texts.get_mut(&op.key).into_iter().flatten().filter(|text| op.sets(&text.field)) {
            text.changes.pop_back_if(|change| change.by == by);
        }
    }

    /// The event that was to take effect at `seq` is refused.
    pub(super) fn refused(&mut self, ops: &[Op], seq: Seq) {
        for Op { key, .. } in ops {
            self.remade.remove(&(key.clone(), seq));
            for text in self.texts.get_mut(key).into_iter().flatten() {
                text.changes.pop_back_if(|change| change.by.seq == seq);
            }
        }
    }

    /// Remembers what older events did: all from the first of them up to where the memory began.
    pub(super) fn load(&mut self, events: &[Recorded]) {
        let Some(first) = events.first() else { return };
        let newer = std::mem::replace(self, Self::new(first.seq));
        // First which texts there are, then all that was done to them: one may be set before it is first edited.
        for op in events.iter().flat_map(|event| &event.body.ops) {
            for (field, _) in splices(op) {
                self.make(op.key.clone(), field.clone());
            }
        }
        for (key, texts) in &newer.texts {
            for text in texts {
                self.make(key.clone(), text.field.clone());
            }
        }
        for event in events {
            let by = Stamp { seq: event.seq, client: event.client };
            event.body.ops.iter().for_each(|op| self.load_op(op, by));
        }
        for (key, texts) in newer.texts {
            for text in texts {
                self.make(key.clone(), text.field).changes.extend(text.changes);
            }
        }
        self.remade.extend(newer.remade);
        self.count = newer.count + events.iter().map(|event| event.body.ops.len()).sum::<usize>();
    }

    fn load_op(&mut self, op: &Op, by: Stamp) {
        if matches!(op.action, Action::Upsert(_)) {
            self.remade.insert((op.key.clone(), by.seq), Remade::Perhaps);
        }
        for text in self.texts.get_mut(&op.key).into_iter().flatten() {
            let what = match &op.action {
                Action::Update(edits) => match edits.get(text.field.as_str()) {
                    Some(Edit::Splice(splices)) => What::Spliced { recorded: splices.clone(), authored: None },
                    Some(Edit::Ask(_)) | None => continue,
                    Some(_) => What::Assigned,
                },
                Action::Insert(set) if set.get(text.field.as_str()).is_some() => What::Assigned,
                Action::Upsert(set) if set.get(text.field.as_str()).is_some() => What::Restored,
                // That an object was made anew shows in the object.
                Action::Insert(_) | Action::Upsert(_) | Action::Delete => continue,
            };
            text.changes.push_back(Change { by, what });
        }
    }

    fn find(&self, key: &Key, field: &FieldName) -> Option<&Text> {
        self.texts.get(key)?.iter().find(|text| text.field == *field)
    }

    fn make(&mut self, key: Key, field: FieldName) -> &mut Text {
        let texts = self.texts.entry(key).or_default();
        let place = texts.iter().position(|text| text.field == field).unwrap_or_else(|| {
            texts.push(Text { field, changes: VecDeque::new() });
            texts.len() - 1
        });
        &mut texts[place]
    }
}

impl Between {
    /// With one more change, where an author typed on the state at `on`.
    fn then(self, change: &Change, on: Seq, author: ClientId) -> Self {
        match (&change.what, change.by.client == author) {
            (What::Assigned, true) => Self::Nothing,
            (What::Restored, true) => Self::Unknown,
            (What::Assigned | What::Restored, false) => Self::Overwritten,
            (What::Spliced { recorded, .. }, false) => self.then_splices(recorded),
            (What::Spliced { authored, .. }, true) => self.past(authored.as_ref(), on),
        }
    }

    fn then_splices(self, recorded: &Splices) -> Self {
        match self {
            Self::Nothing => Self::Splices(vec![recorded.clone()]),
            Self::Splices(mut others) => {
                others.push(recorded.clone());
                Self::Splices(others)
            }
            Self::Overwritten | Self::Unknown => self,
        }
    }

    /// Past an earlier splice of the author itself.
    fn past(self, authored: Option<&(Seq, Splices)>, on: Seq) -> Self {
        match (self, authored) {
            (Self::Splices(others), Some((same, own))) if *same == on => {
                meet_all(others, own).map_or(Self::Unknown, |(others, _)| Self::Splices(others))
            }
            (Self::Splices(_), _) => Self::Unknown,
            (other, _) => other,
        }
    }
}

/// Edits of others, one after the other, and an edit that was made on the text before them: they past it, and it past
/// them.
pub(super) fn meet_all(others: Vec<Splices>, own: &Splices) -> Result<(Vec<Splices>, Splices), SpliceError> {
    let mut own = own.clone();
    let past = others.into_iter().map(|other| {
        let (other, moved) = Splices::meet(&other, &own)?;
        own = moved;
        Ok(other)
    });
    Ok((past.collect::<Result<_, _>>()?, own))
}

/// The last write of a field, or the making of its object.
pub(super) fn last_write(object: &Object, field: &FieldName) -> Option<Stamp> {
    Some(object.field(field.as_str()).map_or(object.created(), |field| field.version.last))
}

/// The splices of an op, each with its field.
pub(super) fn splices(op: &Op) -> impl Iterator<Item = (&FieldName, &Splices)> {
    let edits = match &op.action {
        Action::Update(edits) => Some(edits),
        _ => None,
    };
    edits.into_iter().flat_map(|edits| edits.iter()).filter_map(|(field, edit)| match edit {
        Edit::Splice(splices) => Some((field, splices)),
        _ => None,
    })
}
