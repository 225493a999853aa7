//! One active stream as sessions see it: how far it is, its last blocks, and who has it open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;
use tapeline_core::frame::{ErrorCode, ErrorFrame, ServerFrame};
use tapeline_core::hash::Chain;
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Position, Seq};
use tapeline_core::query::routing::Route;
use tapeline_core::sequencer::{Peer, Played};

use super::Hub;
use super::answered::{last_of, new_of};
use super::following::{CLEAN, Following};
use super::presence::Room;
use super::tail::{Recent, Run, Tail};
use crate::inbox::{Answer, Inbox, OpeningId};
use crate::lock::lock;

/// One active stream as sessions see it. Lives as long as a shard or a session holds it.
#[derive(Debug)]
pub(crate) struct Tape {
    stream: StreamName,
    hub: Arc<Hub>,
    /// How many events are durable. Set before anybody is told of them.
    head: AtomicU64,
    /// Events before it may be gone. Set before they go.
    horizon: AtomicU64,
    /// How many batches are known to be on the log, here or not.
    heard: AtomicU64,
    /// How many of them are here.
    position: AtomicU64,
    /// Whether the shard is going to look at that.
    is_to_look: AtomicBool,
    pub(super) recent: Mutex<RecentPart>,
    audience: Mutex<Audience>,
    pub(super) room: Mutex<Room>,
    pub(super) following: Mutex<Following>,
    /// Whether anybody follows a part of it.
    pub(super) watched: AtomicBool,
    /// Held while its state is being pinned.
    pub(crate) pinning: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
pub(super) struct RecentPart {
    pub(super) tail: Tail,
    /// The durable head with the chain after it, once a shard has said so.
    pub(super) end: Option<(Seq, Chain)>,
}

/// Who has the stream open.
#[derive(Debug, Default)]
struct Audience {
    openings: FxHashMap<OpeningId, Arc<Opening>>,
    /// The newest opening of each client.
    clients: FxHashMap<ClientId, OpeningId>,
    /// Those that all events are played to as they come.
    live: FxHashMap<OpeningId, Arc<Opening>>,
}

/// A stream as one session has it open.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(super) id: OpeningId,
    client: ClientId,
    pub(super) channel: Channel,
    pub(super) inbox: Arc<Inbox>,
    /// Whether the session knows that there may be something new.
    told: AtomicBool,
    /// The last of the client's events that it was told of.
    answered: Mutex<EventNumber>,
    /// Where it follows a part of the stream: the first event that concerns it and was not told.
    pub(super) dirty: AtomicU64,
    /// The filters it follows.
    pub(super) routes: Mutex<Vec<Route>>,
}

impl Opening {
    pub(crate) fn new(hub: &Hub, client: ClientId, channel: Channel, inbox: Arc<Inbox>) -> Arc<Self> {
        let (told, dirty, routes) = (AtomicBool::new(true), AtomicU64::new(CLEAN), Mutex::default());
        Arc::new(Self {
            id: hub.next_opening(),
            client,
            channel,
            inbox,
            told,
            answered: Mutex::default(),
            dirty,
            routes,
        })
    }

    pub(crate) fn id(&self) -> OpeningId {
        self.id
    }

    /// The number under which the client speaks of the stream.
    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether something concerns it that it was not told.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire) != CLEAN
    }

    /// Whom a sequencer is to answer.
    pub(crate) fn peer(&self) -> Peer {
        Peer { session: self.id.0, channel: self.channel }
    }

    /// The session has seen all there is, and is told of what comes from now on. It must then look once more.
    pub(crate) fn has_seen_all(&self) {
        self.told.swap(false, Ordering::AcqRel);
    }

    /// Whether it falls to the session to look again: otherwise it is being told to.
    pub(crate) fn looks_again(&self) -> bool {
        !self.told.swap(true, Ordering::AcqRel)
    }

    /// Answers the client; with `since`, unless it was told the same since it was told of that event.
    fn decide(&self, frame: ServerFrame, since: Option<EventNumber>) {
        let mut answered = lock(&self.answered);
        let frame = match since {
            Some(since) => new_of(frame, since, *answered),
            None => Some(frame),
        };
        if let Some(frame) = frame {
            *answered = last_of(&frame).max(*answered);
            self.answer(frame);
        }
    }

    fn answer(&self, frame: ServerFrame) {
        self.inbox.answer(Answer { opening: self.id, channel: self.channel, frame });
    }

    /// There is something new that concerns it.
    pub(super) fn tell(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.inbox.tell(self.id, self.channel);
        }
    }
}

