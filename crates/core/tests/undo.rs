//! Undo and redo, told as stories: what is taken back is one's own, whatever others did meanwhile.

mod peers;

use std::collections::BTreeMap;
use std::sync::Arc;

use peers::*;
use tapeline_core::mirror::{Commit, Mirror, ViewChange};
use tapeline_core::name::{FieldName, Key};
use tapeline_core::numbers::{Millis, TabId};
use tapeline_core::object::Object;
use tapeline_core::op::{Action, Edit, FieldMap, Members, Op};
use tapeline_core::replica::{Moved, NewEdit};
use tapeline_core::splice::Splices;
use tapeline_core::undo::{Direction, History};
use tapeline_core::value::Value;

/// Somebody who can undo, as an app does it around a replica.
struct Person {
    device: Device,
    history: History,
}

impl Person {
    fn new(number: u64) -> Self {
        Self { device: Device::new(number), history: History::default() }
    }

    fn edit(&mut self, ops: Vec<Op>) {
        self.hear();
        let before = self.shown(&ops);
        self.device.edit(ops.clone());
        let Self { device, history } = self;
        history.committed(&ops, None, &look(before), &|key: &Key| device.replica.get(key).cloned());
    }

    fn undo(&mut self) -> bool {
        self.step(Direction::Undo, false)
    }

    fn redo(&mut self) -> bool {
        self.step(Direction::Redo, false)
    }

    /// Answers whether anything was left to do.
    fn step(&mut self, direction: Direction, forced: bool) -> bool {
        self.hear();
        let Self { device, history } = self;
        let Some(new) = history.next(direction, forced, &|key: &Key| device.replica.get(key).cloned()) else {
            return false;
        };
        let ops = new.ops.clone();
        let before = self.shown(&ops);
        self.device.replica.edit(Millis(1), new).unwrap();
        let Self { device, history } = self;
        history.committed(&ops, Some(direction), &look(before), &|key: &Key| device.replica.get(key).cloned());
        true
    }

    fn shown(&self, ops: &[Op]) -> BTreeMap<Key, Arc<Object>> {
        ops.iter().filter_map(|op| Some((op.key.clone(), self.device.replica.get(&op.key)?.clone()))).collect()
    }

    /// Tells the history of what has changed.
    fn look_around(&mut self) {
        self.hear();
        for key in self.device.replica.take_changed().collect::<Vec<_>>() {
            self.history.changed(&key, self.device.replica.get(&key));
        }
    }

    fn hear(&mut self) {
        for Moved { key, field, splices, .. } in self.device.replica.take_moved() {
            self.history.spliced(&key, &field, &splices);
        }
    }

    fn int(&self, field: &str) -> Option<i64> {
        self.device.int("x", field)
    }

    fn text(&self) -> &str {
        self.device.replica.get(&key("x")).unwrap().get("text").and_then(Value::as_text).unwrap()
    }

    fn leave(&mut self, server: &mut Server) {
        self.device.disconnect(server);
    }

    fn come_back(&mut self) {
        self.device.connect();
    }
}

fn look(objects: BTreeMap<Key, Arc<Object>>) -> impl Fn(&Key) -> Option<Arc<Object>> {
    move |key| objects.get(key).cloned()
}

/// They speak until nobody has anything to say, and look at what changed.
fn settle(server: &mut Server, people: &mut [&mut Person]) {
    let mut devices: Vec<&mut Device> = people.iter_mut().map(|person| &mut person.device).collect();
    talk(server, &mut devices);
    people.iter_mut().for_each(|person| person.look_around());
}

/// A server, Ann and Ben, who both have the object x.
fn three_with(ops: Vec<Op>) -> (Server, Person, Person) {
    let (mut server, mut ann, mut ben) = (Server::new(), Person::new(1), Person::new(2));
    ann.come_back();
    ben.come_back();
    let mut maker = Device::new(3);
    maker.connect();
    maker.edit(ops);
    talk(&mut server, &mut [&mut maker]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    (server, ann, ben)
}

fn with_numbers() -> (Server, Person, Person) {
    three_with(vec![insert("x", &[("a", 1), ("b", 1), ("c", 1)])])
}

fn with_text(text: &str) -> (Server, Person, Person) {
    three_with(vec![insert("x", &[]), update("x", "text", Edit::Set(text.into()))])
}

/// One op that edits several fields of x.
fn edits(edits: &[(&str, Edit)]) -> Vec<Op> {
    let edits = edits.iter().map(|(name, edit)| (FieldName::new(name).unwrap(), edit.clone()));
    vec![Op { key: key("x"), seen: None, action: Action::Update(FieldMap::new(edits.collect()).unwrap()) }]
}

fn to(value: i64) -> Edit {
    Edit::Set(Value::Int(value))
}

fn by(amount: i64) -> Edit {
    Edit::Inc(Value::Int(amount))
}

fn types(offset: u64, delete: u64, insert: &str) -> Vec<Op> {
    vec![update("x", "text", Edit::Splice(Splices::text(offset, delete, insert)))]
}

fn is_same(ann: &mut Person, ben: &mut Person) {
    assert_eq!(ann.device.replica.pending() + ben.device.replica.pending(), 0);
    assert_eq!(ann.device.replica.digest(), ben.device.replica.digest());
}

#[test]
fn undo_takes_back_and_redo_makes_again() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![set("x", "a", 2)]);
    ann.edit(edits(&[("a", to(3)), ("b", by(5))]));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    assert_eq!((ann.int("a"), ann.int("b")), (Some(2), Some(1)));
    assert!(ann.undo() && !ann.undo());
    assert_eq!(ann.int("a"), Some(1));
    assert!(ann.redo() && ann.redo() && !ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b")), (Some(3), Some(6)));
    is_same(&mut ann, &mut ben);
}

