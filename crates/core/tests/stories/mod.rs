//! Stories of two people who edit the same object, told as tables: who did what, what each sees, what the log records,
//! and who is told what.

use tapeline_core::codec::json;
use tapeline_core::event::{Body, Lost, Recorded};
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{ClientId, EventNumber, Seq};
use tapeline_core::object::Object;
use tapeline_core::op::Op;
use tapeline_core::replica::{NewEdit, Notice, Start};
use tapeline_core::schema::{Policy, Rules, Schema, UpdateAfterDelete};

use crate::peers::{Device, Server, talk};

/// A story being told.
pub struct Story {
    title: &'static str,
    server: Server,
    people: [Device; 2],
    /// What is looked at.
    look: fn(&Device) -> String,
    told: Seq,
    rows: Vec<[String; 5]>,
}

/// One of the two.
#[derive(Clone, Copy)]
pub enum Who {
    Ann,
    Ben,
}

use Who::{Ann, Ben};

impl Who {
    const BOTH: [Self; 2] = [Ann, Ben];

    fn name(self) -> &'static str {
        ["Ann", "Ben"][self as usize]
    }

    fn of(client: ClientId) -> &'static str {
        if client == ClientId(1) { "Ann" } else { "Ben" }
    }
}

impl Story {
    /// A story that begins with both connected to an empty stream.
    pub fn new(title: &'static str, schema: Schema) -> Self {
        let (server, people) = (Server::with_schema(schema), [Device::new(1), Device::new(2)]);
        let mut story = Self { title, server, people, look: milk, told: Seq(0), rows: Vec::new() };
        story.people.iter_mut().for_each(Device::connect);
        story.talk();
        story
    }

    /// The same, looking at something else than the task `milk`.
    pub fn looking_at(self, look: fn(&Device) -> String) -> Self {
        Self { look, ..self }
    }

    /// Both have something before they part.
    pub fn both_have(&mut self, op: Op) {
        self.both_have_all([op]);
    }

    pub fn both_have_all(&mut self, ops: impl Into<Vec<Op>>) {
        self.people[0].edit(ops.into());
        self.talk();
        self.tell("both are online".into());
        self.part();
    }

    /// Nobody is connected any more.
    pub fn part(&mut self) {
        self.people.iter_mut().for_each(|person| person.disconnect(&mut self.server));
    }

    pub fn ann(&mut self, what: &str, new: impl Into<NewEdit>) {
        self.does(Ann, what, new.into());
    }

    pub fn ben(&mut self, what: &str, new: impl Into<NewEdit>) {
        self.does(Ben, what, new.into());
    }

    fn does(&mut self, who: Who, what: &str, new: NewEdit) {
        let person = &mut self.people[who as usize];
        person.replica.edit(person.now, new).unwrap();
        let state = if person.replica.is_open() { "" } else { ", offline," };
        self.talk();
        self.tell(format!("{}{state} {what}", who.name()));
    }

    pub fn connects(&mut self, who: Who) {
        self.people[who as usize].connect();
        self.talk();
        self.tell(format!("{} connects", who.name()));
    }

    /// Ann connects, then Ben.
    pub fn meet(&mut self) {
        Who::BOTH.into_iter().for_each(|who| self.connects(who));
    }

    /// Both see the same, which is this, and so does who plays the log from its beginning.
    pub fn ends_with(mut self, seen: &str) -> Self {
        let mut reader = Device::in_memory(9, Start::Played);
        reader.connect();
        talk(&mut self.server, &mut [&mut reader]);
        let status = reader.replica.status();
        assert!(status.agreed.is_some() && status.diverged == 0, "{}: the digest is not the server's", self.title);
        for person in &mut self.people {
            assert_eq!((self.look)(person), seen, "{}: {:#?}", self.title, self.rows);
            assert_eq!(person.replica.digest(), reader.replica.digest(), "{}", self.title);
        }
        assert_eq!((self.look)(&reader), seen, "{}: played from the beginning", self.title);
        self
    }

    /// What somebody was told, in any of the steps.
    pub fn tells(self, what: &str) -> Self {
        assert!(self.rows.iter().any(|row| row[4].contains(what)), "{}, {what}: {:#?}", self.title, self.rows);
        self
    }

    /// Nobody was told of anything.
    pub fn tells_nothing(self) -> Self {
        assert!(self.rows.iter().all(|row| row[4].is_empty()), "{}: {:#?}", self.title, self.rows);
        self
    }

    /// The story in Markdown.
    pub fn table(&self) -> String {
        let head = "| | Ann sees | Ben sees | the log records | who is told what |\n|---|---|---|---|---|";
        let rows = self.rows.iter().map(|row| format!("| {} |", row.join(" | ")));
        let rows: Vec<String> = rows.map(|row| row.replace(" |  |", " | |").replace(" |  |", " | |")).collect();
        format!("### {}\n\n{head}\n{}\n", self.title, rows.join("\n"))
    }

