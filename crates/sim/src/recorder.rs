//! The omniscient witness of the log: every durable event and verdict, checked as it appears, and the objects after
//! each event. Where the server is replaced by an older image, what was recorded after it becomes an elder history.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use tapeline_core::batch::{Batch, ClientVerdict};
use tapeline_core::codec::cbor::{encode_body, encode_recorded};
use tapeline_core::event::{Body, Lost, OwnVerdict, Read, Recorded, Refusal, RefusalCode, Sealed, Verdict};
use tapeline_core::hash::{Chain, ContentHash, Digest};
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, EventNumber, Position, Seq};
use tapeline_core::object::Object;
use tapeline_core::objects;
use tapeline_core::op::Op;

use crate::characters::{Origin, Texts};
use crate::disk::Disk;
use crate::reference::refusals::{Fate, fate, is_typed};
use crate::reference::{self, Authored, Objects, Shown};
use crate::rights::Level;
use crate::showing;
use crate::workload::{self, Marker};

/// The verdict on each event, with the content it is on.
pub type Verdicts = BTreeMap<(ClientId, EventNumber), (ContentHash, Verdict)>;

/// What was durably recorded.
#[derive(Debug, Default)]
pub struct Recorder {
    log: History,
    elders: Vec<History>,
    /// What every event that reached the server said.
    sent: AllSent,
}

/// All that was sent under an identity: more than one content only where a store was copied.
type AllSent = BTreeMap<(ClientId, EventNumber), Vec<Sent>>;

#[derive(Debug, Clone)]
struct Sent {
    hash: ContentHash,
    markers: Vec<Marker>,
    base: Seq,
    on: Seq,
    settled: EventNumber,
    unchanged: Vec<Read>,
    ops: Vec<Op>,
    /// What its author might do, each time that it came.
    levels: Vec<Level>,
}

/// One log, from its beginning.
#[derive(Debug, Clone)]
pub struct History {
    batches: Position,
    events: Vec<Fact>,
    chain: Chain,
    verdicts: Verdicts,
    /// The last number of each client, and how many verdicts there are on its events.
    last: BTreeMap<ClientId, (EventNumber, u64)>,
    markers: BTreeMap<Marker, Vec<Seq>>,
    objects: objects::Objects,
    texts: Texts,
    /// Nobody sends what was typed on another log, or on another copy of a store.
    same_authors: bool,
    /// Somebody may send what was typed on a text that they let go since, on top of what was refused.
    lets_go: bool,
    /// The digest and the objects after so many events.
    after: Vec<(Digest, Rc<Objects>)>,
    chains: Vec<Chain>,
}

/// A recorded event.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Which edits it is.
    pub markers: Vec<Marker>,
    /// Whose.
    pub client: ClientId,
    /// Its number.
    pub n: EventNumber,
    /// What of it did not take effect.
    pub lost: Vec<Lost>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            batches: Position(0),
            events: Vec::new(),
            chain: Chain::EMPTY,
            verdicts: Verdicts::new(),
            last: BTreeMap::new(),
            markers: BTreeMap::new(),
            objects: objects::Objects::default(),
            texts: Texts::default(),
            same_authors: true,
            lets_go: false,
            after: vec![(Digest::EMPTY, Rc::default())],
            chains: vec![Chain::EMPTY],
        }
    }
}

impl Recorder {
    /// From now on authors may send what was typed on another log, or on another copy of their store: what their
    /// splices meant cannot be told then.
    pub fn authors_may_differ(&mut self) {
        self.log.same_authors = false;
    }

    /// From now on devices may hold a part: they cannot move what they have typed on texts that leave it.
    pub fn devices_let_go(&mut self) {
        self.log.lets_go = true;
    }

