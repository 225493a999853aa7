//! The commands as a user meets them: what they print, and how they fail.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use support::{Server, fixture, free_address, tapeline};

#[test]
fn one_object_from_birth_to_death() {
    let server = Server::start();
    let inserted = server.lines(&["insert", "lists/home", "tasks", "t1", r#"{"title":"Buy milk","visits":1}"#]);
    assert_eq!(inserted[0]["seq"], 0);
    assert_eq!(
        inserted[0]["ops"][0],
        json!({"insert": "tasks", "id": "t1", "set": {"title": "Buy milk", "visits": 1}})
    );
    server.lines(&["update", "lists/home", "tasks", "t1", r#"{"title":"Milk"}"#, "--inc", r#"{"visits":2}"#]);
    server.lines(&["upsert", "lists/home", "tasks", "t2", r#"{"title":"Bread"}"#]);
    let object = &server.lines(&["get", "lists/home", "tasks", "t1"])[0];
    assert_eq!(object, &json!({"collection": "tasks", "id": "t1", "fields": {"title": "Milk", "visits": 3}, "seq": 1}));
    let objects = server.lines(&["objects", "lists/home", "--collection", "tasks"]);
    assert_eq!(objects.iter().map(|object| object["id"].clone()).collect::<Vec<_>>(), ["t1", "t2"]);
    server.lines(&["delete", "lists/home", "tasks", "t1"]);
    let history = server.lines(&["history", "lists/home", "tasks", "t1"]);
    assert_eq!(history.iter().map(|event| event["seq"].clone()).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(server.run(&["get", "lists/home", "tasks", "t1"]).status.code(), Some(1));
    let never = server.run(&["history", "lists/home", "tasks", "never"]);
    assert_eq!(never.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&never.stderr).contains("no event of lists/home touched tasks/never"));
    let tail = server.lines(&["tail", "lists/home", "--from", "2"]);
    assert_eq!(tail.iter().map(|event| event["seq"].clone()).collect::<Vec<_>>(), [2, 3]);
    let streams = server.lines(&["streams", "--json"]);
    assert_eq!(
        (&streams[0]["stream"], &streams[0]["head"], &streams[0]["objects"]),
        (&json!("lists/home"), &json!(4), &json!(1))
    );
    let status = server.lines(&["status", "lists/home", "--json"]);
    assert_eq!(status[0]["digest"].as_str().map(str::len), Some(32));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_a_code() {
    let server = Server::start();
    server.lines(&["insert", "s", "c", "1"]);
    let cases: [(&[&str], i32, &str); 13] = [
        (&["serve", "--listen", "localhost:7070"], 2, "in numbers, with a port, as in 127.0.0.1:7070"),
        (&["demo", "--listen", "7070"], 2, "in numbers, with a port, as in 127.0.0.1:7070"),
        (&["insert", "s", "c", "1"], 4, "exists"),
        (&["update", "s", "c", "2", r#"{"a":1}"#], 4, "does not exist"),
        (&["insert", "s", "c", "3", "[1]"], 2, "no JSON object"),
        (&["insert", "s//x", "c", "3"], 2, "empty part"),
        (&["insert", "s", "c", "3", "--inc", r#"{"a":1}"#], 2, "update alone"),
        (&["update", "s", "c", "1"], 2, "nothing is to be changed"),
        (&["delete", "s", "c", "2"], 4, "nothing to delete"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
        (&["bench", "append", "--seconds", "0"], 2, "not in 1"),
        (&["replay", "x", "--stream", "s", "--replicas-in-flight", "0"], 2, "would be zero"),
        (&["verify", "--data", "/"], 2, "no log in /"),
    ];
    for (arguments, code, words) in cases {
        let output = server.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    let large = server.run(&["insert", "s", "c", "3", &"1,".repeat(50_000)]);
    assert_eq!(large.status.code(), Some(2));
    assert!(large.stderr.len() < 1_000, "{} bytes are told", large.stderr.len());
}

/// The server is named by its address for HTTP, which serves as well.
#[test]
fn following_goes_on_across_restarts() {
    let mut server = Server::start();
    let url = server.url.replacen("ws", "http", 1);
    let mut tail = tapeline().args(["--server", &url, "tail", "s", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["seq"].as_u64();
    server.lines(&["insert", "s", "c", "1"]);
    assert_eq!(next(), Some(0));
    assert!(server.stop());
    server.restart();
    server.lines(&["insert", "s", "c", "2"]);
    assert_eq!(next(), Some(1));
    server.kill();
    server.restart();
    server.lines(&["insert", "s", "c", "3"]);
    assert_eq!(next(), Some(2));
    tail.kill().and_then(|()| tail.wait()).unwrap();
}

#[test]
fn a_place_past_the_end_is_none_to_go_on_from() {
    let server = Server::start();
    for id in ["1", "2"] {
        server.lines(&["insert", "s", "c", id]);
    }
    assert!(server.lines(&["tail", "s", "--from", "2"]).is_empty());
    let cases: [&[&str]; 4] = [
        &["tail", "s", "--from", "3"],
        &["tail", "s", "--from", "3", "--follow"],
        &["tail", "none", "--from", "1"],
        &["tail", "none", "--from", "1", "--follow"],
    ];
    for arguments in cases {
        let output = server.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {errors}");
        assert!(errors.contains("2 events") || errors.contains("none"), "{arguments:?}: {errors}");
    }
}

/// A process that follows a query, and the next line that it prints.
fn followed(server: &Server, more: &[&str]) -> (Child, impl FnMut() -> String + use<>) {
    let arguments = ["--server", &server.url, "tail", "s", "--collection", "tasks"];
    let mut tail = tapeline().args(arguments).args(more).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(tail.stdout.take().expect("piped")).lines();
    (tail, move || lines.next().expect("another line").expect("text"))
}

#[test]
fn what_a_query_finds_is_followed_as_it_enters_changes_and_leaves() {
    let mut server = Server::start();
    server.lines(&["insert", "s", "tasks", "t1", r#"{"title":"Milk","done":false}"#]);
    server.lines(&["insert", "s", "tasks", "t2", r#"{"title":"Bread","done":true}"#]);
    let (mut tail, mut next) = followed(&server, &["--where", r#"{"done":false}"#]);
    let (mut newest, mut next_json) = followed(&server, &["--order-by=-id", "--limit", "2", "--json"]);
    let mut next_json = || serde_json::from_str::<Value>(&next_json()).expect("JSON");
    assert_eq!(next(), r#"+ tasks/t1  done: false, title: "Milk""#);
    assert_eq!(next_json()["enters"]["fields"], json!({ "title": "Bread", "done": true }));
    assert_eq!(next_json()["enters"]["id"], json!("t1"));
    server.lines(&["update", "s", "tasks", "t2", r#"{"done":false}"#]);
    assert_eq!(next(), r#"+ tasks/t2  done: false, title: "Bread""#);
    assert_eq!(next_json()["changes"]["fields"]["done"], json!(false));
    server.kill();
    server.restart();
    server.lines(&["insert", "s", "tasks", "t3", r#"{"title":"Soap","done":true}"#]);
    let mut moved = [next_json(), next_json()];
    moved.sort_by_key(|line| line["leaves"].is_null());
    assert_eq!(moved[0], json!({ "leaves": { "collection": "tasks", "id": "t1" } }));
    assert_eq!(moved[1]["enters"]["id"], json!("t3"));
    server.lines(&["update", "s", "tasks", "t1", r#"{"title":"Oat milk"}"#]);
    assert_eq!(next(), r#"~ tasks/t1  title: "Milk" → "Oat milk""#);
    server.lines(&["delete", "s", "tasks", "t1"]);
    assert_eq!(next(), r#"- tasks/t1  done: false, title: "Oat milk""#);
    for process in [&mut tail, &mut newest] {
        process.kill().and_then(|()| process.wait()).expect("ended");
    }
    let wrong = server.run(&["tail", "s", "--collection", "tasks", "--where", r#"{"done":{"is":1}}"#]);
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));
    let both = server.run(&["tail", "s", "--collection", "tasks", "--from", "3"]);
    assert_eq!(both.status.code(), Some(2), "{}", String::from_utf8_lossy(&both.stderr));
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let url = format!("ws://{}", free_address());
    let recording = fixture("history-linear.ndjson.gz");
    let recording = recording.to_str().expect("a path in UTF-8");
    let cases: [&[&str]; 6] = [
        &["streams"],
        &["insert", "s", "c", "1"],
        &["tail", "s", "--follow"],
        &["objects", "s"],
        &["replay", recording, "--stream", "s"],
        &["bench", "offline", "--quick"],
    ];
    for arguments in cases {
        let output = tapeline().args(["--server", &url]).args(arguments).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("tapeline serve"), "{arguments:?}");
    }
}

#[test]
fn a_second_server_on_a_directory_is_told_so() {
    let server = Server::start();
    let mut second = tapeline();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(server.directory.path());
    let output = second.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another server"));
    assert!(!server.lines(&["insert", "s", "c", "1"]).is_empty());
}

#[test]
fn a_newer_format_is_left_alone() {
    let mut server = Server::start();
    server.stop();
    let format = server.directory.path().join("FORMAT");
    let text = std::fs::read_to_string(&format).expect("a format");
    std::fs::write(&format, text.replace(|c: char| c.is_ascii_digit(), "9")).expect("written");
    let output = server.command().output().expect("the binary runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("newer"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_address_that_others_reach_needs_a_word() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let output = tapeline().args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(&data).output();
    let output = output.expect("the binary runs");
    assert_ne!(output.status.code(), Some(0));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("insecure"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!data.exists(), "nothing is made");
}

#[test]
fn where_a_server_cannot_listen_nothing_is_made() {
    let server = Server::start();
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let address = server.url.replace("ws://", "");
    let output = tapeline().args(["serve", "--listen", &address, "--data"]).arg(&data).output();
    let output = output.expect("the binary runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && errors.contains("cannot be listened on"), "{errors}");
    assert!(!data.exists(), "nothing is made");
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let text = format!("listen = \"127.0.0.1:0\"\ndata = {:?}\n", path("from-file"));
    std::fs::write(path("tapeline.toml"), text).expect("written");
    let mut process = tapeline()
        .args(["--json", "serve", "--config"])
        .arg(path("tapeline.toml"))
        .env("TAPELINE_DATA", path("from-environment"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut line = String::new();
    let output = process.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("the server speaks");
    process.kill().and_then(|()| process.wait()).expect("ended");
    let announced: Value = serde_json::from_str(&line).expect("an announcement");
    assert!(announced["data"].as_str().is_some_and(|data| data.ends_with("from-environment")), "{announced}");
    assert!(!path("from-file").exists());
    for (wrong, words) in [("lisen = 1", "lisen"), ("listen = \"localhost:7070\"", "as in 127.0.0.1:7070")] {
        std::fs::write(path("wrong.toml"), wrong).expect("written");
        let output = tapeline().args(["serve", "--config"]).arg(path("wrong.toml")).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
}

#[test]
fn a_stopped_server_keeps_everything_and_verifies() {
    let mut server = Server::start();
    for id in ["1", "2", "3"] {
        server.lines(&["insert", "s", "c", id]);
    }
    assert!(server.stop());
    let verified =
        tapeline().args(["verify", "--data"]).arg(server.directory.path()).output().expect("the binary runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    server.restart();
    assert_eq!(server.lines(&["objects", "s"]).len(), 3);
}

#[test]
fn a_server_that_has_just_said_where_it_is_stops_as_any_other() {
    let mut server = Server::start();
    for _ in 0..5 {
        assert!(server.stop());
        server.restart();
    }
}

#[test]
fn every_command_has_help_with_what_it_takes() {
    let commands = [
        "serve",
        "schema",
        "streams",
        "status",
        "tail",
        "objects",
        "insert",
        "update",
        "upsert",
        "delete",
        "get",
        "history",
        "import",
        "replay",
        "verify",
        "bench",
        "completions",
    ];
    for command in commands {
        let output = tapeline().args([command, "--help"]).output().expect("the binary runs");
        assert!(output.status.success() && output.stdout.len() > 200, "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = tapeline().args(["completions", shell]).output().expect("the binary runs");
        assert!(String::from_utf8_lossy(&output.stdout).contains("replay"), "{shell}");
    }
    // Where there is no room for it, that is said.
    let full = std::fs::File::create("/dev/full").expect("it is there");
    let output = tapeline().args(["completions", "bash"]).stdout(full).output().expect("the binary runs");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).contains("No space left")),
        (Some(1), true)
    );
}

#[test]
fn who_asks_is_not_said_in_an_address() {
    for command in [&["streams"][..], &["insert", "s", "tasks", "t1", "{}"], &["tail", "s", "--collection", "tasks"]] {
        let address = ["--server", "ws://ana:secret@127.0.0.1:9"];
        let output = tapeline().args(address).args(command).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.contains("TAPELINE_TOKEN")), (Some(2), true), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn what_takes_the_space_is_told_and_given_back() {
    let mut server = Server::start();
    server.lines(&["insert", "lists/home", "tasks", "t1", r#"{"title":"Buy milk"}"#]);
    server.lines(&["insert", "chat/a", "messages", "m1", r#"{"text":"Hello"}"#]);
    assert_eq!(server.lines(&["compact", "--json"]), [json!({ "compacting": true })]);
    assert_eq!(server.lines(&["status", "chat/a", "--json"])[0]["horizon"], 0);
    assert!(server.stop());
    let schema = server.directory.path().join("schema.toml");
    std::fs::write(&schema, "[streams.'chat/*']\nretain = { events = 10 }").expect("written");
    let on_disk = |arguments: &[&str]| {
        let data = server.directory.path();
        let output =
            tapeline().args(arguments).arg("--json").arg("--data").arg(data).output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    let stats = on_disk(&["stats"]);
    let mut streams: Vec<_> = stats[..2].iter().map(|row| row["stream"].as_str().expect("a name")).collect();
    streams.sort_unstable();
    assert_eq!(streams, ["chat/a", "lists/home"]);
    assert!(stats[..2].iter().all(|row| row["events"].as_u64() > Some(0) && row["objects"].as_u64() > Some(0)));
    assert!(stats[2]["store"].as_u64() > Some(0), "{stats:?}");
    let compacted = on_disk(&["compact", "--schema", schema.to_str().expect("a path")]);
    assert_eq!(compacted[0]["events"], 0, "there is less than need stay");
    let output = tapeline().args(["stats", "--data"]).arg(server.directory.path()).output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("in the store's files"), "{output:?}");
}
