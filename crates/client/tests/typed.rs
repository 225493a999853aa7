//! Objects as values of the program's own types, and edits of several objects at once.

use serde::{Deserialize, Serialize};
use tapeline_client::{EditError, ShapeError, Stream, Tapeline, Value};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    title: String,
    done: bool,
    #[serde(default)]
    tags: Vec<String>,
}

async fn list() -> Stream {
    let tapeline = Tapeline::builder("ws://127.0.0.1:1").offline().open().await.unwrap();
    tapeline.stream("list").await.unwrap()
}

fn milk() -> Task {
    Task { title: "Buy milk".into(), done: false, tags: vec!["shop".into()] }
}

#[tokio::test]
async fn values_go_in_and_come_out() {
    let list = list().await;
    let tasks = list.typed::<Task>("tasks").unwrap();
    let (id, _) = tasks.put_new(&milk()).unwrap();
    assert_eq!(tasks.read(&id), Ok(Some(milk())));
    tasks.put(&id, &Task { done: true, ..milk() }).unwrap();
    assert_eq!(tasks.read_all(), Ok(vec![(id.clone(), Task { done: true, ..milk() })]));
    tasks.delete(&id).unwrap();
    assert_eq!(tasks.read(&id), Ok(None));
}

#[tokio::test]
async fn merging_edits_only_what_came_out_differently() {
    let list = list().await;
    let tasks = list.typed::<Task>("tasks").unwrap();
    let (id, _) = tasks.put_new(&milk()).unwrap();
    assert!(tasks.merge(&id, |task| task.done = false).unwrap().is_none());
    assert_eq!(list.status().replica.pending, 1);
    assert!(tasks.merge(&id, |task| task.done = true).unwrap().is_some());
    assert_eq!(tasks.read(&id).unwrap().unwrap(), Task { done: true, ..milk() });
}

#[tokio::test]
async fn data_of_another_shape_is_told() {
    let list = list().await;
    let tasks = list.typed::<Task>("tasks").unwrap();
    let (id, _) = list.collection("tasks").unwrap().insert([("title", Value::Int(7))]).unwrap();
    assert!(matches!(tasks.read(&id), Err(ShapeError::Mismatch(_))));
    let numbers = list.typed::<u8>("numbers").unwrap();
    assert!(matches!(numbers.put_new(&7), Err(EditError::Shape(ShapeError::NotAnObject))));
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let list = list().await;
    let tasks = list.collection("tasks").unwrap();
    let (id, _) = tasks.insert([("count", 1i64.into())]).unwrap();
    list.batch().increment("tasks", &id, "count", 2).update("tasks", &id, [("done", true.into())]).commit().unwrap();
    assert_eq!(tasks.get(&id).unwrap().get("count"), Some(&Value::Int(3)));

    let missing = tapeline_client::ObjectId::new("nobody").unwrap();
    let refused = list.batch().delete("tasks", &id).delete("tasks", &missing).commit().unwrap_err();
    assert!(matches!(refused, EditError::Refused(_)) && !refused.is_retryable());
    assert!(tasks.get(&id).is_some());
    assert!(matches!(list.batch().delete("", &id).commit(), Err(EditError::Name(_))));
    // The one that was taken joined the insert.
    assert_eq!(list.status().replica.pending, 1);
}