    /// An event of an author of this level reaches the server. Answers whether another had reached it under the same
    /// identity.
    pub fn sent(&mut self, event: &Sealed, markers: Vec<Marker>, level: Level) -> bool {
        let all = self.sent.entry((event.event.client, event.event.n)).or_default();
        if let Some(known) = all.iter_mut().find(|sent| sent.hash == event.hash) {
            known.levels.extend((!known.levels.contains(&level)).then_some(level));
        }
        if all.iter().all(|sent| sent.hash != event.hash) {
            let Body { base, on, unchanged, ops, .. } = event.event.body.clone();
            let (on, settled) = (on.unwrap_or(base), event.event.settled);
            all.push(Sent { hash: event.hash, markers, base, on, settled, unchanged, ops, levels: vec![level] });
        }
        all.len() > 1
    }

    /// Takes in what has become durable.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn observe(&mut self, disk: &Disk) -> Result<(), String> {
        if disk.synced() < self.log.batches {
            return Err(format!("{} durable batches are gone: {} are left", self.log.batches, disk.synced()));
        }
        for batch in disk.durable(self.log.batches) {
            self.log.take(batch, &self.sent)?;
        }
        match disk.chain_at(self.head()) {
            Some(chain) if chain == self.log.chain => Ok(()),
            _ => Err(format!("the log is another one at {}", self.head())),
        }
    }

    /// The server's disk was replaced by an older image.
    ///
    /// # Errors
    /// Where the image breaks a promise.
    pub fn replaced(&mut self, disk: &Disk) -> Result<(), String> {
        let log = History { same_authors: false, ..History::default() };
        let elder = std::mem::replace(&mut self.log, log);
        self.elders.push(elder);
        self.observe(disk)
    }

    /// How many events are durable.
    pub fn head(&self) -> Seq {
        Seq(self.log.events.len() as u64)
    }

    /// How many events are, or were, on any log.
    pub fn most(&self) -> Seq {
        Seq(self.all().map(|log| log.events.len() as u64).max().unwrap_or_default())
    }

    /// How many events were recorded, on all logs.
    pub fn events(&self) -> u64 {
        self.all().map(|log| log.events.len() as u64).sum()
    }

    /// The event at a place of the present log.
    pub fn fact(&self, seq: Seq) -> Option<&Fact> {
        self.log.events.get(seq.0 as usize)
    }

    /// The verdict on an event.
    pub fn verdict(&self, client: ClientId, n: EventNumber) -> Option<&(ContentHash, Verdict)> {
        self.log.verdicts.get(&(client, n))
    }

    /// The last number of a client that was decided on.
    pub fn last(&self, client: ClientId) -> EventNumber {
        self.log.last.get(&client).map(|&(last, _)| last).unwrap_or_default()
    }

    /// Where an edit stands on the present log.
    pub fn places(&self, marker: Marker) -> &[Seq] {
        self.log.markers.get(&marker).map_or(&[], Vec::as_slice)
    }

    /// Whether an edit stands, or stood, on any log; at this place with this loss, where these are given.
    pub fn knew(&self, marker: Marker, at: Option<(Seq, &[Lost])>) -> bool {
        self.all().any(|log| match at {
            None => log.markers.contains_key(&marker),
            Some((seq, lost)) => {
                log.events.get(seq.0 as usize).is_some_and(|fact| fact.markers.contains(&marker) && fact.lost == lost)
            }
        })
    }

    /// Whether the edits of an event may stand elsewhere than in the order in which they were made: one has taken in
    /// others, or was made again after it was refused.
    pub fn moves(&self, seq: Seq) -> bool {
        let Some(fact) = self.fact(seq) else { return false };
        fact.markers.len() > 1 || fact.markers.iter().any(|&marker| self.refused(marker))
    }

    /// Whether an edit was durably refused on any log.
    pub fn refused(&self, marker: Marker) -> bool {
        self.all().any(|log| {
            log.verdicts.iter().any(|(id, (hash, verdict))| {
                let is_it = |sent: &Sent| sent.markers.contains(&marker) && sent.hash == *hash;
                matches!(verdict, Verdict::Refused(_)) && self.sent.get(id).is_some_and(|all| all.iter().any(is_it))
            })
        })
    }

    /// A refusal tells its author nothing of an object that they may not read.
    ///
    /// # Errors
    /// Where it does.
    pub fn check_told(&self, client: ClientId, n: EventNumber, refusal: &Refusal) -> Result<(), String> {
        let (Some(key), Some(_)) = (&refusal.about, &refusal.current) else { return Ok(()) };
        let (_, objects) = &self.log.after[refusal.head.0 as usize];
        let mut levels = self.sent.get(&(client, n)).into_iter().flatten().flat_map(|sent| &sent.levels);
        match objects.get(key).is_none_or(|shown| levels.any(|level| !hides(*level, key, &shown))) {
            true => Ok(()),
            false => Err(format!("{client} {n} is told what it may not read: {refusal:?}")),
        }
    }

    /// The digest and chain after so many events of the present log.
    pub fn after(&self, seq: Seq) -> Option<(Digest, Chain)> {
        let place = seq.0 as usize;
        Some((self.log.after.get(place)?.0, *self.log.chains.get(place)?))
    }

    /// The objects after so many events, on any log where they have this digest.
    pub fn objects(&self, seq: Seq, digest: Digest) -> Option<&Objects> {
        let found = self.all().find_map(|log| log.after.get(seq.0 as usize).filter(|(there, _)| *there == digest));
        found.map(|(_, objects)| objects.as_ref())
    }

    /// Whether this was under a key after so many events of any log.
    pub fn was(&self, key: &Key, after: Seq, object: Option<&Shown>) -> bool {
        let there = |log: &History| log.after.get(after.0 as usize).map(|(_, objects)| objects.get(key));
        self.all().any(|log| there(log).is_some_and(|there| there.as_ref() == object))
    }

    /// The objects after so many events, on every log that has so many.
    pub fn states(&self, after: Seq) -> impl Iterator<Item = &Objects> {
        self.all().filter_map(move |log| log.after.get(after.0 as usize)).map(|(_, objects)| objects.as_ref())
    }

    /// All edits on the present log, with how often they stand there.
    pub fn counts(&self) -> impl Iterator<Item = (Marker, usize)> {
        self.log.markers.iter().map(|(&marker, places)| (marker, places.len()))
    }

    fn all(&self) -> impl Iterator<Item = &History> {
        std::iter::once(&self.log).chain(&self.elders)
    }
}

