//! What the tests of the binary share: the server as a real process, and commands run to their end.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

#[path = "../../../log/tests/support/ports.rs"]
pub mod ports;
use ports::listener_to_come_back_to;

/// The binary under test.
pub fn tapeline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapeline"));
    for variable in [
        "TAPELINE_SERVER",
        "TAPELINE_TOKEN",
        "TAPELINE_DATA",
        "TAPELINE_LISTEN",
        "TAPELINE_LOG",
        "TAPELINE_INSECURE",
        "TAPELINE_READ_ONLY",
        "TAPELINE_CONFIG",
        "TAPELINE_SCHEMA",
        "TAPELINE_AUTH",
        "TAPELINE_BACKEND",
        "TAPELINE_TLS_CERT",
        "TAPELINE_TLS_KEY",
        "TAPELINE_ORIGINS",
        "TAPELINE_LOG_LEVEL",
    ] {
        command.env_remove(variable);
    }
    command
}

/// A recording of the repository.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

/// The objects that a recording ends with, by id, without it.
pub fn expected(name: &str) -> BTreeMap<String, Map<String, Value>> {
    let file = std::fs::File::open(fixture(&format!("{name}.expected.ndjson.gz"))).expect("the fixture");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    let objects = text.lines().map(|line| {
        let mut fields: Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let id = fields.remove("id").and_then(|id| id.as_str().map(str::to_owned)).expect("an id");
        (id, fields)
    });
    objects.collect()
}

/// A server process on its own directory and port.
pub struct Server {
    pub url: String,
    pub directory: tempfile::TempDir,
    listen: String,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with arguments that it keeps.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self {
            url: String::new(),
            directory: tempfile::tempdir().expect("a directory"),
            listen: free_address(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
        };
        server.restart();
        server
    }

    /// Starts the process on the same directory and port.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// Starts it with more arguments.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        let mut process = self.command().args(arguments).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("the server speaks");
        let announced: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not an announcement: {line:?}"));
        self.url = announced["listening"].as_str().expect("an address").to_owned();
        self.process = Some(process);
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut command = tapeline();
        command.args(["--json", "serve", "--listen", &self.listen, "--data"]).arg(self.directory.path());
        command.args(&self.arguments);
        command
    }

    /// Whether it was started and not ended.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("running");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("running");
        let told = Command::new("kill").args([name, &process.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
    }

    /// Ends it as an operator would. Answers whether it said that all is well.
    pub fn stop(&mut self) -> bool {
        self.signal("-TERM");
        self.process.take().expect("running").wait().expect("ended").success()
    }

    /// Runs a command against it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        tapeline().args(["--server", &self.url]).args(arguments).output().expect("the binary runs")
    }

    /// A command against it of whoever a token speaks for.
    pub fn command_as(&self, token: &str, arguments: &[&str]) -> Command {
        let mut command = tapeline();
        command.args(["--server", &self.url]).args(arguments).env("TAPELINE_TOKEN", token);
        command
    }

    /// Runs a command that must succeed, and reads each line it prints as JSON.
    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(arguments);
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {text}{errors}");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// An address on which nobody listens.
pub fn free_address() -> String {
    listener_to_come_back_to().local_addr().expect("an address").to_string()
}
