//! Replicas that take pages: filled in pieces, cut off anywhere, with edits of their own on the way; whole, or the results
//! of queries alone.

mod peers;
mod support;

use fastrand::Rng;
use peers::*;
use support::for_seeds;
use tapeline_core::catchup::{self, Fill, KeyOrder, Plan, Said};
use tapeline_core::codec::json::value_from_json;
use tapeline_core::event::Command;
use tapeline_core::frame::{ClientFrame, End, ErrorCode, ErrorFrame, Item, Open, Page, Progress, ServerFrame};
use tapeline_core::name::{Collection, CommandName, Key};
use tapeline_core::numbers::{Channel, EventNumber, Millis, QueryNumber, Seq};
use tapeline_core::object::Entry;
use tapeline_core::objects::Objects;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::query::Query;
use tapeline_core::replica::{Commanded, NewEdit, Notice, Reads, SubscribeError};
use tapeline_core::splice::Splices;
use tapeline_core::value::Value;

/// All that the log of a server comes to.
fn replayed(server: &Server) -> Objects {
    let mut objects = Objects::default();
    server.log.events().for_each(|event| objects.play(&event.unwrap()));
    objects
}

/// The pages that bring up whoever opens the stream, each of at most three keys.
fn pages(server: &Server, open: &Open, random: &mut Rng) -> Vec<Page> {
    let order = KeyOrder::new(open.first.clone());
    let fill = match catchup::plan(open, server.log.end(), Seq(0)) {
        Plan::Fill(fill) => fill,
        _ => Fill { from: open.played, cut: None, fresh: false, order },
    };
    let mut objects = replayed(server);
    let digest = Some(objects.digest());
    let mut entries: Vec<(Key, Entry)> =
        objects.entries().filter_map(|(key, entry)| Some((key, entry?.clone()))).collect();
    entries.sort_by(|(a, _), (b, _)| fill.order.compare(a, b));
    let (mut pages, mut rest) = (Vec::new(), entries.as_slice());
    loop {
        let (these, others) = rest.split_at(random.usize(1..=3).min(rest.len()));
        rest = others;
        let said: Vec<Said> = these.iter().filter_map(|(key, entry)| fill.say(key, entry)).collect();
        let mut page = page(server, fill.from, &[], &[]);
        page.fresh = fill.fresh && pages.is_empty();
        for said in said {
            match said {
                Said::Item(item) => page.items.push(item),
                Said::Gone(key) => page.gone.push(key),
            }
        }
        if rest.is_empty() {
            page.end = page.end.map(|end| End { digest, ..end });
            pages.push(page);
            return pages;
        }
        pages.push(Page { after: these.last().map(|(key, _)| key.clone()), end: None, ..page });
    }
}

/// A page of all that is to be said.
fn page(server: &Server, from: Seq, items: &[Item], gone: &[Key]) -> Page {
    let end = server.log.end();
    Page {
        channel: Channel(1),
        head: end,
        from,
        to: end,
        chain: server.log.after(),
        fresh: false,
        query: None,
        items: items.to_vec(),
        gone: gone.to_vec(),
        gone_unnamed: Vec::new(),
        after: None,
        end: Some(End { digest: None, purge: false }),
        progress: None,
    }
}

/// Lets a device open the stream. Answers what it said; events are kept from it.
fn open(server: &mut Server, device: &mut Device) -> Open {
    device.connect();
    while device.store() {}
    let Some(ClientFrame::Open(open)) = device.frame() else { panic!("it opens the stream first") };
    say(server, device, ClientFrame::Open(open.clone()));
    open
}

fn say(server: &mut Server, device: &mut Device, frame: ClientFrame) {
    for (peer, frame) in server.hear(device.peer(), frame) {
        if peer == device.peer() && !matches!(frame, ServerFrame::Events(_)) {
            device.receive(frame);
        }
    }
}

/// Sends what a device has to send; events are kept from it.
fn push(server: &mut Server, device: &mut Device) {
    while device.store() {}
    while let Some(frame) = device.frame() {
        say(server, device, frame);
        while device.store() {}
    }
}