#[test]
fn undoing_an_offline_edit_restores_only_what_was_mine() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.leave(&mut server);
    ann.edit(edits(&[("a", to(10)), ("b", to(10)), ("c", by(10))]));
    ben.edit(vec![set("x", "c", 5)]);
    settle(&mut server, &mut [&mut ben]);
    ann.come_back();
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![set("x", "b", 7)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.int("a"), ann.int("b"), ann.int("c")), (Some(10), Some(7), Some(15)));
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(1), Some(7), Some(5)), "b is Ben's, c is Ben's 5");
    is_same(&mut ann, &mut ben);
}

#[test]
fn undoing_before_it_was_sent_takes_back_the_same() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.leave(&mut server);
    ann.edit(vec![set("x", "a", 10)]);
    ben.edit(vec![set("x", "b", 7)]);
    settle(&mut server, &mut [&mut ben]);
    assert!(ann.undo());
    ann.come_back();
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b")), (Some(1), Some(7)));
    is_same(&mut ann, &mut ben);
}

#[test]
fn what_others_changed_since_is_skipped_unless_forced() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![set("x", "a", 10)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![set("x", "a", 20)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(!ann.undo(), "a is Ben's now");
    assert_eq!(ann.int("a"), Some(20));

    ann.edit(vec![set("x", "a", 30)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![set("x", "a", 40)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.step(Direction::Undo, true));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.int("a"), Some(20), "as it was before Ann's edit");
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_step_of_which_nothing_is_left_is_passed_over() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![set("x", "b", 10)]);
    ann.edit(vec![set("x", "a", 10)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    let was = ben.int("b");
    ben.edit(vec![set("x", "a", 20)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), was, ben.int("b")), (Some(20), Some(10), Some(1)));
    assert!(!ann.undo());
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_redo_after_others_edited_makes_again_what_is_mine() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.leave(&mut server);
    ann.edit(edits(&[("a", to(10)), ("c", by(10))]));
    assert!(ann.undo());
    ben.edit(edits(&[("b", to(7)), ("c", by(100))]));
    settle(&mut server, &mut [&mut ben]);
    ann.come_back();
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.int("a"), ann.int("c")), (Some(1), Some(101)));
    assert!(ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(10), Some(7), Some(111)));
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(1), Some(7), Some(101)));
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_redo_skips_what_somebody_else_has_set() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(edits(&[("a", to(10)), ("b", to(10))]));
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![set("x", "a", 20)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b")), (Some(20), Some(10)));
}

#[test]
fn a_group_is_one_step() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![set("x", "a", 2)]);
    ann.history.begin_group();
    ann.edit(vec![set("x", "a", 3)]);
    ann.edit(vec![set("x", "b", 3), insert("y", &[("a", 1)])]);
    ann.edit(vec![inc("x", "c", 3)]);
    ann.history.end_group();
    ann.edit(vec![set("x", "c", 9)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![set("x", "b", 8)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    assert_eq!(ann.int("c"), Some(4), "the edit after the group");
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(2), Some(8), Some(1)), "all of the group but Ben's b");
    assert_eq!(ben.device.int("y", "a"), None);
    assert!(ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(3), Some(8), Some(4)));
    assert_eq!(ben.device.int("y", "a"), Some(1));
}

