//! The promises, checked: what the server says against what is durable, and what each device shows, keeps and sends
//! against what was edited there.

use std::collections::{BTreeMap, BTreeSet};

use tapeline_core::event::{Lost, OwnVerdict, RefusalCode, Sealed, Verdict};
use tapeline_core::frame::{AckRun, ClientFrame, Events, Opened, ServerFrame};
use tapeline_core::name::Key;
use tapeline_core::numbers::{ClientId, EditId, Seq};
use tapeline_core::replica::{Notice, Replica};

use crate::device::Draft;
use crate::plan::{Fault, Plan};
use crate::recorder::{Recorder, markers_of};
use crate::reference::Shown;
use crate::rights::Level;
use crate::showing;
use crate::workload::Marker;

/// What all promises hold against.
#[derive(Debug)]
pub struct Checks {
    /// What is on the log.
    pub recorder: Recorder,
    deeds: BTreeMap<Marker, Deed>,
    seen: BTreeMap<usize, Seen>,
    allowed: Allowed,
    /// How often a store was copied.
    copies: usize,
    restored: bool,
}

/// What the faults of a plan excuse.
#[derive(Debug)]
struct Allowed {
    twins: bool,
    forks: bool,
}

/// An edit that a replica took.
#[derive(Debug)]
struct Deed {
    device: usize,
    /// Its number there.
    edit: EditId,
    /// It was reported to be on the device.
    stored: bool,
    /// It went with a crash before it was stored, or with a store that was replaced or is gone.
    lost: bool,
    discarded: bool,
    /// How often a person tried again.
    retries: usize,
    /// More than one store has it.
    copied: bool,
}

/// What was last seen of a device.
#[derive(Debug, Default)]
struct Seen {
    /// Each edit, and the one that carries it: itself, or an earlier one that has taken it in.
    outbox: BTreeMap<Marker, EditId>,
    parked: BTreeMap<Marker, EditId>,
    shown: BTreeMap<Key, Shown>,
    /// The last edit that is on the device.
    stored: EditId,
    /// It held what may be read at this level, and nothing else, when it last held nothing else.
    level: Level,
}

impl Checks {
    /// Nothing happened yet.
    pub fn new(plan: &Plan) -> Self {
        let twins = plan.has(Fault::DeviceCopy) || plan.has(Fault::DeviceRestore);
        let allowed = Allowed { twins, forks: plan.has(Fault::ServerRestore) };
        let mut recorder = Recorder::default();
        if allowed.twins || allowed.forks {
            recorder.authors_may_differ();
        }
        if plan.parts || plan.rights {
            recorder.devices_let_go();
        }
        Self { recorder, deeds: BTreeMap::new(), seen: BTreeMap::new(), allowed, copies: 0, restored: false }
    }

    /// How often a store was copied.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// A device has taken an edit.
    pub fn accepted(&mut self, device: usize, edit: EditId, marker: Marker) {
        let deed = Deed { device, edit, stored: false, lost: false, discarded: false, retries: 0, copied: false };
        self.deeds.insert(marker, deed);
        self.seen.entry(device).or_default().outbox.insert(marker, edit);
    }

    /// A person drops a refused edit.
    pub fn discarded(&mut self, device: usize, edit: EditId) {
        for marker in self.seen.entry(device).or_default().unpark(edit) {
            self.deed(marker, |deed| deed.discarded = true);
        }
    }

    /// A person tries a refused edit again, as another.
    pub fn retried(&mut self, device: usize, edit: EditId, again: EditId) {
        for marker in self.seen.entry(device).or_default().unpark(edit) {
            self.seen.entry(device).or_default().outbox.insert(marker, again);
            self.deed(marker, |deed| {
                (deed.edit, deed.retries, deed.stored) = (again, deed.retries + 1, false);
            });
        }
    }

