//! A collection is given the objects it should have.

use tapeline_client::{EditError, ObjectId, Others, Stream, Tapeline, Value};
use tapeline_core::op::Action;

async fn offline() -> Stream {
    let tapeline = Tapeline::builder("ws://127.0.0.1:7070").offline().open().await.unwrap();
    tapeline.stream("lists/home").await.unwrap()
}

fn rows(rows: &[(&str, &str, bool)]) -> Vec<(ObjectId, [(&'static str, Value); 2])> {
    let row = |&(id, title, done): &(&str, &str, bool)| {
        (ObjectId::new(id).unwrap(), [("title", title.into()), ("done", done.into())])
    };
    rows.iter().map(row).collect()
}

#[tokio::test]
async fn a_replacement_is_one_edit_of_what_differs_and_none_where_nothing_does() {
    let stream = offline().await;
    let tasks = stream.collection("tasks").unwrap();
    let before = rows(&[("1", "Milk", false), ("2", "Bread", false), ("3", "Eggs", false)]);
    assert!(tasks.replace(before.clone()).unwrap().is_some());
    assert!(tasks.replace(before).unwrap().is_none());
    let after = rows(&[("1", "Milk", false), ("2", "Bread", true), ("4", "Salt", false)]);
    let plan = tasks.plan_replace(after.clone(), Others::Delete).unwrap();
    assert_eq!((plan.inserted(), plan.updated(), plan.deleted(), plan.unchanged), (1, 1, 1, 1));
    let Action::Update(edits) = &plan.ops[0].action else { panic!("{plan:?}") };
    assert_eq!(edits.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["done"]);
    assert_eq!(stream.status().replica.pending, 1);
    assert!(tasks.replace(after).unwrap().is_some());
    assert_eq!(tasks.all().iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(), ["1", "2", "4"]);
}

#[tokio::test]
async fn more_than_one_edit_holds_is_refused_whole_or_made_in_parts() {
    let stream = offline().await;
    let tasks = stream.collection("tasks").unwrap();
    let texts: Vec<_> = (0..5).map(|number| (number.to_string(), "x".repeat(400_000))).collect();
    let many: Vec<_> = texts.iter().map(|(id, text)| (id.as_str(), text.as_str(), false)).collect();
    assert!(matches!(tasks.replace(rows(&many)), Err(EditError::Refused(_))));
    assert!(tasks.all().is_empty());
    assert_eq!(tasks.replace_in_parts(rows(&many), Others::Delete).unwrap().len(), 3);
    assert_eq!(tasks.replace_in_parts(rows(&[]), Others::Keep).unwrap().len(), 0);
    assert_eq!(tasks.all().len(), 5);
    let twice = rows(&[("1", "a", false), ("1", "b", false)]);
    assert!(matches!(tasks.replace(twice), Err(EditError::Wanted(_))));
}
