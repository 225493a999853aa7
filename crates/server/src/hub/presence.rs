//! Who is present on a stream: one table, told as changes, never on the log.
//!
//! Each session that watches keeps how far it has been told, so that one that reads slowly is told the latest of
//! each peer and not all that was said in between. Sessions are told at most once a
//! [`PRESENCE_PAUSE`](tapeline_core::limits::PRESENCE_PAUSE): a task paces a stream for as long as somebody is there.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tapeline_core::codec::cbor;
use tapeline_core::limits as core_limits;
use tapeline_core::name::Subject;
use tapeline_core::numbers::{Millis, PeerId};
use tapeline_core::value::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Opening, Tape};
use crate::inbox::OpeningId;
use crate::lock::lock;

/// How many changes there were: what a session has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
pub(crate) struct Told(u64);

/// Who is present on one stream.
#[derive(Debug, Default)]
pub(super) struct Room {
    peers: FxHashMap<PeerId, Peer>,
    watchers: FxHashMap<OpeningId, Arc<Opening>>,
    changes: u64,
    /// How many changes the watchers were told of.
    told: u64,
    /// What of those that are gone is forgotten: a session that was told less is told everything anew.
    forgotten: u64,
    /// What was last told, for all who stand where the first of them stood.
    news: Option<Arc<News>>,
    /// Wakes the task that paces the stream, where there is one.
    pacer: Option<Arc<Notify>>,
}

#[derive(Debug)]
struct Peer {
    /// `None`: gone, which is remembered until all can have been told.
    state: Option<Value>,
    changed: u64,
    until: Instant,
    opening: OpeningId,
    /// Whose it is, as verified.
    subject: Option<Subject>,
}

/// A session that speaks for peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) opening: OpeningId,
    /// Who it speaks for, as verified.
    pub(crate) subject: Option<&'a Subject>,
}

/// What a session is to be told.
#[derive(Debug)]
pub(crate) struct News {
    /// How far it was told before; not at all where these are all peers there are.
    pub(crate) since: Option<Told>,
    /// How far it is told then.
    pub(crate) told: Told,
    pub(crate) peers: Vec<(PeerId, Option<Value>)>,
    encoded: OnceLock<Bytes>,
}

impl News {
    /// The peers as they end a frame: encoded once for all who are told the same.
    pub(crate) fn encoded(&self) -> Bytes {
        self.encoded.get_or_init(|| cbor::encode_peers(&self.peers).into()).clone()
    }
}

/// Somebody's presence cannot be taken: too many are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

const PAUSE: Duration = duration(core_limits::PRESENCE_PAUSE);
const LIFETIME: Duration = duration(core_limits::PRESENCE_LIFETIME);

const fn duration(millis: Millis) -> Duration {
    Duration::from_millis(millis.0)
}

impl Tape {
    /// Takes what peers of a session say of themselves.
    pub(crate) fn present(
        self: &Arc<Self>,
        speaker: Speaker<'_>,
        peers: Vec<(PeerId, Option<Value>)>,
    ) -> Result<(), Crowded> {
        let mut room = lock(&self.room);
        let now = Instant::now();
        let taken = peers.into_iter().try_for_each(|(peer, state)| room.take(now, speaker, peer, state));
        self.pace(&mut room);
        taken
    }

    /// Tells a session whenever it changes who is present. Answers whether it is the first one here.
    pub(crate) fn watch_presence(&self, opening: &Arc<Opening>) -> bool {
        let mut room = lock(&self.room);
        room.watchers.insert(opening.id, opening.clone());
        room.watchers.len() == 1
    }

    /// The peers of sessions here, by whose they are.
    pub(crate) fn peers_here(&self) -> BTreeMap<Option<Subject>, Vec<(PeerId, Option<Value>)>> {
        let (room, mut by_subject) = (lock(&self.room), BTreeMap::<_, Vec<_>>::new());
        let here = room.peers.iter().filter(|(_, peer)| peer.opening != OpeningId::ELSEWHERE && peer.state.is_some());
        for (id, peer) in here {
            by_subject.entry(peer.subject.clone()).or_default().push((*id, peer.state.clone()));
        }
        by_subject
    }

    /// What changed since a session was told, or everything.
    pub(crate) fn presence_since(&self, told: Option<Told>) -> Arc<News> {
        lock(&self.room).since(told)
    }

