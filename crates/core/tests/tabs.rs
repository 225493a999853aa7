//! Tabs of one browser: mirrors that are edited at once, and a leader among them that may be killed at any moment.
//!
//! Whatever is delivered when, and whoever leads: each edit of each tab is recorded once, in the order it was made,
//! and in the end all tabs show what the server has.

mod peers;
mod support;

use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use peers::{Device, Server, inc, insert, key, set, update, upsert};
use support::for_seeds;
use tapeline_core::codec::cbor;
use tapeline_core::event::Command;
use tapeline_core::frame::ServerFrame;
use tapeline_core::mirror::{Commit, Mirror, ViewChange};
use tapeline_core::name::{Collection, CommandName, FieldName};
use tapeline_core::numbers::{Channel, ClientId, EditId, Millis, TabId};
use tapeline_core::object::Object;
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::query::{Moved, Query};
use tapeline_core::replica::{Commanded, Moment, NewEdit, Ran, Reads, Replica, Restoring, Start, StoreBatch};
use tapeline_core::sequencer::Peer;
use tapeline_core::splice::Splices;
use tapeline_core::undo::Direction;
use tapeline_core::value::Value;

/// The browser: a device that keeps records, tabs, and the leader among them.
struct Browser {
    server: Server,
    records: Vec<Vec<u8>>,
    tabs: Vec<Tab>,
    leader: Replica,
    /// Somebody else.
    other: Device,
    /// Which leader it is; messages to an earlier one are lost.
    epoch: u64,
    to_leader: VecDeque<(u64, TabId, ToLeader)>,
    /// Records the device has not finished writing.
    writing: VecDeque<StoreBatch>,
    sessions: u64,
    random: u128,
}

enum ToLeader {
    Join,
    Commit(Vec<u8>),
}

struct Tab {
    id: TabId,
    mirror: Mirror,
    inbox: VecDeque<Vec<u8>>,
    /// What a watched query's answer is, by what was told of it.
    watch: u32,
    answer: Vec<String>,
}

impl Browser {
    fn new(tabs: u128) -> Self {
        let mut browser = Self {
            server: Server::new(),
            records: Vec::new(),
            tabs: Vec::new(),
            leader: restored(&[]),
            other: Device::new(77),
            epoch: 0,
            to_leader: VecDeque::new(),
            writing: VecDeque::new(),
            sessions: 0,
            random: 1 << 100,
        };
        (1..=tabs).for_each(|tab| browser.open_tab(TabId(tab)));
        browser.connect();
        browser
    }

    fn open_tab(&mut self, id: TabId) {
        let mut mirror = Mirror::new(id);
        let watch = mirror.watch(Query::all(Collection::new("things").unwrap()));
        self.to_leader.push_back((self.epoch, id, ToLeader::Join));
        self.tabs.push(Tab { id, mirror, inbox: VecDeque::new(), watch, answer: Vec::new() });
    }

    fn connect(&mut self) {
        self.sessions += 1;
        self.leader.connected(Channel(1));
    }

    fn step(&mut self, random: &mut Rng) {
        let tab = random.usize(..self.tabs.len());
        match random.u8(..20) {
            0..6 => self.edit(tab, random),
            6..9 => self.hear_tab(),
            9..13 => self.hear_leader(tab),
            13 => self.tell(),
            14 => self.store(random.bool()),
            15 => self.finish_writing(random.bool()),
            16 | 17 => self.talk(random.usize(1..4)),
            18 if random.u8(..4) == 0 => self.reconnect(),
            19 if random.u8(..4) == 0 => self.change_leader(random.bool()),
            _ => self.look(tab),
        }
    }

