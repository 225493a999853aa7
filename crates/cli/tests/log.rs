//! The server's log, as an operator reads it on stderr: it says what is wrong, once.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Server, tapeline};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than a server says that says things once.
const LINES: usize = 1_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const AUTH: &str = "[tokens]\nrevoked_file = 'revoked.txt'\noptional = true\n[[tokens.keys]]\nid = 'dev'\nalgorithm = 'HS256'\n\
                    secret_file = 'secret.txt'\n";

/// A server, and the lines it says on stderr.
struct Said {
    process: Child,
    lines: Receiver<String>,
    url: String,
}

impl Said {
    fn start(arguments: &[&str]) -> Self {
        let mut command = tapeline();
        command.args(["--json", "serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        let announced: Value = serde_json::from_str(&line).expect("an announcement");
        let (say, lines) = sync_channel(LINES);
        let errors = BufReader::new(process.stderr.take().expect("piped"));
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { process, lines, url: announced["listening"].as_str().expect("an address").to_owned() }
    }

    /// The next line, which has these words.
    fn hear_line(&self, words: &str) -> String {
        let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing said of {words:?}"));
        assert!(line.contains(words), "{line} is not about {words:?}");
        line
    }

    /// The same, as JSON.
    fn hear(&self, words: &str) -> Value {
        let line = self.hear_line(words);
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"))
    }

    /// Sends a request, and answers the status.
    fn ask(&self, method: &str, path: &str, body: &str) -> u16 {
        let mut socket = TcpStream::connect(self.url.trim_start_matches("ws://")).expect("it listens");
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answered");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Ends it as an operator would, and answers what it said besides.
    fn end(mut self) -> Vec<String> {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        assert!(self.process.wait().expect("ended").success());
        self.lines.iter().collect()
    }

    /// Ends it as a power cut would, and answers what it said besides.
    fn stop(mut self) -> Vec<String> {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
        self.lines.iter().collect()
    }

    fn insert(&self, id: &str) -> bool {
        let mut command = tapeline();
        command.args(["--server", &self.url, "insert", "s", "tasks", id, "{}"]).stderr(Stdio::null());
        command.stdout(Stdio::null()).status().expect("the binary runs").success()
    }
}

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A validator that answers everything with 404. Answers where it is, and how often it was asked.
fn broken_validator() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            let mut some = [0; 4096];
            let _ = socket.read(&mut some);
            let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, asked)
}

#[test]
fn files_that_say_nonsense_are_told_once_until_they_are_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    written(at, "secret.txt", SECRET);
    written(at, "revoked.txt", "sub ben\n");
    let auth = written(at, "auth.toml", AUTH);
    let data = at.join("data");
    let server = Said::start(&["--auth", &auth, "--data", data.to_str().expect("UTF-8")]);
    written(at, "revoked.txt", "sub ben\nnonsense\n");
    let said = server.hear("cannot be read again");
    assert_eq!(said["level"], "ERROR", "{said}");
    assert!(said["error"].as_str().expect("why").contains("line 2"), "{said}");
    written(at, "revoked.txt", "sub ben\nsub ann\n");
    server.hear("read again");
    written(at, "auth.toml", "[tokens]\nisuer = 'x'\n");
    assert!(server.hear("cannot be read again")["error"].as_str().expect("why").contains("isuer"));
    written(at, "auth.toml", AUTH);
    server.hear("read again");
    assert_eq!(server.stop(), [""; 0]);
}

#[test]
fn a_validator_that_does_not_answer_is_told_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    written(at, "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let (address, asked) = broken_validator();
    let validator = format!(
        "[[validators]]\nname = 'b'\nurl = 'http://{address}/'\nsecret_file = 'secret'\nunreachable = 'pass'\n"
    );
    let backend = written(at, "backend.toml", &validator);
    let data = at.join("data");
    let server = Said::start(&["--backend", &backend, "--data", data.to_str().expect("UTF-8")]);
    for id in 0.. {
        assert!(server.insert(&format!("t{id}")), "events pass it");
        if asked.load(Ordering::Relaxed) >= 3 {
            break;
        }
    }
    let said = server.hear("a validator does not answer");
    assert!(said["validator"] == "b" && said["error"].as_str().expect("why").contains("404"), "{said}");
    assert_eq!(server.stop(), [""; 0]);
}

#[test]
fn a_store_that_cannot_be_read_is_told_once_and_nothing_is_taken() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().to_str().expect("UTF-8").to_owned();
    let server = Said::start(&["--data", &data]);
    for n in 0..400 {
        let insert = r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#;
        assert_eq!(server.ask("POST", &format!("/v1/streams/s{n}/events"), insert), 200);
    }
    assert_eq!(server.ask("GET", "/readyz", ""), 200);
    server.end();

    let tables = std::fs::read_dir(directory.path().join("store/tables")).expect("a store");
    let table =
        tables.map(|table| table.expect("a file").path()).max_by_key(|path| path.metadata().map_or(0, |it| it.len()));
    let table = table.expect("a table");
    let mut bytes = std::fs::read(&table).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2].iter_mut().for_each(|byte| *byte ^= 0xff);
    std::fs::write(&table, bytes).expect("written");

    let server = Said::start(&["--data", &data]);
    server.hear_line("writing behind failed");
    assert_eq!(server.ask("GET", "/readyz", ""), 503);
    assert_eq!(server.ask("GET", "/healthz", ""), 200);
    // Long enough for it to be tried again.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(
            server.ask("POST", "/v1/streams/new/events", r#"{"ops":[{"insert":"tasks","id":"a","set":{}}]}"#),
            503
        );
    }
    let more = server.stop();
    assert!(!more.iter().any(|line| line.contains("writing behind")), "{more:?}");
}

#[test]
fn how_much_is_said_is_for_the_operator_to_say() {
    let mut server = Server::start();
    server.kill();
    let said = |level: &str| {
        let mut command = server.command();
        command.args(["--log-level", level]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        let output = process.wait_with_output().expect("ended");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    assert!(said("info").contains("stopping"));
    assert_eq!(said("warn"), "");
}