fn random_edit(random: &mut Rng, device: &mut Device) {
    let id = random.u8(0..8).to_string();
    let op = match (device.replica.get(&key(&id)).is_some(), random.u8(0..4)) {
        (false, _) => upsert(&id, &[("n", random.i64(0..9)), ("m", 0)]),
        (true, 0) => delete(&id),
        (true, 1) => set(&id, "m", random.i64(0..9)),
        (true, _) => inc(&id, "n", random.i64(1..9)),
    };
    device.edit(vec![op]);
}

#[test]
fn a_replica_filled_in_pieces_holds_what_the_log_comes_to() {
    for_seeds(400, |seed, random| {
        let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
        ann.connect();
        for _ in 0..40 {
            (0..random.usize(0..6)).for_each(|_| random_edit(random, &mut ann));
            talk(&mut server, &mut [&mut ann]);
            (0..random.usize(0..3)).for_each(|_| random_edit(random, &mut ben));
            let open = open(&mut server, &mut ben);
            if random.bool() {
                push(&mut server, &mut ben);
            }
            let pages = pages(&server, &open, random);
            let taken = random.usize(0..=pages.len());
            for page in pages.into_iter().take(taken) {
                ben.receive(ServerFrame::Page(page));
                while random.bool() && ben.store() {}
            }
            ben.disconnect(&mut server);
            if random.u8(0..4) == 0 {
                while ben.store() {}
                ben = Device::from_rows(2, Default::default(), ben.rows);
            }
        }
        open_and_fill(&mut server, &mut ben, random);
        push(&mut server, &mut ben);
        ben.disconnect(&mut server);
        open_and_fill(&mut server, &mut ben, random);
        let diverged = ben.notices().iter().any(|notice| matches!(notice, Notice::Diverged { .. }));
        assert!(!diverged, "seed {seed}");
        assert_eq!((ben.replica.pending(), ben.replica.filling()), (0, None), "seed {seed}");
        assert_eq!(ben.replica.digest(), replayed(&server).digest(), "seed {seed}");
    });
}

fn open_and_fill(server: &mut Server, device: &mut Device, random: &mut Rng) {
    let open = open(server, device);
    for page in pages(server, &open, random) {
        device.receive(ServerFrame::Page(page));
    }
}

#[test]
fn an_edit_of_ones_own_that_is_in_what_came_counts_once() {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let first = open(&mut server, &mut ben);
    pages(&server, &first, &mut Rng::with_seed(1)).into_iter().for_each(|page| ben.receive(ServerFrame::Page(page)));
    let edit = ben.edit(vec![inc("a", "n", 5), inc("b", "n", 5)]);
    push(&mut server, &mut ben);
    let all = replayed(&server);
    let item = |id: &str| catchup::item(&key(id), all.get(&key(id)).unwrap(), Seq(1));
    let whole = page(&server, Seq(1), &[], &[]);
    ben.receive(ServerFrame::Page(Page { items: vec![item("a")], after: Some(key("a")), end: None, ..whole.clone() }));
    assert_eq!((ben.int("a", "n"), ben.int("b", "n"), ben.replica.pending()), (Some(6), Some(6), 1));
    while ben.store() {}
    let mut ben = Device::from_rows(2, Default::default(), ben.rows);
    assert_eq!((ben.int("a", "n"), ben.int("b", "n"), ben.replica.pending()), (Some(6), Some(6), 1));
    let again = open(&mut server, &mut ben);
    assert_eq!(again.filling.map(|filling| (filling.to, filling.after)), Some((Seq(2), key("a"))));
    ben.receive(ServerFrame::Page(Page { items: vec![item("b")], ..whole }));
    assert_eq!((ben.int("a", "n"), ben.int("b", "n"), ben.replica.pending()), (Some(6), Some(6), 0));
    assert!(ben.notices().iter().any(|notice| matches!(notice, Notice::Recorded { edit: told, .. } if *told == edit)));
}