    fn talk(&mut self) {
        let [ann, ben] = &mut self.people;
        talk(&mut self.server, &mut [ann, ben]);
    }

    fn tell(&mut self, what: String) {
        let [ann, ben] = [0, 1].map(|place| (self.look)(&self.people[place]));
        let recorded = self.recorded();
        let told = Who::BOTH.into_iter().flat_map(|who| self.notices(who)).collect::<Vec<_>>();
        self.rows.push([what, ann, ben, recorded, told.join("<br>")]);
    }

    /// What came onto the log since the last step.
    fn recorded(&mut self) -> String {
        let new = self.server.log.slice(self.told, usize::MAX);
        self.told = self.server.log.end();
        let events = new.events().map(|event| {
            let event = event.unwrap();
            format!("{}: {}", event.seq, if event.body.ops.is_empty() { "no ops".into() } else { ops(&event.body.ops) })
        });
        events.collect::<Vec<_>>().join("<br>")
    }

    fn notices(&mut self, who: Who) -> Vec<String> {
        let notices = self.people[who as usize].notices();
        notices.iter().flat_map(notice).map(|told| format!("{}: {told}", who.name())).collect()
    }
}

/// What a notice says, where it is more than that all went well.
fn notice(notice: &Notice) -> Vec<String> {
    match notice {
        Notice::Recorded { lost, .. } => lost.iter().map(lost_part).collect(),
        Notice::Refused { refusal, .. } => {
            let current = refusal.current.as_ref().map(json::value_to_json);
            let current = current.map_or(String::new(), |current| format!("; there is `{current}`"));
            vec![format!("refused and parked, `{}`: {}{current}", refusal.code.code(), refusal.reason)]
        }
        Notice::Overwritten { fields, by, .. } => {
            let fields = fields.iter().map(|(name, value)| format!("`{}`", spelled(name, &json::value_to_json(value))));
            vec![format!("{} has written over {}", Who::of(*by), fields.collect::<Vec<_>>().join(", "))]
        }
        _ => Vec::new(),
    }
}

fn lost_part(Lost { op, reason }: &Lost) -> String {
    format!("lost, `{}`: {}", reason.code(), ops(std::slice::from_ref(op)))
}

fn spelled(name: &FieldName, value: &str) -> String {
    format!("{name}: {value}")
}

/// Ops as JSON, each on a line.
fn ops(ops: &[Op]) -> String {
    ops.iter().map(|op| format!("`{}`", op_to_json(op))).collect::<Vec<_>>().join("<br>")
}

/// An op as it stands in an event of JSON.
fn op_to_json(op: &Op) -> String {
    let body = Body { ops: vec![op.clone()], ..Body::default() };
    let event = Recorded { seq: Seq(0), client: ClientId(0), n: EventNumber(1), actor: None, body, lost: Vec::new() };
    let text = json::recorded_to_json(&event);
    let (_, ops) = text.split_once(r#""ops":["#).unwrap();
    ops.strip_suffix("]}").unwrap().into()
}

/// What somebody sees of the task `milk`.
fn milk(device: &Device) -> String {
    device.replica.get(&key("milk")).map_or("–".into(), |object| object_seen(object))
}

fn object_seen(object: &Object) -> String {
    let conflicts = object.conflicts().iter().map(|conflict| {
        let value = json::value_to_json(&conflict.value);
        format!("<br>beside it {}: `{}`", Who::of(conflict.stamp.client), spelled(&conflict.field, &value))
    });
    let conflicts: String = conflicts.collect();
    format!("`{}`{conflicts}", json::object_fields_to_json(object))
}

pub fn key(id: &str) -> Key {
    Key { collection: Collection::new("tasks").unwrap(), id: ObjectId::new(id).unwrap() }
}

/// An op on a task, in JSON, without what names the task.
pub fn op(kind: &str, id: &str, parts: &str) -> Op {
    let parts = if parts.is_empty() { String::new() } else { format!(",{parts}") };
    json::op_from_json(&format!(r#"{{"{kind}":"tasks","id":"{id}"{parts}}}"#)).unwrap()
}

/// The task `milk` is made.
pub fn made(set: &str) -> Op {
    op("insert", "milk", &format!(r#""set":{set}"#))
}

/// The task `milk` is changed.
pub fn change(parts: &str) -> Vec<Op> {
    vec![op("update", "milk", parts)]
}

/// A schema in which tasks have this policy.
pub fn policy(policy: Policy) -> Schema {
    rules(Rules { policy, ..Rules::default() })
}

/// A schema in which an update brings a deleted task back.
pub fn revive() -> Schema {
    rules(Rules { update_after_delete: UpdateAfterDelete::Revive, ..Rules::default() })
}

fn rules(rules: Rules) -> Schema {
    Schema::new([(Collection::new("tasks").unwrap(), rules)])
}