    fn edit(&mut self, place: usize, random: &mut Rng) {
        let tab = &mut self.tabs[place];
        let number = tab.mirror.last_edit().0 + 1;
        let shared = format!("s{}", random.u8(..4));
        let shared_op = match (random.u8(..5), tab.mirror.get(&key(&shared)).is_some()) {
            (0, true) => Op { key: key(&shared), seen: None, action: Action::Delete },
            (1, true) => inc(&shared, "count", 1),
            (2, true) => set(&shared, "by", tab.id.0 as i64),
            _ => upsert(&shared, &[("by", number as i64)]),
        };
        // Each edit leaves a trace that no other has.
        let own = insert(&format!("{}-{number}", tab.id.0), &[]);
        assert_eq!(tab.mirror.edit(Millis(1), vec![own, shared_op]), Ok(EditId(number)));
        self.send(place);
    }

    /// A tab types a letter right behind another one.
    fn type_letter(&mut self, tab: usize, behind: char, letter: char) {
        let place = self.text(tab).chars().position(|other| other == behind).unwrap() + 1;
        let typed = Edit::Splice(Splices::text(place as u64, 0, &letter.to_string()));
        self.tabs[tab].mirror.edit(Millis(1), vec![update("doc", "text", typed)]).unwrap();
        self.send(tab);
    }

    /// A tab, or somebody else past them, types a word before or behind another, never within one.
    fn type_word(&mut self, typist: usize, word: &str, random: &mut Rng) {
        let text = match typist < self.tabs.len() {
            true => self.text(typist),
            false => text_of(self.other.replica.get(&key("doc")).unwrap()),
        };
        let places: Vec<usize> = std::iter::once(0).chain(text.match_indices('>').map(|(at, _)| at + 1)).collect();
        let typed = Splices::text(places[random.usize(..places.len())] as u64, 0, word);
        let ops = vec![update("doc", "text", Edit::Splice(typed))];
        if typist < self.tabs.len() {
            self.tabs[typist].mirror.edit(Millis(1), ops).unwrap();
            self.send(typist);
        } else {
            self.other.edit(ops);
        }
    }

    fn send(&mut self, tab: usize) {
        let tab = &mut self.tabs[tab];
        while let Some(commit) = tab.mirror.poll_commit() {
            self.to_leader.push_back((self.epoch, tab.id, ToLeader::Commit(commit.encode())));
        }
    }

    fn text(&self, tab: usize) -> String {
        text_of(self.tabs[tab].mirror.get(&key("doc")).unwrap())
    }

    fn hear_tab(&mut self) {
        let Some((epoch, tab, message)) = self.to_leader.pop_front() else { return };
        if epoch != self.epoch {
            return;
        }
        match message {
            ToLeader::Commit(commit) => self.leader.take(tab, Commit::decode(&commit).unwrap()),
            ToLeader::Join => {
                let place = self.tabs.iter().position(|known| known.id == tab).unwrap();
                let tab = &mut self.tabs[place];
                if place == 0 {
                    // The leader lives in this one, which hears nothing of former leaders any more.
                    tab.inbox.clear();
                    tab.mirror.hear(self.leader.view_for(&tab.mirror));
                } else {
                    tab.inbox.extend(self.leader.whole_view().iter().map(ViewChange::encode));
                }
            }
        }
    }

    fn tell(&mut self) {
        if let Some(change) = self.leader.view_change() {
            self.tabs.iter_mut().for_each(|tab| tab.inbox.push_back(change.encode()));
        }
    }

    fn hear_leader(&mut self, tab: usize) {
        let tab = &mut self.tabs[tab];
        if let Some(change) = tab.inbox.pop_front() {
            tab.mirror.hear(ViewChange::decode(&change).unwrap());
        }
    }

    fn store(&mut self, flush: bool) {
        let batch = if flush { self.leader.flush_store() } else { self.leader.poll_store() };
        self.writing.extend(batch);
    }

    fn finish_writing(&mut self, fails: bool) {
        let Some(batch) = self.writing.pop_front() else { return };
        if fails {
            self.writing.clear();
            return self.leader.not_stored(batch.number);
        }
        if batch.whole {
            self.records.clear();
        }
        self.records.extend(cbor::encode_record(&batch));
        self.leader.stored(batch.number);
    }

