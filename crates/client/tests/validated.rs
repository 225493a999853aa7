//! What the app's own server says no to is parked on the device, with its reason. While it says nothing, edits stay where they
//! are: shown, pending, and sent again.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use support::{builder, soon};
use tapeline_client::{Outcome, Transport, Value};
use tapeline_core::event::RefusalCode;
use tapeline_core::name::FieldName;
use tapeline_core::sequencer::Objection;
use tapeline_log::memory::MemoryLog;
use tapeline_server::backend::{Backend, NotAsked, Question, Unreachable, Validation, Validator};
use tapeline_server::{Server, ServerConfig, limits};

/// Says no to what is titled bad; says nothing while it is away.
#[derive(Debug, Default)]
struct Fickle {
    is_there: AtomicBool,
    /// How often it said nothing.
    silent: AtomicU32,
}

impl Validator for Fickle {
    fn validate(&self, questions: &[Question]) -> Result<Vec<Option<(usize, Objection)>>, NotAsked> {
        if !self.is_there.load(Ordering::Acquire) {
            self.silent.fetch_add(1, Ordering::AcqRel);
            return Err(NotAsked::Unreachable("away".into()));
        }
        let is_bad = |question: &Question| {
            let after = question.changes[0].after.as_ref();
            after.and_then(|after| after.get("title")?.as_text().map(|title| title == "bad")).unwrap_or_default()
        };
        let no = Objection {
            code: RefusalCode::from_code("tasteless").unwrap(),
            field: FieldName::new("title").ok(),
            reason: "That is bad.".into(),
        };
        Ok(questions.iter().map(|question| is_bad(question).then(|| (0, no.clone()))).collect())
    }
}

#[tokio::test]
async fn a_no_is_parked_and_silence_leaves_edits_pending() {
    let fickle = Arc::new(Fickle::default());
    let validation = Validation {
        name: "taste".into(),
        streams: Vec::new(),
        collections: Vec::new(),
        unreachable: Unreachable::Wait,
        validator: fickle.clone(),
    };
    let backend = Backend { validators: vec![validation], ..Backend::default() };
    let config = ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), backend, ..ServerConfig::default() };
    let server = Server::start_in_memory(config, Arc::new(MemoryLog::new())).await.unwrap();
    let ana = builder(format!("ws://{}", server.address()), Transport::Auto).open().await.unwrap();
    let stream = ana.stream("s").await.unwrap();
    let tasks = stream.collection("tasks").unwrap();
    let (_, good) = tasks.insert([("title", Value::text("good"))]).unwrap();
    let (_, bad) = tasks.insert([("title", Value::text("bad"))]).unwrap();
    // It was given up, and asked again.
    soon(async {
        while fickle.silent.load(Ordering::Acquire) <= limits::VALIDATOR_TRIES {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(good.outcome().is_none() && bad.outcome().is_none());
    let status = stream.status().replica;
    assert_eq!((tasks.all().len(), status.pending, stream.parked().len()), (2, 2, 0));
    fickle.is_there.store(true, Ordering::Release);
    assert!(matches!(soon(good.recorded()).await.unwrap(), Outcome::Recorded { .. }));
    let Outcome::Refused(refusal) = soon(bad.recorded()).await.unwrap() else { panic!("it is not refused") };
    assert_eq!((refusal.code.code(), &*refusal.reason), ("tasteless", "That is bad."));
    assert_eq!(refusal.field.unwrap().as_str(), "title");
    assert_eq!((tasks.all().len(), stream.status().replica.pending, stream.parked().len()), (1, 0, 1));
    assert_eq!(stream.parked()[0].refusal.reason, "That is bad.");
}
