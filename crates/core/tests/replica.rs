//! The replica's rules, told as stories between a server and a few devices.

mod peers;

use peers::*;
use tapeline_core::block::EventBlock;
use tapeline_core::event::{Refusal, RefusalCode};
use tapeline_core::frame::{ClientFrame, ErrorCode, ErrorFrame, Events, Live, Resync, ResyncReason, ServerFrame};
use tapeline_core::hash::{Chain, Digest};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Millis, Seq};
use tapeline_core::op::Edit;
use tapeline_core::replica::{Notice, Start};
use tapeline_core::word::Word;

/// A server and two devices that are connected.
fn three() -> (Server, Device, Device) {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ben.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    (server, ann, ben)
}

/// The same, all of which have an object.
fn three_with_x() -> (Server, Device, Device) {
    let (mut server, mut ann, mut ben) = three();
    ann.edit(vec![insert("x", &[("a", 1)])]);
    talk(&mut server, &mut [&mut ann, &mut ben]);
    (server, ann, ben)
}

fn refusals(device: &mut Device) -> Vec<RefusalCode> {
    let codes = device.notices().into_iter().filter_map(|notice| match notice {
        Notice::Refused { refusal, .. } => Some(refusal.code),
        _ => None,
    });
    codes.collect()
}

fn has_started_over(device: &mut Device) -> bool {
    device.notices().iter().any(|notice| matches!(notice, Notice::StartedOver(_)))
}

#[test]
fn an_edit_shows_at_once_and_everywhere_later() {
    let (mut server, mut ann, mut ben) = three();
    ann.edit(vec![insert("x", &[("a", 1)])]);
    assert_eq!((ann.int("x", "a"), ben.int("x", "a")), (Some(1), None));
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.int("x", "a"), ben.int("x", "a")), (Some(1), Some(1)));
    assert_eq!((ann.replica.pending(), ann.replica.digest()), (0, ben.replica.digest()));
    assert!(matches!(ann.notices()[..], [Notice::Recorded { seq: Seq(0), .. }]));
}

#[test]
fn an_edit_is_sent_only_once_it_is_stored() {
    let (mut server, mut ann, _) = three();
    ann.edit(vec![insert("x", &[])]);
    assert_eq!(ann.frame(), None);
    assert!(ann.store());
    let Some(ClientFrame::Push { events, .. }) = ann.frame() else { panic!("what is stored is sent") };
    assert_eq!((events.len(), events[0].n), (1, EventNumber(1)));
    talk(&mut server, &mut [&mut ann]);
    assert_eq!(ann.replica.stored_through().0, 1);
}

#[test]
fn what_the_device_may_forget_is_not_settled() {
    let (mut server, mut ann, _) = three();
    ann.edit(vec![insert("x", &[])]);
    ann.store();
    let push = ann.frame().unwrap();
    deliver(server.hear(ann.peer(), push), &mut [&mut ann]);
    // The answer is heard. A crash now would have it asked for again.
    let mut settled = || {
        ann.disconnect(&mut server);
        ann.connect();
        let Some(ClientFrame::Open(open)) = ann.frame() else { panic!("it opens the stream") };
        while ann.store() {}
        open.settled
    };
    assert_eq!((settled(), settled()), (EventNumber(0), EventNumber(1)));
}

#[test]
fn an_edit_takes_in_no_later_one_that_was_made_on_what_others_did() {
    let waiting = |met: bool| {
        let (mut server, mut ann, mut ben) = three_with_x();
        ann.edit(vec![set("x", "a", 2)]);
        ben.edit(vec![set("x", "a", 3)]);
        while ben.store() {}
        let push = ben.frame().unwrap();
        let frames = server.hear(ben.peer(), push);
        if met {
            deliver(frames, &mut [&mut ann]);
        }
        ann.edit(vec![set("x", "a", 4)]);
        ann.replica.outbox().map(|(_, body)| body.base).collect::<Vec<_>>()
    };
    assert_eq!(waiting(false), [Seq(1)]);
    assert_eq!(waiting(true), [Seq(1), Seq(2)]);
}

