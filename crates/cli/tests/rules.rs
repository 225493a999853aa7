//! Rules as whoever writes them meets them: cases that are as they say or are not, and why somebody may do something.

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use support::{Server, tapeline};

const RULES: &str = "
[collections.tasks.rules]
read = 'resource.owner == auth.sub || auth.sub in resource.members'
insert = 'new.owner == auth.sub'
update = \"old.owner == auth.sub && (old.state != 'closed' || auth.role == 'admin')\"
fields = { verdict = \"auth.role == 'judge'\" }

[streams.'teams/*']
write = 'stream.parts[1] in auth.teams'
";

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// Tests cases against the rules.
fn test(cases: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let (cases, rules) = (write(directory.path(), "cases.toml", cases), write(directory.path(), "schema.toml", RULES));
    let mut command = tapeline();
    command.args(["rules", "test"]).arg(cases).arg("--schema").arg(rules).args(arguments);
    told(command.output().expect("the binary runs"))
}

/// A case on `lists/home` unless it says another stream.
fn case(name: &str, rest: &str) -> String {
    let stream = if rest.contains("stream =") { "" } else { "stream = 'lists/home'\n" };
    format!("[[cases]]\nname = '{name}'\ncollection = 'tasks'\n{stream}{rest}\n")
}

#[test]
fn cases_that_are_as_they_say_are_fine() {
    let cases = [
        case("an owner reads", "auth = { sub = 'ana' }\nold = { owner = 'ana' }\nread = true"),
        case(
            "a member reads and does not write",
            "auth = { sub = 'ben' }\nold = { owner = 'ana', members = ['ben'] }\nnew = { owner = 'ana' }\nread = true\nwrite = false",
        ),
        case("nobody in particular reads nothing", "old = { owner = 'ana' }\nread = false"),
        case("nobody makes what others own", "auth = { sub = 'ben' }\nnew = { owner = 'ana' }\nwrite = false"),
        case(
            "what is closed stays closed",
            "auth = { sub = 'ana' }\nold = { owner = 'ana', state = 'closed' }\nnew = { owner = 'ana' }\nwrite = false",
        ),
        case(
            "but for an admin",
            "auth = { sub = 'ana', role = 'admin' }\nold = { owner = 'ana', state = 'closed' }\nnew = { owner = 'ana' }\nwrite = true",
        ),
        case("no rule lets anybody delete", "auth = { sub = 'ana' }\nold = { owner = 'ana' }\nwrite = false"),
        case(
            "only a judge sets a verdict",
            "auth = { sub = 'ana' }\nold = { owner = 'ana' }\nnew = { owner = 'ana', verdict = 'good' }\nwrite = false",
        ),
        case(
            "a stream has its own rule, too",
            "stream = 'teams/blue'\nauth = { sub = 'ana', teams = ['red'] }\nnew = { owner = 'ana' }\nwrite = false",
        ),
    ];
    let (code, text, errors) = test(&cases.concat(), &[]);
    assert_eq!((code, &*errors), (Some(0), ""), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("ok      ")).count(), cases.len());
    assert!(text.ends_with("all 9 cases are as they say\n"), "{text}");
    let (code, text, _) = test(&cases[0], &["--json"]);
    let line: Value = serde_json::from_str(text.trim()).expect("a line of JSON");
    assert_eq!((code, line), (Some(0), json!({ "case": "an owner reads", "ok": true, "wrong": [] })));
}

#[test]
fn a_case_that_is_otherwise_fails_with_the_rules_that_say_so() {
    let wrong =
        case("ben writes", "auth = { sub = 'ben' }\nold = { owner = 'ana' }\nnew = { owner = 'ben' }\nwrite = true");
    let right = case("ana reads", "auth = { sub = 'ana' }\nold = { owner = 'ana' }\nread = true");
    let (code, text, errors) = test(&[wrong.clone(), right].concat(), &[]);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["failed  ben writes", "        write is not allowed, but should be"]);
    assert!(lines[2].starts_with("        no   tasks: update: old.owner == auth.sub"), "{text}");
    assert_eq!(lines[3], "ok      ana reads");
    assert!(errors.contains("1 of 2 cases are not as they say"), "{errors}");
    let (_, text, _) = test(&wrong, &["--json"]);
    let line: Value = serde_json::from_str(text.trim()).expect("a line of JSON");
    assert_eq!(
        (&line["ok"], &line["wrong"][0]["what"], &line["wrong"][0]["expected"]),
        (&json!(false), &json!("write"), &json!(true))
    );
    assert_eq!(line["wrong"][0]["rules"][0]["holds"], json!(false));
}

#[test]
fn a_case_that_cannot_be_is_told_by_its_name() {
    let wrong = [
        (case("both missing", "write = true"), "both missing: nothing is made of nothing: say old or new"),
        (case("unseen", "new = {}\nread = true"), "unseen: an object that is not there is not read: say old"),
        (case("no stream", "stream = 'a//b'\nold = {}\nread = true"), "no stream: "),
        (case("no subject", "auth = { sub = 3 }\nold = {}\nread = true"), "no subject: sub is a text"),
        (case("no setting", "old = {}\nreads = true"), "unknown field `reads`"),
    ];
    for (cases, expected) in wrong {
        let (code, _, errors) = test(&cases, &[]);
        assert!(code == Some(1) && errors.contains(expected), "{cases}{errors}");
    }
}

#[test]
fn why_says_what_somebody_may_do_with_what_is_there_and_by_which_rules() {
    let server = Server::start();
    let directory = tempfile::tempdir().expect("a directory");
    let rules = write(directory.path(), "schema.toml", RULES);
    let rules = rules.to_str().expect("a path in UTF-8");
    let task = r#"{"owner":"ana","members":["ben"],"state":"closed"}"#;
    assert!(server.run(&["insert", "lists/home", "tasks", "t1", task]).status.success());
    let why = |arguments: &[&str]| told(server.run(&[&["why"], arguments, &["--schema", rules]].concat()));
    let (code, text, _) = why(&["ben", "lists/home", "tasks", "t1"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("ben may read tasks/t1\n  yes  tasks: read: resource.owner == auth.sub"), "{text}");
    assert!(text.contains("ben may not update tasks/t1\n  no   tasks: update: "), "{text}");
    assert!(text.ends_with("ben may not delete tasks/t1\n  no rule is about it\n"), "{text}");
    let (_, text, _) = why(&["ana", "lists/home", "tasks", "t1", "--claim", "role=\"admin\"", "--json"]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let allowed: Vec<_> =
        lines.iter().map(|line| (line["do"].as_str().unwrap(), line["allowed"].as_bool().unwrap())).collect();
    assert_eq!(allowed, [("read", true), ("update", true), ("delete", false)]);
    let (code, _, errors) = why(&["ana", "lists/home", "tasks", "none"]);
    assert!(code == Some(1) && errors.contains("tasks/none is not there, or not for you to read"), "{errors}");
}