    fn talk(&mut self, frames: usize) {
        for _ in 0..frames {
            let Some(frame) = self.leader.poll_frame(Millis(1)) else { return };
            let answers = self.server.hear(self.peer(), frame);
            self.deliver(answers);
        }
    }

    /// Somebody else speaks with the server.
    fn talk_other(&mut self) {
        while self.other.store() {}
        let Some(frame) = self.other.frame() else { return };
        let answers = self.server.hear(self.other.peer(), frame);
        self.deliver(answers);
    }

    fn deliver(&mut self, answers: Vec<(Peer, ServerFrame)>) {
        for (to, answer) in answers {
            if to == self.peer() {
                self.random += 1;
                self.leader.receive(Moment { now: Millis(1), random: self.random }, answer);
            } else if to == self.other.peer() {
                self.other.receive(answer);
            }
        }
    }

    fn reconnect_other(&mut self) {
        self.other.disconnect(&mut self.server);
        self.other.connect();
    }

    fn peer(&self) -> Peer {
        Peer { session: self.sessions, channel: Channel(1) }
    }

    fn reconnect(&mut self) {
        self.server.drop_peer(self.peer());
        self.leader.disconnected();
        self.connect();
    }

    /// The leader is killed, with what the device has not finished writing; or it hands over in good order.
    fn change_leader(&mut self, killed: bool) {
        if !killed {
            self.store(true);
            while !self.writing.is_empty() {
                self.finish_writing(false);
            }
        }
        self.writing.clear();
        self.server.drop_peer(self.peer());
        self.leader = restored(&self.records);
        self.epoch += 1;
        self.connect();
        for (place, tab) in self.tabs.iter_mut().enumerate() {
            // What the old leader had said may still arrive, before anything of the new one.
            self.to_leader.push_back((self.epoch, tab.id, ToLeader::Join));
            tab.mirror.send_again(place > 0);
            while let Some(commit) = tab.mirror.poll_commit() {
                self.to_leader.push_back((self.epoch, tab.id, ToLeader::Commit(commit.encode())));
            }
        }
    }

    /// The answer to a watched query is what the mirror shows, put together from differences alone.
    fn look(&mut self, tab: usize) {
        let tab = &mut self.tabs[tab];
        let Some(Moved { removed, inserted, rows }) = tab.mirror.look(tab.watch) else { return };
        removed.iter().rev().for_each(|&place| drop(tab.answer.remove(place)));
        inserted.iter().zip(&rows).for_each(|(&place, row)| tab.answer.insert(place, text(row)));
        let now: Vec<String> = tab.mirror.find(things()).iter().map(text).collect();
        assert_eq!(tab.answer, now, "what changed was told");
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            let busy = !self.to_leader.is_empty() || self.tabs.iter().any(|tab| !tab.inbox.is_empty());
            self.hear_tab();
            self.tell();
            (0..self.tabs.len()).for_each(|tab| self.hear_leader(tab));
            self.store(false);
            self.finish_writing(false);
            self.talk(10);
            let status = self.leader.status();
            if !busy && status.pending == 0 && status.stored && self.leader.is_caught_up() {
                self.tell();
                (0..self.tabs.len()).for_each(|tab| {
                    while !self.tabs[tab].inbox.is_empty() {
                        self.hear_leader(tab)
                    }
                });
                return;
            }
        }
        panic!("they never come to rest: {:?}", self.leader.status());
    }

    fn check(&mut self) {
        let recorded: Vec<_> = self.server.log.encoded().map(|event| cbor::decode_recorded(event).unwrap()).collect();
        // An edit that waited has perhaps taken in others of the same shared object; those stay in order.
        let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut traces = 0;
        for event in &recorded {
            let ops = event.body.ops.iter().chain(event.lost.iter().map(|lost| &lost.op));
            let (own, shared): (Vec<_>, Vec<_>) = ops.map(|op| op.key.id.to_string()).partition(|id| id.contains('-'));
            for own in &own {
                let (tab, number) = own.split_once('-').unwrap();
                let last = last.entry((tab.into(), shared.concat())).or_default();
                assert!(number.parse::<u64>().unwrap() > *last, "{own} came after {last}: doubled or out of order");
                *last = number.parse().unwrap();
            }
            traces += own.len();
        }
        // An update of what another tab had deleted is refused, and parked; everything else is recorded.
        let parked = self.leader.parked().flat_map(|(_, parked)| &parked.body.ops);
        traces += parked.filter(|op| op.key.id.to_string().contains('-')).count();
        let made: u64 = self.tabs.iter().map(|tab| tab.mirror.last_edit().0).sum();
        assert_eq!(traces, made as usize, "each edit has come to something");
        let shown: Vec<String> = self.tabs[0].mirror.find(things()).iter().map(text).collect();
        for place in 0..self.tabs.len() {
            self.look(place);
            let tab = &self.tabs[place];
            assert_eq!(tab.answer, shown, "all tabs show the same");
            assert_eq!(tab.mirror.stored_through(), tab.mirror.last_edit());
            for (id, object) in tab.mirror.find(things()) {
                let confirmed = self.leader.get(&key(&id.to_string())).expect("the leader shows it too");
                assert!(object.has_fields_of(confirmed));
            }
        }
        assert_eq!(shown.len(), self.leader.collection(&things().collection).count());
    }
}

