//! A client that has the app's schema says at once, online or not, what the server would say later; and the server has the
//! last word.

mod support;

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use support::{builder, converged, soon};
use tapeline_client::{
    EditError, ObjectId, Objection, OpenError, Outcome, RefusalCode, Stream, Tapeline, Transaction, Transport, Value,
};
use tapeline_log::memory::MemoryLog;
use tapeline_server::{Server, ServerConfig, read_schema};

const SCHEMA: &str = r#"
    [collections.trips.fields]
    code = { type = "text", required = true, pattern = "[A-Z]{3}-[0-9]+", unique = true }
    seats = { type = "int", min = 0, max = 8 }
    state = { one_of = ["open", "closed"] }

    [[collections.trips.checks]]
    holds = "!has(new.start) || new.start <= new.end"
    message = "A trip ends after it begins."
    field = "end"

    [[collections.trips.checks]]
    holds = "!has(old.state) || old.state != 'closed' || new.state == 'closed'"
    message = "What is closed stays closed."

    [[collections.trips.checks]]
    holds = "!has(new.by) || new.by == auth.sub"
    message = "Nobody plans for others."
"#;

const NO_FIELDS: [(&str, Value); 0] = [];
/// No server.
const NOWHERE: &str = "ws://127.0.0.1:1";

#[derive(Clone, Serialize, Deserialize)]
struct Trip {
    code: String,
    seats: i64,
}

async fn serve() -> Server {
    let file = read_schema(SCHEMA).unwrap();
    let config = ServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        schema: file.schema.into(),
        authority: file.authority.into(),
        ..ServerConfig::default()
    };
    Server::start_in_memory(config, Arc::new(MemoryLog::new())).await.unwrap()
}

async fn open(address: &str, is_checked: bool) -> (Tapeline, Stream) {
    let builder = builder(address, Transport::Auto);
    let builder = if is_checked { builder.checked_by(SCHEMA) } else { builder };
    let tapeline = builder.open().await.unwrap();
    tapeline.command("book", |tx: &mut Transaction<'_>, (trip, seats): (String, i64)| {
        let trip = ObjectId::new(trip)?;
        let left = tx.get("trips", &trip)?.and_then(|it| it.get("seats")?.as_int()).ok_or("there is no such trip")?;
        tx.update("trips", &trip, [("seats", (left - seats).into())])
    });
    let stream = tapeline.stream("world").await.unwrap();
    (tapeline, stream)
}

fn id(id: &str) -> ObjectId {
    ObjectId::new(id).unwrap()
}

/// What is not valid about an edit that was not taken: the field, and the reason.
fn objected<T: Debug>(taken: Result<T, EditError>) -> (String, String) {
    let error = taken.unwrap_err();
    assert!(!error.is_retryable());
    said(&error, error.objection())
}

fn said(error: &impl ToString, objection: Option<&Objection>) -> (String, String) {
    let Objection { code, field, reason } = objection.unwrap_or_else(|| panic!("{}", error.to_string()));
    assert_eq!((*code, &error.to_string()), (RefusalCode::Invalid, reason));
    (field.as_ref().map_or_else(String::new, ToString::to_string), reason.clone())
}

fn told(field: &str, reason: &str) -> (String, String) {
    (field.into(), reason.into())
}

#[tokio::test]
async fn all_ways_to_edit_are_checked_without_a_server() {
    let (_tapeline, stream) = open(NOWHERE, true).await;
    let trips = stream.typed::<Trip>("trips").unwrap();
    let trip = |code: &str, seats| Trip { code: code.into(), seats };
    let ulm = id("ulm");
    assert_eq!(objected(trips.put(&ulm, &trip("ulm", 2))).0, "code");
    assert_eq!(objected(trips.insert([("seats", 2.into())])).0, "code");
    trips.put(&ulm, &trip("ULM-1", 2)).unwrap();

    let misfit = told("seats", "trips/ulm, field seats: it must be at most 8");
    assert_eq!(objected(trips.merge(&ulm, |trip| trip.seats = 9)), misfit);
    assert_eq!(objected(trips.increment(&ulm, "seats", 7)), misfit);
    let batch =
        stream.batch().update("trips", &ulm, [("state", "open".into())]).insert("trips", &id("bonn"), NO_FIELDS);
    assert_eq!(objected(batch.commit()), told("code", "trips/bonn, field code: it must be there"));
    let ends = told("end", "A trip ends after it begins.");
    assert_eq!(objected(trips.update(&ulm, [("start", 3.into()), ("end", 2.into())])), ends);
    let error = stream.run("book", ("ulm", 3)).unwrap_err();
    assert_eq!(said(&error, error.objection()), told("seats", "trips/ulm, field seats: it must be at least 0"));

    trips.update(&ulm, [("state", "closed".into())]).unwrap();
    let closed = told("", "What is closed stays closed.");
    assert_eq!(objected(stream.undo()), closed);
    assert_eq!(trips.get(&ulm).unwrap().get("state"), Some(&Value::text("closed")));
    assert_eq!((stream.status().replica.pending, stream.parked().len()), (1, 0));
}

#[tokio::test]
async fn a_schema_that_is_none_is_told_with_its_place() {
    let builder = Tapeline::builder(NOWHERE).checked_by("[collections.a.fields]\nb = { type = 'txt' }");
    let error = builder.open().await.unwrap_err();
    assert!(matches!(&error, OpenError::Schema(why) if why.contains("line 2, column 14")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_device_says_what_the_server_says_and_the_server_has_the_last_word() {
    let server = serve().await;
    let address = format!("ws://{}", server.address());
    let ((_ann, checked), (_ben, unchecked)) = (open(&address, true).await, open(&address, false).await);
    let trips = |stream: &Stream| stream.collection("trips").unwrap();
    let refused = async |fields: &[(&str, Value)]| {
        let (_, receipt) = trips(&unchecked).insert(fields.iter().cloned()).unwrap();
        let Outcome::Refused(refusal) = soon(receipt.recorded()).await.unwrap() else { panic!("{fields:?} was taken") };
        (refusal.field.map_or_else(String::new, |field| field.to_string()), refusal.reason)
    };
    let code = ("code", Value::text("ULM-1"));
    let wrong: [&[(&str, Value)]; 5] = [
        &[("code", "ulm".into())],
        &[("seats", 1.into())],
        &[code.clone(), ("seats", 9.into())],
        &[code.clone(), ("state", "shut".into())],
        &[code.clone(), ("start", 2.into()), ("end", 1.into())],
    ];
    let without_ids = |(field, reason): (String, String)| match reason.split_once(", field ") {
        Some((_, reason)) => (field, reason.to_owned()),
        None => (field, reason),
    };
    for fields in wrong {
        let (here, there) = (objected(trips(&checked).insert(fields.iter().cloned())), refused(fields).await);
        assert_eq!(without_ids(here), without_ids(there), "{fields:?}");
    }
    // Who asks, and what others have, the server alone knows.
    trips(&unchecked).insert([code.clone()]).unwrap();
    converged(&checked, &unchecked).await;
    let of_others = [("code", Value::text("ULM-2")), ("by", "ann".into())];
    for (fields, reason) in [(&of_others[..], "Nobody plans for others."), (&[code], "this is taken")] {
        let (_, receipt) = trips(&checked).insert(fields.iter().cloned()).unwrap();
        match soon(receipt.recorded()).await.unwrap() {
            Outcome::Refused(refusal) => assert!(refusal.reason.contains(reason), "{}", refusal.reason),
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(checked.parked().len(), 2);
    server.stop().await;
}
