//! A validator that is asked by HTTP.
//!
//! ```text
//! asked     {"validator":"stock","questions":[{"stream":"shops/1","subject":"ana","claims":{…},"trusted":false,
//!             "client":"01J…","n":17,"cmd":{"name":"order","args":{…}},
//!             "changes":[{"collection":"orders","id":"o1","old":null,"new":{"amount":2}}]}]}
//! answered  {"answers":[null]}      or, against the first change of the first question,
//!           {"answers":[{"code":"sold_out","field":"amount","message":"Two are left.","change":0}]}
//! ```

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tapeline_core::codec::json;
use tapeline_core::event::RefusalCode;
use tapeline_core::name::FieldName;
use tapeline_core::object::Object;
use tapeline_core::sequencer::{Changed, Objection};
use tapeline_core::value::Value;

use super::endpoint::{Endpoint, new_id};
use super::{NotAsked, Question, Validator};
use crate::limits;

/// A validator that is asked by HTTP.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
}

impl Validator for Webhook {
    fn validate(&self, questions: &[Question]) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let mut answers = Vec::new();
        let mut told = questions.iter().map(tell).peekable();
        while told.peek().is_some() {
            let (mut together, mut bytes) = (Vec::new(), 0);
            while let Some(question) =
                told.next_if(|next| bytes == 0 || bytes + next.get().len() <= limits::POSTED_BYTES)
            {
                bytes += question.get().len();
                together.push(question);
            }
            answers.extend(self.ask(&together)?);
        }
        Ok(answers)
    }
}

impl Webhook {
    fn ask(&self, questions: &[Box<RawValue>]) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        let asked = serde_json::to_string(&Asked { validator: &self.name, questions });
        let asked = asked.map_err(|error| NotAsked::WrongAnswer(error.to_string()))?;
        let answered = self.endpoint.post(&new_id(), &asked)?;
        let wrong = |what: String| NotAsked::WrongAnswer(what);
        let answered: Answered = serde_json::from_slice(&answered).map_err(|error| wrong(error.to_string()))?;
        if answered.answers.len() != questions.len() {
            return Err(wrong(format!("{} answers to {} questions", answered.answers.len(), questions.len())));
        }
        answered.answers.into_iter().map(|answer| answer.map(read).transpose()).collect::<Result<_, _>>().map_err(wrong)
    }
}

#[derive(Serialize)]
struct Asked<'a> {
    validator: &'a str,
    questions: &'a [Box<RawValue>],
}

#[derive(Serialize)]
struct Told<'a> {
    stream: &'a str,
    subject: Option<&'a str>,
    claims: Box<RawValue>,
    trusted: bool,
    client: String,
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<ToldCommand<'a>>,
    changes: Vec<ToldChange<'a>>,
}

#[derive(Serialize)]
struct ToldCommand<'a> {
    name: &'a str,
    args: Box<RawValue>,
}

#[derive(Serialize)]
struct ToldChange<'a> {
    collection: &'a str,
    id: String,
    old: Option<Box<RawValue>>,
    new: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Answered {
    answers: Vec<Option<No>>,
}

/// What is said against a change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct No {
    message: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    change: usize,
}

fn tell(question: &Question) -> Box<RawValue> {
    let Question { stream, caller, client, n, command, changes } = question;
    let cmd =
        command.as_ref().map(|cmd| ToldCommand { name: cmd.name.as_str(), args: raw(json::value_to_json(&cmd.args)) });
    let told = Told {
        stream: stream.as_str(),
        subject: caller.subject.as_ref().map(|subject| subject.as_str()),
        claims: raw(json::value_to_json(&Value::Map(caller.claims.clone()))),
        trusted: caller.is_trusted,
        client: client.to_string(),
        n: n.0,
        cmd,
        changes: changes.iter().map(tell_change).collect(),
    };
    serde_json::value::to_raw_value(&told).unwrap_or_default()
}

fn tell_change(Changed { key, before, after }: &Changed) -> ToldChange<'_> {
    let fields = |object: &Object| raw(json::object_fields_to_json(object));
    let (old, new) = (before.as_deref().map(fields), after.as_deref().map(fields));
    ToldChange { collection: key.collection.as_str(), id: key.id.to_string(), old, new }
}

/// Our own writer writes nothing else than JSON.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_default()
}

/// Reads an objection, or says what is wrong with it.
fn read(no: No) -> Result<(usize, Objection), String> {
    if no.message.is_empty() || no.message.len() > limits::MESSAGE_BYTES {
        return Err(format!("a message is a text of up to {} bytes, for people", limits::MESSAGE_BYTES));
    }
    let code = match &no.code {
        None => RefusalCode::Invalid,
        Some(word) => {
            RefusalCode::from_code(word).filter(may_be_said).ok_or_else(|| format!("{word:?} is no code for this"))?
        }
    };
    let field = no.field.map(FieldName::new).transpose().map_err(|error| error.to_string())?;
    Ok((no.change, Objection { code, field, reason: no.message }))
}

/// Other codes make replicas do something by themselves.
fn may_be_said(code: &RefusalCode) -> bool {
    matches!(code, RefusalCode::Invalid | RefusalCode::Forbidden | RefusalCode::Other(_))
}
