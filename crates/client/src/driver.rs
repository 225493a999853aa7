//! The driver: one task that moves what is to be moved between the replicas, the socket and the store.
//!
//! It sleeps until an edit was made, a frame came, rows became durable or a time has come; then it looks after the
//! streams concerned, all of them in one go. However many edits were made meanwhile, they wake it once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use tapeline_core::frame::{ErrorFrame, ServerFrame};
use tapeline_core::numbers::Channel;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use crate::cell::Cell;
use crate::error::StoreError;
use crate::hub::Hub;
use crate::line::{Heard, Line};
use crate::status::Connection;

/// Frames taken in before what they changed is stored, answered and announced.
const FRAMES_AT_ONCE: usize = 16;

pub(crate) struct Driver {
    hub: Arc<Hub>,
    line: Line,
    waiting_for_room: Waiting,
    /// Streams that were asked to pause, and when they are looked after again.
    paused: FxHashMap<Channel, Instant>,
}

/// Streams that have more to send than the socket takes now, each once: those that wait longest first.
#[derive(Default)]
struct Waiting {
    cells: VecDeque<Arc<Cell>>,
    channels: FxHashSet<Channel>,
}

impl Driver {
    pub(crate) fn new(hub: Arc<Hub>, line: Line) -> Self {
        Self { hub, line, waiting_for_room: Waiting::default(), paused: FxHashMap::default() }
    }

    pub(crate) async fn run(mut self) -> Result<(), StoreError> {
        while !self.hub.is_ending() {
            if self.line.steer(self.hub.take_wish()) {
                self.line_changed();
            }
            self.show_connection(self.line.connection());
            self.settle_all();
            self.wait().await;
        }
        self.end().await
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) {
        let alarm = self.alarm();
        let wants_room = !self.waiting_for_room.cells.is_empty();
        let heard = tokio::select! {
            () = self.hub.woken() => return,
            () = tokio::time::sleep_until(alarm) => return self.end_pauses(),
            heard = self.line.next(wants_room) => heard,
        };
        self.hear(heard);
        for _ in 1..FRAMES_AT_ONCE {
            let Some(heard) = self.line.try_next() else { break };
            self.hear(heard);
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Room => self.settle_waiting(),
            Heard::Turn => self.line_changed(),
            Heard::Frame(frame) => self.receive(*frame),
        }
    }

    /// When there is something to do though nothing happens.
    fn alarm(&self) -> Instant {
        let line = Instant::now() + Duration::from_millis(self.line.patience().0);
        self.paused.values().copied().fold(line, Instant::min)
    }

    fn end_pauses(&mut self) {
        let now = Instant::now();
        let over = self.paused.extract_if(|_, until| *until <= now);
        over.filter_map(|(channel, _)| self.hub.on_channel(channel)).for_each(|cell| self.hub.attend(&cell));
    }

    /// There is another socket, or none: all streams must know.
    fn line_changed(&mut self) {
        self.waiting_for_room = Waiting::default();
        self.paused.clear();
        self.hub.streams().iter().for_each(|cell| self.hub.attend(cell));
    }

    fn receive(&mut self, frame: ServerFrame) {
        if let ServerFrame::Error(error) = &frame
            && self.line.complain(error)
        {
            return self.line_changed();
        }
        if let Some(cell) = channel_of(&frame).and_then(|channel| self.hub.on_channel(channel)) {
            cell.receive(frame);
            self.hub.attend(&cell);
        }
    }

    fn settle_all(&mut self) {
        for cell in self.hub.take_attention() {
            self.settle(&cell);
        }
    }

    /// Settles those that waited for room, as long as there is some: of many that wait no others are looked at.
    fn settle_waiting(&mut self) {
        while let Some(cell) = self.waiting_for_room.pop()
            && self.settle(&cell)
        {}
    }

    /// Looks after a stream. Answers whether all that it has to say was sent.
    fn settle(&mut self, cell: &Arc<Cell>) -> bool {
        if let Some(batch) = cell.settle(self.line.socket_number()) {
            self.hub.save(cell, batch);
        }
        self.send(cell)
    }