#[test]
fn confirming_ones_own_edit_changes_nothing_that_is_shown() {
    let (mut server, mut ann, _) = three();
    ann.edit(vec![insert("x", &[("a", 1)])]);
    let edit = ann.edit(vec![inc("x", "a", 1)]);
    ann.replica.take_changed().for_each(drop);
    talk(&mut server, &mut [&mut ann]);
    assert_eq!(ann.int("x", "a"), Some(2));
    assert_eq!(ann.replica.take_changed().count(), 0, "nothing changed before the eyes");
    assert_eq!(ann.replica.outbox().count(), 0);
    assert!(ann.notices().iter().any(|notice| matches!(notice, Notice::Recorded { edit: told, .. } if *told == edit)));
}

#[test]
fn pending_edits_are_applied_again_on_what_others_did() {
    let (mut server, mut ann, mut ben) = three();
    ann.edit(vec![insert("x", &[("a", 1), ("b", 1)]), insert("y", &[("a", 1)])]);
    talk(&mut server, &mut [&mut ann, &mut ben]);
    ben.disconnect(&mut server);
    ben.edit(vec![inc("x", "a", 10)]);
    ben.edit(vec![set("x", "b", 7)]);
    ann.edit(vec![set("x", "a", 5)]);
    ann.edit(vec![set("x", "b", 6), delete("y")]);
    talk(&mut server, &mut [&mut ann]);
    assert_eq!((ben.int("x", "a"), ben.int("x", "b"), ben.int("y", "a")), (Some(11), Some(7), Some(1)));
    ben.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    for device in [&ann, &ben] {
        assert_eq!((device.int("x", "a"), device.int("x", "b"), device.int("y", "a")), (Some(15), Some(7), None));
    }
    assert_eq!(ann.replica.digest(), ben.replica.digest());
}

#[test]
fn a_refused_edit_is_parked_and_does_not_block() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ben.disconnect(&mut server);
    let doomed = ben.edit(vec![inc("x", "a", 1)]);
    ben.edit(vec![upsert("y", &[("a", 1)])]);
    ann.edit(vec![update("x", "a", Edit::Set("text".into()))]);
    talk(&mut server, &mut [&mut ann]);
    ben.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(refusals(&mut ben), [RefusalCode::Invalid]);
    assert_eq!(ann.int("y", "a"), Some(1), "what was behind it went through");
    assert_eq!(ben.replica.digest(), ann.replica.digest());
    assert_eq!(ben.replica.parked().map(|(edit, _)| edit).collect::<Vec<_>>(), [doomed]);

    // It is still there after a restart, and can be tried again once it fits.
    let mut ben = Device::from_rows(2, Start::Played, ben.rows);
    assert_eq!(ben.replica.parked().count(), 1);
    ann.edit(vec![set("x", "a", 5)]);
    ben.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    ben.replica.retry(ben.now, doomed).unwrap().unwrap();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.int("x", "a"), ben.replica.parked().count()), (Some(6), 0));
}

#[test]
fn a_restart_goes_on_from_the_rows() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ann.disconnect(&mut server);
    ann.edit(vec![inc("x", "a", 1)]);
    ann.edit(vec![insert("y", &[])]);
    while ann.store() {}
    ann.edit(vec![insert("never-stored", &[])]);
    let mut again = Device::from_rows(1, Start::Played, ann.rows);
    assert_eq!((again.replica.client(), again.replica.played(), again.replica.pending()), (ClientId(1), Seq(1), 2));
    assert_eq!((again.int("x", "a"), again.replica.digest()), (Some(2), ben.replica.digest()));
    assert!(again.replica.get(&key("y")).is_some() && again.replica.get(&key("never-stored")).is_none());
    again.connect();
    talk(&mut server, &mut [&mut again, &mut ben]);
    assert_eq!((ben.int("x", "a"), again.replica.pending()), (Some(2), 0));
}

#[test]
fn what_was_sent_and_not_answered_is_sent_again_and_takes_effect_once() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ann.edit(vec![inc("x", "a", 1)]);
    while ann.store() {}
    let push = ann.frame().unwrap();
    let answers = server.hear(ann.peer(), push.clone());
    deliver(answers, &mut [&mut ben]); // the answer to Ann is lost
    ann.disconnect(&mut server);
    server.hear(ann.peer(), push); // what was in flight comes late
    let mut ann = Device::from_rows(1, Start::Played, ann.rows);
    ann.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.int("x", "a"), ben.int("x", "a"), server.log.end()), (Some(2), Some(2), Seq(2)));
}

