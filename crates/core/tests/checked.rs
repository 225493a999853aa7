//! What is not valid is not taken where the device knows it, and what it cannot know is left to the server.

mod peers;

use std::sync::Arc;

use peers::*;
use tapeline_core::event::{Command, RefusalCode};
use tapeline_core::mirror::{Commit, Mirror, ViewChange};
use tapeline_core::name::{CommandName, FieldName};
use tapeline_core::numbers::{Millis, TabId};
use tapeline_core::op::Op;
use tapeline_core::replica::{Commanded, EditError, NewEdit, Ran, Reads, Start};
use tapeline_core::schema::{self, Schema};
use tapeline_core::shape::Shape;
use tapeline_core::undo::Direction;
use tapeline_core::valid::{Change, Objection, Validity};
use tapeline_core::value::Value;

/// Each object has a title, and an `n` of 9 at most, that never goes back from 7.
#[derive(Debug)]
struct Rules;

impl Validity for Rules {
    fn objection(&self, change: &Change<'_>) -> Option<Objection> {
        let after = change.after?;
        let n = |name: &str| after.get(name).and_then(Value::as_int);
        let was = change.before.and_then(|before| before.get("n")?.as_int());
        let (field, reason) = match (n("title"), n("n").unwrap_or_default()) {
            (None, _) => ("title", "it must be there"),
            (_, 10..) => ("n", "it is too large"),
            (_, ..7) if was == Some(7) => ("n", "it does not go back"),
            _ => return None,
        };
        let field = Some(FieldName::new(field).unwrap());
        Some(Objection { code: RefusalCode::Invalid, field, reason: format!("{}: {reason}", change.key) })
    }
}

fn device(number: u64) -> Device {
    let mut device = Device::new(number);
    device.replica.check_by(Some(Arc::new(Rules)));
    device
}

fn valid(id: &str) -> Op {
    insert(id, &[("title", 1), ("n", 1)])
}

/// The field and the reason of an edit that is not valid; `None` where it was taken.
fn objection<T>(taken: Result<T, EditError>) -> Option<(String, String)> {
    match taken {
        Ok(_) => None,
        Err(EditError::Invalid(Objection { field, reason, .. })) => Some((field.unwrap().to_string(), reason)),
        Err(other) => panic!("{other}"),
    }
}

fn told(field: &str, reason: &str) -> Option<(String, String)> {
    Some((field.into(), reason.into()))
}

#[test]
fn what_is_not_valid_is_not_taken_and_nothing_of_its_edit_is() {
    let mut ann = device(1);
    let mut edit = |ops: Vec<Op>| objection(ann.replica.edit(Millis(1), ops));
    assert_eq!(edit(vec![insert("x", &[("n", 1)])]), told("title", "things/x: it must be there"));
    assert_eq!(edit(vec![valid("x"), valid("y")]), None);
    // All of an edit counts, and of each object only what it comes to.
    assert_eq!(edit(vec![set("y", "n", 2), inc("x", "n", 9)]), told("n", "things/x: it is too large"));
    assert_eq!(edit(vec![inc("x", "n", 9), inc("x", "n", -1)]), None);
    assert_eq!(edit(vec![delete("x"), insert("x", &[("n", 1)])]), told("title", "things/x: it must be there"));
    assert_eq!(edit(vec![delete("x")]), None);
    assert_eq!((ann.int("y", "n"), ann.replica.parked().len()), (Some(1), 0));
}

#[test]
fn of_a_part_what_is_not_held_is_left_to_the_server() {
    let mut ann = device(1);
    assert!(ann.replica.hold_part());
    let mut edit = |ops: Vec<Op>| objection(ann.replica.edit(Millis(1), ops));
    assert_eq!(edit(vec![upsert("x", &[("n", 99)])]), None, "it may be there, and have a title");
    assert_eq!(edit(vec![set("y", "n", 99)]), None);
    assert_eq!(edit(vec![insert("z", &[("n", 1)])]), told("title", "things/z: it must be there"));
}

