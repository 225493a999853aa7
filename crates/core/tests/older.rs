//! A program that is older than what is on the log: it stops before what it does not know, says so, and keeps what waits
//! to be sent. It never plays on without it.

mod peers;

use peers::*;
use tapeline_core::codec::cbor::encode_recorded;
use tapeline_core::event::{Body, Recorded};
use tapeline_core::numbers::{ClientId, EventNumber, Seq};
use tapeline_core::replica::{Notice, Start};

/// An event of a newer program: an increment, in which one byte says something that does not exist yet.
fn of_a_newer_program(seq: Seq, known: &[u8], unknown: u8) -> Vec<u8> {
    let body = Body { base: seq, ops: vec![inc("x", "n", 5)], ..Body::default() };
    let (client, n, actor, lost) = (ClientId(9), EventNumber(1), None, Vec::new());
    let mut encoded = encode_recorded(&Recorded { seq, client, n, actor, body, lost });
    let place = encoded.windows(known.len()).position(|window| window == known).unwrap();
    encoded[place + known.len() - 1] = unknown;
    encoded
}

/// A kind of op, and a part of an update, that are yet to be invented.
fn newer_events(seq: Seq) -> [Vec<u8>; 2] {
    let kind = of_a_newer_program(seq, &[0x84, 0x01], 0x07);
    let part = of_a_newer_program(seq, &[0xa1, 0x01, 0xa1, 0x61, b'n'], b'n');
    let mut part = part;
    let place = part.windows(4).position(|window| window == [0xa1, 0x01, 0xa1, 0x61]).unwrap();
    part[place + 1] = 0x0b;
    [kind, part]
}

#[test]
fn it_stops_before_what_it_does_not_know_and_keeps_what_is_pending() {
    for which in 0..2 {
        let (mut server, mut ann) = (Server::new(), Device::new(1));
        ann.connect();
        ann.edit(vec![insert("x", &[("n", 1)])]);
        talk(&mut server, &mut [&mut ann]);
        ann.disconnect(&mut server);
        ann.edit(vec![set("x", "a", 2)]);
        while ann.store() {}
        let digest = ann.replica.digest();
        server.log.push(&newer_events(Seq(1))[which]);

        // A restart of the same program comes to the same end.
        for _ in 0..2 {
            ann.notices();
            ann.connect();
            talk(&mut server, &mut [&mut ann]);
            assert!(ann.notices().contains(&Notice::Outdated { seq: Seq(1) }), "the app is told to upgrade");
            assert!(ann.replica.status().outdated);
            assert_eq!((ann.replica.played(), ann.replica.digest()), (Seq(1), digest), "nothing was played past it");
            assert_eq!((ann.int("x", "n"), ann.int("x", "a"), ann.replica.pending()), (Some(1), Some(2), 1));
            ann.disconnect(&mut server);
            ann.connect();
            assert_eq!(ann.frame(), None, "it says nothing more");
            while ann.store() {}
            ann = Device::from_rows(1, Start::Played, ann.rows);
        }
    }
}