impl History {
    fn take(&mut self, batch: &Arc<Batch>, sent: &AllSent) -> Result<(), String> {
        if (batch.block.from().0, batch.block.before()) != (self.events.len() as u64, self.chain) {
            return Err(format!(
                "a batch at {} does not go on where the log ended, {}",
                batch.block.from(),
                self.events.len()
            ));
        }
        let refused = || batch.verdicts.iter().filter(|told| matches!(told.own.verdict, Verdict::Refused(_)));
        refused().try_for_each(|verdict| self.decide(verdict))?;
        for event in batch.events().map_err(|error| error.to_string())? {
            self.take_event(&event, batch, sent)?;
        }
        refused().try_for_each(|verdict| self.check_refused(verdict, sent))?;
        self.chain = batch.block.after();
        if self.chains.last() != Some(&self.chain) {
            return Err("the chain of a batch is not that of its events".into());
        }
        if let Some((client, (last, count))) = self.last.iter().find(|(_, (last, count))| last.0 != *count) {
            return Err(format!("the numbers of {client} are not dense: {count} up to {last}"));
        }
        self.batches = self.batches.next();
        Ok(())
    }

    fn take_event(&mut self, event: &Recorded, batch: &Batch, sent: &AllSent) -> Result<(), String> {
        let (seq, client, n) = (event.seq, event.client, event.n);
        if seq.0 != self.events.len() as u64 {
            return Err(format!("event {seq} stands at place {}", self.events.len()));
        }
        if event.body.base > seq {
            return Err(format!("event {seq} was recorded before what its author had seen, {}", event.body.base));
        }
        if self.same_authors {
            check_claim(event, &self.after.last().expect("there is a beginning").1)?;
        }
        let told = batch.verdicts.iter().find(|told| told.client == client && told.own.n == n);
        let hash = told.map_or_else(|| ContentHash::of(encode_body(&event.body).bytes()), |told| told.own.hash);
        let sent = sent.get(&(client, n)).and_then(|all| all.iter().find(|sent| sent.hash == hash));
        let sent = sent.ok_or_else(|| format!("event {seq} ({client} {n}) was never sent"))?;
        let fates = self.fates((seq, client, n), sent);
        if !fates.iter().any(|fate| fate.may_be_recorded()) && self.can_tell(sent) {
            return Err(format!("event {seq} is recorded and was to be {fates:?}: {sent:?}"));
        }
        let (_, objects) = self.after.last().expect("there is a beginning");
        let authored = Authored { write: (seq, client), base: sent.base, on: sent.on, ops: &sent.ops, torn: &[] };
        let (ops, lost) = reference::resolve(objects, authored, &event.body.ops);
        let (own, following) = event.body.ops.split_at(ops.len().min(event.body.ops.len()));
        if (own, &event.lost) != (&ops, &lost) {
            return Err(format!(
                "event {seq} is recorded as {:?}, lost {:?}; sent was {:?}; expected {ops:?}, lost {lost:?}",
                event.body.ops, event.lost, sent.ops
            ));
        }
        check_following(event, following, objects, sent)?;
        if self.same_authors {
            let origin = Origin { seq, client, n, on: sent.on, settled: sent.settled };
            self.texts.take(origin, &sent.ops, &event.body.ops)?;
        }
        let verdict = Verdict::Recorded { seq, lost: event.lost.clone() };
        self.note(client, n, hash, verdict)?;
        sent.markers.iter().for_each(|&marker| self.markers.entry(marker).or_default().push(seq));
        self.events.push(Fact { markers: sent.markers.clone(), client, n, lost: event.lost.clone() });
        self.play(event, &sent.ops)
    }

