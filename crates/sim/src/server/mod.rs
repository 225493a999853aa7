//! The server: the core's sequencer over a disk, and the sessions around it.
//!
//! The glue keeps what the protocol promises: an open is answered before anything is played or answered under it,
//! an acknowledgement goes out before its events are played, only durable batches are played, and a subscriber is a
//! position on the log, never a queue.

mod loading;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;
use tapeline_core::batch::Batch;
use tapeline_core::caller::Caller;
use tapeline_core::event::{Authored, Sealed, Verdict};
use tapeline_core::frame::{ClientFrame, ErrorCode, Events, Open, PROTOCOL, ServerFrame, Welcome};
use tapeline_core::limits;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Incarnation, Millis, Position, Seq};
use tapeline_core::sequencer::{Gate, Peer, Pushed, Sequencer};
use tapeline_core::state::{StateChanges, StreamState};

use crate::disk::Disk;
use crate::filling::{self, Filler};
use crate::network::ConnId;
use crate::part::{Change, Part};
use crate::rights::{Level, Rights};
use crate::sabotage::Sabotage;
use crate::workload;
use loading::{load_clients, load_keys, load_needed};
use session::{Session, error};

/// The session under which sabotage speaks to the sequencer; nobody hears the answers.
const NOBODY: Peer = Peer { session: u64::MAX, channel: Channel(0) };

/// A server: its disk, and its process while it runs.
#[derive(Debug)]
pub struct Server {
    /// What survives the process.
    pub disk: Disk,
    process: Option<Process>,
    /// How often the sequencer was made anew; syncs that belong to an earlier one concern nobody.
    pub life: u64,
    sabotage: Option<Sabotage>,
    /// Whether not everybody may do everything.
    rights: bool,
    random: Rng,
    /// Events below it are as good as gone.
    horizon: Seq,
}

#[derive(Debug)]
struct Process {
    sequencer: Sequencer,
    sessions: BTreeMap<ConnId, Session>,
    /// Changes of the state that wait for their batches to be durable.
    waiting: VecDeque<StateChanges>,
}

/// What the server does to a connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are frames")]
pub enum Out {
    /// Sends a frame, to a session of this client.
    Send(ConnId, Option<ClientId>, ServerFrame),
    /// Closes it.
    Close(ConnId),
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written, and durable once it is synced.
    Written,
    /// It is not known; in truth it is, or is not, on the log.
    Unknown {
        /// Whether it is.
        landed: bool,
    },
}

impl Server {
    /// A server with an empty disk, not running.
    pub fn new(sabotage: Option<Sabotage>, rights: bool, random: Rng) -> Self {
        Self { disk: Disk::default(), process: None, life: 0, sabotage, rights, random, horizon: Seq::FIRST }
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// What the client on a connection may do.
    pub fn level(&self, id: ConnId) -> Level {
        let session = self.process.as_ref().and_then(|process| process.sessions.get(&id));
        session.map(|session| session.level).unwrap_or_default()
    }

    /// Whether nothing waits to be written, synced or answered.
    pub fn is_idle(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.sequencer.is_idle() && process.waiting.is_empty())
    }

    /// The process starts, and plays the log forward from the state's checkpoint.
    pub fn start(&mut self) {
        let sequencer = self.recover();
        self.process = Some(Process { sequencer, sessions: BTreeMap::new(), waiting: VecDeque::new() });
        self.note_changes();
        self.apply_durable();
    }

    /// The process ends. Answers how many written batches are lost.
    pub fn crash(&mut self) -> usize {
        self.process = None;
        self.life += 1;
        if self.sabotage == Some(Sabotage::AppliedTwice) {
            self.disk.checkpoint_entries_only();
        }
        let lost = self.disk.crash(&mut self.random);
        if self.sabotage == Some(Sabotage::SeqUsedAgain) {
            self.disk.lose_synced();
        }
        lost
    }

    fn recover(&mut self) -> Sequencer {
        // What an open was told stays true until the process ends, also where nothing is on disk yet.
        let told = self.process.as_ref().map(|process| process.sequencer.staged().incarnation);
        let fresh = told.unwrap_or(Incarnation(self.random.u64(..)));
        let incarnation = self.disk.incarnation().unwrap_or(fresh);
        let state = self.disk.state().unwrap_or_else(|| StreamState::empty(incarnation));
        let gate = self.rights.then(|| Arc::new(Rights) as Arc<dyn Gate>);
        let mut sequencer = Sequencer::new(state, Arc::new(workload::schema()), gate);
        for batch in self.disk.durable(state.position) {
            let mut batch = Batch::clone(batch);
            if self.sabotage == Some(Sabotage::VerdictLost) {
                batch.verdicts.retain(|verdict| !matches!(verdict.own.verdict, Verdict::Refused(_)));
            }
            let events = batch.events().expect("recorded events can be read");
            for event in &events {
                load_keys(&mut sequencer, &self.disk, event.body.ops.iter().map(|op| &op.key));
                load_clients(&mut sequencer, &self.disk, [event.client]);
            }
            load_clients(&mut sequencer, &self.disk, batch.verdicts.iter().map(|verdict| verdict.client));
            sequencer.replay(&batch).expect("recorded events can be read");
        }
        sequencer
    }

