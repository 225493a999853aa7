//! Queries and time travel: what is there, what was there, and what changed between.

mod support;

use serde_json::{Value, json};
use support::Server;

/// A server with a short history on the stream `s`.
fn server() -> Server {
    let server = Server::start();
    server.lines(&["insert", "s", "tasks", "t1", r#"{"title":"milk","done":false,"visits":1}"#]);
    server.lines(&["insert", "s", "tasks", "t2", r#"{"title":"bread","done":false}"#]);
    server.lines(&["update", "s", "tasks", "t1", r#"{"title":"oat milk"}"#, "--inc", r#"{"visits":2}"#]);
    server.lines(&["insert", "s", "people", "ana", r#"{"name":"Ana"}"#]);
    server.lines(&["delete", "s", "tasks", "t2"]);
    server.lines(&["insert", "s", "tasks", "t3", r#"{"title":"fence","done":true}"#]);
    server
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

#[test]
fn objects_are_asked_for_by_conditions() {
    let server = server();
    let asked = |more: &[&str]| server.lines(&[&["objects", "s", "--collection", "tasks"], more].concat());
    assert_eq!(ids(&asked(&[])), ["t1", "t3"]);
    assert_eq!(ids(&asked(&["--where", r#"{"done":true}"#])), ["t3"]);
    assert_eq!(ids(&asked(&["--order-by", "title", "--limit", "1"])), ["t3"]);
    assert_eq!(ids(&asked(&["--order-by", "-title", "--limit", "5"])), ["t1", "t3"]);
    assert_eq!(ids(&asked(&["--limit", "1"])), ["t1"]);
}

/// Each state is what the live server said at that time.
#[test]
fn objects_are_shown_as_they_were() {
    let server = Server::start();
    let steps: [&[&str]; 5] = [
        &["insert", "s", "tasks", "b", r#"{"title":"x","count":1.5}"#],
        &["insert", "s", "more", "a", r#"{}"#],
        &["update", "s", "tasks", "b", r#"{"title":"y"}"#, "--inc", r#"{"count":1}"#],
        &["insert", "s", "tasks", "a", r#"{"title":"z"}"#],
        &["delete", "s", "tasks", "b"],
    ];
    let mut states = vec![Vec::new()];
    for step in steps {
        server.lines(step);
        states.push(server.lines(&["objects", "s"]));
    }
    for (at, state) in states.iter().enumerate() {
        assert_eq!(&server.lines(&["objects", "s", "--at", &at.to_string()]), state, "at {at}");
    }
    let filtered = ["objects", "s", "--at", "4", "--collection", "tasks"];
    assert_eq!(ids(&server.lines(&[&filtered[..], &["--where", r#"{"count":{"gt":2}}"#]].concat())), ["b"]);
    assert_eq!(ids(&server.lines(&[&filtered[..], &["--order-by", "-title"]].concat())), ["a", "b"]);
    assert_eq!(ids(&server.lines(&[&filtered[..], &["--order-by", "title", "--limit", "1"]].concat())), ["b"]);
}

#[test]
fn a_difference_is_told_field_by_field() {
    let server = server();
    let diff = |more: &[&str]| server.lines(&[&["diff", "s", "--json"], more].concat());
    let all = diff(&["--from", "2"]);
    let fields = |title: Value, visits: Value| json!({ "title": title, "visits": visits });
    let expected = [
        json!({"collection": "people", "id": "ana", "change": "inserted", "fields": {"name": {"from": null, "to": "Ana"}}}),
        json!({"collection": "tasks", "id": "t1", "change": "updated",
            "fields": fields(json!({"from": "milk", "to": "oat milk"}), json!({"from": 1, "to": 3}))}),
        json!({"collection": "tasks", "id": "t2", "change": "deleted",
            "fields": {"done": {"from": false, "to": null}, "title": {"from": "bread", "to": null}}}),
        json!({"collection": "tasks", "id": "t3", "change": "inserted",
            "fields": {"done": {"from": null, "to": true}, "title": {"from": null, "to": "fence"}}}),
    ];
    assert_eq!(all, expected);
    assert_eq!(diff(&["--from", "3", "--to", "4"]), expected[..1]);
    assert_eq!(diff(&["--from", "6"]), [] as [Value; 0]);
    // What came and went between is no difference.
    assert_eq!(ids(&diff(&["--from", "0", "--to", "5"])), ["ana", "t1"]);
    let words = server.run(&["diff", "s", "--from", "2"]).stdout;
    let words = String::from_utf8(words).unwrap();
    let lines: Vec<_> = words.lines().collect();
    assert_eq!(lines[0], r#"+ people/ana  name: "Ana""#);
    assert_eq!(lines[1], r#"~ tasks/t1  title: "milk" → "oat milk", visits: 1 → 3"#);
    assert_eq!(lines[2], r#"- tasks/t2  done: false, title: "bread""#);
    assert_eq!(lines[4..], ["4 events from 2 on: 2 inserted, 1 updated, 1 deleted"]);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let server = server();
    let cases: [(&[&str], i32, &str); 10] = [
        (&["objects", "s", "--at", "7"], 2, "s has 6 events"),
        (&["objects", "s", "--at", "x"], 2, "--at"),
        (&["objects", "none", "--at", "0"], 4, "does not exist"),
        (&["objects", "s", "--where", "{}"], 2, "--collection"),
        (&["objects", "s", "--collection", "tasks", "--where", "{"], 4, "where is not JSON"),
        (&["objects", "s", "--collection", "tasks", "--where", "{", "--at", "1"], 2, "where is not JSON"),
        (&["objects", "s", "--collection", "tasks", "--where", r#"{"a":{"is":1}}"#, "--at", "1"], 2, "no comparison"),
        (&["objects", "s", "--collection", "tasks", "--order-by", "title"], 4, "order_by needs a limit"),
        (&["diff", "s", "--from", "4", "--to", "3"], 2, "comes before"),
        (&["diff", "s", "--from", "4", "--to", "30"], 2, "s has 6 events"),
    ];
    for (arguments, code, words) in cases {
        let output = server.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}