    /// Sends what a stream has to say, as far as the socket takes it now. Answers whether it was all.
    fn send(&mut self, cell: &Arc<Cell>) -> bool {
        let Some(socket) = self.line.socket() else { return true };
        loop {
            match socket.outgoing.try_reserve() {
                Ok(room) => match cell.next_frame() {
                    Some(frame) => room.send(frame),
                    None => break,
                },
                Err(TrySendError::Full(())) => {
                    self.waiting_for_room.push(cell);
                    return false;
                }
                // The line will say so itself.
                Err(TrySendError::Closed(())) => break,
            }
        }
        match cell.pause() {
            Some(pause) => self.paused.insert(cell.channel(), Instant::now() + pause),
            None => self.paused.remove(&cell.channel()),
        };
        true
    }

    fn show_connection(&self, now: Connection) {
        self.hub.connection().send_if_modified(|shown| {
            let differs = *shown != now;
            *shown = now;
            differs
        });
    }

    /// Has everything written that can be.
    async fn end(mut self) -> Result<(), StoreError> {
        self.line.hang_up();
        self.line_changed();
        let mut problem = self.hub.storage();
        loop {
            self.settle_all();
            let stored = self.hub.streams().iter().all(|cell| cell.with(|replica| replica.status().stored));
            if stored || problem.borrow_and_update().is_some() {
                break;
            }
            tokio::select! {
                () = self.hub.woken() => {}
                changed = problem.changed() => if changed.is_err() { break },
            }
        }
        let closed = self.hub.close_store().await;
        self.show_connection(Connection::Closed);
        closed
    }
}

impl Waiting {
    fn push(&mut self, cell: &Arc<Cell>) {
        if self.channels.insert(cell.channel()) {
            self.cells.push_back(cell.clone());
        }
    }

    fn pop(&mut self) -> Option<Arc<Cell>> {
        let cell = self.cells.pop_front()?;
        self.channels.remove(&cell.channel());
        Some(cell)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.hub.abandon();
    }
}

fn channel_of(frame: &ServerFrame) -> Option<Channel> {
    match frame {
        ServerFrame::Opened(opened) => Some(opened.channel),
        ServerFrame::Events(events) => Some(events.channel),
        ServerFrame::Page(page) => Some(page.channel),
        ServerFrame::Ack { channel, .. } | ServerFrame::Refused { channel, .. } => Some(*channel),
        ServerFrame::Resync(resync) => Some(resync.channel),
        ServerFrame::Presence(presence) => Some(presence.channel),
        ServerFrame::Error(ErrorFrame { channel, .. }) => *channel,
        ServerFrame::Welcome(_) | ServerFrame::Pong => None,
    }
}

#[cfg(test)]
mod tests {
    use tapeline_core::name::StreamName;

    use super::*;
    use crate::checks::Checks;
    use crate::hub::Extent;
    use crate::line::Says;
    use crate::socket::{Queues, Socket};

    #[tokio::test]
    async fn of_many_streams_that_wait_those_are_looked_at_for_which_there_is_room() {
        let hub = Arc::new(Hub::new(None, true, Checks::default()));
        let (socket, Queues { mut to_say, heard: _heard }) = Socket::new();
        let mut driver = Driver::new(hub.clone(), Line::up(socket, Says::default()));
        let mut looks = Vec::new();
        for number in 0..1_000 {
            let name = StreamName::new(format!("many/{number}")).unwrap();
            looks.push(hub.stream(name, Extent::Whole).await.unwrap().turned());
        }
        driver.settle_all();
        let (mut all_sent, mut all_looked) = (0, 0);
        while all_sent < looks.len() {
            looks.iter_mut().for_each(tokio::sync::watch::Receiver::mark_unchanged);
            all_sent += std::iter::from_fn(|| to_say.try_recv().ok()).count();
            driver.hear(Heard::Room);
            driver.settle_all();
            all_looked += looks.iter().filter(|look| look.has_changed().unwrap()).count();
        }
        // The last for which there is room is looked at again: it might have more to say.
        assert!(all_looked < 2 * all_sent, "{all_looked} looks for {all_sent} frames");
    }
}