#[test]
fn a_gap_is_fetched_and_nothing_else() {
    let (mut server, mut ann, _) = three();
    let edits = |ann: &mut Device, server: &mut Server, count: usize| {
        for _ in 0..count {
            ann.edit(vec![upsert("x", &[("a", 1)])]);
            talk(server, &mut [ann]);
        }
    };
    edits(&mut ann, &mut server, 10);
    let mut late = Device::in_memory(3, Start::Head);
    late.connect();
    talk(&mut server, &mut [&mut late]);
    assert_eq!(late.replica.played(), Seq(10));
    late.disconnect(&mut server);
    edits(&mut ann, &mut server, 5);

    late.connect();
    let open = late.frame().unwrap();
    assert!(matches!(&open, ClientFrame::Open(open) if open.live == Live::Head));
    deliver(server.hear(late.peer(), open), &mut [&mut late]);
    let fetch = late.frame().unwrap();
    assert_eq!(fetch, ClientFrame::Fetch { channel: Channel(1), from: Seq(10), to: Seq(15) });

    // Live events come meanwhile; they wait, and what was asked for is not asked for again.
    ann.edit(vec![upsert("x", &[("a", 2)])]);
    talk(&mut server, &mut [&mut ann, &mut late]);
    assert_eq!((late.replica.played(), late.frame()), (Seq(10), None));
    deliver(server.hear(late.peer(), fetch), &mut [&mut late]);
    assert_eq!((late.replica.played(), late.int("x", "a")), (Seq(16), Some(2)));
    assert_eq!(late.frame(), None);
}

#[test]
fn what_comes_before_the_open_is_answered_belongs_to_an_earlier_one() {
    let (mut server, mut ann, _) = three();
    ann.edit(vec![upsert("x", &[])]);
    talk(&mut server, &mut [&mut ann]);
    let mut ben = Device::new(3);
    ben.connect();
    let open = ben.frame().unwrap();
    let (channel, head) = (Channel(1), server.log.end());
    ben.receive(ServerFrame::Events(Events { channel, head, digest: None, block: server.log.clone() }));
    assert_eq!(ben.replica.played(), Seq(0));
    deliver(server.hear(ben.peer(), open), &mut [&mut ben]);
    assert_eq!(ben.replica.played(), Seq(1));
}

// A store that goes on twice, and a server that comes back older.

#[test]
fn two_copies_of_a_store_send_what_both_have_once() {
    let (mut server, mut ann, mut ben) = three();
    ann.edit(vec![insert("x", &[("a", 0)]), insert("y", &[("a", 0)]), insert("z", &[("a", 0)])]);
    talk(&mut server, &mut [&mut ann]);
    ann.disconnect(&mut server);
    ann.edit(vec![inc("x", "a", 1)]);
    while ann.store() {}
    let mut twin = Device::from_rows(9, Start::Played, ann.rows.clone());
    assert_eq!(twin.replica.client(), ann.replica.client());
    ann.edit(vec![inc("y", "a", 10)]);
    twin.edit(vec![inc("z", "a", 100)]);
    ann.connect();
    talk(&mut server, &mut [&mut ann, &mut ben]);
    twin.connect();
    talk(&mut server, &mut [&mut ann, &mut ben, &mut twin]);
    assert_ne!(twin.replica.client(), ann.replica.client());
    for device in [&ann, &ben, &twin] {
        let sums = ["x", "y", "z"].map(|id| device.int(id, "a"));
        assert_eq!((sums, device.replica.pending()), ([Some(1), Some(10), Some(100)], 0));
    }
}

