//! Undo and redo through the client: of edits and groups, while others edit too.

mod support;

use support::{TestServer, client, converged, soon};
use tapeline_client::{ObjectId, Stream, Tapeline, Value};

async fn two(server: &TestServer) -> (Tapeline, Stream, Tapeline, Stream) {
    let (a, b) = (client(server).await, client(server).await);
    let (here, there) = (a.stream("board").await.unwrap(), b.stream("board").await.unwrap());
    let fields = [("title", "Milk".into()), ("count", Value::Int(1)), ("note", "<>".into())];
    there.collection("tasks").unwrap().insert_as(&task(), fields).unwrap();
    converged(&here, &there).await;
    (a, here, b, there)
}

fn task() -> ObjectId {
    ObjectId::new("milk").unwrap()
}

fn get(stream: &Stream, field: &str) -> Value {
    stream.collection("tasks").unwrap().get(&task()).unwrap().get(field).cloned().unwrap_or(Value::Null)
}

fn set(stream: &Stream, field: &str, value: impl Into<Value>) {
    drop(stream.collection("tasks").unwrap().update(&task(), [(field, value.into())]).unwrap());
}

#[tokio::test]
async fn an_offline_edit_is_undone_after_others_changed_the_fields_beside_it() {
    let server = TestServer::start().await;
    let (a, here, _b, there) = two(&server).await;
    a.go_offline();
    here.batch()
        .update("tasks", &task(), [("title", "Oat milk".into())])
        .increment("tasks", &task(), "count", 5)
        .commit()
        .unwrap();
    set(&there, "done", true);
    there.collection("tasks").unwrap().increment(&task(), "count", 10).unwrap();
    soon(there.synced()).await.unwrap();
    a.go_online();
    converged(&here, &there).await;
    assert_eq!((get(&here, "count"), here.can_undo()), (Value::Int(16), (true, false)));
    here.undo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!(
        (get(&there, "title"), get(&there, "count"), get(&there, "done")),
        ("Milk".into(), Value::Int(11), true.into())
    );
    here.redo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!((get(&there, "title"), get(&there, "count")), ("Oat milk".into(), Value::Int(16)));
}

#[tokio::test]
async fn what_others_have_set_since_is_left_alone_unless_forced() {
    let server = TestServer::start().await;
    let (_a, here, _b, there) = two(&server).await;
    set(&here, "title", "Oat milk");
    converged(&here, &there).await;
    set(&there, "title", "Soy milk");
    converged(&here, &there).await;
    assert!(here.undo().unwrap().is_none());
    set(&here, "title", "Rice milk");
    converged(&here, &there).await;
    set(&there, "title", "Almond milk");
    converged(&here, &there).await;
    here.force_undo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!(get(&there, "title"), "Soy milk".into());
}

#[tokio::test]
async fn a_group_is_undone_as_one() {
    let server = TestServer::start().await;
    let (_a, here, _b, there) = two(&server).await;
    here.grouped(|| {
        set(&here, "title", "Oat milk");
        set(&here, "count", 2);
        drop(here.collection("tasks").unwrap().insert([("title", "Bread".into())]).unwrap());
    });
    assert_eq!(here.collection("tasks").unwrap().all().len(), 2);
    here.undo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!((get(&there, "title"), get(&there, "count")), ("Milk".into(), Value::Int(1)));
    assert_eq!((there.collection("tasks").unwrap().all().len(), here.can_undo()), (1, (false, true)));
}

#[tokio::test]
async fn what_was_typed_is_undone_and_what_others_typed_around_it_stays() {
    let server = TestServer::start().await;
    let (_a, here, b, there) = two(&server).await;
    let (mine, theirs) = (here.collection("tasks").unwrap(), there.collection("tasks").unwrap());
    mine.splice(&task(), "note", 1, 0, "mine").unwrap();
    converged(&here, &there).await;
    b.go_offline();
    theirs.splice(&task(), "note", 0, 0, "[").unwrap();
    theirs.splice(&task(), "note", 4, 0, "--").unwrap();
    theirs.splice(&task(), "note", 9, 0, "]").unwrap();
    b.go_online();
    converged(&here, &there).await;
    assert_eq!(get(&here, "note"), "[<mi--ne>]".into());
    here.undo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!(get(&there, "note"), "[<-->]".into());
    here.redo().unwrap().unwrap();
    converged(&here, &there).await;
    assert_eq!(get(&there, "note"), "[<mi--ne>]".into());
}

#[tokio::test]
async fn a_group_within_another_is_a_part_of_it_and_one_that_panics_is_over() {
    let server = TestServer::start().await;
    let (_a, here, _b, _there) = two(&server).await;
    here.grouped(|| {
        here.grouped(|| set(&here, "count", 2));
        set(&here, "title", "Oat milk");
    });
    here.undo().unwrap().unwrap();
    assert_eq!((get(&here, "title"), get(&here, "count")), ("Milk".into(), Value::Int(1)));

    let within = || {
        set(&here, "title", "Bread");
        panic!("a bug of the app");
    };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| here.grouped(within)));
    assert!(panicked.is_err());
    set(&here, "count", 3);
    set(&here, "count", 4);
    here.undo().unwrap().unwrap();
    assert_eq!((get(&here, "title"), get(&here, "count")), ("Bread".into(), Value::Int(3)));
}
