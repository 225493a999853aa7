//! What `deploy/` says of the server is what the server knows: settings, probes, the port.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::{Server, tapeline};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

const FILES: [&str; 6] = [
    "Dockerfile",
    "compose/compose.yaml",
    "compose/nats.conf",
    "compose/haproxy.cfg",
    "kubernetes/nats.yaml",
    "kubernetes/nodes.yaml",
];

#[test]
fn settings_are_those_that_serve_knows() {
    let help = tapeline().args(["serve", "--help"]).output().expect("the binary runs");
    let help = String::from_utf8_lossy(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let words = FILES.map(read).join("\n");
    let is_part = |letter: char| !(letter.is_ascii_uppercase() || letter == '_');
    let said: BTreeSet<&str> = words.split(is_part).filter(|word| word.starts_with("TAPELINE_")).collect();
    assert!(said.contains("TAPELINE_LOG") && said.len() >= 5, "{said:?}");
    for variable in said {
        assert!(help.contains(&format!("[env: {variable}=")), "{variable} is none that serve knows:\n{help}");
    }
}

#[test]
fn logs_are_those_that_can_be_had() {
    for file in FILES {
        for word in read(file).split_whitespace().filter(|word| word.contains("replicas=")) {
            // It is understood, and nobody is there.
            let mut serve = tapeline();
            serve.args(["serve", "--listen", "127.0.0.1:0", "--data", "/dev/null/none", "--log"]);
            let servers = word.split_once('?').expect("settings").1;
            let output = serve.arg(format!("nats://127.0.0.1:9?{servers}")).output().expect("the binary runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("no NATS server can be reached"), "{file}: {word}: {said}");
        }
    }
}

#[test]
fn what_is_asked_of_nodes_is_answered() {
    let words = FILES.map(read).join("\n");
    let server = Server::start();
    let url = server.url.replace("ws://", "http://");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(words.contains(path), "{path}");
        assert_eq!(ureq::get(format!("{url}{path}")).call().expect("an answer").status(), 200, "{path}");
    }
}