impl Tape {
    pub(super) fn new(stream: StreamName, hub: Arc<Hub>) -> Self {
        let (recent, audience, room, following, pinning) = Default::default();
        let (head, horizon, heard, position) = Default::default();
        let (is_to_look, watched) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            stream,
            hub,
            head,
            horizon,
            heard,
            position,
            is_to_look,
            recent,
            audience,
            room,
            following,
            watched,
            pinning,
        }
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// How many events are known to be durable.
    pub(crate) fn head(&self) -> Seq {
        Seq(self.head.load(Ordering::Acquire))
    }

    /// Events before it may be gone.
    pub(crate) fn horizon(&self) -> Seq {
        Seq(self.horizon.load(Ordering::Acquire))
    }

    /// Events before `horizon` may be gone from now on.
    pub(crate) fn trimmed(&self, horizon: Seq) {
        self.horizon.fetch_max(horizon.0, Ordering::AcqRel);
    }

    /// So many batches are on the log. Answers whether the shard is to be told to look.
    pub(crate) fn hears(&self, position: Position) -> bool {
        let is_news = self.heard.fetch_max(position.0, Ordering::AcqRel) < position.0;
        is_news && !self.is_to_look.swap(true, Ordering::AcqRel)
    }

    /// The shard looks: it is told of what is heard from now on.
    pub(crate) fn looks(&self) {
        self.is_to_look.store(false, Ordering::Release);
    }

    /// How many batches are known to be on the log, here or not.
    pub(crate) fn heard(&self) -> Position {
        Position(self.heard.load(Ordering::Acquire))
    }

    /// The shard has so many batches.
    pub(crate) fn is_at(&self, position: Position) {
        self.position.store(position.0, Ordering::Release);
    }

    /// How many batches are known to be on the log and not here, since it was last in memory.
    pub(super) fn missing(&self) -> u64 {
        self.heard().0.saturating_sub(self.position.load(Ordering::Acquire))
    }

    /// Whether a shard has said where it is.
    pub(crate) fn is_found(&self) -> bool {
        lock(&self.recent).end.is_some()
    }

    /// Whom to answer of a client, where it has the stream open.
    pub(crate) fn peer_of(&self, client: ClientId) -> Option<Peer> {
        let audience = lock(&self.audience);
        Some(audience.openings.get(audience.clients.get(&client)?)?.peer())
    }

    /// The clients that have the stream open.
    pub(crate) fn clients(&self) -> Vec<ClientId> {
        lock(&self.audience).clients.keys().copied().collect()
    }

    /// The chain after the last durable event, where that is `at`.
    pub(crate) fn chain_at_head(&self, at: Seq) -> Option<Chain> {
        lock(&self.recent).end.filter(|(head, _)| *head == at).map(|(_, chain)| chain)
    }

    /// The events from `from` on, where they are in memory.
    pub(crate) fn read(&self, from: Seq) -> Option<Run> {
        lock(&self.recent).tail.read(from)
    }

    /// A session waits for answers: as it opens the stream, or without ever having it open.
    pub(crate) fn join(&self, opening: &Arc<Opening>) {
        lock(&self.audience).openings.insert(opening.id, opening.clone());
    }

    /// A session has the stream open, and its client is the caller's own. An older opening of that client is displaced.
    pub(crate) fn is_opened(&self, peer: Peer) {
        let mut audience = lock(&self.audience);
        let Some(opening) = audience.openings.get(&OpeningId(peer.session)).cloned() else { return };
        let older = audience.clients.insert(opening.client, opening.id);
        let displaced = older.and_then(|older| audience.remove(older));
        drop(audience);
        if let Some(displaced) = displaced {
            let message = "a newer connection of this client opened the stream; this one ends".into();
            let (channel, code) = (Some(displaced.channel), ErrorCode::Displaced);
            let frame = ServerFrame::Error(ErrorFrame { channel, code, message, n: None, retry: None });
            displaced.answer(frame);
        }
    }