#[test]
fn an_edit_that_is_in_what_came_counts_once_while_all_comes_anew() {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    open_and_fill(&mut server, &mut ben, &mut Rng::with_seed(1));
    ben.edit(vec![inc("a", "n", 5), inc("b", "n", 5)]);
    push(&mut server, &mut ben);
    let cut = Page { after: Some(key("a")), end: None, ..page(&server, Seq(0), &[whole(&server, "a")], &[]) };
    let shown = |ben: &Device| (ben.int("a", "n"), ben.int("b", "n"), ben.replica.pending());
    ben.receive(ServerFrame::Page(cut.clone()));
    assert_eq!(shown(&ben), (Some(6), Some(6), 1));
    // Nobody can tell what has changed since: all of it comes again, and shows as it was until it has.
    ben.receive(ServerFrame::Page(Page { fresh: true, items: Vec::new(), after: Some(key("0")), ..cut.clone() }));
    assert_eq!(shown(&ben), (Some(6), Some(6), 1));
    ben.receive(ServerFrame::Page(cut));
    assert_eq!(shown(&ben), (Some(6), Some(6), 1));
    ben.receive(ServerFrame::Page(page(&server, Seq(0), &[whole(&server, "b")], &[])));
    assert_eq!(shown(&ben), (Some(6), Some(6), 0));
}

#[test]
fn what_was_put_off_and_is_in_pages_counts_once() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    open(&mut server, &mut ann);
    ann.edit(vec![insert("a", &[("n", 1)])]);
    push(&mut server, &mut ann);
    let came = page(&server, Seq(0), &[whole(&server, "a")], &[]);
    ann.receive(ServerFrame::Page(came));
    ann.edit(vec![inc("a", "n", 5)]);
    while ann.store() {}
    // Nobody knows yet that it is recorded.
    let Some(pushed) = ann.frame() else { panic!("it is sent") };
    server.hear(ann.peer(), pushed);
    ann.receive(ServerFrame::Error(ErrorFrame {
        channel: Some(Channel(1)),
        code: ErrorCode::Later,
        message: "not now".into(),
        n: Some(EventNumber(2)),
        retry: None,
    }));
    let late = page(&server, Seq(0), &[whole(&server, "a")], &[]);
    ann.receive(ServerFrame::Page(late.clone()));
    assert_eq!((ann.int("a", "n"), ann.replica.pending()), (Some(6), 1));
    ann.now = Millis(10_000);
    push(&mut server, &mut ann);
    ann.receive(ServerFrame::Page(late));
    assert_eq!((ann.int("a", "n"), ann.replica.pending()), (Some(6), 0));
}

/// A device that holds what a query finds.
fn partial(server: &mut Server, query: &str) -> (Device, QueryNumber) {
    let mut device = Device::new(2);
    assert!(device.replica.hold_part());
    let number = device.replica.subscribe(&value_from_json(query).unwrap()).unwrap();
    let open = open(server, &mut device);
    assert_eq!(open.queries.map(|queries| queries.len()), Some(1));
    let first = page(server, Seq(0), &[], &[]);
    device.receive(ServerFrame::Page(first));
    (device, number)
}

#[test]
fn a_part_that_becomes_the_whole_gets_all_of_it_and_keeps_what_is_pending() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 2)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things","where":{"n":1}}"#);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..page(&server, Seq(0), &[whole(&server, "a")], &[]) }));
    ben.edit(vec![inc("a", "n", 5)]);
    ben.replica.hold_all();
    assert!(!ben.replica.is_partial() && ben.replica.subscriptions().is_empty());
    while ben.store() {}
    let Some(ClientFrame::Open(open)) = ben.frame() else { panic!("it opens the stream anew") };
    assert_eq!((open.queries.clone(), open.played), (None, Seq(0)));
    say(&mut server, &mut ben, ClientFrame::Open(open.clone()));
    for page in pages(&server, &open, &mut Rng::with_seed(1)) {
        ben.receive(ServerFrame::Page(page));
    }
    assert_eq!((ben.int("a", "n"), ben.int("b", "n"), ben.replica.pending()), (Some(6), Some(2), 1));
}