#[test]
fn a_draft_may_be_anything_until_it_is_published() {
    let mut ann = device(1);
    ann.replica.edit(Millis(1), NewEdit::draft(vec![insert("x", &[("n", 99)])])).unwrap();
    ann.replica.edit(Millis(1), vec![set("x", "n", 98)]).unwrap();
    assert_eq!(objection(ann.replica.edit(Millis(1), vec![set("x", "n", 7), insert("y", &[])])).unwrap().0, "title");
    assert_eq!(objection(ann.replica.publish(Millis(1), &key("x"))), told("title", "things/x: it must be there"));
    while ann.store() {}
    let mut ann = Device::from_rows(1, Start::Played, ann.rows);
    ann.replica.check_by(Some(Arc::new(Rules)));
    ann.replica.edit(Millis(1), vec![set("x", "n", 97)]).unwrap();
    assert_eq!(ann.replica.drafts(), 1);
    ann.replica.edit(Millis(1), vec![set("x", "title", 1), set("x", "n", 3)]).unwrap();
    ann.replica.publish(Millis(1), &key("x")).unwrap();
    assert_eq!(objection(ann.replica.edit(Millis(1), vec![set("x", "n", 10)])).unwrap().0, "n");
}

#[test]
fn refused_work_that_is_not_valid_stays_parked() {
    let shape = Shape { max: Some(Value::Int(9)), ..Shape::default() };
    let rules = schema::Rules { shapes: vec![(FieldName::new("n").unwrap(), shape)], ..schema::Rules::default() };
    let (mut server, mut ann) = (Server::with_schema(Schema::new([(key("x").collection, rules)])), Device::new(1));
    ann.connect();
    ann.edit(vec![insert("x", &[("title", 1), ("n", 10)])]);
    talk(&mut server, &mut [&mut ann]);
    let (edit, _) = ann.replica.parked().next().unwrap();
    ann.replica.check_by(Some(Arc::new(Rules)));
    assert_eq!(objection(ann.replica.retry(Millis(1), edit).unwrap()), told("n", "things/x: it is too large"));
    assert_eq!((ann.replica.parked().len(), ann.replica.pending()), (1, 0));
}

#[test]
fn a_command_that_is_run_again_to_what_is_not_valid_is_parked_as_failed() {
    let (mut server, mut ann, mut ben) = (Server::new(), device(1), Device::new(2));
    ann.connect();
    ben.connect();
    ben.edit(vec![valid("x")]);
    talk(&mut server, &mut [&mut ben, &mut ann]);
    ann.disconnect(&mut server);
    let command = Command { name: CommandName::new("add").unwrap(), args: Value::Null };
    let reads = Reads { objects: vec![key("x")], ..Reads::default() };
    let commanded = Commanded { command, seed: 7, reads: reads.clone(), serializable: false };
    let new = NewEdit { ops: vec![set("x", "n", 9)], command: Some(commanded), ..NewEdit::default() };
    ann.replica.edit(Millis(1), new).unwrap();
    ben.edit(vec![set("x", "n", 5)]);
    talk(&mut server, &mut [&mut ben]);
    ann.connect();
    while ann.replica.parked().len() == 0 {
        while ann.store() {}
        if let Some(run) = ann.replica.poll_run() {
            let n = ann.replica.get_before(run.edit, &key("x")).unwrap().get("n").unwrap().as_int().unwrap();
            ann.replica.ran(run.edit, Ran::Ops(vec![set("x", "n", n + 8)], reads.clone()));
        } else {
            talk_once(&mut server, &mut ann);
        }
    }
    let (_, parked) = ann.replica.parked().next().unwrap();
    assert_eq!((parked.refusal.code, &*parked.refusal.reason), (RefusalCode::Failed, "things/x: it is too large"));
    assert_eq!(ann.int("x", "n"), Some(5));
}