    fn play(&mut self, event: &Recorded, sent: &[Op]) -> Result<(), String> {
        let mut objects = Objects::clone(&self.after.last().expect("there is a beginning").1);
        reference::apply(&mut objects, &event.body.ops, sent, (event.seq, event.client), event.body.base);
        self.objects.play(event);
        for op in &event.body.ops {
            let core = self.objects.get(&op.key).map(|object| shown(object));
            if core != objects.get(&op.key) {
                return Err(format!("after {} {} is {core:?}, not {:?}", event.seq, op.key, objects.get(&op.key)));
            }
        }
        self.after.push((self.objects.digest(), Rc::new(objects)));
        let encoded = encode_recorded(event);
        self.chains.push(self.chains.last().expect("there is a beginning").extend(&encoded));
        Ok(())
    }

    /// A refusal is right, and for the right reason.
    fn check_refused(&self, told: &ClientVerdict, sent: &AllSent) -> Result<(), String> {
        let (client, OwnVerdict { n, hash, verdict }) = (told.client, &told.own);
        let Verdict::Refused(refusal) = verdict else { return Ok(()) };
        let sent = sent.get(&(client, *n)).and_then(|all| all.iter().find(|sent| sent.hash == *hash));
        let sent = sent.ok_or_else(|| format!("{client} {n} was refused and never sent"))?;
        if sent.base > refusal.head || sent.on > refusal.head {
            return Err(format!("{client} {n} comes of more than there is, {}: {sent:?}", refusal.head));
        }
        let fates = self.fates((refusal.head, client, *n), sent);
        let rebases = self.lets_go && refusal.code == RefusalCode::Rebase && sent.ops.iter().any(is_typed);
        if rebases || fates.iter().any(|fate| fate.may_be_refused(refusal.code)) || !self.can_tell(sent) {
            return Ok(());
        }
        Err(format!("{client} {n} is refused with {refusal:?} and was to be {fates:?}: {sent:?}"))
    }

    /// Whether it can be told what must become of an event: not where it rests on what was typed on another log, on
    /// another copy of the store, or on a text that its author does not hold.
    fn can_tell(&self, sent: &Sent) -> bool {
        let mut typed = sent.ops.iter().filter(|op| is_typed(op));
        match self.same_authors {
            true => !typed.any(|op| op.seen == Some(Seq::FIRST)),
            false => sent.unchanged.is_empty() && typed.next().is_none(),
        }
    }