#[test]
fn a_command_is_run_again_once_what_was_let_go_is_held_again() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things","where":{"n":1}}"#);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..page(&server, Seq(0), &[whole(&server, "a")], &[]) }));
    let command = Command { name: CommandName::new("next").unwrap(), args: Value::Null };
    let reads = Reads { objects: vec![key("a")], ..Reads::default() };
    let commanded = Commanded { command, seed: 7, reads, serializable: true };
    let next = NewEdit { ops: vec![set("a", "n", 2)], command: Some(commanded), ..NewEdit::default() };
    let edit = ben.replica.edit(ben.now, next).unwrap();
    ben.replica.hold_all();
    assert_eq!(ben.replica.poll_run(), None);
    let open = open(&mut server, &mut ben);
    for page in pages(&server, &open, &mut Rng::with_seed(1)) {
        assert_eq!(ben.replica.poll_run(), None);
        ben.receive(ServerFrame::Page(page));
    }
    assert_eq!(ben.replica.poll_run().map(|run| run.edit), Some(edit));
    assert_eq!(ben.replica.get_before(edit, &key("a")).unwrap().get("n"), Some(&Value::Int(1)));
}

fn whole(server: &Server, id: &str) -> Item {
    catchup::item(&key(id), replayed(server).get(&key(id)).unwrap(), Seq(0))
}

#[test]
fn a_part_is_what_its_queries_find_and_what_none_finds_goes() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 2)]), insert("c", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let ones = r#"{"collection":"things","where":{"n":1}}"#;
    let (mut ben, number) = partial(&mut server, ones);
    assert!(!ben.replica.is_ready(number));
    let items = [whole(&server, "a"), whole(&server, "c")];
    let result = Page { query: Some(number), ..page(&server, Seq(1), &items, &[]) };
    ben.receive(ServerFrame::Page(result));
    assert!(ben.replica.is_ready(number));
    assert_eq!((ben.int("a", "n"), ben.int("b", "n"), ben.int("c", "n")), (Some(1), None, Some(1)));
    // Somebody else wants the same, and one that finds more; each lets go for itself.
    assert_eq!(ben.replica.subscribe(&value_from_json(ones).unwrap()), Ok(number));
    ben.replica.unsubscribe(number);
    assert_eq!(ben.int("a", "n"), Some(1));
    ben.replica.unsubscribe(number);
    assert_eq!((ben.int("a", "n"), ben.int("c", "n")), (None, None));
    assert_eq!(ben.frame(), Some(ClientFrame::Unsubscribe { channel: Channel(1), number }));
    // What the server said before it heard of that is not wanted.
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &items, &[])));
    assert_eq!(ben.int("a", "n"), None);
}

#[test]
fn what_came_by_a_query_that_is_let_go_does_not_stay_behind_a_window() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)])]);
    ann.edit(vec![insert("b", &[("n", 2)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, first) = partial(&mut server, r#"{"collection":"things","orderBy":"n","limit":1}"#);
    let all = ben.replica.subscribe(&value_from_json(r#"{"collection":"things","where":{"n":2}}"#).unwrap()).unwrap();
    let result = |number, items: &[Item]| Page { query: Some(number), ..page(&server, Seq(0), items, &[]) };
    ben.receive(ServerFrame::Page(result(first, &[whole(&server, "a")])));
    ben.receive(ServerFrame::Page(result(all, &[])));
    ben.replica.unsubscribe(all);
    // The server had not heard of that.
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &[whole(&server, "b")], &[])));
    assert_eq!((ben.int("a", "n"), ben.int("b", "n")), (Some(1), None));
    // What the window finds in its place stays.
    ben.receive(ServerFrame::Page(page(&server, Seq(2), &[whole(&server, "b")], &[key("a")])));
    assert_eq!((ben.int("a", "n"), ben.int("b", "n")), (None, Some(2)));
}

#[test]
fn what_was_typed_on_a_text_that_leaves_a_part_is_sent_as_it_was_typed() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    let text = |text: &str| Edit::Set(Value::text(text));
    ann.edit(vec![insert("a", &[("n", 1)]), update("a", "text", text("one two"))]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things","where":{"n":1}}"#);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..page(&server, Seq(1), &[whole(&server, "a")], &[]) }));
    ben.disconnect(&mut server);
    ben.edit(vec![update("a", "text", Edit::Splice(Splices::text(7, 0, " three")))]);
    ann.edit(vec![set("a", "n", 2), update("a", "text", Edit::Splice(Splices::text(0, 0, "zero ")))]);
    talk(&mut server, &mut [&mut ann]);
    open(&mut server, &mut ben);
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &[], &[key("a")])));
    push(&mut server, &mut ben);
    talk(&mut server, &mut [&mut ann]);
    let all = replayed(&server);
    assert_eq!(all.get(&key("a")).unwrap().get("text"), Some(&Value::text("zero one two three")));
}