    /// A session closes the stream.
    pub(crate) fn close(&self, opening: &Opening) {
        self.unfollow_all(opening);
        let mut audience = lock(&self.audience);
        audience.remove(opening.id);
        if audience.clients.get(&opening.client) == Some(&opening.id) {
            audience.clients.remove(&opening.client);
        }
    }

    /// From now on events are played to an opening. It must look once by itself: what is there already is not told.
    pub(crate) fn play_to(&self, opening: &Opening) {
        let mut audience = lock(&self.audience);
        let open = audience.openings.get(&opening.id).cloned();
        audience.live.extend(open.map(|open| (open.id, open)));
    }

    /// How many events are played to.
    pub(crate) fn subscribers(&self) -> usize {
        lock(&self.audience).live.len()
    }

    /// Delivers a sequencer's answers.
    pub(crate) fn answer(&self, answers: Vec<(Peer, ServerFrame)>) {
        self.deliver(answers, None);
    }

    /// Delivers answers that may come twice, to clients that were told of all up to `since` before they asked.
    pub(crate) fn answer_once(&self, answers: Vec<(Peer, ServerFrame)>, since: EventNumber) {
        self.deliver(answers, Some(since));
    }

    /// The last of its events that a client was told of.
    pub(crate) fn answered(&self, peer: Peer) -> EventNumber {
        let opening = lock(&self.audience).openings.get(&OpeningId(peer.session)).cloned();
        opening.map_or(EventNumber::default(), |opening| *lock(&opening.answered))
    }

    fn deliver(&self, answers: Vec<(Peer, ServerFrame)>, since: Option<EventNumber>) {
        for (peer, frame) in answers {
            let id = OpeningId(peer.session);
            let audience = lock(&self.audience);
            let (opening, is_live) = (audience.openings.get(&id).cloned(), audience.live.contains_key(&id));
            drop(audience);
            if let Some(opening) = opening {
                if matches!(frame, ServerFrame::Ack { .. }) && !is_live {
                    self.is_answered(&opening);
                }
                opening.decide(frame, since);
            }
        }
    }

    /// Events are durable: plays them. Answers how many bytes are now kept in memory for them.
    pub(crate) fn play(&self, played: Played) -> usize {
        let Played { batch, digest, touched, .. } = played;
        let (from, end, chain) = (batch.block.from(), batch.block.end(), batch.block.after());
        if batch.block.is_empty() {
            return 0;
        }
        let mut recent = lock(&self.recent);
        let (routed, concerned) = self.route(from, touched);
        let kept = (self.subscribers() > 0 || routed.is_some()).then(|| Recent::new(batch, digest, routed));
        let bytes = kept.as_ref().map_or(0, |kept| kept.bytes());
        match kept {
            Some(kept) => recent.tail.push(kept),
            None => recent.tail.clear(),
        }
        recent.end = Some((end, chain));
        drop(recent);
        self.head.store(end.0, Ordering::Release);
        self.tell_all();
        self.hub.is_played(&self.stream);
        concerned.iter().for_each(|opening| opening.tell());
        bytes
    }

    /// A shard has found the stream to be here on the log.
    pub(crate) fn found(&self, head: Seq, chain: Chain) {
        lock(&self.recent).end = Some((head, chain));
        if self.head.fetch_max(head.0, Ordering::AcqRel) < head.0 {
            lock(&self.recent).tail.clear();
            self.tell_all();
            self.all_are_dirty();
        }
    }

    /// Lets the oldest block in memory go.
    pub(crate) fn shorten(&self) {
        lock(&self.recent).tail.shorten();
    }

    /// Tells those that all events are played to. Others are told of what concerns them.
    fn tell_all(&self) {
        lock(&self.audience).live.values().for_each(|opening| opening.tell());
    }
}

impl Audience {
    fn remove(&mut self, id: OpeningId) -> Option<Arc<Opening>> {
        self.live.remove(&id);
        self.openings.remove(&id)
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.hub.forget(&self.stream);
    }
}
