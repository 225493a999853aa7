//! The application's own backend and the server as processes that are killed: what was recorded is told, in order, and nothing is
//! recorded that it has not said yes to.

#[path = "support/backend.rs"]
mod application;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use application::{Backend, file};
use support::Server;

#[test]
fn a_server_that_is_killed_again_and_again_tells_all_in_order() {
    let mut random = application::random();
    let backend = Arc::new(Backend::default());
    backend.fail(Some(random.fork()));
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), &backend.clone().start());
    let mut server = Server::start_with(&["--backend", &path]);
    let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..5 {
        for _ in 0..random.usize(1..12) {
            let stream = format!("stream/{}", random.u8(0..4));
            let title = if random.u8(0..4) == 0 { "bad" } else { "good" };
            let id = format!("{}", random.u64(..));
            let output = server.run(&["insert", &stream, "tasks", &id, &format!("{{\"title\":\"{title}\"}}")]);
            assert_eq!(output.status.success(), title == "good", "{}", String::from_utf8_lossy(&output.stderr));
            if title == "good" {
                *recorded.entry(stream).or_default() += 1;
            } else {
                assert!(String::from_utf8_lossy(&output.stderr).contains("That is bad."));
            }
        }
        server.kill();
        server.restart();
    }
    backend.fail(None);
    backend.wait(&recorded);
    assert!(server.stop());
}

#[test]
fn what_is_wrong_with_a_backend_file_is_told_by_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = file(directory.path(), "127.0.0.1:1");
    let right = std::fs::read_to_string(&path).expect("there");
    let wrong = [
        ("name = 'b'", "name = 'b c'", "line 2, column 8: this is up to 64 letters, digits and -"),
        ("name = 'b'\n", "", "line 1, column 1: this needs name = \"stock\""),
        ("'http://127.0.0.1:1/'", "'http://example.com/'", "line 3, column 7: this is an https:// address"),
        ("'secret'", "'none'", "cannot be read"),
        ("'secret'", "'backend.toml'", "line 4, column 15: a secret is a line"),
        ("[[validators]]", "[[validator]]", "did you mean \"validators\"?"),
        ("url", "streams = []\nurl", "line 3, column 11: this is a list, of 1 to 256, as in [\"shops/*\"]"),
        ("url", "streams = ['a*b']\nurl", "line 3, column 12: a * stands at the end alone"),
        ("url", "unreachable = 'fail'\nurl", "there is no way to go on \"fail\": it is \"wait\" or \"pass\""),
        ("url", "timeout_seconds = 60\nurl", "line 3, column 19: this is a number of seconds, 1 to 5"),
        ("[[receivers]]", "[[validators]]", "another validator has this name"),
    ];
    for (part, instead, told) in wrong {
        std::fs::write(&path, right.replacen(part, instead, 1)).expect("written");
        let output = support::tapeline().args(["serve", "--listen", "127.0.0.1:0", "--backend", &path]).output();
        let output = output.expect("the binary runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(told), "{instead:?}: {errors}");
    }
}