    /// Takes a frame. Answers what is to be done, and whether there is something to stage.
    pub fn receive(&mut self, now: Millis, id: ConnId, frame: ClientFrame) -> Vec<Out> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let mut outs = Vec::new();
        if let ClientFrame::Hello(hello) = &frame {
            let level = Level::of_token(hello.token.as_deref());
            let session = process.sessions.entry(id).or_insert_with(|| Session::new(now, level));
            outs.push(Out::Send(id, None, welcome()));
            if session.shows(level) {
                outs.push(Out::Send(id, None, error(session.channel, ErrorCode::NotOpen)));
            }
            return outs;
        }
        let Some(session) = process.sessions.get_mut(&id) else { return outs };
        session.heard = now;
        let (client, level) = (session.client, session.level);
        match frame {
            ClientFrame::Hello(_) => {}
            ClientFrame::Open(open) => self.open(id, &open, &mut outs),
            ClientFrame::Push { channel, events } => {
                let peer = Peer { session: id, channel };
                for event in events {
                    if Some(event.client) != client {
                        outs.push(Out::Send(id, client, error(channel, ErrorCode::NotOpen)));
                        break;
                    }
                    if !self.push(peer, &level.caller(), event) {
                        break;
                    }
                }
            }
            ClientFrame::Fetch { channel, from, to } if level == Level::Whole => {
                self.fetch(id, channel, from, to, &mut outs);
            }
            ClientFrame::Fetch { .. } => {}
            ClientFrame::Close { .. } => {
                (session.reader, session.to_fill, session.filler) = (None, None, None);
                session.part = None;
            }
            // Who is there decides nothing: no device of this world asks.
            ClientFrame::Presence(_) => {}
            ClientFrame::Subscribe { channel, subscription } => {
                outs.extend(
                    session.change(channel, Change::Subscribe(subscription)).map(|out| Out::Send(id, client, out)),
                );
            }
            ClientFrame::Unsubscribe { channel, number } => {
                outs.extend(session.change(channel, Change::Unsubscribe(number)).map(|out| Out::Send(id, client, out)));
            }
            ClientFrame::Ping => outs.push(Out::Send(id, client, ServerFrame::Pong)),
        }
        self.answer(&mut outs);
        outs
    }

    /// The connection is known to be gone.
    pub fn closed(&mut self, id: ConnId) {
        if let Some(process) = &mut self.process {
            process.sessions.remove(&id);
        }
    }

    /// Gives up sessions that were silent for too long.
    pub fn drop_silent(&mut self, now: Millis) -> Vec<Out> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let silent = |(id, session): (&ConnId, &Session)| (now.since(session.heard) >= limits::SILENCE).then_some(*id);
        let silent: Vec<ConnId> = process.sessions.iter().filter_map(silent).collect();
        silent.iter().for_each(|id| drop(process.sessions.remove(id)));
        silent.into_iter().map(Out::Close).collect()
    }

    fn open(&mut self, id: ConnId, open: &Open, outs: &mut Vec<Out>) {
        let unnoticed = self.sabotage == Some(Sabotage::ForkUnnoticed);
        let is_of_the_log = unnoticed || open.claims().all(|(at, chain)| self.disk.chain_at(at) == Some(chain));
        let Some(process) = &mut self.process else { return };
        process.displace(id, open.client, outs);
        let Some(session) = process.sessions.get_mut(&id) else { return };
        (session.client, session.channel, session.reader) = (Some(open.client), open.channel, None);
        (session.to_fill, session.filler, session.played) = (None, None, open.played);
        (session.to_part, session.part) = (None, None);
        session.opening.push_back(open.clone());
        load_clients(&mut process.sequencer, &self.disk, open.former.iter().copied().chain([open.client]));
        let peer = Peer { session: id, channel: open.channel };
        process.sequencer.open(peer, None, open, is_of_the_log);
    }

    fn push(&mut self, peer: Peer, caller: &Caller, event: Authored) -> bool {
        let Some(process) = &mut self.process else { return false };
        load_clients(&mut process.sequencer, &self.disk, [event.client]);
        load_keys(&mut process.sequencer, &self.disk, event.body.ops.iter().map(|op| &op.key));
        load_keys(&mut process.sequencer, &self.disk, event.body.unchanged.iter().map(|read| &read.key));
        if self.sabotage == Some(Sabotage::NoDedupe) && self.random.u8(0..4) == 0 {
            let client = ClientId(self.random.u128(..));
            let again = Authored { client, n: EventNumber::FIRST, settled: EventNumber(0), ..event.clone() };
            process.sequencer.load_client(client, None);
            process.sequencer.push(NOBODY, &Caller::default(), &Sealed::new(again));
        }
        if let Some(needed) = process.sequencer.text_history_needed(&event.body) {
            let events = self.disk.events(needed);
            process.sequencer.load_text_history(&events);
        }
        let sealed = Sealed::new(event);
        loop {
            match process.sequencer.push(peer, caller, &sealed) {
                Pushed::Needs(needs) => {
                    let looks = self.sabotage != Some(Sabotage::HoldersUnseen);
                    needs.into_iter().for_each(|need| load_needed(&mut process.sequencer, &self.disk, need, looks));
                }
                pushed => return pushed == Pushed::Decided,
            }
        }
    }

    fn fetch(&self, id: ConnId, channel: Channel, from: Seq, to: Seq, outs: &mut Vec<Out>) {
        let mut at = from;
        while at < to
            && let Some(mut block) = self.disk.read(at, limits::READ_BYTES)
        {
            while block.end() > to {
                let bytes = block.bytes().len() - 1;
                block = block.slice(block.from(), bytes);
            }
            at = block.end();
            let client = self.process.as_ref().and_then(|process| process.sessions.get(&id)?.client);
            let head = self.disk.head();
            outs.push(Out::Send(id, client, ServerFrame::Events(Events { channel, head, digest: None, block })));
        }
    }

    /// Whether there is something to stage.
    pub fn has_batch(&mut self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.sequencer.is_idle())
    }

    /// Stages what was gathered and writes it. Answers the position to be synced, where something was written.
    pub fn stage(&mut self, outcome: Outcome) -> (Option<Position>, Vec<Out>) {
        let mut outs = Vec::new();
        let Some(process) = &mut self.process else { return (None, outs) };
        let Some(staged) = process.sequencer.stage() else { return (None, outs) };
        assert_eq!(staged.expected, self.disk.end(), "one sequencer alone never meets a conflict");
        let incarnation = process.sequencer.staged().incarnation;
        if outcome == (Outcome::Unknown { landed: false }) {
            self.start_anew(&mut outs);
            return (None, outs);
        }
        let end = self.disk.append(incarnation, &staged.batch);
        if outcome == (Outcome::Unknown { landed: true }) {
            self.start_anew(&mut outs);
            return (None, outs);
        }
        self.note_changes();
        if self.sabotage == Some(Sabotage::AckBeforeSync) {
            self.release(end, &mut outs);
        }
        (Some(end), outs)
    }

    /// The outcome of an append is unknown: everything before it is waited for, the log is read, and all is decided
    /// anew by those who ask again.
    fn start_anew(&mut self, outs: &mut Vec<Out>) {
        self.life += 1;
        self.disk.sync(self.disk.end());
        self.apply_durable();
        let Some(process) = &mut self.process else { return };
        process.waiting.clear();
        let sequencer = self.recover();
        if let Some(process) = &mut self.process {
            let answers = std::mem::replace(&mut process.sequencer, sequencer).abandon();
            process.send(answers, &self.disk, self.horizon, &mut self.random, outs);
        }
        self.note_changes();
        self.apply_durable();
        self.play(outs);
    }

    /// What was written up to a position is durable.
    pub fn synced(&mut self, end: Position) -> Vec<Out> {
        let mut outs = Vec::new();
        self.disk.sync(end);
        self.release(end, &mut outs);
        self.apply_durable();
        self.play(&mut outs);
        outs
    }

    /// The state beside the log becomes durable.
    pub fn checkpoint(&mut self) {
        self.disk.checkpoint();
        let Some(process) = &mut self.process else { return };
        if process.sequencer.is_idle() && process.waiting.is_empty() && self.random.bool() {
            process.sequencer.forget();
        }
    }

    fn release(&mut self, durable: Position, outs: &mut Vec<Out>) {
        let Some(process) = &mut self.process else { return };
        while process.sequencer.appended(durable).is_some() {}
        self.answer(outs);
    }

    fn answer(&mut self, outs: &mut Vec<Out>) {
        let Some(process) = &mut self.process else { return };
        let answers = process.sequencer.take_answers();
        process.send(answers, &self.disk, self.horizon, &mut self.random, outs);
        self.play(outs);
    }

    /// Fills, and gives up what is older than anybody needs.
    pub fn turn(&mut self, trims: bool) -> Vec<Out> {
        let mut outs = Vec::new();
        self.play(&mut outs);
        if trims && self.random.u8(0..4) == 0 {
            self.trim();
        }
        outs
    }

    /// The events up to somewhere are as good as gone.
    fn trim(&mut self) {
        let (Some(process), Some(state)) = (&self.process, self.disk.state()) else { return };
        let needed = process.sessions.values().map(|session| {
            let part = session.part.iter().map(Part::since);
            let filled = session.filler.iter().map(Filler::since).chain(session.reader).chain(part).min();
            filled.map_or(session.played, |filled| filled.min(session.played))
        });
        let most = needed.min().unwrap_or(state.head).min(state.head);
        self.horizon = self.horizon.max(Seq(self.random.u64(0..=most.0)));
    }

    /// Sends pages to everybody who is to be filled, a few at a time.
    fn fill(&mut self, outs: &mut Vec<Out>) {
        let (disk, random) = (&self.disk, &mut self.random);
        let Some(process) = &mut self.process else { return };
        for (&id, session) in &mut process.sessions {
            session.tell(id, disk, random, outs);
            if let Some(fill) = &session.to_fill
                && session.to_part.is_none()
                && let Some(filler) = Filler::pinned(fill, disk, self.horizon)
            {
                (session.to_fill, session.filler) = (None, Some(filler));
            }
            for _ in 0..random.u8(0..4) {
                let Some(filler) = &mut session.filler else { break };
                if random.u8(0..12) == 0
                    && let Some(anew) = filler.pinned_anew(disk, self.horizon)
                {
                    *filler = anew;
                }
                let mut page = filler.page(session.channel, disk, random.usize(1..12));
                if self.sabotage == Some(Sabotage::GoneUnsaid) {
                    page.gone.clear();
                }
                if page.end.is_some() {
                    (session.reader, session.filler) = (Some(page.to), None);
                }
                outs.push(Out::Send(id, session.client, ServerFrame::Page(page)));
            }
        }
    }

    /// Plays to every reader what it has not heard of.
    fn play(&mut self, outs: &mut Vec<Out>) {
        self.fill(outs);
        let Some(process) = &mut self.process else { return };
        let head = self.disk.head();
        for (&id, session) in &mut process.sessions {
            let Some(reader) = &mut session.reader else { continue };
            while *reader < head {
                let Some(block) = self.disk.read(*reader, limits::READ_BYTES >> self.random.u32(0..14)) else { break };
                *reader = block.end();
                let known = self.disk.state().filter(|state| state.head == block.end());
                let digest = known.map(|state| state.digest);
                let events = Events { channel: session.channel, head, digest, block };
                outs.push(Out::Send(id, session.client, ServerFrame::Events(events)));
            }
        }
    }

    fn note_changes(&mut self) {
        if let Some(process) = &mut self.process {
            process.waiting.extend(process.sequencer.take_changes());
        }
    }

    fn apply_durable(&mut self) {
        let Some(process) = &mut self.process else { return };
        let durable = self.disk.synced();
        while let Some(changes) = process.waiting.pop_front_if(|changes| changes.state.position <= durable) {
            self.disk.apply(changes);
        }
    }
}

