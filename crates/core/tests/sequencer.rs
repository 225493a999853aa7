//! The sequencer's rules: what becomes of an event that meets others, and of one that is sent again.

mod peers;

use peers::*;
use tapeline_core::caller::Caller;
use tapeline_core::event::{Authored, LostReason, Read, RefusalCode, Sealed};
use tapeline_core::frame::{ClientFrame, ErrorCode, ServerFrame};
use tapeline_core::name::Subject;
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Seq};
use tapeline_core::op::{Edit, Op};
use tapeline_core::schema::{Policy, Rules, Schema};
use tapeline_core::sequencer::{Peer, Pushed, Sequencer};
use tapeline_core::splice::Splices;
use tapeline_core::state::{ClientState, StreamState};

const ANN: Peer = Peer { session: 1, channel: Channel(1) };
const BEN: Peer = Peer { session: 2, channel: Channel(1) };

/// A stream on which Ann did something, one event after another.
fn after(ops: &[Op]) -> Server {
    after_with(Schema::default(), ops)
}

fn after_with(schema: Schema, ops: &[Op]) -> Server {
    let mut server = Server::with_schema(schema);
    for (place, op) in ops.iter().enumerate() {
        let n = place as u64 + 1;
        assert!(server.push(ANN, authored(1, n, n - 1, vec![op.clone()])));
    }
    server.settle();
    server
}

/// What the log says of Ben's op, which he made having seen the first `base` events; or why it is refused.
fn decide(server: &mut Server, base: u64, op: Op) -> Result<(Vec<Op>, Vec<LostReason>), RefusalCode> {
    decide_all(server, base, vec![op])
}

