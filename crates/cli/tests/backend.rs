//! The application's own backend and the server as processes that are killed: what was recorded is told, in order, and nothing is
//! recorded that it has not said yes to.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use support::Server;

const PATIENCE: Duration = Duration::from_secs(60);

/// A backend that says yes to all that is not bad, takes what it is told or, by chance, does not, and remembers it.
#[derive(Default)]
struct Backend {
    /// The next seq of each stream that it was told of, and how often it was told something again.
    next: Mutex<BTreeMap<String, u64>>,
    fails: Mutex<Option<Rng>>,
}

impl Backend {
    fn start(self: Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let backend = self.clone();
                std::thread::spawn(move || backend.serve(socket));
            }
        });
        address
    }

    fn serve(&self, socket: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(socket.try_clone().ok()?);
        let mut socket = socket;
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
                match line.trim().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().ok()?
                    }
                    Some(_) => {}
                    None if line.trim().is_empty() => break,
                    None => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let (status, answer) = self.answer(&serde_json::from_slice(&body).ok()?);
            let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", answer.len());
            socket.write_all(format!("{head}{answer}").as_bytes()).ok()?;
        }
    }

    fn answer(&self, posted: &Value) -> (u16, String) {
        if let Some(questions) = posted["questions"].as_array() {
            let bad = |question: &Value| question["changes"][0]["new"]["title"] == "bad";
            let answers = questions.iter().map(|question| match bad(question) {
                true => json!({ "code": "bad", "field": "title", "message": "That is bad." }),
                false => Value::Null,
            });
            return (200, json!({ "answers": answers.collect::<Vec<_>>() }).to_string());
        }
        let mut next = self.next.lock().expect("it is whole");
        for part in posted["streams"].as_array().expect("streams") {
            let next = next.entry(part["stream"].as_str().expect("a name").to_owned()).or_default();
            for event in part["events"].as_array().expect("events") {
                let seq = event["seq"].as_u64().expect("a seq");
                assert!(seq <= *next, "{seq} is told before {next}");
                *next = (*next).max(seq + 1);
            }
        }
        let fails = self.fails.lock().expect("it is whole").as_mut().is_some_and(|rng| rng.u8(..) < 80);
        (if fails { 500 } else { 200 }, String::new())
    }

    fn wait(&self, streams: &BTreeMap<String, u64>) {
        let begun = Instant::now();
        while *self.next.lock().expect("it is whole") != *streams {
            let next = self.next.lock().expect("it is whole").clone();
            assert!(begun.elapsed() < PATIENCE, "it was told {next:?}, not {streams:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn file(directory: &Path, address: &str) -> String {
    std::fs::write(directory.join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
    let path = directory.join("backend.toml");
    let one = |name: &str| format!("[[{name}]]\nname = 'b'\nurl = 'http://{address}/'\nsecret_file = 'secret'\n");
    std::fs::write(&path, [one("validators"), one("receivers")].concat()).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn a_server_that_is_killed_again_and_again_tells_all_in_order() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let backend = Arc::new(Backend::default());
    *backend.fails.lock().expect("it is whole") = Some(random.fork());
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
    *backend.fails.lock().expect("it is whole") = None;
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
