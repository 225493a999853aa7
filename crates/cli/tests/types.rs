//! Types made of a schema are those of the files beside it, which compile, and fit what a server with that schema takes.
//!
//! `TAPELINE_WRITE_TYPES=1 cargo test -p tapeline-cli --test types` writes the files anew.

#[path = "types/schema.rs"]
mod schema;
mod support;

use std::path::{Path, PathBuf};

use schema::{BlogPosts, People, Tasks, TasksState};
use support::{Server, tapeline};
use tapeline_client::{Outcome, Tapeline};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/types").join(name)
}

fn types(language: &str) -> String {
    let output = tapeline().arg("types").arg(file("schema.toml")).args(["--lang", language]).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn they_are_those_that_are_compiled() {
    for (language, name) in [("ts", "schema.ts"), ("rust", "schema.rs")] {
        let made = types(language);
        if std::env::var_os("TAPELINE_WRITE_TYPES").is_some() {
            std::fs::write(file(name), &made).expect("written");
        }
        let known = std::fs::read_to_string(file(name)).expect("the file");
        assert_eq!(made, known, "{name} is another one: write it anew, and look at what changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_written_with_them_gets_along_with_the_schema() {
    let path = file("schema.toml");
    let server = Server::start_with(&["--schema", path.to_str().expect("a path in UTF-8")]);
    let tapeline = Tapeline::builder(&server.url).open().await.expect("opened");
    let stream = tapeline.stream("lists/home").await.expect("a stream");
    let tasks = Tasks::on(&stream).expect("a name");
    let task = Tasks {
        title: "Buy milk".into(),
        state: Some(TasksState::InWork),
        effort: Some(3),
        urgent: true,
        watchers: Some(vec!["ana".into()]),
        due_date2: Some(1),
        ..nothing()
    };
    let (id, receipt) = tasks.put_new(&task).expect("edited");
    assert!(matches!(receipt.recorded().await.expect("open"), Outcome::Recorded { .. }));
    assert_eq!(tasks.read(&id).expect("of this shape"), Some(task));
    let fields = |id| tasks.get(id).expect("there").fields().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    assert_eq!(fields(&id), ["dueDate", "effort", "state", "title", "urgent", "watchers"]);

    // What becomes none is cleared; what is none already is left alone.
    let merged = tasks.merge(&id, |task| (task.state, task.effort) = (None, Some(5))).expect("edited");
    assert!(matches!(merged.expect("something changed").recorded().await.expect("open"), Outcome::Recorded { .. }));
    assert_eq!(tasks.read(&id).expect("of this shape").expect("there").state, None);
    assert!(tasks.merge(&id, |task| task.cost = None).expect("edited").is_none());

    let refused = tasks.merge(&id, |task| task.effort = Some(101)).expect("edited").expect("something changed");
    let Outcome::Refused(refusal) = refused.recorded().await.expect("open") else {
        panic!("no task takes so much effort")
    };
    assert_eq!(refusal.field.expect("a field").as_str(), "effort");
    // Of people nothing is said: they may have any fields.
    let ana = People { fields: [("name".into(), "Ana".into())].into() };
    let people = People::on(&stream).expect("a name");
    let (id, _) = people.put_new(&ana).expect("edited");
    assert_eq!(people.read(&id).expect("of this shape"), Some(ana));
    assert!(BlogPosts::on(&stream).expect("a name").read_all().expect("of this shape").is_empty());
}

fn nothing() -> Tasks {
    serde_json::from_value(serde_json::json!({ "title": "", "urgent": false })).expect("all else may be missing")
}