fn things() -> Query {
    Query::all(Collection::new("things").unwrap())
}

fn text((id, object): &tapeline_core::query::Found) -> String {
    format!("{id} {:?}", object.to_value())
}

/// A leader as the device has it.
fn restored(records: &[Vec<u8>]) -> Replica {
    let mut restoring = Restoring::new(peers::stream(), ClientId(9), Start::Played);
    for record in records {
        cbor::decode_record(record).unwrap().into_iter().for_each(|row| restoring.row(row).unwrap());
    }
    restoring.done()
}

#[test]
fn each_edit_of_each_tab_is_recorded_once_whoever_leads() {
    for_seeds(400, |_, random| {
        let mut browser = Browser::new(3);
        for step in 0..random.usize(..400) {
            browser.step(random);
            if step == 200 {
                browser.open_tab(TabId(4));
            }
        }
        browser.settle();
        browser.check();
    });
}

#[test]
fn what_tabs_type_in_one_text_stays_in_the_order_of_each() {
    for_seeds(300, |_, random| {
        let mut browser = Browser::new(3);
        let doc = Op { key: key("doc"), seen: None, action: Action::Insert(text_field("[-+]")) };
        browser.tabs[0].mirror.edit(Millis(1), vec![doc]).unwrap();
        browser.send(0);
        browser.settle();
        // Each types behind its last letter.
        let mut typists = [('[', '0'..='9'), ('-', 'a'..='j'), ('+', 'A'..='J')];
        while typists.iter().any(|(_, letters)| !letters.is_empty()) {
            match random.u8(..11) {
                place @ 0..3 => {
                    let (last, letters) = &mut typists[usize::from(place)];
                    if let Some(letter) = letters.next() {
                        browser.type_letter(place.into(), *last, letter);
                        *last = letter;
                    }
                }
                3..5 => browser.hear_tab(),
                5 => browser.tell(),
                6 => browser.talk(random.usize(1..4)),
                7 if random.u8(..8) == 0 => browser.change_leader(random.bool()),
                7 => browser.store(random.bool()),
                8 => browser.finish_writing(false),
                _ => browser.hear_leader(random.usize(..3)),
            }
        }
        browser.settle();
        (0..3).for_each(|tab| assert_eq!(browser.text(tab), "[0123456789-abcdefghij+ABCDEFGHIJ]"));
    });
}

