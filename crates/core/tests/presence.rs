//! What a client says of who is there, and when it says it again.

use tapeline_core::frame::{ClientFrame, ErrorCode, ErrorFrame, Opened, Presence, ServerFrame};
use tapeline_core::hash::Digest;
use tapeline_core::limits::{PRESENCE_LIFETIME, PRESENCE_PAUSE, PRESENCE_PEERS, PRESENCE_RENEWAL};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Incarnation, Millis, PeerId, Seq};
use tapeline_core::replica::{Keeping, Moment, Replica, Start};
use tapeline_core::value::Value;

const ANA: PeerId = PeerId(1);
const BEN: PeerId = PeerId(2);
const BEGIN: Millis = Millis(1_000_000);

/// A replica whose stream is open.
fn replica() -> Replica {
    let stream = StreamName::new("board").unwrap();
    let mut replica = Replica::new(stream, ClientId(7), Start::Played, Keeping::Memory);
    replica.connected(Channel(3));
    open(&mut replica);
    replica
}

fn open(replica: &mut Replica) {
    assert!(matches!(replica.poll_frame(BEGIN), Some(ClientFrame::Open(_))));
    let (incarnation, last) = (Incarnation(1), vec![EventNumber(0)]);
    let opened = Opened {
        channel: Channel(3),
        incarnation,
        head: Seq(0),
        digest: Digest::default(),
        last,
        verdicts: Vec::new(),
        readable: None,
    };
    hear(replica, ServerFrame::Opened(opened));
}

fn hear(replica: &mut Replica, frame: ServerFrame) {
    replica.receive(Moment { now: BEGIN, random: 1 }, frame);
}

/// Whether it asks for the others, and what it says of its own.
type Said = (bool, Vec<(PeerId, Option<Value>)>);

/// What is said now.
fn said(replica: &mut Replica, now: Millis) -> Option<Said> {
    let frame = replica.poll_frame(now)?;
    assert_eq!(replica.poll_frame(now), None, "one frame at a time");
    let ClientFrame::Presence(Presence { anew, peers, .. }) = frame else { panic!("{frame:?}") };
    Some((anew, peers))
}

fn at(place: i64) -> Option<Value> {
    Some(Value::Int(place))
}

#[test]
fn the_latest_is_said_once_a_pause() {
    let mut replica = replica();
    replica.watch_peers();
    replica.present(ANA, at(1)).unwrap();
    assert_eq!(said(&mut replica, BEGIN), Some((true, vec![(ANA, at(1))])));
    replica.present(ANA, at(2)).unwrap();
    replica.present(ANA, at(3)).unwrap();
    let next = BEGIN.plus(PRESENCE_PAUSE);
    assert_eq!((said(&mut replica, BEGIN), replica.poll_timeout()), (None, Some(next)));
    assert_eq!(said(&mut replica, next), Some((false, vec![(ANA, at(3))])));
    replica.present(ANA, None).unwrap();
    let next = next.plus(PRESENCE_PAUSE);
    assert_eq!(said(&mut replica, next), Some((false, vec![(ANA, None)])));
    assert_eq!(replica.poll_timeout(), None, "nobody is left to be renewed");
}

/// Two tabs on one socket: one where something moves all the time, one that just lies there.
#[test]
fn who_is_quiet_is_renewed_however_much_others_say() {
    let mut replica = replica();
    replica.present(BEN, at(0)).unwrap();
    let (mut now, mut renewed) = (BEGIN, BEGIN);
    for step in 0.. {
        replica.present(ANA, at(step)).unwrap();
        let (_, peers) = said(&mut replica, now).expect("Ana moves");
        if peers.contains(&(BEN, at(0))) {
            renewed = now;
        }
        assert!(now.since(renewed) < PRESENCE_LIFETIME, "Ben was not renewed");
        now = now.plus(PRESENCE_PAUSE);
        if now.since(BEGIN) > Millis(3 * PRESENCE_LIFETIME.0) {
            break;
        }
    }
}

#[test]
fn all_are_renewed_where_they_are_too_many_for_one_frame() {
    let mut replica = replica();
    let many = 2 * PRESENCE_PEERS as u64 + 1;
    (0..many).for_each(|peer| replica.present(PeerId(peer), at(1)).unwrap());
    let mut now = BEGIN;
    for _ in 0..3 {
        let mut seen = Vec::new();
        while (seen.len() as u64) < many {
            now = now.max(replica.poll_timeout().unwrap());
            let (_, peers) = said(&mut replica, now).unwrap();
            assert!(peers.len() <= PRESENCE_PEERS);
            seen.extend(peers.into_iter().map(|(peer, _)| peer.0));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..many).collect::<Vec<_>>());
        assert!(now.since(BEGIN) < PRESENCE_LIFETIME);
    }
    assert!(now.since(BEGIN) >= PRESENCE_RENEWAL);
}

#[test]
fn another_opening_on_the_same_connection_is_told_everything() {
    let mut replica = replica();
    replica.watch_peers();
    replica.present(ANA, at(1)).unwrap();
    said(&mut replica, BEGIN).unwrap();
    let others = Presence { channel: Channel(3), anew: true, peers: vec![(BEN, at(2))] };
    hear(&mut replica, ServerFrame::Presence(others));
    assert_eq!(replica.peers().count(), 1);
    let (channel, code, message) = (Some(Channel(3)), ErrorCode::NotOpen, String::new());
    hear(&mut replica, ServerFrame::Error(ErrorFrame { channel, code, message, n: None, retry: None }));
    open(&mut replica);
    assert_eq!(said(&mut replica, BEGIN), Some((true, vec![(ANA, at(1))])));
}

#[test]
fn a_clock_that_jumps_back_stops_nothing() {
    let mut replica = replica();
    replica.present(ANA, at(1)).unwrap();
    said(&mut replica, BEGIN).unwrap();
    replica.present(ANA, at(2)).unwrap();
    let earlier = Millis(BEGIN.0 / 2);
    assert_eq!(said(&mut replica, earlier), Some((false, vec![(ANA, at(2))])));
    assert_eq!(replica.poll_timeout(), Some(earlier.plus(PRESENCE_RENEWAL)));
}