#[test]
fn an_object_comes_back_and_goes_again() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![delete("x")]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ben.int("a"), ben.int("b"), ben.int("c")), (Some(1), Some(1), Some(1)));
    ben.edit(vec![set("x", "b", 7)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(!ann.redo(), "Ben has worked on it since");
    assert_eq!(ann.int("b"), Some(7));
    is_same(&mut ann, &mut ben);
}

#[test]
fn an_object_that_somebody_else_has_made_at_the_same_time_stays() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ben.edit(vec![insert("y", &[("a", 2)])]);
    ann.edit(vec![insert("y", &[("a", 1)])]);
    settle(&mut server, &mut [&mut ben]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.device.int("y", "a"), Some(1));
    assert!(!ann.undo(), "Ben has made it");
    is_same(&mut ann, &mut ben);
    // What was one's own alone goes, also after one has worked on it.
    ann.edit(vec![insert("z", &[("a", 1)])]);
    ann.edit(vec![set("z", "a", 2)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.device.int("z", "a"), None);
}

#[test]
fn members_are_taken_back_one_by_one() {
    let tags = |add: &[&str], remove: &[&str]| {
        let values = |names: &[&str]| names.iter().map(|&name| Value::from(name)).collect();
        vec![update("x", "tags", Edit::Members(Members { add: values(add), remove: values(remove) }))]
    };
    let (mut server, mut ann, mut ben) = three_with(vec![insert("x", &[])]);
    ben.edit(tags(&["old", "both"], &[]));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ann.edit(tags(&["both", "new"], &["old"]));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(tags(&["ben"], &[]));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    let Some(Value::List(members)) = ben.device.replica.get(&key("x")).unwrap().get("tags") else { panic!("a set") };
    let mut members: Vec<&str> = members.iter().filter_map(Value::as_text).collect();
    members.sort_unstable();
    assert_eq!(members, ["ben", "both", "old"], "what was there before Ann added it stays");
}

#[test]
fn a_text_is_undone_while_somebody_else_types() {
    let (mut server, mut ann, mut ben) = with_text("one two three");
    ann.edit(types(4, 3, "2"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(types(0, 0, ">> "));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ann.edit(types(14, 0, "!"));
    ben.edit(types(14, 0, "?"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ann.text(), ">> one 2 three!?");
    assert!(ann.undo());
    assert_eq!(ann.text(), ">> one 2 three?", "Ben's stays");
    ben.edit(types(2, 0, ">"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.text(), ">>> one two three?");
    assert!(ann.redo() && ann.redo() && !ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.text(), ">>> one 2 three!?");
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_text_is_undone_offline_and_moved_past_what_comes_in() {
    let (mut server, mut ann, mut ben) = with_text("abc");
    ann.leave(&mut server);
    ann.edit(types(3, 0, "def"));
    ann.edit(types(0, 1, "A"));
    ben.edit(types(1, 0, "-"));
    settle(&mut server, &mut [&mut ben]);
    assert!(ann.undo());
    ann.come_back();
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.text(), ben.text()), ("a-bcdef", "a-bcdef"));
    assert!(ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!((ann.text(), ben.text()), ("A-bcdef", "A-bcdef"));
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_group_of_typing_is_undone_as_one_with_what_others_typed_left() {
    let (mut server, mut ann, mut ben) = with_text("");
    ann.history.begin_group();
    for (place, letter) in "hello".chars().enumerate() {
        ann.edit(types(place as u64, 0, letter.encode_utf8(&mut [0; 4])));
        settle(&mut server, &mut [&mut ann, &mut ben]);
    }
    ann.history.end_group();
    ben.edit(types(5, 0, " you"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(types(2, 0, "--"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ann.text(), "he--llo you");
    assert!(ann.undo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.text(), "-- you");
    assert!(ann.redo());
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ben.text(), "he--llo you");
    is_same(&mut ann, &mut ben);
}

#[test]
fn a_text_is_undone_after_somebody_typed_on_both_sides_of_it_at_once() {
    let (mut server, mut ann, mut ben) = with_text("<>");
    ann.edit(types(1, 0, "mine"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(types(0, 0, "["));
    ben.edit(types(7, 0, "]"));
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert_eq!(ann.text(), "[<mine>]");
    assert!(ann.undo());
    assert_eq!(ann.text(), "[<>]");
}

#[test]
fn a_group_that_sets_and_deletes_is_taken_back_to_before() {
    let (_, mut ann, _) = with_numbers();
    ann.history.begin_group();
    ann.edit(vec![set("x", "a", 10)]);
    ann.edit(vec![delete("x")]);
    ann.history.end_group();
    assert!(ann.undo());
    assert_eq!((ann.int("a"), ann.int("b")), (Some(1), Some(1)));
}

/// Undoing all one's own steps, whatever others typed between them, leaves what the others typed.
fn undoing_everything_leaves_what_others_typed(looks_always: bool) {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut server, mut ann, mut ben) = with_text("");
        let mut steps = 0;
        for _ in 0..12 {
            let (person, letter) = if random.bool() { (&mut ann, "a") } else { (&mut ben, "b") };
            let len = person.text().len() as u64;
            steps += u32::from(letter == "a");
            person.edit(types(random.u64(0..=len), 0, letter));
            if random.bool() || looks_always {
                settle(&mut server, &mut [&mut ann, &mut ben]);
            }
        }
        settle(&mut server, &mut [&mut ann, &mut ben]);
        let theirs = ann.text().matches('b').count();
        for _ in 0..steps {
            assert!(ann.undo(), "seed {seed}");
            if random.bool() || looks_always {
                settle(&mut server, &mut [&mut ann, &mut ben]);
            }
        }
        settle(&mut server, &mut [&mut ann, &mut ben]);
        assert_eq!(ben.text(), "b".repeat(theirs), "seed {seed}");
        is_same(&mut ann, &mut ben);
    }
}

#[test]
fn undoing_everything_leaves_what_others_typed_one_by_one() {
    undoing_everything_leaves_what_others_typed(true);
}

#[test]
fn undoing_everything_leaves_what_others_typed_at_once() {
    undoing_everything_leaves_what_others_typed(false);
}

#[test]
fn a_tab_undoes_what_it_typed_and_leaves_what_others_typed_around_it() {
    let (mut server, mut leader, mut ben) = (Server::new(), Device::new(1), Device::new(2));
    leader.connect();
    ben.connect();
    ben.edit(vec![insert("x", &[]), update("x", "text", Edit::Set("<>".into()))]);
    talk(&mut server, &mut [&mut ben, &mut leader]);
    let mut tab = Mirror::new(TabId(7));
    leader.replica.whole_view().into_iter().for_each(|page| tab.hear(page));
    let mut meet = |tab: &mut Mirror, ben: &mut Device| {
        while let Some(commit) = tab.poll_commit() {
            leader.replica.take(TabId(7), Commit::decode(&commit.encode()).unwrap());
        }
        talk(&mut server, &mut [&mut leader, ben]);
        let change = leader.replica.view_change().unwrap();
        tab.hear(ViewChange::decode(&change.encode()).unwrap());
    };
    tab.edit(Millis(1), types(1, 0, "mine")).unwrap();
    meet(&mut tab, &mut ben);
    ben.edit(types(0, 0, "["));
    ben.edit(types(4, 0, "--"));
    ben.edit(types(9, 0, "]"));
    meet(&mut tab, &mut ben);
    tab.step(Millis(1), Direction::Undo, false).unwrap().unwrap();
    meet(&mut tab, &mut ben);
    assert_eq!(ben.replica.get(&key("x")).unwrap().get("text"), Some(&"[<-->]".into()));
}

#[test]
fn a_step_of_drafts_and_others_is_one_back_and_one_forth() {
    let mut leader = Device::new(1);
    let mut tab = Mirror::new(TabId(7));
    leader.replica.whole_view().into_iter().for_each(|page| tab.hear(page));
    tab.edit(Millis(1), vec![insert("x", &[("a", 1)])]).unwrap();
    tab.edit(Millis(1), NewEdit::draft(vec![insert("draft", &[("a", 1)])])).unwrap();
    tab.edit(Millis(1), vec![set("x", "a", 2), set("draft", "a", 2), delete("draft")]).unwrap();
    let mut meet = |tab: &mut Mirror| {
        while let Some(commit) = tab.poll_commit() {
            leader.replica.take(TabId(7), Commit::decode(&commit.encode()).unwrap());
        }
        tab.hear(leader.replica.view_change().unwrap());
        (leader.replica.drafts(), leader.int("x", "a"))
    };
    let shown = |tab: &Mirror| tab.get(&key("draft")).map(|draft| draft.is_draft());
    assert_eq!((meet(&mut tab), shown(&tab)), ((0, Some(2)), None));
    tab.step(Millis(1), Direction::Undo, false).unwrap().unwrap();
    assert_eq!(shown(&tab), Some(true));
    assert_eq!((meet(&mut tab), shown(&tab)), ((1, Some(1)), Some(true)));
    tab.step(Millis(1), Direction::Redo, false).unwrap().unwrap();
    assert!(!tab.history().can(Direction::Redo));
    assert_eq!((meet(&mut tab), shown(&tab)), ((0, Some(2)), None));
}

#[test]
fn several_ops_on_one_object_in_one_edit_are_taken_back_each_for_itself() {
    let (mut server, mut ann, mut ben) = with_numbers();
    ann.edit(vec![set("x", "a", 2), inc("x", "c", 5)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    ben.edit(vec![inc("x", "c", 10)]);
    settle(&mut server, &mut [&mut ann, &mut ben]);
    assert!(ann.undo());
    assert_eq!((ann.int("a"), ann.int("c")), (Some(1), Some(11)), "Ben's 10 stay");
}
