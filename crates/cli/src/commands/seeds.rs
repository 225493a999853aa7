//! What the example apps start with: the board's issues, and what was said in the room.
//!
//! Each is put up where its stream is not there. The requests name their events, so none is recorded twice.

use std::io::Read;
use std::net::SocketAddr;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

const BOARD: &str = "demo%2Fboard";
const ROOM: &str = "demo%2Fchat";

/// Who speaks in the room, so to say.
const NARRATOR: &str = "00000000000000000000CHAT00";
/// When the last message was sent, in milliseconds since 1970, and the time between two.
const LAST: u64 = 1_787_291_352_000;
const APART: u64 = 41_000;
const OPS_AN_EVENT: u64 = 500;
const EVENTS_A_REQUEST: u64 = 20;

/// Where to put things up.
pub struct Seeds {
    agent: ureq::Agent,
    server: SocketAddr,
}

impl Seeds {
    /// For the apps of this server.
    pub fn new(server: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, server }
    }

    /// The board's issues, as `examples/board/generate.mjs` wrote them: the body of a request, compressed.
    pub fn issues(&self, packed: &[u8]) -> Result<(), Failure> {
        if self.is_there(BOARD)? {
            return Ok(());
        }
        let mut body = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut body).map_err(Failure::failed)?;
        self.record(BOARD, &body)
    }

    /// So many messages.
    pub fn messages(&self, count: u64) -> Result<(), Failure> {
        if count == 0 || self.is_there(ROOM)? {
            return Ok(());
        }
        let bar = output::bar(count, "messages");
        let mut n = 1;
        for from in (0..count).step_by((OPS_AN_EVENT * EVENTS_A_REQUEST) as usize) {
            let to = count.min(from + OPS_AN_EVENT * EVENTS_A_REQUEST);
            let events: Vec<Value> = (from..to)
                .step_by(OPS_AN_EVENT as usize)
                .map(|first| event(first..to.min(first + OPS_AN_EVENT), count))
                .collect();
            let request = json!({ "client": NARRATOR, "n": n, "events": events });
            self.record(ROOM, request.to_string().as_bytes())?;
            n += events.len();
            bar.set_position(to);
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn is_there(&self, stream: &str) -> Result<bool, Failure> {
        let answer = self.agent.get(self.address(stream)).call().map_err(Failure::failed)?;
        Ok(answer.status().is_success())
    }

    fn record(&self, stream: &str, body: &[u8]) -> Result<(), Failure> {
        let answer = self.agent.post(format!("{}/events", self.address(stream))).send(body).map_err(Failure::failed)?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(Failure::Failed(format!("what {stream} starts with is not recorded: {}", answer.status()))),
        }
    }

    fn address(&self, stream: &str) -> String {
        format!("http://{}/v1/streams/{stream}", self.server)
    }
}

fn event(places: std::ops::Range<u64>, count: u64) -> Value {
    let op = |place: u64| {
        let at = LAST.saturating_sub((count - 1 - place) * APART);
        let (from, text) = said(place);
        // As ids of version 7 are, by time.
        let id = format!("{:08x}-{:04x}-7000-8000-{place:012x}", at >> 16, at & 0xffff);
        json!({ "insert": "messages", "id": id, "set": { "from": from, "text": text, "at": at } })
    };
    json!({ "base": 0, "at": LAST, "ops": places.map(op).collect::<Vec<_>>() })
}

/// Who says the message at a place, and what: the same each time.
fn said(place: u64) -> (&'static str, String) {
    const PEOPLE: [&str; 8] = [
        "Amber Fox",
        "Coral Lynx",
        "Jade Heron",
        "Indigo Crane",
        "Olive Otter",
        "Plum Raven",
        "Rust Badger",
        "Teal Stoat",
    ];
    const BEGINNINGS: [&str; 8] =
        ["I think", "It seems", "Good news:", "Look,", "By the way,", "As I said,", "Oh,", "Well,"];
    const THINGS: [&str; 9] = [
        "the release",
        "the kettle",
        "the train",
        "the new office plant",
        "my bicycle",
        "the demo",
        "the build",
        "the weather",
        "that bug of Monday",
    ];
    const ENDINGS: [&str; 10] = [
        "is back",
        "needs a hand",
        "is better than last week",
        "can wait until tomorrow",
        "is nowhere to be seen",
        "works on the train too",
        "was worth the walk",
        "makes me smile",
        "is late again",
        "is on its way",
    ];
    let mut random = fastrand::Rng::with_seed(place);
    let mut pick = |of: usize| random.usize(..of);
    let from = PEOPLE[pick(PEOPLE.len())];
    let (begin, thing, end) =
        (BEGINNINGS[pick(BEGINNINGS.len())], THINGS[pick(THINGS.len())], ENDINGS[pick(ENDINGS.len())]);
    (from, format!("{begin} {thing} {end}."))
}