#[test]
fn words_that_tabs_and_others_type_stay_whole_whoever_leads() {
    for_seeds(300, |_, random| {
        all_type(random, false, &mut |browser, random| match random.u8(..3) {
            0 => browser.change_leader(random.bool()),
            1 => browser.reconnect(),
            _ => browser.reconnect_other(),
        });
    });
}

#[test]
fn words_that_are_taken_back_go_whole_and_leave_others_whole() {
    for_seeds(300, |_, random| all_type(random, true, &mut |browser, _| browser.reconnect()));
}

/// Three tabs and somebody else type words, each before or behind another; tabs take their last ones back where `undo`
/// says so. `befalls`: now and then.
fn all_type(random: &mut Rng, undo: bool, befalls: &mut dyn FnMut(&mut Browser, &mut Rng)) {
    let mut browser = Browser::new(3);
    browser.other.connect();
    let doc = Op { key: key("doc"), seen: None, action: Action::Insert(text_field("")) };
    browser.tabs[0].mirror.edit(Millis(1), vec![doc]).unwrap();
    browser.send(0);
    browser.settle();
    while browser.other.replica.get(&key("doc")).is_none() {
        browser.talk_other();
    }
    // Words that are much alike.
    let mut words: Vec<String> = (0..150).map(|word| format!("<{}.{}.{}>", word / 9, word / 3 % 3, word % 3)).collect();
    random.shuffle(&mut words);
    let mut typed: [Vec<String>; 4] = Default::default();
    while words.len() > 100 {
        match random.u8(..16) {
            typist @ 0..4 => {
                let word = words.pop().unwrap();
                browser.type_word(typist.into(), &word, random);
                typed[usize::from(typist)].push(word);
            }
            4 => browser.talk_other(),
            5 | 6 => browser.hear_tab(),
            7 => browser.tell(),
            8 => browser.talk(random.usize(1..4)),
            9 => browser.store(random.bool()),
            10 => browser.finish_writing(false),
            11 if random.u8(..8) == 0 => befalls(&mut browser, random),
            12 if undo && random.bool() => {
                let tab = random.usize(..3);
                if typed[tab].pop().is_some() {
                    assert!(browser.tabs[tab].mirror.step(Millis(1), Direction::Undo, false).unwrap().is_some());
                    browser.send(tab);
                }
            }
            _ => browser.hear_leader(random.usize(..3)),
        }
    }
    for _ in 0..10 {
        browser.settle();
        (0..10).for_each(|_| browser.talk_other());
    }
    let mut typed = typed.concat();
    typed.sort();
    for tab in 0..3 {
        let text = browser.text(tab);
        let mut words: Vec<&str> = text.split_inclusive('>').collect();
        words.sort();
        assert_eq!(words, typed, "{text}");
    }
}

#[test]
fn a_command_of_a_tab_that_has_not_seen_what_another_did_is_run_again() {
    let mut leader = restored(&[]);
    leader.edit(Millis(1), vec![insert("seats", &[("taken", 0)])]).unwrap();
    let view = leader.whole_view();
    let reads = || Reads { objects: vec![key("seats")], ..Reads::default() };
    let taken = |object: &Object| object.get("taken").and_then(Value::as_int).unwrap();
    // Neither tab has heard of the other.
    for number in [1, 2] {
        let mut tab = Mirror::new(TabId(number));
        view.iter().cloned().for_each(|page| tab.hear(page));
        let command = Command { name: CommandName::new("take").unwrap(), args: Value::Null };
        let commanded = Commanded { command, seed: 7, reads: reads(), serializable: true };
        let ops = vec![set("seats", "taken", taken(tab.get(&key("seats")).unwrap()) + 1)];
        tab.edit(Millis(1), NewEdit { ops, command: Some(commanded), ..NewEdit::default() }).unwrap();
        leader.take(TabId(number), tab.poll_commit().unwrap().clone());
    }
    while let Some(run) = leader.poll_run() {
        let ops = vec![set("seats", "taken", taken(&leader.get_before(run.edit, &key("seats")).unwrap()) + 1)];
        leader.ran(run.edit, Ran::Ops(ops, reads()));
    }
    assert_eq!(taken(leader.get(&key("seats")).unwrap()), 2);
}