#[test]
fn a_server_restored_from_an_older_image_gets_back_what_was_acknowledged() {
    let (server, mut ann, mut ben) = three_with_x();
    // The restored server has none of it, and somebody else writes there first.
    let mut server = server.restored(0);
    let mut cay = Device::new(5);
    cay.edit(vec![insert("z", &[])]);
    cay.connect();
    talk(&mut server, &mut [&mut cay]);
    for device in [&mut ann, &mut ben] {
        device.connect();
    }
    talk(&mut server, &mut [&mut ann, &mut ben, &mut cay]);
    assert!(has_started_over(&mut ann));
    for device in [&ann, &ben, &cay] {
        assert_eq!(device.int("x", "a"), Some(1));
        assert!(device.replica.get(&key("z")).is_some());
    }
    assert_eq!(server.log.end(), Seq(2));
}

#[test]
fn a_server_that_has_forgotten_a_refusal_is_noticed() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ben.disconnect(&mut server);
    ben.edit(vec![inc("x", "a", 1)]);
    ann.edit(vec![update("x", "a", Edit::Set("text".into()))]);
    talk(&mut server, &mut [&mut ann]);
    ben.connect();
    talk(&mut server, &mut [&mut ben]);
    assert_eq!(refusals(&mut ben), [RefusalCode::Invalid]);

    // The same log without the last batch, which had the refusal alone.
    let mut restored = server.restored(server.batches() - 1);
    assert_eq!(restored.log, server.log);
    ben.edit(vec![upsert("y", &[("a", 1)])]);
    ben.connect();
    talk(&mut restored, &mut [&mut ben]);
    assert!(has_started_over(&mut ben));
    assert_eq!((ben.replica.pending(), ben.replica.parked().count()), (0, 1));
}

#[test]
fn an_open_under_somebody_elses_id_goes_on_under_another() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.edit(vec![upsert("x", &[])]);
    ann.connect();
    assert!(matches!(ann.frame(), Some(ClientFrame::Open(_))));
    ann.receive(error(ErrorCode::Forbidden, None));
    talk(&mut server, &mut [&mut ann]);
    assert_ne!(ann.replica.client(), ClientId(1));
    assert_eq!((ann.replica.pending(), server.log.end()), (0, Seq(1)));
}

fn error(code: ErrorCode, n: Option<u64>) -> ServerFrame {
    let (channel, retry) = (Some(Channel(1)), Some(Millis(500)));
    ServerFrame::Error(ErrorFrame { channel, code, message: String::new(), n: n.map(EventNumber), retry })
}

#[test]
fn what_a_newer_server_says_is_understood_as_far_as_it_goes() {
    let (mut server, mut ann, mut ben) = three_with_x();
    let newer = Word::new("over_the_quota").unwrap();

    // Another kind of error: the event is sent again after a while, as with `later`.
    ann.edit(vec![set("x", "a", 2)]);
    while ann.store() {}
    assert!(ann.frame().is_some());
    ann.receive(error(ErrorCode::Other(newer), Some(2)));
    assert_eq!(ann.frame(), None);
    ann.now = Millis(1_500);
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.replica.pending(), ben.int("x", "a")), (0, Some(2)));

    // Another kind of refusal: the edit is parked with it.
    let doomed = ann.edit(vec![set("x", "a", 3)]);
    while ann.store() {}
    assert!(ann.frame().is_some());
    let code = RefusalCode::Other(newer);
    let refusal = Refusal { code, reason: "full".into(), about: None, field: None, current: None, head: Seq::FIRST };
    ann.receive(ServerFrame::Refused { channel: Channel(1), n: EventNumber(3), refusal });
    assert_eq!(refusals(&mut ann), [code]);
    while ann.store() {}
    let mut ann = Device::from_rows(1, Start::Played, ann.rows);
    let parked: Vec<_> = ann.replica.parked().map(|(edit, parked)| (edit, parked.refusal.code)).collect();
    assert_eq!(parked, [(doomed, code)]);

    // Another reason to start over: nothing that was acknowledged is lost.
    let mut server = server.restored(0);
    ann.connect();
    assert!(matches!(ann.frame(), Some(ClientFrame::Open(_))));
    let (channel, reason) = (Channel(1), ResyncReason::Other(newer));
    ann.receive(ServerFrame::Resync(Resync { channel, reason, last: vec![EventNumber(0)] }));
    talk(&mut server, &mut [&mut ann]);
    assert!(has_started_over(&mut ann));
    assert_eq!((ann.int("x", "a"), server.log.end()), (Some(2), Seq(2)));
}