impl Process {
    /// A newer connection of a client takes the place of an older one.
    fn displace(&mut self, id: ConnId, client: ClientId, outs: &mut Vec<Out>) {
        let others = self.sessions.iter().filter(|&(&other, session)| other != id && session.client == Some(client));
        let others: Vec<(ConnId, Channel)> = others.map(|(&other, session)| (other, session.channel)).collect();
        for (other, channel) in others {
            self.sessions.remove(&other);
            outs.push(Out::Send(other, Some(client), error(channel, ErrorCode::Displaced)));
            outs.push(Out::Close(other));
        }
    }

    fn send(
        &mut self,
        answers: Vec<(Peer, ServerFrame)>,
        disk: &Disk,
        horizon: Seq,
        random: &mut Rng,
        outs: &mut Vec<Out>,
    ) {
        for (peer, frame) in answers {
            let Some(session) = self.sessions.get_mut(&peer.session) else { continue };
            // It is to open the stream again, and is told then.
            if session.client.is_none() {
                continue;
            }
            let knows = random.bool();
            let frame = session.answered(frame, knows, |open| filling::chosen(open, disk, horizon, random));
            outs.push(Out::Send(peer.session, session.client, frame));
        }
    }
}

fn welcome() -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        protocol: PROTOCOL,
        server: "sim".into(),
        silence: limits::SILENCE,
        frame_bytes: limits::FRAME_BYTES as u64,
        expires_in: None,
    })
}
