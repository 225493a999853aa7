//! Real histories of people who worked concurrently, played through real replicas over real sockets, reach the one
//! right answer.

mod support;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use support::{Server, expected, fixture};

fn converges(name: &str, seeds: impl Iterator<Item = u64>) {
    let expected = expected(name);
    let server = Server::start();
    for seed in seeds {
        let stream = format!("repo/{seed}");
        let file = fixture(&format!("{name}.ndjson.gz"));
        let file = file.to_str().expect("a path");
        let report = server.lines(&["replay", file, "--stream", &stream, "--seed", &seed.to_string(), "--json"]);
        assert_eq!(report[0]["equal"], true, "seed {seed}: {}", report[0]);
        assert_eq!(report[0]["refused"], 0, "seed {seed}: {}", report[0]);
        let objects = server.lines(&["objects", &stream, "--json"]);
        let found: BTreeMap<String, Map<String, Value>> = objects
            .into_iter()
            .map(|object| {
                assert_eq!(object["collection"], "files");
                let id = object["id"].as_str().expect("an id").to_owned();
                (id, object["fields"].as_object().expect("fields").clone())
            })
            .collect();
        assert!(found == expected, "seed {seed}: the objects are not the expected ones");
    }
}

#[test]
fn concurrent_branches_converge_on_the_right_answer() {
    converges("history-branches", 1..=2);
}

#[test]
fn a_linear_history_converges_on_the_right_answer() {
    converges("history-linear", 1..=2);
}

/// Plays a text. The command itself compares it with what was recorded.
fn ends_exactly(name: &str, transactions: u64, seeds: impl Iterator<Item = u64>) {
    let server = Server::start();
    for seed in seeds {
        let stream = format!("text/{seed}");
        let file = fixture(&format!("{name}.json.gz"));
        let file = file.to_str().expect("a path");
        let report = server.lines(&["replay", file, "--stream", &stream, "--seed", &seed.to_string(), "--json"]);
        let report = &report[0];
        assert_eq!((&report["exact"], &report["equal"]), (&true.into(), &true.into()), "seed {seed}: {report}");
        assert_eq!(report["recorded"], transactions, "seed {seed}: {report}");
        assert_eq!((&report["refused"], &report["lost"]), (&0.into(), &0.into()), "seed {seed}: {report}");
    }
}

#[test]
fn two_people_who_type_at_once_end_with_the_recorded_text() {
    ends_exactly("text-clownschool", 23_136, 1..=1);
}

#[test]
fn one_person_who_types_alone_ends_with_the_recorded_text() {
    ends_exactly("text-sveltecomponent", 18_335, 1..=1);
}

#[test]
fn a_text_that_is_not_the_recorded_one_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("typed.json");
    let typed = r#"{"startContent":"ab","endContent":"aXb","txns":[{"patches":[[1,0,"Y"]]}]}"#;
    std::fs::write(&file, typed).expect("written");
    let server = Server::start();
    let output = server.run(&["replay", file.to_str().expect("a path"), "--stream", "text"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not the recorded one"));
}

#[test]
#[ignore = "long: make test-long"]
fn two_people_who_type_at_once_end_with_the_recorded_text_for_twenty_seeds() {
    ends_exactly("text-clownschool", 23_136, 100..120);
}

#[test]
#[ignore = "long: make test-long"]
fn concurrent_branches_converge_for_twenty_seeds() {
    converges("history-branches", 100..120);
}

#[test]
#[ignore = "long: make test-long"]
fn a_linear_history_converges_for_twenty_seeds() {
    converges("history-linear", 100..120);
}