    /// What must become of an event that meets what so many events have made, by each level of its author.
    fn fates(&self, at: (Seq, ClientId, EventNumber), sent: &Sent) -> Vec<Fate> {
        sent.levels.iter().map(|&level| self.fate(at, sent, level)).collect()
    }

    fn fate(&self, (head, client, n): (Seq, ClientId, EventNumber), sent: &Sent, level: Level) -> Fate {
        let Some((_, objects)) = self.after.get(head.0 as usize) else { return Fate::Recorded };
        let unsettled = (client, sent.settled.next())..(client, n);
        let own = self.verdicts.range(unsettled).map(|(&(_, n), (hash, verdict))| OwnVerdict {
            n,
            hash: *hash,
            verdict: verdict.clone(),
        });
        let authored = Authored { write: (head, client), base: sent.base, on: sent.on, ops: &sent.ops, torn: &[] };
        fate(objects, authored, &sent.unchanged, &own.collect::<Vec<_>>(), &|key, shown| hides(level, key, shown))
    }

    fn decide(&mut self, verdict: &ClientVerdict) -> Result<(), String> {
        self.note(verdict.client, verdict.own.n, verdict.own.hash, verdict.own.verdict.clone())
    }

    fn note(&mut self, client: ClientId, n: EventNumber, hash: ContentHash, verdict: Verdict) -> Result<(), String> {
        if let Some((_, earlier)) = self.verdicts.insert((client, n), (hash, verdict)) {
            return Err(format!("there are two verdicts on {client} {n}; the first was {earlier:?}"));
        }
        let (last, count) = self.last.entry(client).or_default();
        *last = (*last).max(n);
        *count += 1;
        Ok(())
    }
}

/// Whether what is shown of an object may not be read.
fn hides(level: Level, key: &Key, shown: &Shown) -> bool {
    !level.reads(key, &showing::object_of(shown))
}

/// The markers of a body, or what is wrong with it.
pub fn markers_of(body: &Body) -> Result<Vec<Marker>, String> {
    let markers = workload::markers(body);
    if markers.is_empty() { Err(format!("an edit has lost its marker: {body:?}")) } else { Ok(markers) }
}

/// What is shown of an object.
pub fn shown(object: &Object) -> Shown {
    let fields = object.fields().map(|(name, field)| (name.to_string(), field.value.clone())).collect();
    let conflicts = object.conflicts().iter().map(|conflict| (conflict.field.to_string(), conflict.value.clone()));
    (fields, conflicts.collect())
}

/// What refers to what an event has deleted has gone, or changed, with it, and nothing else has.
fn check_following(event: &Recorded, following: &[Op], before: &Objects, sent: &Sent) -> Result<(), String> {
    let (mut after, write) = (before.clone(), (event.seq, event.client));
    let own = &event.body.ops[..event.body.ops.len() - following.len()];
    reference::apply(&mut after, own, &sent.ops, write, event.body.base);
    let expected = reference::holding::follow(before, &mut after, write);
    let sorted = |ops: &[Op]| {
        let mut told: Vec<String> = ops.iter().map(|op| format!("{op:?}")).collect();
        told.sort();
        told
    };
    match sorted(following) == sorted(&expected) {
        true => Ok(()),
        false => Err(format!("with event {} goes {following:?}, not {expected:?}", event.seq)),
    }
}

/// A serializable claim takes exactly one of what is left.
fn check_claim(event: &Recorded, before: &Objects) -> Result<(), String> {
    let serializable = event.body.unchanged.iter().any(|read| read.key == workload::stock() && read.field.is_none());
    if event.body.command.is_none() || !serializable {
        return Ok(());
    }
    let left = before.get(&workload::stock()).and_then(|(fields, _)| fields.get("left")?.as_int());
    let meant = workload::claimed(left, 0).map(|(ops, _)| ops[0].action.clone()).ok();
    let done = event.body.ops.iter().find(|op| op.key == workload::stock()).map(|op| op.action.clone());
    match meant == done {
        true => Ok(()),
        false => Err(format!("a claim of what {left:?} is left of is {:?}, not {meant:?}", event.body.ops)),
    }
}