fn decide_all(server: &mut Server, base: u64, ops: Vec<Op>) -> Result<(Vec<Op>, Vec<LostReason>), RefusalCode> {
    server.push(BEN, authored(2, 1, base, ops));
    let answer = server.settle().into_iter().find_map(|(peer, frame)| (peer == BEN).then_some(frame));
    match answer.expect("every event is answered") {
        ServerFrame::Refused { refusal, .. } => Err(refusal.code),
        ServerFrame::Ack { runs, .. } => {
            let event = server.log.events().last().unwrap().unwrap();
            assert_eq!(event.seq, runs[0].seq);
            Ok((event.body.ops, event.lost.iter().map(|lost| lost.reason).collect()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_meets_a_live_object() {
    let made = [insert("x", &[("a", 1)])];
    for base in [0, 1] {
        for op in [upsert("x", &[("a", 2)]), set("x", "a", 2), inc("x", "a", 2), delete("x")] {
            assert_eq!(decide(&mut after(&made), base, op.clone()), Ok((vec![op], vec![])), "base {base}");
        }
    }
    let concurrent = decide(&mut after(&made), 0, insert("x", &[("b", 2)]));
    assert_eq!(concurrent, Ok((vec![upsert("x", &[("b", 2)])], vec![])));
    assert_eq!(decide(&mut after(&made), 1, insert("x", &[("b", 2)])), Err(RefusalCode::Exists));
}

#[test]
fn what_meets_a_deleted_object() {
    let gone = [insert("x", &[("a", 1)]), delete("x")];
    for base in [1, 2] {
        for op in [insert("x", &[("a", 2)]), upsert("x", &[("a", 2)])] {
            assert_eq!(decide(&mut after(&gone), base, op.clone()), Ok((vec![op], vec![])), "base {base}");
        }
        assert_eq!(decide(&mut after(&gone), base, delete("x")), Ok((vec![], vec![])), "base {base}");
    }
    assert_eq!(decide(&mut after(&gone), 1, set("x", "a", 2)), Ok((vec![], vec![LostReason::Gone])));
    assert_eq!(decide(&mut after(&gone), 2, set("x", "a", 2)), Err(RefusalCode::NotFound));
}

#[test]
fn what_meets_nothing() {
    for op in [insert("x", &[("a", 2)]), upsert("x", &[("a", 2)])] {
        assert_eq!(decide(&mut after(&[]), 0, op.clone()), Ok((vec![op], vec![])));
    }
    assert_eq!(decide(&mut after(&[]), 0, delete("x")), Ok((vec![], vec![])));
    assert_eq!(decide(&mut after(&[]), 0, set("x", "a", 2)), Err(RefusalCode::NotFound));
}

#[test]
fn what_meets_nothing_where_what_was_deleted_may_be_forgotten() {
    let trimmed = || {
        let mut server = after(&[insert("x", &[("a", 1)]), set("x", "a", 2), set("x", "a", 3)]);
        server.sequencer.trimmed(Seq(2));
        server
    };
    for op in [insert("y", &[("a", 2)]), upsert("y", &[("a", 2)])] {
        assert_eq!(decide(&mut trimmed(), 1, op.clone()), Ok((vec![op], vec![])));
    }
    assert_eq!(decide(&mut trimmed(), 1, delete("y")), Ok((vec![], vec![])));
    assert_eq!(decide(&mut trimmed(), 1, set("y", "a", 2)), Ok((vec![], vec![LostReason::Gone])));
    assert_eq!(decide(&mut trimmed(), 2, set("y", "a", 2)), Err(RefusalCode::NotFound));
}

#[test]
fn a_read_of_what_may_have_been_deleted_is_stale() {
    for (horizon, stale) in [(1, false), (2, true)] {
        let mut event = authored(2, 1, 1, vec![inc("x", "a", 1)]);
        event.body.unchanged = vec![Read { key: key("y"), field: None }];
        let mut server = after(&[insert("x", &[("a", 1)]), insert("z", &[])]);
        server.sequencer.trimmed(Seq(horizon));
        server.push(BEN, event);
        let refused = |frame: &ServerFrame| matches!(frame, ServerFrame::Refused { refusal, .. } if refusal.code == RefusalCode::Stale);
        assert_eq!(refused(&server.settle()[0].1), stale, "horizon {horizon}");
    }
}

#[test]
fn an_increment_of_what_is_no_number_is_refused() {
    let text = update("x", "a", Edit::Set("text".into()));
    let mut server = after(&[insert("x", &[("a", 1)]), text]);
    assert_eq!(decide(&mut server, 1, inc("x", "a", 1)), Err(RefusalCode::Invalid));
}

#[test]
fn a_base_past_the_end_is_refused() {
    assert_eq!(decide(&mut after(&[]), 1, upsert("x", &[])), Err(RefusalCode::Invalid));
}

#[test]
fn ops_take_effect_together_or_not_at_all() {
    let mut server = after(&[insert("x", &[("a", 1)])]);
    let before = server.sequencer.staged().head;
    server.push(BEN, authored(2, 1, 1, vec![set("x", "a", 9), delete("x"), insert("y", &[]), set("z", "a", 1)]));
    assert!(matches!(server.settle()[0].1, ServerFrame::Refused { .. }));
    assert_eq!(server.log.end(), before);
    // Neither change shows: x is there with its old value, y is not.
    server.push(BEN, authored(2, 2, 1, vec![inc("x", "a", 1), insert("y", &[])]));
    assert!(matches!(server.settle()[0].1, ServerFrame::Ack { .. }));
    let event = server.log.events().last().unwrap().unwrap();
    assert_eq!(event.body.ops, [inc("x", "a", 1), insert("y", &[])]);
}

#[test]
fn a_read_that_changed_since_is_stale() {
    let mut event = authored(2, 1, 1, vec![upsert("y", &[])]);
    event.body.unchanged = vec![Read { key: key("x"), field: None }];
    let mut server = after(&[insert("x", &[("a", 1)])]);
    server.push(BEN, event.clone());
    assert!(matches!(server.settle()[0].1, ServerFrame::Ack { .. }));
    let mut server = after(&[insert("x", &[("a", 1)]), set("x", "a", 2)]);
    server.push(BEN, event);
    assert!(
        matches!(&server.settle()[0].1, ServerFrame::Refused { refusal, .. } if refusal.code == RefusalCode::Stale)
    );
}

#[test]
fn what_its_author_never_held_has_changed_though_they_wrote_it() {
    let read = |seen| {
        let mut event = authored(1, 2, 0, vec![Op { seen, ..upsert("x", &[("a", 5)]) }]);
        event.body.unchanged = vec![Read { key: key("x"), field: None }];
        event
    };
    for (seen, is_stale) in [(None, false), (Some(Seq(1)), false), (Some(Seq(0)), true)] {
        let mut server = after(&[insert("x", &[("a", 1)])]);
        server.push(ANN, read(seen));
        let answer = server.settle().remove(0).1;
        assert_eq!(
            matches!(answer, ServerFrame::Refused { refusal, .. } if refusal.code == RefusalCode::Stale),
            is_stale
        );
    }
}

#[test]
fn an_event_sent_again_gets_the_same_answer() {
    let mut server = after(&[insert("x", &[("a", 1)])]);
    let events = [authored(2, 1, 1, vec![inc("x", "a", 1)]), authored(2, 2, 1, vec![set("gone", "a", 1)])];
    let answers = |server: &mut Server| {
        events.iter().for_each(|event| assert!(server.push(BEN, event.clone())));
        server.settle()
    };
    let first = answers(&mut server);
    let head = server.log.end();
    assert_eq!(answers(&mut server), first);
    assert_eq!(server.log.end(), head);
}

fn error(frames: &[(Peer, ServerFrame)]) -> (ErrorCode, Option<EventNumber>) {
    match &frames[0].1 {
        ServerFrame::Error(error) => (error.code, error.n),
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_are_dense_and_taken_once() {
    let mut server = Server::new();
    assert!(!server.push(BEN, authored(2, 3, 0, vec![upsert("x", &[])])));
    assert_eq!(error(&server.settle()), (ErrorCode::Resume, Some(EventNumber(1))));
    assert!(server.push(BEN, authored(2, 1, 0, vec![upsert("x", &[])])));
    server.settle();
    assert!(!server.push(BEN, authored(2, 1, 0, vec![upsert("y", &[])])));
    assert_eq!(error(&server.settle()), (ErrorCode::Forked, Some(EventNumber(1))));
    assert_eq!(server.log.end(), Seq(1));
}

#[test]
fn a_client_id_belongs_to_who_used_it_first() {
    let mut server = Server::new();
    assert!(server.push(BEN, authored(2, 1, 0, vec![upsert("x", &[])])));
    server.settle();
    let eve = Caller { subject: Subject::new("eve").ok(), ..Caller::default() };
    let event = Sealed::new(authored(2, 2, 0, vec![upsert("x", &[])]));
    assert_eq!(server.sequencer.push(ANN, &eve, &event), Pushed::Dropped);
    assert_eq!(error(&server.settle()), (ErrorCode::Forbidden, Some(EventNumber(2))));
}

#[test]
fn nothing_is_answered_before_it_is_durable() {
    let mut server = Server::new();
    assert!(server.push(BEN, authored(2, 1, 0, vec![upsert("x", &[])])));
    assert_eq!(server.sequencer.take_answers(), []);
    let first = server.sequencer.stage().unwrap();
    assert!(server.push(BEN, authored(2, 2, 0, vec![set("gone", "a", 1)])));
    let second = server.sequencer.stage().unwrap();
    assert_eq!((second.expected, second.batch.verdicts.len()), (first.expected.next(), 1));
    assert_eq!(server.sequencer.take_answers(), []);
    server.sequencer.appended(first.expected.next());
    assert!(matches!(server.sequencer.take_answers()[..], [(_, ServerFrame::Ack { .. })]));
    server.sequencer.appended(second.expected.next());
    assert!(matches!(server.sequencer.take_answers()[..], [(_, ServerFrame::Refused { .. })]));
}

#[test]
fn whoever_waits_for_a_failed_append_is_told_to_send_again() {
    let mut server = Server::new();
    let mut ben = Device::new(2);
    ben.connect();
    let Some(ClientFrame::Open(open)) = ben.frame() else { panic!("a connected replica opens") };
    server.push(BEN, authored(2, 1, 0, vec![upsert("x", &[])]));
    server.sequencer.open(BEN, None, &open, true);
    server.push(BEN, authored(2, 2, 0, vec![upsert("x", &[])]));
    let told: Vec<_> = server.sequencer.abandon().iter().map(|frame| error(std::slice::from_ref(frame))).collect();
    assert_eq!(told, [(ErrorCode::Later, Some(EventNumber(1))), (ErrorCode::Later, None)]);
}

#[test]
fn a_replayed_log_gives_the_same_sequencer() {
    let mut server = Server::new();
    server.push(ANN, authored(1, 1, 0, vec![insert("x", &[("a", 1)])]));
    server.push(ANN, authored(1, 2, 1, vec![delete("x")]));
    let first = server.sequencer.stage().unwrap();
    server.push(BEN, authored(2, 1, 1, vec![set("x", "a", 2)]));
    server.push(BEN, authored(2, 2, 1, vec![set("gone", "a", 1)]));
    let second = server.sequencer.stage().unwrap();

    let mut twin =
        Sequencer::new(StreamState::empty(server.sequencer.staged().incarnation), std::sync::Arc::default(), None);
    (1..=2).for_each(|client| twin.load_client(ClientId(client), None));
    twin.load_entry(key("x"), None);
    for staged in [first, second] {
        twin.replay(&staged.batch).unwrap();
    }
    let (ours, theirs) = (server.sequencer.take_changes().unwrap(), twin.take_changes().unwrap());
    assert_eq!((ours.state, ours.entries), (theirs.state, theirs.entries));
    let by_client = |mut clients: Vec<(ClientId, ClientState)>| {
        clients.sort_by_key(|(client, _)| *client);
        clients
    };
    assert_eq!(by_client(ours.clients), by_client(theirs.clients));
}

#[test]
fn one_that_follows_another_answers_those_who_are_here_and_tells_what_became_of_objects() {
    let mut server = Server::new();
    server.push(ANN, authored(1, 1, 0, vec![insert("x", &[("a", 1)])]));
    server.push(BEN, authored(2, 1, 0, vec![set("gone", "a", 1)]));
    let staged = server.sequencer.stage().unwrap();
    server.sequencer.appended(staged.expected.next());

    let state = StreamState::empty(server.sequencer.staged().incarnation);
    let mut twin = Sequencer::new(state, std::sync::Arc::default(), None);
    (1..=2).for_each(|client| twin.load_client(ClientId(client), None));
    twin.load_entry(key("x"), None);
    twin.watch(true);
    let played = twin.follow(&staged.batch, |client| (client == ClientId(2)).then_some(BEN)).unwrap();
    assert_eq!(
        (twin.staged().position, twin.staged().chain),
        (staged.expected.next(), server.sequencer.staged().chain)
    );
    assert_eq!(played.touched.unwrap().len(), 1);
    let answers = twin.take_answers();
    assert!(matches!(&answers[..], [(BEN, ServerFrame::Refused { n: EventNumber(1), .. })]), "{answers:?}");
    // Ann comes over: she is told what became of her event, and goes on here.
    twin.tell(ANN, ClientId(1));
    assert!(matches!(twin.take_answers()[..], [(ANN, ServerFrame::Ack { .. })]));
    assert!(twin.is_at_rest());
    let next = Sealed::new(authored(1, 2, 1, vec![set("x", "a", 2)]));
    assert!(twin.push(ANN, &Caller::default(), &next) == Pushed::Decided && !twin.is_at_rest());
    assert_eq!(twin.stage().unwrap().expected, staged.expected.next());
}

#[test]
fn of_who_speaks_once_nothing_is_kept() {
    let mut server = Server::new();
    let once = ClientId::once(7);
    assert!(once.is_once() && server.sequencer.knows_client(once));
    let by_once = |n: u64, ops| Authored { client: once, ..authored(1, n, 0, ops) };
    let push = |server: &mut Server, n: u64, ops| {
        server.push(ANN, by_once(n, ops));
        let staged = server.sequencer.stage().unwrap();
        server.sequencer.appended(staged.expected.next());
        let changes = server.sequencer.take_changes().unwrap();
        assert_eq!((changes.state.position, changes.clients), (staged.expected.next(), Vec::new()));
        server.sequencer.take_answers().pop().unwrap().1
    };
    assert!(matches!(push(&mut server, 1, vec![insert("x", &[("a", 1)])]), ServerFrame::Ack { .. }));
    assert!(matches!(push(&mut server, 2, vec![set("gone", "a", 1)]), ServerFrame::Refused { .. }));
    // Between the events of one request memory may be made room in.
    assert_eq!(server.sequencer.forget().clients().count(), 0);
    server.sequencer.load_entry(key("y"), None);
    assert!(matches!(push(&mut server, 3, vec![insert("y", &[])]), ServerFrame::Ack { .. }));
}

#[test]
fn who_watches_is_told_what_a_batch_made_of_each_object() {
    let mut server = after(&[insert("x", &[("a", 1)]), insert("y", &[("a", 1)])]);
    let mut batch = |watched: bool, ops: Vec<(u64, Vec<Op>)>| {
        server.sequencer.watch(watched);
        for (n, ops) in ops {
            server.push(BEN, authored(2, n, 2, ops));
        }
        server.sequencer.watch(true);
        let staged = server.sequencer.stage().unwrap();
        server.sequencer.appended(staged.expected.next()).unwrap().touched
    };
    assert_eq!(batch(false, vec![(1, vec![set("x", "a", 2)])]), None, "it was not watched from its start");
    let ops = vec![
        (2, vec![set("x", "a", 3), insert("z", &[("a", 1)])]),
        (3, vec![set("x", "a", 4), delete("y")]),
        (4, vec![insert("w", &[]), delete("w")]),
        (5, vec![set("nowhere", "a", 4)]),
    ];
    let value = |object: Option<std::sync::Arc<tapeline_core::object::Object>>| {
        object.map(|object| object.get("a").and_then(|value| value.as_int()))
    };
    let told = batch(true, ops).unwrap().into_iter();
    let told: Vec<_> = told.map(|touched| (touched.key, value(touched.before), value(touched.after))).collect();
    let expected = [("x", Some(Some(2)), Some(Some(4))), ("y", Some(Some(1)), None), ("z", None, Some(Some(1)))];
    assert_eq!(told, expected.map(|(id, before, after)| (key(id), before, after)));
}

#[test]
fn a_text_that_is_edited_and_then_set_in_one_event_is_set() {
    let text = |edit: Edit| update("x", "text", edit);
    let splice = |offset, insert: &str| text(Edit::Splice(Splices::text(offset, 0, insert)));
    let mut server = after(&[insert("x", &[]), text(Edit::Set("abc".into()))]);
    let anew = vec![splice(3, "d"), text(Edit::Set("anew".into())), splice(0, "<")];
    assert!(server.push(ANN, authored(1, 3, 2, anew)));
    assert_eq!(decide(&mut server, 2, splice(1, "Ben")), Ok((vec![], vec![LostReason::Overwritten])));
}

#[test]
fn what_an_event_types_on_a_text_that_it_sets_and_loses_is_lost_with_it() {
    let text = |edit: Edit| update("x", "text", edit);
    let splice = || text(Edit::Splice(Splices::text(4, 0, "!")));
    for (policy, reason) in [(Policy::First, LostReason::First), (Policy::Ask, LostReason::Conflict)] {
        let schema = Schema::new([(key("x").collection, Rules { policy, ..Rules::default() })]);
        let mut server = after_with(schema, &[insert("x", &[]), text(Edit::Set("Ann".into()))]);
        let (_, lost) = decide_all(&mut server, 1, vec![text(Edit::Set("Ben!".into())), splice()]).unwrap();
        assert_eq!(lost, [reason, LostReason::Overwritten]);
    }
}

#[test]
fn a_write_settles_the_conflicts_that_its_author_has_seen_and_no_other() {
    let rules = Rules { policy: Policy::Ask, ..Rules::default() };
    let schema = Schema::new([(key("x").collection, rules)]);
    for (seen, left) in [(2, 1), (3, 0)] {
        let mut server = after_with(schema.clone(), &[insert("x", &[("a", 1)]), set("x", "a", 2)]);
        // Ben has not seen Ann's two, which leaves a conflict with his three.
        assert_eq!(decide(&mut server, 1, set("x", "a", 3)).map(|(_, lost)| lost), Ok(vec![LostReason::Conflict]));
        assert!(server.push(ANN, authored(1, 3, seen, vec![set("x", "a", 4)])));
        server.settle();
        let (_, object) = server.objects().into_iter().next().unwrap();
        assert_eq!((object.get("a"), object.conflicts().len()), (Some(&4.into()), left), "seen {seen}");
    }
}