    /// A session leaves the stream. In good order, its peers are gone at once; otherwise they may come back on another
    /// connection, and have their lifetime for that. Answers who is gone.
    pub(crate) fn leave_presence(self: &Arc<Self>, opening: &Opening, in_good_order: bool) -> Vec<PeerId> {
        let mut room = lock(&self.room);
        room.watchers.remove(&opening.id);
        let is_its = |peer: &Peer| in_good_order && peer.opening == opening.id && peer.state.is_some();
        let gone: Vec<PeerId> = room.peers.iter().filter(|(_, peer)| is_its(peer)).map(|(id, _)| *id).collect();
        gone.iter().for_each(|peer| room.end(Instant::now(), *peer));
        self.pace(&mut room);
        gone
    }

    fn pace(self: &Arc<Self>, room: &mut Room) {
        match &room.pacer {
            Some(pacer) if room.told < room.changes => pacer.notify_one(),
            None if !room.peers.is_empty() => {
                let pacer = Arc::new(Notify::new());
                room.pacer = Some(pacer.clone());
                tokio::spawn(pace(Arc::downgrade(self), pacer));
            }
            _ => {}
        }
    }
}

/// Tells watchers what changed, a pause between, until nobody is there.
async fn pace(tape: Weak<Tape>, pacer: Arc<Notify>) {
    while let Some(next) = tape.upgrade().and_then(|tape| lock(&tape.room).turn(Instant::now())) {
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            () = pacer.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}

impl Room {
    fn take(&mut self, now: Instant, speaker: Speaker<'_>, peer: PeerId, state: Option<Value>) -> Result<(), Crowded> {
        let is_full = self.peers.len() >= core_limits::PEERS;
        match self.peers.get_mut(&peer) {
            None if state.is_none() => {}
            None if is_full => return Err(Crowded),
            // All who watch know its id: for as long as it is there nobody else speaks for it.
            Some(known) if known.state.is_some() && known.subject.as_ref() != speaker.subject => {}
            Some(known) if known.state == state => {
                (known.until, known.opening) = (now + LIFETIME, speaker.opening);
            }
            _ => self.set(now, speaker, peer, state),
        }
        Ok(())
    }

    fn set(&mut self, now: Instant, speaker: Speaker<'_>, peer: PeerId, state: Option<Value>) {
        self.changes += 1;
        let Speaker { opening, subject } = speaker;
        let (changed, until, subject) = (self.changes, now + LIFETIME, subject.cloned());
        self.peers.insert(peer, Peer { state, changed, until, opening, subject });
    }

    /// A peer is gone, which is remembered until all can have been told.
    fn end(&mut self, now: Instant, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        self.changes += 1;
        (known.state, known.changed, known.until) = (None, self.changes, now + LIFETIME);
    }

    fn since(&mut self, told: Option<Told>) -> Arc<News> {
        let since = told.filter(|Told(told)| *told >= self.forgotten);
        match &self.news {
            Some(news) if news.since == since && news.told == Told(self.changes) => news.clone(),
            _ => self.news.insert(Arc::new(self.changed_since(since))).clone(),
        }
    }

    fn changed_since(&self, since: Option<Told>) -> News {
        let is_news = |peer: &Peer| match since {
            Some(Told(told)) => peer.changed > told,
            None => peer.state.is_some(),
        };
        let changed = self.peers.iter().filter(|(_, peer)| is_news(peer));
        let peers = changed.map(|(id, peer)| (*id, peer.state.clone())).collect();
        News { since, told: Told(self.changes), peers, encoded: OnceLock::new() }
    }

    /// Lets those go whose time is over, and tells the watchers. Answers when to come back; not at all where nobody is
    /// there.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        let over: Vec<PeerId> = self.peers.iter().filter(|(_, peer)| peer.until <= now).map(|(id, _)| *id).collect();
        for peer in over {
            if self.peers.get(&peer).is_some_and(|known| known.state.is_some()) {
                self.end(now, peer);
            } else if let Some(gone) = self.peers.remove(&peer) {
                self.forgotten = self.forgotten.max(gone.changed);
            }
        }
        if self.told < self.changes {
            (self.told, self.news) = (self.changes, None);
            self.watchers.values().for_each(|opening| opening.inbox.tell_presence(opening.id, opening.channel));
        }
        let next = self.peers.values().map(|peer| peer.until).min();
        if next.is_none() {
            (self.pacer, self.news) = (None, None);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: PeerId = PeerId(1);
    const BEN: PeerId = PeerId(2);
    const SESSION: Speaker<'_> = Speaker { opening: OpeningId(1), subject: None };

    #[test]
    fn a_watcher_is_told_the_latest_of_each_once() {
        let (mut room, now) = (Room::default(), Instant::now());
        for step in 0..5 {
            room.take(now, SESSION, ANA, Some(Value::Int(step))).unwrap();
        }
        let first = room.since(None);
        assert_eq!(first.since, None);
        assert!(Arc::ptr_eq(&first, &room.since(None)), "all who stand there share it");
        assert_eq!(first.peers, [(ANA, Some(Value::Int(4)))]);
        room.take(now, SESSION, BEN, Some(Value::Int(9))).unwrap();
        let second = room.since(Some(first.told));
        assert_eq!((second.since, &*second.peers), (Some(first.told), &[(BEN, Some(Value::Int(9)))][..]));
        assert!(room.since(Some(second.told)).peers.is_empty());
    }

    #[test]
    fn who_does_not_renew_is_gone_after_a_lifetime() {
        let (mut room, now) = (Room::default(), Instant::now());
        room.take(now, SESSION, ANA, Some(Value::Int(1))).unwrap();
        room.take(now, SESSION, BEN, Some(Value::Int(1))).unwrap();
        let told = room.since(None).told;
        let later = now + LIFETIME / 2;
        room.take(later, SESSION, BEN, Some(Value::Int(1))).unwrap();
        assert_eq!(room.turn(later), Some(now + LIFETIME));
        assert!(room.since(Some(told)).peers.is_empty(), "to renew is no change");
        assert_eq!(room.turn(now + LIFETIME), Some(later + LIFETIME));
        assert_eq!(room.since(Some(told)).peers, [(ANA, None)]);
        let end = now + LIFETIME * 4;
        while room.turn(end).is_some_and(|next| next <= end) {}
        room.turn(end + LIFETIME);
        assert_eq!(room.turn(end + LIFETIME * 2), None, "nobody is left, and nothing of them");
        assert_eq!(room.since(Some(told)).since, None, "what is forgotten cannot be told as a change");
    }

    #[test]
    fn nobody_speaks_for_a_peer_of_somebody_else_while_it_is_there() {
        let subjects = ["ana", "eve"].map(|name| Subject::new(name).unwrap());
        let [ana, eve] =
            [0, 1].map(|place| Speaker { opening: OpeningId(place), subject: subjects.get(place as usize) });
        let ana_again = Speaker { opening: OpeningId(7), ..ana };
        let (mut room, now) = (Room::default(), Instant::now());
        room.take(now, ana, ANA, Some(Value::Int(1))).unwrap();
        let told = room.since(None).told;
        for speaker in [eve, SESSION] {
            room.take(now, speaker, ANA, Some(Value::Int(2))).unwrap();
            room.take(now, speaker, ANA, Some(Value::Int(1))).unwrap();
            room.take(now, speaker, ANA, None).unwrap();
        }
        assert_eq!((room.changes, room.peers[&ANA].opening), (told.0, ana.opening));
        room.take(now, ana_again, ANA, Some(Value::Int(3))).unwrap();
        assert_eq!(room.since(Some(told)).peers, [(ANA, Some(Value::Int(3)))], "on another connection");
        room.take(now, ana_again, ANA, None).unwrap();
        room.take(now, eve, ANA, Some(Value::Int(4))).unwrap();
        assert_eq!(room.since(Some(told)).peers, [(ANA, Some(Value::Int(4)))], "an id that is free again");
    }

    #[test]
    fn a_stream_has_room_for_so_many() {
        let (mut room, now) = (Room::default(), Instant::now());
        for peer in 0..core_limits::PEERS as u64 {
            room.take(now, SESSION, PeerId(peer), Some(Value::Int(1))).unwrap();
        }
        assert_eq!(room.take(now, SESSION, PeerId(u64::MAX), Some(Value::Int(1))), Err(Crowded));
        assert_eq!(room.take(now, SESSION, PeerId(0), Some(Value::Int(2))), Ok(()), "who is there may speak");
    }
}
