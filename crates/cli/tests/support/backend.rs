//! The application's own backend, as validators and receivers know it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A backend that says yes to all that is not bad, takes what it is told or, by chance, does not, and remembers it.
#[derive(Default)]
pub struct Backend {
    /// The next seq of each stream that it was told of, and how often it was told something again.
    next: Mutex<BTreeMap<String, u64>>,
    /// By what chance it does not take what it is told.
    fails: Mutex<Option<Rng>>,
}

impl Backend {
    /// Starts it. Answers where it listens.
    pub fn start(self: Arc<Self>) -> String {
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

    /// From now on it fails by chance, or not any more.
    pub fn fail(&self, random: Option<Rng>) {
        *self.fails.lock().expect("it is whole") = random;
    }

    /// Waits until it was told all of streams, up to these seqs.
    pub fn wait(&self, streams: &BTreeMap<String, u64>) {
        let begun = Instant::now();
        while *self.next.lock().expect("it is whole") != *streams {
            let next = self.next.lock().expect("it is whole").clone();
            assert!(begun.elapsed() < PATIENCE, "it was told {next:?}, not {streams:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What happens, drawn from `SEED` or from a seed that is printed.
pub fn random() -> Rng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    Rng::with_seed(seed)
}

/// A file that names it as validator and as receiver.
pub fn file(directory: &Path, address: &str) -> String {
    std::fs::write(directory.join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
    let path = directory.join("backend.toml");
    let one = |name: &str| format!("[[{name}]]\nname = 'b'\nurl = 'http://{address}/'\nsecret_file = 'secret'\n");
    std::fs::write(&path, [one("validators"), one("receivers")].concat()).expect("written");
    path.to_str().expect("a path in UTF-8").to_owned()
}
