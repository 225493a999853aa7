//! What became of events, in CBOR: lost ops, refusals, verdicts.

use super::op::{read_key, read_op};
use super::value::read_value;
use super::{CodecError, Reader, Writer, missing, read_array, read_map, read_tuple, unknown};
use crate::event::{Lost, LostReason, OwnVerdict, Refusal, RefusalCode, Verdict};
use crate::hash::ContentHash;
use crate::limits;
use crate::name::FieldName;
use crate::numbers::{EventNumber, Seq};

mod outcome {
    pub(super) const RECORDED: u64 = 0;
    pub(super) const REFUSED: u64 = 1;
}

mod refusal {
    pub(super) const CODE: u64 = 0;
    pub(super) const REASON: u64 = 1;
    pub(super) const ABOUT: u64 = 2;
    pub(super) const CURRENT: u64 = 3;
    pub(super) const HEAD: u64 = 4;
    pub(super) const FIELD: u64 = 5;
}

impl Writer {
    /// `[[op, reason], …]`
    pub(crate) fn lost(&mut self, lost: &[Lost]) -> &mut Self {
        let parts = self.array(lost.len() as u64);
        lost.iter().fold(parts, |parts, part| parts.array(2).op(&part.op).text(part.reason.code()))
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) -> &mut Self {
        let head = refusal.head > Seq::FIRST;
        let optional = [refusal.about.is_some(), refusal.current.is_some(), head, refusal.field.is_some()];
        self.map(2 + optional.into_iter().map(u64::from).sum::<u64>());
        self.uint(refusal::CODE).text(refusal.code.code()).uint(refusal::REASON).text(&refusal.reason);
        if let Some(key) = &refusal.about {
            self.uint(refusal::ABOUT).array(2).key(key);
        }
        if let Some(current) = &refusal.current {
            self.uint(refusal::CURRENT).value(current);
        }
        if head {
            self.uint(refusal::HEAD).uint(refusal.head.0);
        }
        if let Some(field) = &refusal.field {
            self.uint(refusal::FIELD).text(field.as_str());
        }
        self
    }

    pub(super) fn verdicts<'a>(&mut self, verdicts: impl ExactSizeIterator<Item = &'a OwnVerdict>) -> &mut Self {
        let array = self.array(verdicts.len() as u64);
        verdicts.fold(array, Self::verdict)
    }

    /// `[n, hash, 0, [seq, lost]]` or `[n, hash, 1, refusal]`
    pub(super) fn verdict(&mut self, own: &OwnVerdict) -> &mut Self {
        self.array(4).uint(own.n.0).uint(own.hash.0);
        match &own.verdict {
            Verdict::Recorded { seq, lost } => self.uint(outcome::RECORDED).array(2).uint(seq.0).lost(lost),
            Verdict::Refused(refusal) => self.uint(outcome::REFUSED).refusal(refusal),
        }
    }
}

pub(crate) fn read_lost(reader: &mut Reader<'_>) -> Result<Vec<Lost>, Box<CodecError>> {
    read_array(reader, "lost ops in one event", limits::EVENT_OPS, |reader| {
        read_tuple(reader, 2, "a lost op")?;
        let op = read_op(reader)?;
        let reason = read_word(reader, "reason of a lost op", LostReason::from_code)?;
        Ok(Lost { op, reason })
    })
}

pub(crate) fn read_refusal(reader: &mut Reader<'_>) -> Result<Refusal, Box<CodecError>> {
    let (mut code, mut reason, mut about, mut field) = (None, String::new(), None, None);
    let (mut current, mut head) = (None, Seq::FIRST);
    read_map(reader, |key, reader| {
        match key {
            refusal::CODE => code = Some(read_word(reader, "refusal code", RefusalCode::from_code)?),
            refusal::REASON => reason = reader.str()?.into(),
            refusal::ABOUT => {
                read_tuple(reader, 2, "the object of a refusal")?;
                about = Some(read_key(reader)?);
            }
            refusal::CURRENT => current = Some(read_value(reader)?),
            refusal::HEAD => head = Seq(reader.count()?),
            refusal::FIELD => field = Some(FieldName::new(reader.str()?)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let code = code.ok_or_else(|| missing("a refusal", "code"))?;
    Ok(Refusal { code, reason, about, field, current, head })
}

pub(super) fn read_verdict(reader: &mut Reader<'_>) -> Result<OwnVerdict, Box<CodecError>> {
    read_tuple(reader, 4, "a verdict")?;
    let (n, hash) = (EventNumber(reader.count()?), ContentHash(reader.u64()?));
    let verdict = match reader.u64()? {
        outcome::RECORDED => {
            read_tuple(reader, 2, "a recorded verdict")?;
            Verdict::Recorded { seq: Seq(reader.count()?), lost: read_lost(reader)? }
        }
        outcome::REFUSED => Verdict::Refused(Box::new(read_refusal(reader)?)),
        other => return Err(unknown("verdict", &other)),
    };
    Ok(OwnVerdict { n, hash, verdict })
}

/// Reads a word that stands for something.
pub(super) fn read_word<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    meaning: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Box<CodecError>> {
    let word = reader.str()?;
    meaning(word).ok_or_else(|| unknown(what, &word))
}