#[test]
fn later_pauses_pushes_until_the_time_has_passed_or_the_clock_jumps_and_the_stream_is_opened_anew() {
    for jump in [false, true] {
        let (mut server, mut ann, _) = three();
        ann.edit(vec![upsert("x", &[])]);
        while ann.store() {}
        assert!(ann.frame().is_some());
        ann.receive(error(ErrorCode::Later, Some(1)));
        assert_eq!(ann.frame(), None);
        ann.now = if jump { Millis(0) } else { Millis(1_500) };
        let Some(open @ ClientFrame::Open(_)) = ann.frame() else { panic!("what was put off may be recorded") };
        deliver(server.hear(ann.peer(), open), &mut [&mut ann]);
        assert!(matches!(ann.frame(), Some(ClientFrame::Push { .. })));
    }
}

#[test]
fn later_puts_off_an_open_but_not_for_an_earlier_push() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    assert!(matches!(ann.frame(), Some(ClientFrame::Open(_))));
    ann.receive(error(ErrorCode::Later, Some(1)));
    ann.now = Millis(2_000);
    assert_eq!(ann.frame(), None, "the open is still to be answered");
    ann.receive(error(ErrorCode::Later, None));
    assert_eq!(ann.frame(), None);
    ann.now = Millis(3_000);
    talk(&mut server, &mut [&mut ann]);
    assert!(ann.replica.is_open());
}

#[test]
fn objects_that_differ_are_played_anew_from_the_same_log() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ann.edit(vec![inc("x", "a", 1)]);
    while ann.store() {}
    let push = ann.frame().unwrap();
    for (peer, frame) in server.hear(ann.peer(), push) {
        let frame = match frame {
            ServerFrame::Events(events) if peer == ben.peer() => {
                ServerFrame::Events(Events { digest: Some(Digest(1)), ..events })
            }
            frame => frame,
        };
        deliver(vec![(peer, frame)], &mut [&mut ann, &mut ben]);
    }
    talk(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.notices(), [Notice::Diverged { seq: Seq(2) }], "and nothing about another history");
    assert_eq!((ben.int("x", "a"), ben.replica.digest()), (Some(2), ann.replica.digest()));
}

#[test]
fn rows_that_could_not_be_stored_are_given_again() {
    let (mut server, mut ann, mut ben) = three_with_x();
    ben.edit(vec![inc("x", "a", 1)]);
    ann.edit(vec![update("x", "a", Edit::Set("text".into()))]);
    talk(&mut server, &mut [&mut ann, &mut ben]);
    let parked: Vec<_> = ben.replica.parked().map(|(edit, _)| edit).collect();
    assert_eq!(parked.len(), 1);
    ben.replica.discard(parked[0]);
    ben.edit(vec![upsert("y", &[])]);
    let failed = ben.replica.poll_store().unwrap();
    ben.replica.not_stored(failed.number);
    while ben.store() {}
    let ben = Device::from_rows(2, Start::Played, ben.rows);
    assert_eq!((ben.replica.parked().count(), ben.replica.pending()), (0, 1));
}

#[test]
fn a_replica_that_has_played_nothing_does_not_care_which_life_of_the_stream_it_is() {
    let mut ann = Device::new(1);
    ann.connect();
    talk(&mut Server::new(), &mut [&mut ann]);
    ann.connect();
    assert!(matches!(ann.frame(), Some(ClientFrame::Open(open)) if open.incarnation.is_none()));
}

#[test]
fn a_block_that_does_not_fit_the_chain_is_not_played() {
    let (mut server, mut ann, _) = three();
    ann.edit(vec![upsert("x", &[])]);
    talk(&mut server, &mut [&mut ann]);
    let mut block = EventBlock::empty(Seq(1), Chain(99));
    block.push(server.log.encoded().next().unwrap());
    ann.receive(ServerFrame::Events(Events { channel: Channel(1), head: Seq(2), digest: None, block }));
    assert_eq!(ann.replica.played(), Seq(1));
    assert!(matches!(ann.frame(), Some(ClientFrame::Open(_))), "it asks where the two histories part");
}
