//! Whether a splice that was moved does what its author meant: texts as characters, and bytes as bytes, that each have a name.
//!
//! What goes is what the author took away and is still there. What comes stands to the right of all that the author saw
//! to the left of it, and to the left of the rest. Nothing here uses how the core moves splices.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, EventNumber, Seq};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::splice::{Content, Splice, Splices};
use tapeline_core::value::Value;

/// The name of a character: the event it came in, and which of it.
type Char = (Seq, usize);

/// A text: a field of an object.
type Place = (Key, String);

/// The characters of all texts after each event, and what authors said.
#[derive(Clone, Debug)]
pub struct Texts {
    after: Vec<Rc<BTreeMap<Place, Vec<Char>>>>,
    /// The events by author.
    authored: BTreeMap<(ClientId, Seq), Authored>,
    gone: BTreeSet<Key>,
}

/// What an author said, and what its author sees of it once it knows what became of it.
#[derive(Clone, Debug)]
struct Authored {
    n: EventNumber,
    on: Seq,
    said: Vec<Op>,
    left: Vec<Op>,
    recorded: Vec<Op>,
}

/// Who an event is by, where it stands, and what its author knew as it made it.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Its place.
    pub seq: Seq,
    /// Its author.
    pub client: ClientId,
    /// Its number.
    pub n: EventNumber,
    /// What its splices refer to.
    pub on: Seq,
    /// Of its author's earlier events, what became of those up to here was known.
    pub settled: EventNumber,
}

impl Default for Texts {
    fn default() -> Self {
        Self { after: vec![Rc::default()], authored: BTreeMap::new(), gone: BTreeSet::new() }
    }
}

impl Texts {
    /// Takes in a recorded event.
    ///
    /// # Errors
    /// Where a splice does not do what its author meant.
    pub fn take(&mut self, origin: Origin, sent: &[Op], recorded: &[Op]) -> Result<(), String> {
        let Origin { seq, client, n, on, .. } = origin;
        let mut texts = BTreeMap::clone(self.after.last().expect("there is a beginning"));
        for (at, op) in sent.iter().enumerate() {
            for (place, typed) in splices(op) {
                let Some((moved_at, moved)) = recorded_as(sent, recorded, at, &place) else { continue };
                let mut seen = self.seen(origin);
                sent[..at].iter().for_each(|op| apply(&mut seen, op, seq));
                let mut there = texts.clone();
                recorded[..moved_at].iter().for_each(|op| apply(&mut there, op, seq));
                let of = |mut texts: BTreeMap<Place, Vec<Char>>| texts.remove(&place).unwrap_or_default();
                let (seen, there) = (of(seen), of(there));
                check(seq, &seen, typed, &there, moved)?;
                // Of what is gone, the texts are still here.
                if !self.gone.contains(&place.0) {
                    check_side(seq, &seen, typed, &there, moved)?;
                }
            }
        }
        let left = sent.iter().map(|op| left_of(op, recorded)).collect();
        let (said, recorded_as) = (sent.to_vec(), recorded.to_vec());
        self.authored.insert((client, seq), Authored { n, on, said, left, recorded: recorded_as });
        // What is recorded and was not sent brings an object back as it was.
        let brings_back = |op: &&Op| {
            let made = |action: &Action| matches!(action, Action::Insert(_) | Action::Upsert(_));
            made(&op.action) && !sent.iter().any(|other| other.key == op.key && made(&other.action))
        };
        for op in recorded {
            let was_gone = self.gone.remove(&op.key);
            if brings_back(&op) {
                continue;
            }
            if op.action == Action::Delete {
                self.gone.insert(op.key.clone());
            } else if was_gone {
                texts.retain(|(key, _), _| *key != op.key);
            }
            apply(&mut texts, op, seq);
        }
        self.after.push(Rc::new(texts));
        Ok(())
    }

    /// What an author saw when it typed: the state its splices refer to, with its own events since.
    fn seen(&self, Origin { seq, client, on, settled, .. }: Origin) -> BTreeMap<Place, Vec<Char>> {
        let mut seen = self.after.get(on.0 as usize).map(|texts| BTreeMap::clone(texts)).unwrap_or_default();
        for ((_, seq), own) in self.authored.range((client, on)..(client, seq)) {
            let ops = match (own.on == on, own.n <= settled) {
                // Typed on another state, of the same text: nobody else can have edited that in between.
                (false, _) => &own.recorded,
                (true, true) => &own.left,
                (true, false) => &own.said,
            };
            ops.iter().for_each(|op| apply(&mut seen, op, *seq));
        }
        seen
    }
}

/// An op without the edits of which nothing is recorded.
fn left_of(op: &Op, recorded: &[Op]) -> Op {
    let Action::Update(edits) = &op.action else { return op.clone() };
    let is_recorded = |name: &str| {
        recorded.iter().filter(|other| other.key == op.key).any(|other| match &other.action {
            Action::Insert(set) | Action::Upsert(set) => set.get(name).is_some(),
            Action::Update(edits) => edits.get(name).is_some(),
            Action::Delete => false,
        })
    };
    let left = edits.iter().filter(|(name, _)| is_recorded(name.as_str()));
    let left = left.map(|(name, edit)| (name.clone(), edit.clone())).collect();
    Op { action: Action::Update(FieldMap::new(left).expect("fewer")), ..op.clone() }
}

