//! What became of events, in JSON: lost ops, refusals, verdicts.

use super::members::Members;
use super::op::{read_op, read_place};
use super::tree::Json;
use super::value::read_value;
use super::{CodecError, Writer};
use crate::event::{Lost, LostReason, OwnVerdict, Refusal, RefusalCode, Verdict};
use crate::hash::ContentHash;
use crate::limits;
use crate::name::FieldName;
use crate::numbers::{EventNumber, Seq};

impl Writer {
    /// `[{"op":…,"reason":…}, …]`
    pub(super) fn lost(&mut self, lost: &[Lost]) -> &mut Self {
        self.list_of(lost, |list, part| {
            list.object(|object| {
                object.key("op").op(&part.op).key("reason").text(part.reason.code());
            })
        })
    }

    /// Where an event stands, and what of it did not take effect, without the object around it.
    pub(super) fn outcome(&mut self, seq: Seq, lost: &[Lost]) {
        self.key("seq").uint(seq.0);
        if !lost.is_empty() {
            self.key("lost").lost(lost);
        }
    }

    /// The members of a refusal, without the object around them.
    pub(super) fn refusal(&mut self, refusal: &Refusal) {
        self.key("code").text(refusal.code.code()).key("reason").text(&refusal.reason);
        if let Some(key) = &refusal.about {
            self.key("about").place(key, None);
        }
        if let Some(field) = &refusal.field {
            self.key("field").text(field.as_str());
        }
        if let Some(current) = &refusal.current {
            self.key("current").value(current);
        }
        if refusal.head > Seq::FIRST {
            self.key("head").uint(refusal.head.0);
        }
    }

    /// `{"n":…,"hash":…,"seq":…,"lost":…}` or `{"n":…,"hash":…,"refused":{…}}`
    pub(super) fn verdict(&mut self, own: &OwnVerdict) -> &mut Self {
        self.object(|object| {
            object.key("n").uint(own.n.0).key("hash").hex_64(own.hash.0);
            match &own.verdict {
                Verdict::Recorded { seq, lost } => object.outcome(*seq, lost),
                Verdict::Refused(refusal) => {
                    object.key("refused").object(|object| object.refusal(refusal));
                }
            }
        })
    }
}

pub(super) fn read_lost(json: Json) -> Result<Vec<Lost>, CodecError> {
    json.list_of("lost ops in one event", limits::EVENT_OPS, |json| {
        let mut lost = Members::of(json, "a lost op")?;
        let op = read_op(lost.need("op")?)?;
        Ok(Lost { op, reason: lost.word("reason", LostReason::from_code)? })
    })
}

pub(super) fn read_refusal(refusal: &mut Members) -> Result<Refusal, CodecError> {
    let about = |json| Ok(read_place(json, "about")?.0);
    Ok(Refusal {
        code: refusal.word("code", RefusalCode::from_code)?,
        reason: refusal.text_if_any("reason")?.map(String::from).unwrap_or_default(),
        about: refusal.read_if_any("about", about)?,
        field: refusal.text_if_any("field")?.map(FieldName::new).transpose()?,
        current: refusal.read_if_any("current", read_value)?,
        head: refusal.count_if_any("head")?.map(Seq).unwrap_or_default(),
    })
}

pub(super) fn read_verdict(json: Json) -> Result<OwnVerdict, CodecError> {
    let mut verdict = Members::of(json, "a verdict")?;
    let n = EventNumber(verdict.count("n")?);
    let hash = ContentHash(verdict.need("hash")?.hex_64("hash")?);
    let verdict = match verdict.take("refused") {
        Some(refused) => Verdict::Refused(Box::new(read_refusal(&mut Members::of(refused, "a refusal")?)?)),
        None => Verdict::Recorded {
            seq: Seq(verdict.count("seq")?),
            lost: verdict.read_if_any("lost", read_lost)?.unwrap_or_default(),
        },
    };
    Ok(OwnVerdict { n, hash, verdict })
}
