//! When to connect, to ask for a sign of life, and to give up. Times are monotonic milliseconds.

use tapeline_core::link::{Link as CoreLink, LinkAction};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::millis;

/// The rules for one socket after another.
#[wasm_bindgen]
pub struct Link(CoreLink);

#[wasm_bindgen]
impl Link {
    /// No socket yet; the first attempt is due at once.
    #[wasm_bindgen(constructor)]
    pub fn new(now: f64) -> Link {
        Link(CoreLink::new(millis(now)))
    }

    /// What is to be done: -1 connect, -2 send a ping, -3 give the socket up; else nothing before this time.
    pub fn poll(&mut self, now: f64) -> f64 {
        match self.0.poll(millis(now)) {
            LinkAction::Connect => -1.0,
            LinkAction::Ping => -2.0,
            LinkAction::Drop => -3.0,
            LinkAction::Wait(until) => until.0 as f64,
        }
    }

    /// The socket is up.
    pub fn connected(&mut self, now: f64) {
        self.0.connected(millis(now));
    }

    /// Something came.
    pub fn heard(&mut self, now: f64) {
        self.0.heard(millis(now));
    }

    /// The socket is gone, or the attempt failed. `random`: from 0 to 1.
    pub fn lost(&mut self, now: f64, random: f64) {
        self.0.lost(millis(now), (random * f64::from(u32::MAX)) as u64);
    }

    /// There is reason to believe that an attempt would succeed now.
    pub fn nudge(&mut self, now: f64) {
        self.0.nudge(millis(now));
    }

    /// Whether the socket is up.
    pub fn is_up(&self) -> bool {
        self.0.is_up()
    }
}