    /// A store goes on as two: what it has may be sent by both.
    pub fn copied(&mut self, markers: impl IntoIterator<Item = Marker>) {
        self.copies += 1;
        for marker in markers {
            self.deed(marker, |deed| deed.copied = true);
        }
    }

    /// A store is replaced by an older copy. The second time there are two lives beside the first.
    pub fn restored(&mut self) {
        self.copies += usize::from(self.restored);
        self.restored = true;
    }

    /// All edits that a device has.
    pub fn had_by(&self, device: usize) -> Vec<Marker> {
        let seen = self.seen.get(&device);
        seen.into_iter().flat_map(|seen| seen.outbox.keys().chain(seen.parked.keys())).copied().collect()
    }

    /// A device's store is replaced or gone: what only it had is lost.
    pub fn excused(&mut self, device: usize) {
        for marker in self.had_by(device) {
            self.deed(marker, |deed| (deed.lost, deed.stored) = (true, false));
        }
    }

    /// A device without a store ends: nobody can send again what it had sent.
    pub fn forgotten(&mut self, device: usize) {
        for deed in self.deeds.values_mut().filter(|deed| deed.device == device) {
            (deed.lost, deed.stored) = (true, false);
        }
    }

    fn deed(&mut self, marker: Marker, change: impl FnOnce(&mut Deed)) {
        if let Some(deed) = self.deeds.get_mut(&marker) {
            change(deed);
        }
    }