/// Hears one frame of a device, so that it can be asked between frames what is to be run again.
fn talk_once(server: &mut Server, device: &mut Device) {
    if let Some(frame) = device.frame() {
        let peer = device.peer();
        deliver(server.hear(peer, frame), &mut [device]);
    }
}

#[test]
fn a_mirror_checks_what_it_shows_and_knows_drafts_of_other_tabs() {
    let mut leader = Device::new(1);
    let mut tabs = [1, 2].map(|tab| Mirror::new(TabId(tab)));
    tabs.iter_mut().for_each(|mirror| mirror.check_by(Some(Arc::new(Rules))));
    assert_eq!(objection(tabs[0].edit(Millis(1), vec![upsert("w", &[("n", 1)])])), None, "nobody knows what is there");
    sync(&mut leader, &mut tabs);
    assert_eq!(objection(tabs[0].edit(Millis(1), vec![upsert("v", &[("n", 1)])])).unwrap().0, "title");
    tabs[0].edit(Millis(1), NewEdit::draft(vec![insert("x", &[("n", 99)])])).unwrap();
    tabs[0].edit(Millis(1), vec![set("x", "n", 98)]).unwrap();
    sync(&mut leader, &mut tabs);
    tabs[1].edit(Millis(1), vec![set("x", "n", 97)]).unwrap();
    assert_eq!(objection(tabs[1].publish(Millis(1), &key("x"))), told("title", "things/x: it must be there"));
    tabs[1].edit(Millis(1), vec![set("x", "title", 1), set("x", "n", 3)]).unwrap();
    tabs[1].publish(Millis(1), &key("x")).unwrap();
    sync(&mut leader, &mut tabs);
    assert_eq!(objection(tabs[0].edit(Millis(1), vec![set("x", "n", 10)])).unwrap().0, "n");
    assert_eq!((leader.replica.drafts(), leader.int("x", "n")), (0, Some(3)));
}

#[test]
fn a_step_back_to_what_is_not_valid_is_none() {
    let mut leader = Device::new(1);
    let mut tabs = [Mirror::new(TabId(1))];
    tabs[0].check_by(Some(Arc::new(Rules)));
    sync(&mut leader, &mut tabs);
    tabs[0].edit(Millis(1), vec![valid("x")]).unwrap();
    tabs[0].edit(Millis(1), vec![set("x", "n", 7)]).unwrap();
    assert_eq!(objection(tabs[0].step(Millis(1), Direction::Undo, false)), told("n", "things/x: it does not go back"));
    assert_eq!(tabs[0].get(&key("x")).unwrap().get("n"), Some(&Value::Int(7)));
    assert!(tabs[0].history().can(Direction::Undo), "the step stays");
    // Nor is half of one made.
    tabs[0].edit(Millis(1), vec![insert("y", &[("title", 1), ("n", 1)])]).unwrap();
    tabs[0].edit(Millis(1), NewEdit::draft(vec![insert("d", &[("n", 99)])])).unwrap();
    tabs[0].edit(Millis(1), vec![set("y", "n", 7), delete("d")]).unwrap();
    assert_eq!(objection(tabs[0].step(Millis(1), Direction::Undo, false)), told("n", "things/y: it does not go back"));
    assert!(tabs[0].get(&key("d")).is_none());
}

/// All that tabs have done is taken by the leader, and all that it shows heard by them.
fn sync(leader: &mut Device, tabs: &mut [Mirror]) {
    for (tab, mirror) in (1..).zip(tabs.iter_mut()) {
        while let Some(commit) = mirror.poll_commit() {
            leader.replica.take(TabId(tab), Commit::decode(&commit.encode()).unwrap());
        }
    }
    for mirror in tabs.iter_mut().filter(|mirror| !mirror.is_complete()) {
        leader.replica.whole_view().iter().for_each(|page| mirror.hear(ViewChange::decode(&page.encode()).unwrap()));
    }
    while let Some(change) = leader.replica.view_change() {
        tabs.iter_mut().for_each(|mirror| mirror.hear(ViewChange::decode(&change.encode()).unwrap()));
    }
}