#[test]
fn what_tabs_publish_at_once_is_published_once() {
    for_seeds(300, |_, random| {
        let mut browser = Browser::new(3);
        browser.settle();
        browser.tabs[0].mirror.edit(Millis(1), NewEdit::draft(vec![insert("draft", &[("by", 1)])])).unwrap();
        browser.send(0);
        browser.settle();
        let mut publishing: Vec<usize> = (0..3).collect();
        random.shuffle(&mut publishing);
        while !publishing.is_empty() {
            match random.u8(..8) {
                0 | 1 => {
                    let tab = publishing.pop().unwrap();
                    let is_draft = browser.tabs[tab].mirror.get(&key("draft")).unwrap().is_draft();
                    let published = browser.tabs[tab].mirror.publish(Millis(1), &key("draft"));
                    assert_eq!(published.is_ok(), is_draft);
                    assert!(!browser.tabs[tab].mirror.get(&key("draft")).unwrap().is_draft());
                    browser.send(tab);
                }
                2 => {
                    let tab = random.usize(..3);
                    browser.tabs[tab].mirror.edit(Millis(1), vec![inc("draft", "count", 1)]).unwrap();
                    browser.send(tab);
                }
                3 => browser.hear_tab(),
                4 => browser.tell(),
                5 => browser.talk(random.usize(1..4)),
                6 if random.u8(..8) == 0 => browser.change_leader(random.bool()),
                6 => browser.store(random.bool()),
                _ => browser.hear_leader(random.usize(..3)),
            }
        }
        browser.settle();
        let edits: u64 = browser.tabs.iter().map(|tab| tab.mirror.last_edit().0).sum();
        let inserts = browser.server.log.encoded().map(|event| cbor::decode_recorded(event).unwrap());
        let inserts = inserts.flat_map(|event| event.body.ops).filter(|op| matches!(op.action, Action::Insert(_)));
        assert_eq!((inserts.count(), browser.leader.parked().len()), (1, 0), "of {edits} edits");
    });
}

fn text_of(object: &Object) -> String {
    object.get("text").and_then(Value::as_text).unwrap_or_default().to_owned()
}

fn text_field(text: &str) -> FieldMap<Value> {
    FieldMap::new(vec![(FieldName::new("text").unwrap(), Value::from(text))]).unwrap()
}

#[test]
fn an_edit_shows_before_there_is_a_leader() {
    let mut mirror = Mirror::new(TabId(1));
    mirror.edit(Millis(1), vec![set("not heard of", "x", 1)]).unwrap();
    mirror.edit(Millis(1), vec![insert("new", &[("x", 2)])]).unwrap();
    assert!(mirror.get(&key("new")).is_some());
    assert!(mirror.get(&key("not heard of")).is_none(), "nobody knows what it is");
    assert!(!mirror.is_complete());
    restored(&[]).whole_view().into_iter().for_each(|page| mirror.hear(page));
    assert!(mirror.is_complete());
    assert!(mirror.get(&key("new")).is_some(), "the leader has not taken it yet");
    assert!(mirror.edit(Millis(1), vec![set("not there", "x", 1)]).is_err());
}

#[test]
fn a_message_of_another_version_is_refused() {
    let change = restored(&[]).whole_view()[0].encode();
    let mut newer = change.clone();
    newer[1] += 1;
    assert!(ViewChange::decode(&change).is_ok());
    assert!(ViewChange::decode(&newer).unwrap_err().to_string().contains("version"));
}
