//! The commands of somebody who may read a part of a stream alone, on a server that asks who they are.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::{Server, tapeline};

const AUTH: &str = "[[tokens.keys]]\nid = 'dev'\nalgorithm = 'HS256'\nsecret_file = 'secret.txt'\n";
const RULES: &str = "
[collections.tasks]
policy = 'first'
[collections.tasks.rules]
read = 'resource.owner == auth.sub'
write = 'true'
";

/// A server with rules, and whom it knows.
struct World {
    server: Server,
    /// A backend that may do everything.
    trusted: String,
    /// Reads what is hers.
    ana: String,
}

impl World {
    fn start() -> Self {
        let mut server = Server::start();
        server.kill();
        let path = |name: &str| server.directory.path().join(name).to_str().expect("a path in UTF-8").to_owned();
        let (auth, schema) = (path("auth.toml"), path("schema.toml"));
        let (trusted, key) = key();
        std::fs::write(path("secret.txt"), "0123456789abcdef0123456789abcdef").expect("written");
        std::fs::write(&auth, format!("{AUTH}{key}")).expect("written");
        std::fs::write(&schema, RULES).expect("written");
        let ana =
            printed(tapeline().args(["token", "--sub", "ana", "--auth", &auth]).output().expect("the binary runs"));
        server.restart_with(&["--auth", &auth, "--schema", &schema]);
        Self { server, trusted, ana: ana.trim().to_owned() }
    }

    fn run_as(&self, token: &str, arguments: &[&str]) -> Output {
        self.server.command_as(token, arguments).output().expect("the binary runs")
    }

    fn lines_as(&self, token: &str, arguments: &[&str]) -> Vec<Value> {
        let text = printed(self.run_as(token, arguments));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// A key that is trusted, and its table in an auth file.
fn key() -> (String, String) {
    let text = printed(tapeline().args(["key", "backend"]).output().expect("the binary runs"));
    let (key, table) = text.split_once("\n\n").expect("a key and a table");
    (key.to_owned(), table.to_owned())
}

fn printed(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_is_recorded_is_said_to_be_where_the_event_may_not_be_read() {
    let world = World::start();
    let edits: [&[&str]; 4] = [
        &["insert", "s", "tasks", "t1", r#"{"owner":"ana"}"#],
        &["update", "s", "tasks", "t1", r#"{"title":"Milk"}"#],
        &["upsert", "s", "tasks", "t2", r#"{"owner":"ana"}"#],
        &["delete", "s", "tasks", "t1"],
    ];
    for (seq, edit) in edits.into_iter().enumerate() {
        let output = world.run_as(&world.ana, edit);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(serde_json::from_str::<Value>(&printed(output)).expect("JSON"), json!({ "seq": seq }), "{edit:?}");
        assert!(errors.contains("it is recorded") && errors.contains("only a part"), "{edit:?}: {errors}");
    }
    let recorded = world.lines_as(&world.trusted, &["tail", "s"]);
    assert_eq!(recorded.len(), edits.len());
    let refused = world.run_as(&world.ana, &["insert", "s", "tasks", "t2"]);
    assert_eq!(refused.status.code(), Some(4));
    assert_eq!(world.lines_as(&world.trusted, &["tail", "s"]), recorded);
}

#[test]
fn what_a_query_finds_is_followed_by_whoever_may_read_it() {
    let world = World::start();
    for (id, owner) in [("t1", "ben"), ("t2", "ana")] {
        let fields = json!({ "owner": owner }).to_string();
        world.lines_as(&world.trusted, &["insert", "s", "tasks", id, &fields]);
    }
    let mut tail = world.server.command_as(&world.ana, &["tail", "s", "--collection", "tasks"]);
    let mut tail = tail.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut line = String::new();
    BufReader::new(tail.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    tail.kill().and_then(|()| tail.wait()).expect("ended");
    assert_eq!(line, "+ tasks/t2  owner: \"ana\"\n");
    let whole = world.run_as(&world.ana, &["tail", "s", "--follow"]);
    let errors = String::from_utf8_lossy(&whole.stderr);
    assert!(whole.status.code() == Some(4) && errors.contains("--collection"), "{errors}");
}

#[test]
fn a_token_that_is_not_taken_is_told_at_once() {
    let world = World::start();
    let cases: [&[&str]; 4] = [
        &["insert", "s", "tasks", "t1"],
        &["tail", "s", "--collection", "tasks"],
        &["tail", "s", "--follow"],
        &["objects", "s"],
    ];
    for (arguments, token) in cases.into_iter().flat_map(|arguments| [(arguments, ""), (arguments, "x")]) {
        let output = world.run_as(token, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?} {token:?}: {errors}");
        assert!(errors.contains("token"), "{arguments:?} {token:?}: {errors}");
    }
}

#[test]
fn whoever_may_read_a_part_alone_is_not_told_that_there_are_no_streams() {
    let world = World::start();
    let listed = |token: &str| printed(world.run_as(token, &["streams"]));
    assert!(listed(&world.trusted).contains("no streams yet"), "{}", listed(&world.trusted));
    world.lines_as(&world.trusted, &["insert", "s", "tasks", "t1", r#"{"owner":"ana"}"#]);
    assert!(listed(&world.trusted).contains("\ns "), "{}", listed(&world.trusted));
    let told = listed(&world.ana);
    assert!(told.contains("of which you may read a part"), "{told}");
    assert_eq!(world.lines_as(&world.ana, &["streams", "--json"]), Vec::<Value>::new());
}
