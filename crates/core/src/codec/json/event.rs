//! Events in JSON.

use super::members::Members;
use super::op::{read_client, read_op, read_place};
use super::tree::Json;
use super::value::read_value;
use super::verdict::read_lost;
use super::{CodecError, Writer};
use crate::event::{Authored, Body, Command, Read, Recorded};
use crate::limits;
use crate::name::{CommandName, Subject};
use crate::numbers::{EventNumber, Millis, Seq};

impl Writer {
    pub(super) fn authored(&mut self, event: &Authored) -> &mut Self {
        self.object(|object| {
            object.key("client").client(event.client).key("n").uint(event.n.0);
            if event.settled.0 > 0 {
                object.key("settled").uint(event.settled.0);
            }
            object.body(&event.body);
        })
    }

    pub(super) fn recorded(&mut self, event: &Recorded) -> &mut Self {
        self.object(|object| {
            object.key("seq").uint(event.seq.0).key("client").client(event.client).key("n").uint(event.n.0);
            if let Some(actor) = &event.actor {
                object.key("actor").text(actor.as_str());
            }
            object.body(&event.body);
            if !event.lost.is_empty() {
                object.key("lost").lost(&event.lost);
            }
        })
    }

    /// The members of a body, without the object around them.
    fn body(&mut self, body: &Body) {
        self.key("base").uint(body.base.0);
        if let Some(on) = body.on {
            self.key("on").uint(on.0);
        }
        self.key("at").uint(body.at.0);
        if let Some(command) = &body.command {
            self.key("cmd").object(|object| {
                object.key("name").text(command.name.as_str()).key("args").value(&command.args);
            });
        }
        if !body.unchanged.is_empty() {
            self.key("unchanged").list_of(&body.unchanged, |list, read| list.place(&read.key, read.field.as_ref()));
        }
        self.key("ops").list_of(&body.ops, Self::op);
    }
}

pub(super) fn read_authored(json: Json) -> Result<Authored, CodecError> {
    let mut event = Members::of(json, "an event")?;
    Ok(Authored {
        client: read_client(event.need("client")?)?,
        n: EventNumber(event.count("n")?),
        settled: EventNumber(event.count_if_any("settled")?.unwrap_or_default()),
        body: read_body(&mut event)?,
    })
}

pub(super) fn read_recorded(json: Json) -> Result<Recorded, CodecError> {
    let mut event = Members::of(json, "a recorded event")?;
    Ok(Recorded {
        seq: Seq(event.count("seq")?),
        client: read_client(event.need("client")?)?,
        n: EventNumber(event.count("n")?),
        actor: event.text_if_any("actor")?.map(Subject::new).transpose()?,
        lost: event.read_if_any("lost", read_lost)?.unwrap_or_default(),
        body: read_body(&mut event)?,
    })
}

pub(super) fn read_body(event: &mut Members) -> Result<Body, CodecError> {
    let reads = |json: Json| json.list_of("reads in one event", limits::EVENT_READS, read_read);
    Ok(Body {
        base: Seq(event.count_if_any("base")?.unwrap_or_default()),
        on: event.count_if_any("on")?.map(Seq),
        at: Millis(event.count_if_any("at")?.unwrap_or_default()),
        command: event.read_if_any("cmd", read_command)?,
        unchanged: event.read_if_any("unchanged", reads)?.unwrap_or_default(),
        ops: event.need("ops")?.list_of("ops in one event", limits::EVENT_OPS, read_op)?,
    })
}

fn read_command(json: Json) -> Result<Command, CodecError> {
    let mut command = Members::of(json, "a command")?;
    Ok(Command { name: CommandName::new(command.text("name")?)?, args: read_value(command.need("args")?)? })
}

fn read_read(json: Json) -> Result<Read, CodecError> {
    let (key, field) = read_place(json, "a read")?;
    Ok(Read { key, field })
}