/// What a splice of a place was recorded as, and in which op: all of an event's splices of a text stay, or none.
fn recorded_as<'r>(sent: &[Op], recorded: &'r [Op], at: usize, place: &Place) -> Option<(usize, &'r Splices)> {
    let of = |ops: &[Op]| ops.iter().flat_map(splices).filter(|(other, _)| other == place).count();
    let all =
        recorded.iter().enumerate().flat_map(|(at, op)| splices(op).map(move |(other, moved)| (at, other, moved)));
    let mut all = all.filter(|(_, other, _)| other == place);
    let (moved_at, _, moved) = all.nth(of(&sent[..at])).filter(|_| of(sent) == of(recorded))?;
    Some((moved_at, moved))
}

fn check(seq: Seq, seen: &[Char], splices: &Splices, text: &[Char], moved: &Splices) -> Result<(), String> {
    let (meant, now) = (edited(seen, splices, seq), edited(text, moved, seq));
    let went: Vec<_> = text.iter().filter(|char| !now.contains(char)).collect();
    let to_go: Vec<_> = text.iter().filter(|char| seen.contains(char) && !meant.contains(char)).collect();
    if went != to_go {
        return Err(format!(
            "event {seq} takes away {went:?} and meant {to_go:?}: {splices:?} became {moved:?}; seen {seen:?}, there was {text:?}"
        ));
    }
    let places: Vec<usize> = meant.iter().filter_map(|char| now.iter().position(|other| other == char)).collect();
    let is_new = |at: &usize| now[places[*at]].0 == seq;
    let in_order = |at: usize| {
        places[..at].iter().all(|&left| left < places[at]) && places[at + 1..].iter().all(|&right| right > places[at])
    };
    match (0..places.len()).filter(is_new).all(in_order) {
        true => Ok(()),
        false => Err(format!(
            "event {seq} was to make {meant:?} of {seen:?} and made {now:?} of {text:?}: {splices:?} became {moved:?}"
        )),
    }
}

/// What comes stands to the right of what others have typed at the very same place, which was recorded before it. Where
/// something is gone that the author saw, places are no longer the same.
fn check_side(seq: Seq, seen: &[Char], splices: &Splices, text: &[Char], moved: &Splices) -> Result<(), String> {
    let place = |text: &[Char], char: &Char| text.iter().position(|other| other == char);
    let places: Option<Vec<usize>> = seen.iter().map(|char| place(text, char)).collect();
    let (Some(places), now) = (places, edited(text, moved, seq)) else { return Ok(()) };
    let mut new = already(seen, seq);
    for splice in splices.iter() {
        let (offset, first) = (splice.offset as usize, (seq, new));
        new += inserted(splice);
        let from = offset.checked_sub(1).and_then(|left| places.get(left)).map_or(0, |left| left + 1);
        let to = places.get(offset).copied().unwrap_or(text.len());
        let theirs = text.get(from..to).unwrap_or_default();
        if inserted(splice) > 0 && theirs.iter().any(|char| place(&now, char) > place(&now, &first)) {
            return Err(format!("event {seq} stands to the left of {theirs:?}: {splices:?} of {seen:?} made {now:?}"));
        }
    }
    Ok(())
}

/// How many characters of an event are there.
fn already(text: &[Char], seq: Seq) -> usize {
    text.iter().filter(|(other, _)| *other == seq).map(|(_, which)| which + 1).max().unwrap_or(0)
}

fn inserted(splice: &Splice) -> usize {
    match &splice.insert {
        Content::Text(text) => text.chars().count(),
        Content::Bytes(bytes) => bytes.len(),
    }
}

fn edited(text: &[Char], splices: &Splices, seq: Seq) -> Vec<Char> {
    let (mut edited, mut at, mut new) = (Vec::new(), 0, already(text, seq));
    for splice in splices.iter() {
        let (offset, end) = (splice.offset as usize, (splice.offset + splice.delete) as usize);
        edited.extend_from_slice(text.get(at..offset).unwrap_or_default());
        for _ in 0..inserted(splice) {
            edited.push((seq, new));
            new += 1;
        }
        at = end;
    }
    edited.extend_from_slice(text.get(at..).unwrap_or_default());
    edited
}

fn apply(texts: &mut BTreeMap<Place, Vec<Char>>, op: &Op, seq: Seq) {
    let named = |value: &Value| match value {
        Value::Text(text) => (0..text.chars().count()).map(|which| (seq, which)).collect(),
        Value::Bytes(bytes) => (0..bytes.len()).map(|which| (seq, which)).collect(),
        _ => Vec::new(),
    };
    match &op.action {
        Action::Delete => {}
        Action::Insert(set) | Action::Upsert(set) => {
            for (name, value) in set.iter() {
                texts.insert((op.key.clone(), name.to_string()), named(value));
            }
        }
        Action::Update(edits) => {
            for (name, edit) in edits.iter() {
                let text = texts.entry((op.key.clone(), name.to_string())).or_default();
                match edit {
                    Edit::Set(value) => *text = named(value),
                    Edit::Put(_) => text.clear(),
                    Edit::Splice(splices) => *text = edited(text, splices, seq),
                    _ => {}
                }
            }
        }
    }
}

fn splices(op: &Op) -> impl Iterator<Item = (Place, &Splices)> {
    let edits = if let Action::Update(edits) = &op.action { Some(edits) } else { None };
    edits.into_iter().flat_map(|edits| edits.iter()).filter_map(|(name, edit)| match edit {
        Edit::Splice(splices) => Some(((op.key.clone(), name.to_string()), splices)),
        _ => None,
    })
}
