//! Schema files as an operator meets them.

mod support;

use serde_json::{Value, json};
use support::{Server, tapeline};
use tapeline_client::{Collection, Stream, Tapeline};

const SCHEMA: &str = "
[collections.tasks]
update_after_delete = 'revive'
indexes = ['due', ['done', 'title']]

[collections.tasks.fields]
title = 'ask'
done = { policy = 'first', unique = true }
owner = { ref = 'people', on_delete = 'cascade' }
";

fn check(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("schema.toml");
    std::fs::write(&path, text).expect("written");
    let output = tapeline().args(["schema", "check"]).arg(path).args(arguments).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_schema_is_told_in_words_and_for_programs() {
    let (code, text, _) = check(SCHEMA, &[]);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "tasks: an update of an object deleted meanwhile brings it back");
    assert_eq!(lines[1..3], ["  has an index by due", "  has an index by done, then title"]);
    assert_eq!(lines[3], "  no two have the same done");
    assert_eq!(lines[4], "  owner refers to people, by id or a list of ids; it is deleted with what it refers to");
    assert!(lines[5].starts_with("  done              first   "), "{text}");
    assert!(lines[6].starts_with("  title             ask     "), "{text}");
    assert!(lines[7].starts_with("  all other fields  last    "), "{text}");
    assert!(lines[9].starts_with("everything else: "), "{text}");
    let (code, text, _) = check(SCHEMA, &["--json"]);
    assert_eq!(code, Some(0));
    let fields = json!({ "title": "ask", "done": "first" });
    let indexes = json!([["due"], ["done", "title"]]);
    let tasks = json!({
        "policy": "last", "update_after_delete": "revive", "keep_events": false, "indexes": indexes, "fields": fields,
        "unique": [["done"]], "was": {}, "refs": { "owner": "people" },
        "on_delete": { "owner": "cascade" },
    });
    let expected = json!({ "version": null, "oldest": null, "collections": { "tasks": tasks }, "streams": {} });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
}

#[test]
fn what_stays_is_told_too() {
    let schema = "
        [streams.'chat/*']
        retain = { events = 500 }
        [collections.payments]
        keep_events = true
    ";
    let (code, text, _) = check(schema, &[]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("its events stay readable") && text.contains("streams chat/*: the newest 500 events stay"),
        "{text}"
    );
    let (_, text, _) = check(schema, &["--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["streams"], json!({ "chat/*": { "retain": { "events": 500 } } }));
}

#[test]
fn what_is_valid_and_who_may_do_what_is_told() {
    let schema = "
        [collections.trips.fields]
        title = { type = 'text', required = true, max_length = 200 }
        seats = { type = 'int', min = 0 }
        state = { one_of = ['open', 'closed'] }
        code = { pattern = '[A-Z]{3}' }
        [[collections.trips.checks]]
        holds = 'new.from <= new.to'
        message = 'A trip ends after it begins.'
        field = 'to'
        [collections.trips.rules]
        read = 'auth.sub in resource.members'
        fields = { state = \"auth.role == 'guide'\" }
        [streams.'teams/*']
        write = 'stream.parts[1] in auth.teams'
        [streams.'archive/*'.rules.trips]
        read = 'size(resource.members) > 1'
    ";
    let (code, text, errors) = check(schema, &[]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let lines: Vec<&str> = text.lines().collect();
    for line in [
        "  title is a text, always there, 200 long at most",
        "  seats is a whole number, 0 at least",
        "  state is one of \"open\", \"closed\"",
        "  code is a text like [A-Z]{3}",
        "  holds, about to: new.from <= new.to; otherwise: A trip ends after it begins.",
        "trips: may read where auth.sub in resource.members",
        "trips: may set state where auth.role == 'guide'",
        "streams teams/*: may write where stream.parts[1] in auth.teams",
        "trips on streams archive/*: may read where size(resource.members) > 1",
        "  asked of each object, as no query says it: size",
        "what no rule allows is refused",
    ] {
        assert!(lines.contains(&line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let (code, text, errors) = check("[collections.tasks]\npolicy = 'lst'", &[]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(errors.contains("schema.toml: line 2, column 10: "), "{errors}");
    assert!(errors.contains("did you mean \"last\"?"), "{errors}");
}

#[test]
fn a_server_starts_with_a_good_schema_alone() {
    let mut server = Server::start();
    server.kill();
    let path = server.directory.path().join("schema.toml");
    std::fs::write(&path, "[collections.tasks]\npolcy = 'last'").expect("written");
    let output = server.command().arg("--schema").arg(&path).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("line 2, column 1") && errors.contains("\"policy\""), "{errors}");
    std::fs::write(&path, SCHEMA).expect("written");
    server.restart_with(&["--schema", path.to_str().expect("a path in UTF-8")]);
    assert_eq!(server.lines(&["insert", "s", "tasks", "1"]).len(), 1);
}

#[test]
fn objects_come_with_what_they_refer_to() {
    let mut server = Server::start();
    server.kill();
    let path = server.directory.path().join("schema.toml");
    std::fs::write(&path, SCHEMA).expect("written");
    server.restart_with(&["--schema", path.to_str().expect("a path in UTF-8")]);
    server.lines(&["insert", "s", "people", "ana", "{}"]);
    server.lines(&["insert", "s", "tasks", "t", r#"{"owner":"ana"}"#]);
    let asked = ["objects", "s", "--collection", "tasks", "--limit", "9", "--with", "owner"];
    let ids: Vec<Value> = server.lines(&asked).into_iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["t", "ana"]);
}

#[tokio::test]
async fn tail_tells_what_of_an_event_was_lost_and_why() {
    let mut server = Server::start();
    server.kill();
    let path = server.directory.path().join("schema.toml");
    std::fs::write(&path, "[collections.tasks.fields]\ntitle = 'first'").expect("written");
    server.restart_with(&["--schema", path.to_str().expect("a plain name")]);
    let ann = open(&server).await;
    let (id, made) = ann.1.insert([("title", "Milk".into())]).expect("taken");
    made.recorded().await.expect("recorded");
    let ben = open(&server).await;
    ben.0.caught_up().await.expect("in step");
    ben.2.go_offline();
    let late = ben.1.update(&id, [("title", "Soy milk".into()), ("done", true.into())]).expect("taken");
    ann.1.update(&id, [("title", "Oat milk".into())]).expect("taken").recorded().await.expect("recorded");
    ben.2.go_online();
    late.recorded().await.expect("recorded");

    let last = server.lines(&["tail", "shop"]).pop().expect("three events");
    assert_eq!(last["ops"][0]["set"], json!({ "done": true }));
    assert_eq!(last["lost"][0]["op"]["set"], json!({ "title": "Soy milk" }), "{last}");
    assert_eq!(last["lost"][0]["reason"], json!("first"), "{last}");
}

async fn open(server: &Server) -> (Stream, Collection, Tapeline) {
    let tapeline = Tapeline::builder(&server.url).open().await.expect("open");
    let stream = tapeline.stream("shop").await.expect("a stream");
    let tasks = stream.collection("tasks").expect("a collection");
    (stream, tasks, tapeline)
}