#[test]
fn what_was_typed_between_words_stays_between_them_where_one_of_those_has_gone() {
    let (mut server, mut ann, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    ann.connect();
    let splice =
        |offset, delete, insert| vec![update("a", "text", Edit::Splice(Splices::text(offset, delete, insert)))];
    ann.edit(vec![insert("a", &[]), update("a", "text", Edit::Set(Value::text("<a><b>")))]);
    talk(&mut server, &mut [&mut ann]);
    open_and_fill(&mut server, &mut ben, &mut Rng::with_seed(1));
    ben.disconnect(&mut server);
    ben.edit(splice(3, 0, "<x>"));
    ben.edit(splice(9, 0, "<y>"));
    ann.edit(splice(0, 3, ""));
    talk(&mut server, &mut [&mut ann]);
    open_and_fill(&mut server, &mut ben, &mut Rng::with_seed(1));
    let shown = Value::text("<x><b><y>");
    assert_eq!(ben.replica.get(&key("a")).unwrap().get("text"), Some(&shown));
    push(&mut server, &mut ben);
    assert_eq!(replayed(&server).get(&key("a")).unwrap().get("text"), Some(&shown));
}

#[test]
fn what_was_typed_on_a_text_that_was_not_held_is_sent_as_it_was_typed() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), update("a", "text", Edit::Set(Value::text("one two")))]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things","where":{"n":1}}"#);
    ben.edit(vec![update("a", "text", Edit::Splice(Splices::text(4, 3, "2")))]);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..page(&server, Seq(1), &[whole(&server, "a")], &[]) }));
    assert_eq!(ben.replica.get(&key("a")).unwrap().get("text"), Some(&Value::text("one two")));
    push(&mut server, &mut ben);
    assert_eq!(ben.replica.parked().len(), 0);
    assert_eq!(replayed(&server).get(&key("a")).unwrap().get("text"), Some(&Value::text("one 2")));
}

fn refer(id: &str, to: &[&str]) -> Op {
    let ids = Value::List(to.iter().map(Value::text).collect());
    let fields = FieldMap::new(vec![("of".parse().unwrap(), ids)]).unwrap();
    Op { key: key(id), seen: None, action: Action::Upsert(fields) }
}

/// The ids that a device asks for of another collection.
fn asked(device: &Device) -> Vec<String> {
    let queries = device.replica.subscriptions().into_iter().map(|held| Query::from_value(&held.query).unwrap());
    let others = queries.filter(|query| query.collection.as_str() == "others");
    let mut ids: Vec<String> = others.flat_map(|query| query.filter.ids().unwrap()).map(|id| id.to_string()).collect();
    ids.sort();
    ids
}

#[test]
fn what_rows_refer_to_is_asked_for_as_long_as_they_do() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![refer("a", &["x", "y"]), refer("b", &["y"])]);
    talk(&mut server, &mut [&mut ann]);
    let query = r#"{"collection":"things","with":{"of":"others"}}"#;
    let (mut ben, number) = partial(&mut server, query);
    let result = page(&server, Seq(0), &[whole(&server, "a"), whole(&server, "b")], &[]);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..result }));
    assert_eq!((asked(&ben), ben.replica.is_ready(number)), (vec!["x".to_owned(), "y".to_owned()], false));
    while let Some(frame) = ben.frame() {
        let ClientFrame::Subscribe { subscription, .. } = frame else { panic!("it asks for no more: {frame:?}") };
        let nothing = Page { query: Some(subscription.number), ..page(&server, Seq(1), &[], &[]) };
        ben.receive(ServerFrame::Page(nothing));
    }
    assert!(ben.replica.is_ready(number));
    // Somebody else wants the same; each lets go for itself.
    assert_eq!(ben.replica.subscribe(&value_from_json(query).unwrap()), Ok(number));
    ben.replica.unsubscribe(number);
    ann.edit(vec![refer("a", &["z", ""])]);
    talk(&mut server, &mut [&mut ann]);
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &[whole(&server, "a")], &[])));
    assert_eq!(asked(&ben), ["y", "z"]);
    ben.receive(ServerFrame::Page(page(&server, Seq(2), &[], &[key("b")])));
    assert_eq!(asked(&ben), ["z"]);
    ben.replica.unsubscribe(number);
    assert!(ben.replica.subscriptions().is_empty());
}

