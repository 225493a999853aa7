//! What the example apps start with: the board's issues, and what was said in the room.
//!
//! Each is put up where its stream is not there. The requests name their events, so none is recorded twice.

mod board;
mod room;

use std::net::SocketAddr;

use serde_json::{Value, json};

use self::board::Board;
use crate::failure::Failure;
use crate::output;

/// When the last of it was recorded, in milliseconds since 1970.
const AT: u64 = 1_787_291_352_000;
const OPS_AN_EVENT: u64 = 500;
const EVENTS_A_REQUEST: u64 = 20;

/// What a stream starts with: many of something, each of which takes some ops.
struct Start {
    stream: &'static str,
    /// Who records it, so to say.
    client: &'static str,
    what: &'static str,
    ops_each: u64,
}

const BOARD: Start =
    Start { stream: "demo%2Fboard", client: "00000000000000000000TAPE00", what: "issues", ops_each: 2 };
const ROOM: Start =
    Start { stream: "demo%2Fchat", client: "00000000000000000000CHAT00", what: "messages", ops_each: 1 };

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

    /// So many issues, made of what `examples/board/generate.mjs` wrote.
    pub fn issues(&self, packed: &[u8], count: u64) -> Result<(), Failure> {
        let board = Board::read(packed, count)?;
        self.put_up(&BOARD, count, |place| board.issue(place).into())
    }

    /// So many messages.
    pub fn messages(&self, count: u64) -> Result<(), Failure> {
        self.put_up(&ROOM, count, |place| vec![room::message(place, count)])
    }

    fn put_up(&self, start: &Start, count: u64, ops: impl Fn(u64) -> Vec<Value>) -> Result<(), Failure> {
        let Start { stream, client, what, ops_each } = *start;
        if count == 0 || self.is_there(stream)? {
            return Ok(());
        }
        let an_event = OPS_AN_EVENT / ops_each;
        let event = |first: u64| {
            let ops: Vec<Value> = (first..count.min(first + an_event)).flat_map(&ops).collect();
            json!({ "base": 0, "at": AT, "ops": ops })
        };
        let bar = output::bar(count, what);
        let mut n = 1;
        for from in (0..count).step_by((an_event * EVENTS_A_REQUEST) as usize) {
            let to = count.min(from + an_event * EVENTS_A_REQUEST);
            let events: Vec<Value> = (from..to).step_by(an_event as usize).map(event).collect();
            let request = json!({ "client": client, "n": n, "events": events });
            self.record(stream, request.to_string().as_bytes())?;
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
