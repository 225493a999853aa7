//! The sessions that are under way: who is there, who is silent, and telling all that the server stops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tapeline_core::limits;

use crate::inbox::Inbox;
use crate::lock::lock;

/// How often it is looked for sessions that give no sign of life.
const LOOKS: u32 = 4;
const EVERY: Duration = Duration::from_millis(limits::SILENCE.0 / LOOKS as u64);
/// How many looks a new session has for its hello.
const LOOKS_FOR_HELLO: u32 = 2;

/// The sessions that are under way.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    last: u64,
    sessions: FxHashMap<u64, Known>,
    stopping: bool,
}

#[derive(Debug)]
struct Known {
    inbox: Arc<Inbox>,
    /// How many more looks without a sign of life end it.
    patience: u32,
}

impl Sessions {
    /// A session begins. It is to say when it ends.
    pub(crate) fn begin(&self, inbox: &Arc<Inbox>) -> u64 {
        let mut all = lock(&self.0);
        all.last += 1;
        let number = all.last;
        all.sessions.insert(number, Known { inbox: inbox.clone(), patience: LOOKS_FOR_HELLO });
        if all.stopping {
            inbox.stop();
        }
        number
    }

    /// A session has ended.
    pub(crate) fn end(&self, number: u64) {
        lock(&self.0).sessions.remove(&number);
    }

    /// Tells all sessions, now and to come, to say goodbye.
    pub(crate) fn stop(&self) {
        let mut all = lock(&self.0);
        all.stopping = true;
        all.sessions.values().for_each(|known| known.inbox.stop());
    }

    /// Has all sessions look again at who they speak for.
    pub(crate) fn look(&self) {
        lock(&self.0).sessions.values().for_each(|known| known.inbox.look());
    }

    /// Tells sessions that give no sign of life to say goodbye, for as long as there can be any.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut looks = tokio::time::interval(EVERY);
        loop {
            looks.tick().await;
            let mut all = lock(&self.0);
            if all.stopping && all.sessions.is_empty() {
                return;
            }
            all.sessions.values_mut().for_each(Known::look);
        }
    }
}

impl Known {
    fn look(&mut self) {
        if self.inbox.was_alive() {
            self.patience = LOOKS;
            return;
        }
        self.patience = self.patience.saturating_sub(1);
        if self.patience == 0 {
            self.inbox.end();
        }
    }
}