    /// A device sends a frame.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn client_says(&mut self, replica: &Replica, frame: &ClientFrame) -> Result<(), String> {
        let ClientFrame::Push { events, .. } = frame else { return Ok(()) };
        let stored = replica.stored_through();
        let pending = outbox(replica)?;
        for event in events {
            for marker in markers_of(&event.body)? {
                // Copies number what they try again each for itself.
                let late = self.deeds.get(&marker).is_some_and(|deed| !deed.copied && deed.edit > stored);
                if !pending.contains_key(&marker) || late {
                    return Err(format!("edit #{marker} is sent before it is on the device"));
                }
            }
            if event.client != replica.client() {
                return Err(format!("{} sends as {}", replica.client(), event.client));
            }
        }
        Ok(())
    }

    /// A frame reaches the server, from a client of this level.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn server_hears(&mut self, frame: &ClientFrame, level: Level) -> Result<(), String> {
        let ClientFrame::Push { events, .. } = frame else { return Ok(()) };
        for event in events {
            let (markers, sealed) = (markers_of(&event.body)?, Sealed::new(event.clone()));
            if self.recorder.sent(&sealed, markers, level) && !self.allowed.twins {
                return Err(format!("two events are sent as {} {}", event.client, event.n));
            }
        }
        Ok(())
    }

    /// The server sends a frame.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn server_says(&self, client: Option<ClientId>, frame: &ServerFrame) -> Result<(), String> {
        let client = || client.ok_or("an answer to nobody");
        match frame {
            ServerFrame::Opened(opened) => self.check_opened(client()?, opened),
            ServerFrame::Events(events) => self.check_events(events),
            ServerFrame::Ack { runs, .. } => runs.iter().try_for_each(|run| self.check_run(client()?, run)),
            ServerFrame::Refused { n, refusal, .. } => match self.recorder.verdict(client()?, *n) {
                Some((_, Verdict::Refused(durable))) if **durable == *refusal => {
                    self.recorder.check_told(client()?, *n, refusal)
                }
                durable => Err(format!("{n} is refused with {refusal:?}; durable is {durable:?}")),
            },
            ServerFrame::Welcome(_)
            | ServerFrame::Page(_)
            | ServerFrame::Resync(_)
            | ServerFrame::Error(_)
            | ServerFrame::Presence(_)
            | ServerFrame::Pong => Ok(()),
        }
    }

    fn check_run(&self, client: ClientId, run: &AckRun) -> Result<(), String> {
        for step in 0..run.count {
            let (n, seq) = (run.n.plus(step), run.seq.plus(step));
            let fact = self.recorder.fact(seq);
            if fact.is_none_or(|fact| (fact.client, fact.n) != (client, n)) {
                return Err(format!("{n} is acknowledged as {seq}, where durably stands {fact:?}"));
            }
        }
        Ok(())
    }

    fn check_opened(&self, client: ClientId, opened: &Opened) -> Result<(), String> {
        let digest = self.recorder.after(opened.head).map(|(digest, _)| digest);
        if digest != Some(opened.digest) {
            return Err(format!("opened at {} with digest {}; durable is {digest:?}", opened.head, opened.digest));
        }
        if opened.last.first() != Some(&self.recorder.last(client)) {
            return Err(format!("opened with last {:?}; durable is {}", opened.last, self.recorder.last(client)));
        }
        for OwnVerdict { n, verdict, .. } in &opened.verdicts {
            match self.recorder.verdict(client, *n) {
                Some((_, durable)) if durable == verdict => {}
                durable => return Err(format!("opened with {verdict:?} on {n}; durable is {durable:?}")),
            }
        }
        Ok(())
    }

    fn check_events(&self, events: &Events) -> Result<(), String> {
        let block = &events.block;
        let (before, after) = (self.recorder.after(block.from()), self.recorder.after(block.end()));
        let (Some((_, before)), Some((digest, after))) = (before, after) else {
            return Err(format!("{:?} is played; durable are {} events", block.range(), self.recorder.head()));
        };
        if (before, after) != (block.before(), block.after()) {
            return Err(format!("what is played as {:?} is not what is recorded there", block.range()));
        }
        if events.digest.is_some_and(|said| said != digest) {
            return Err(format!("the digest after {} is {digest}, not {:?}", block.end(), events.digest));
        }
        Ok(())
    }

    /// The last edit that a device was last seen to have stored.
    pub fn stored_through(&self, device: usize) -> EditId {
        self.seen.get(&device).map(|seen| seen.stored).unwrap_or_default()
    }

    /// The level at which a device last held nothing but what may be read.
    pub fn level(&self, device: usize) -> Level {
        self.seen.get(&device).map(|seen| seen.level).unwrap_or_default()
    }

    /// Looks at a device after something was done there. Answers what has changed before the eyes.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn look(
        &mut self,
        device: usize,
        replica: &mut Replica,
        notices: &[Notice],
        drafts: &BTreeMap<Key, Draft>,
    ) -> Result<BTreeSet<Key>, String> {
        let before = self.seen.remove(&device).unwrap_or_default();
        let (shown, level) = showing::check(&self.recorder, replica, drafts, before.level)?;
        let now = Seen { level, ..Seen::of(replica, shown)? };
        let changed: BTreeSet<Key> = replica.take_changed().collect();
        let keys: BTreeSet<&Key> = before.shown.keys().chain(now.shown.keys()).collect();
        if let Some(key) =
            keys.into_iter().find(|&key| before.shown.get(key) != now.shown.get(key) && !changed.contains(key))
        {
            return Err(format!("{key} shows something else and nobody is told"));
        }
        self.check_notices(notices)?;
        let started_over = notices.iter().any(|notice| matches!(notice, Notice::StartedOver(_)));
        if let Some((marker, edit)) = now.outbox.iter().find(|(marker, _)| !before.outbox.contains_key(marker))
            && !started_over
        {
            return Err(format!("edit {edit} #{marker} came out of nowhere"));
        }
        for (marker, edit) in before.outbox.iter().filter(|(marker, _)| !now.outbox.contains_key(marker)) {
            self.check_left(*edit, *marker, notices, now.parked.contains_key(marker))?;
        }
        if let Some((marker, _)) = before.parked.iter().find(|(marker, _)| !now.parked.contains_key(marker)) {
            return Err(format!("the refused edit #{marker} is gone"));
        }
        let stored = replica.stored_through();
        for &marker in now.outbox.keys() {
            self.deed(marker, |deed| deed.stored |= deed.edit <= stored);
        }
        self.seen.insert(device, now);
        Ok(changed)
    }

    /// Looks at a device that has started again from its store, which was written at this level.
    ///
    /// # Errors
    /// Where it breaks a promise.
    pub fn look_anew(
        &mut self,
        device: usize,
        replica: &mut Replica,
        drafts: &BTreeMap<Key, Draft>,
        level: Level,
    ) -> Result<(), String> {
        let before = self.seen.remove(&device).unwrap_or_default();
        let (shown, level) = showing::check(&self.recorder, replica, drafts, level)?;
        let now = Seen { level, ..Seen::of(replica, shown)? };
        replica.take_changed().for_each(drop);
        let has = |marker| now.outbox.contains_key(&marker) || now.parked.contains_key(&marker);
        for &marker in before.outbox.keys().chain(before.parked.keys()) {
            if has(marker) || self.recorder.knew(marker, None) {
                continue;
            }
            if self.deeds.get(&marker).is_none_or(|deed| deed.stored && !deed.discarded) {
                return Err(format!("edit #{marker} was reported stored and is gone after a restart"));
            }
            self.deed(marker, |deed| deed.lost = true);
        }
        // What was tried again may have its earlier number again, where that went with a crash.
        for (&marker, &edit) in now.outbox.iter().chain(&now.parked) {
            self.deed(marker, |deed| deed.edit = if deed.retries > 0 { edit } else { deed.edit });
        }
        self.seen.insert(device, now);
        Ok(())
    }

    fn check_notices(&self, notices: &[Notice]) -> Result<(), String> {
        for notice in notices {
            let excused = match notice {
                Notice::Recorded { .. } | Notice::Refused { .. } | Notice::Overwritten { .. } => true,
                // Every edit makes its marker, which nothing takes away.
                Notice::Cancelled { .. } => false,
                Notice::NewIdentity(_) => self.allowed.twins || self.allowed.forks,
                Notice::StartedOver(_) => self.allowed.forks,
                Notice::Diverged { .. } | Notice::Outdated { .. } => false,
            };
            if !excused {
                return Err(format!("{notice:?}, and nothing was done that explains it"));
            }
        }
        Ok(())
    }

    /// An edit that is pending no longer is on the log or refused, and its author was told.
    fn check_left(&self, edit: EditId, marker: Marker, notices: &[Notice], is_parked: bool) -> Result<(), String> {
        let recorded: Option<(Seq, &[Lost])> = notices.iter().find_map(|notice| match notice {
            Notice::Recorded { edit: told, seq, lost } if *told == edit => Some((*seq, lost.as_slice())),
            _ => None,
        });
        let refusal = notices.iter().find_map(|notice| match notice {
            Notice::Refused { edit: told, refusal } if *told == edit => Some(refusal.code),
            _ => None,
        });
        // A command that was run again refuses on the device itself; so does what was typed on texts of which one is gone.
        let own = matches!(refusal, Some(RefusalCode::Failed | RefusalCode::Rebase));
        let refused = refusal.is_some();
        match (recorded, refused && is_parked) {
            (Some(at), false) if self.recorder.knew(marker, Some(at)) => Ok(()),
            (None, true) if own || self.recorder.refused(marker) => Ok(()),
            _ => Err(format!("edit {edit} #{marker} left the outbox: {recorded:?}, parked {is_parked}, {notices:?}")),
        }
    }

    /// Whether everything on a device has come to rest at the server's head, with what it may read at its level.
    ///
    /// # Errors
    /// Why not.
    pub fn is_settled(&self, replica: &Replica, level: Level) -> Result<(), String> {
        let status = replica.status();
        let settled = status.open && status.pending == 0 && status.stored && status.played == self.recorder.head();
        match settled && showing::has_come(&self.recorder, replica, level) {
            true => Ok(()),
            false => Err(format!("the server is at {}, {level:?}, {status:?}", self.recorder.head())),
        }
    }

    /// Every edit has an end that its author knows.
    ///
    /// # Errors
    /// Where one has not.
    pub fn settle(&self) -> Result<(), String> {
        for (marker, count) in self.recorder.counts() {
            let Some(deed) = self.deeds.get(&marker) else { return Err(format!("nobody made edit #{marker}")) };
            if count > self.most_places(deed) {
                return Err(format!("edit #{marker} is recorded {count} times: {:?}", self.recorder.places(marker)));
            }
        }
        for (&marker, deed) in &self.deeds {
            let parked = self.seen.values().any(|seen| seen.parked.contains_key(&marker));
            if self.recorder.places(marker).is_empty() && !parked && !deed.discarded && !deed.lost {
                return Err(format!("edit #{marker} has disappeared: {deed:?}"));
            }
        }
        if self.allowed.twins || self.allowed.forks { Ok(()) } else { self.check_order() }
    }

    /// How often an edit may stand on the log.
    ///
    /// Of two copies of a store one recognises what the other has sent, unless it has taken in another since. Of more it
    /// may not: where a third has taken the
    /// number of an edit, or was refused it, each of the two that have it sends it under a new identity.
    fn most_places(&self, deed: &Deed) -> usize {
        match (deed.copied, self.copies) {
            (false, _) => 1,
            (true, copies) => 1 + deed.retries + copies.max(1),
        }
    }

    /// The edits of a device stand on the log in the order in which they were made.
    fn check_order(&self) -> Result<(), String> {
        let mut last: BTreeMap<usize, Seq> = BTreeMap::new();
        let mut deeds: Vec<_> = self.deeds.iter().filter(|(_, deed)| deed.retries == 0 && !deed.lost).collect();
        deeds.sort_by_key(|(_, deed)| (deed.device, deed.edit));
        for (&marker, deed) in deeds {
            let Some(&seq) = self.recorder.places(marker).first() else { continue };
            // What joined an earlier edit, or was made again, stands elsewhere.
            if self.recorder.moves(seq) {
                continue;
            }
            if last.insert(deed.device, seq).is_some_and(|earlier| earlier > seq) {
                return Err(format!("edit #{marker} of device {} stands before an earlier one", deed.device));
            }
        }
        Ok(())
    }

    /// What was refused and waits on a device, and whether it is on this device alone.
    pub fn parked(&self, device: usize) -> Vec<(EditId, bool)> {
        let Some(seen) = self.seen.get(&device) else { return Vec::new() };
        let mut parked: BTreeMap<EditId, bool> = BTreeMap::new();
        for (marker, edit) in &seen.parked {
            let alone = self.deeds.get(marker).is_some_and(|deed| !deed.copied);
            *parked.entry(*edit).or_insert(true) &= alone;
        }
        parked.into_iter().collect()
    }
}

impl Seen {
    fn of(replica: &Replica, shown: BTreeMap<Key, Shown>) -> Result<Self, String> {
        let mut parked = BTreeMap::new();
        for (edit, there) in replica.parked() {
            parked.extend(markers_of(&there.body)?.into_iter().map(|marker| (marker, edit)));
        }
        let (outbox, stored) = (outbox(replica)?, replica.stored_through());
        Ok(Self { outbox, parked, shown, stored, level: Level::default() })
    }

    /// Takes what a parked edit carries.
    fn unpark(&mut self, edit: EditId) -> Vec<Marker> {
        let markers: Vec<Marker> =
            self.parked.iter().filter(|(_, other)| **other == edit).map(|(&marker, _)| marker).collect();
        self.parked.retain(|marker, _| !markers.contains(marker));
        markers
    }
}

/// What the pending edits of a replica carry.
fn outbox(replica: &Replica) -> Result<BTreeMap<Marker, EditId>, String> {
    let mut outbox = BTreeMap::new();
    for (edit, body) in replica.outbox() {
        outbox.extend(markers_of(body)?.into_iter().map(|marker| (marker, edit)));
    }
    Ok(outbox)
}
