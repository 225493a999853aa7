//! What stands in docs/http.md to be pasted into a shell does what is said of it.

mod support;

use std::path::Path;
use std::process::Command;

use support::Server;

/// A command that fails is noticed; what never ends is cut off where it says so.
const PRELUDE: &str = r#"
set -euo pipefail
curl() {
    command curl --fail-with-body --max-time 2 "$@" || [[ $? == 28 && " $* " == *" -N "* ]]
}
"#;

/// The blocks of a page that are of this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_lines_of_the_page_on_http_run_as_they_stand() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let mut server = Server::start();
    server.kill();
    let schema = server.directory.path().join("schema.toml");
    std::fs::write(&schema, &blocks(&page, "toml")[0]).expect("written");
    server.restart_with(&["--schema", schema.to_str().expect("a path in UTF-8")]);
    let script = blocks(&page, "sh").concat().replace("127.0.0.1:7070", server.url.trim_start_matches("ws://"));
    let output = Command::new("bash").args(["-c", &format!("{PRELUDE}{script}")]).output().expect("bash runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    for said in ["\n304\n", r#"{"gone":{"collection":"tasks","id":"t2"},"seq":1}"#, "\"name\":\"Ana\"", "\nid: 1\n"] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    for line in blocks(&page, "json")[0].lines().filter(|line| !line.contains("chain")) {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