#[test]
fn how_far_the_result_of_a_query_is_shows_where_it_is_known() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("b", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things"}"#);
    let progress = Some(Progress { objects: 1, of: 2, bytes: 9 });
    let first = Page { query: Some(number), ..page(&server, Seq(0), &[whole(&server, "a")], &[]) };
    let first = Page { after: Some(key("a")), end: None, ..first };
    ben.receive(ServerFrame::Page(first.clone()));
    assert_eq!(ben.replica.status().filling, None);
    ben.receive(ServerFrame::Page(Page { progress, ..first }));
    assert_eq!(ben.replica.status().filling, progress);
    let last = page(&server, Seq(1), &[whole(&server, "b")], &[]);
    ben.receive(ServerFrame::Page(Page { query: Some(number), progress, ..last }));
    assert_eq!(ben.replica.status().filling, None);
}

#[test]
fn what_an_attempt_left_that_was_cut_off_goes_where_it_does_not_come_again() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)]), insert("c", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, number) = partial(&mut server, r#"{"collection":"things"}"#);
    let result = Page { query: Some(number), ..page(&server, Seq(1), &[whole(&server, "a")], &[]) };
    ben.receive(ServerFrame::Page(Page { after: Some(key("a")), end: None, ..result }));
    ben.disconnect(&mut server);
    ann.edit(vec![delete("a")]);
    talk(&mut server, &mut [&mut ann]);
    let again = open(&mut server, &mut ben);
    assert_eq!(again.queries.map(|queries| queries[0].ready), Some(false));
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &[], &[])));
    let result = page(&server, Seq(2), &[whole(&server, "c")], &[]);
    ben.receive(ServerFrame::Page(Page { query: Some(number), ..result }));
    assert_eq!((ben.int("a", "n"), ben.int("c", "n")), (None, Some(1)));
}

#[test]
fn an_object_that_is_not_held_can_be_edited_unseen() {
    let (mut server, mut ann) = (Server::new(), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("a", &[("n", 1)])]);
    talk(&mut server, &mut [&mut ann]);
    let (mut ben, _) = partial(&mut server, r#"{"collection":"others"}"#);
    ben.edit(vec![inc("a", "n", 4)]);
    while ben.store() {}
    let Some(ClientFrame::Push { events, .. }) = ben.frame() else { panic!("it is sent") };
    assert_eq!(events[0].body.ops[0].seen, Some(Seq(0)));
    say(&mut server, &mut ben, ClientFrame::Push { channel: Channel(1), events });
    ben.receive(ServerFrame::Page(page(&server, Seq(1), &[], &[])));
    assert_eq!((ben.replica.pending(), ben.int("a", "n")), (0, None));
    talk(&mut server, &mut [&mut ann]);
    assert_eq!(replayed(&server).get(&key("a")).unwrap().get("n").and_then(|n| n.as_int()), Some(5));
}

#[test]
fn a_query_that_cannot_be_is_refused_at_once() {
    let mut device = Device::new(1);
    let all = value_from_json(r#"{"collection":"things"}"#).unwrap();
    assert_eq!(device.replica.subscribe(&all), Err(SubscribeError::Whole));
    assert!(device.replica.hold_part());
    let wrong = value_from_json(r#"{"where":{}}"#).unwrap();
    assert!(matches!(device.replica.subscribe(&wrong), Err(SubscribeError::Query(_))));
}

#[test]
fn what_is_wanted_first_is_asked_for_first() {
    let (mut server, mut ben) = (Server::new(), Device::new(2));
    let first = [Collection::new("columns").unwrap()];
    ben.replica.want_first(first.to_vec());
    assert_eq!(open(&mut server, &mut ben).first, first);
    let op = Op { key: key("x"), seen: None, action: Action::Delete };
    assert!(ben.replica.edit(ben.now, vec![op]).is_err(), "all of the stream is here, and x is not");
}
