//! Following what other servers append to streams that are in memory here.
//!
//! ```text
//! heard ─▶ more on the log than here ─▶ read (another thread) ─▶ answers to authors who are here ─▶ play
//!             what comes meanwhile waits ──────────────────────────────────────────────▶ then is done
//! ```
//!
//! What was decided here on what is old is refused by the log, which costs time and nothing else. So being told late, or
//! not at all, is no error; that those who open a stream learn all that is on the log is seen to before they do.

use std::collections::VecDeque;
use std::sync::Arc;

use tapeline_core::batch::Batch;
use tapeline_log::play::damaged;
use tapeline_log::{EventLog, LogError, StateStore};

use super::loading::Loaded;
use super::slots::Slot;
use super::{Command, Shard};
use crate::hub::Tape;
use crate::limits;

impl<L: EventLog, S: StateStore> Shard<L, S> {
    /// Gives a command back, unless its stream has to be brought first to where the log is known to be: then it waits.
    pub(super) fn hold_back(&mut self, command: Command) -> Option<Command> {
        let Some(tape) = command.tape().filter(|_| self.log.is_shared()).cloned() else { return Some(command) };
        if matches!(command, Command::Heard(_)) {
            tape.looks();
        }
        let Some(place) = self.slots.find(tape.stream()) else {
            self.load_apart(tape, command);
            return None;
        };
        let Some(slot) = self.slots.get(place).filter(|slot| slot.is_behind()) else { return Some(command) };
        slot.behind.get_or_insert_default().push_back(command);
        self.catch_up(place);
        None
    }

    /// Loads a stream on another thread.
    fn load_apart(&mut self, tape: Arc<Tape>, command: Command) {
        let waiting = self.loading.entry(tape.stream().clone()).or_default();
        waiting.push_back(command);
        if waiting.len() > 1 {
            return;
        }
        let (loader, loads, mailbox) = (self.loader.clone(), self.loads.clone(), self.mailbox.clone());
        self.runtime.spawn(async move {
            let permit = loads.acquire_owned().await;
            let stream = tape.stream().clone();
            let loading = tokio::task::spawn_blocking(move || loader.load(&stream)).await;
            drop(permit);
            let found = loading.unwrap_or_else(|_| Err(LogError::Storage("loading it failed".into())));
            mailbox.post(Command::Loaded(Box::new(Loaded { tape, found })));
        });
    }

    pub(super) fn loaded(&mut self, Loaded { tape, found }: Loaded) {
        let waited = self.loading.remove(tape.stream()).unwrap_or_default();
        match found.and_then(|found| self.insert(&tape, found)) {
            Ok(_) => waited.into_iter().for_each(|command| self.take(command)),
            Err(error) => self.cannot_follow(&tape, waited, &error),
        }
    }

    /// Reads what a stream lacks, where it is known to lack something and nothing is on its way.
    pub(super) fn catch_up(&mut self, place: usize) {
        let Some(slot) = self.slots.get(place) else { return };
        if slot.is_reading || !slot.is_behind() || !slot.sequencer.is_at_rest() {
            return;
        }
        slot.is_reading = true;
        slot.behind.get_or_insert_default();
        let (stream, after, life) = (slot.tape.stream().clone(), slot.sequencer.durable(), slot.life);
        let (log, mailbox, runtime) = (self.log.clone(), self.mailbox.clone(), self.runtime.clone());
        self.runtime.spawn_blocking(move || {
            let batches = runtime.block_on(log.replay(&stream, after, limits::REPLAY_BYTES));
            mailbox.post(Command::Read { place, life, batches });
        });
    }

    pub(super) fn has_read(&mut self, place: usize, life: u64, batches: Result<Vec<Arc<Batch>>, LogError>) {
        let Some(slot) = self.slots.get(place).filter(|slot| slot.life == life) else { return };
        slot.is_reading = false;
        let tape = slot.tape.clone();
        let nothing = || LogError::Storage("the log does not show yet what it is known to have".into());
        let batches = batches.and_then(|batches| if batches.is_empty() { Err(nothing()) } else { Ok(batches) });
        let followed = batches.and_then(|batches| batches.iter().try_for_each(|batch| self.follow(place, batch)));
        let Some(slot) = self.slots.get(place) else { return };
        if let Err(error @ LogError::Trimmed { .. }) = &followed {
            // This server was away for longer than the log goes back.
            return self.begin_again(place, &error.to_string(), limits::CONFLICT_PAUSE);
        }
        if let Err(error) = followed {
            let waited = slot.behind.take().unwrap_or_default();
            let is_read = |command: &Command| error.is_retryable() && matches!(command, Command::Settle { .. });
            let (reads, others): (VecDeque<_>, VecDeque<_>) = waited.into_iter().partition(is_read);
            self.cannot_follow(&tape, others, &error);
            return reads.into_iter().for_each(|command| self.read_what_is_here(command));
        }
        if slot.lacks_something() {
            return self.catch_up(place);
        }
        let waited = slot.behind.take();
        waited.into_iter().flatten().for_each(|command| self.take(command));
    }

    /// Whoever reads over HTTP, or is being filled, need not wait for what the log cannot give now.
    fn read_what_is_here(&mut self, command: Command) {
        if let Command::Settle { tape, settled } = command {
            self.settle(&tape, settled);
        }
    }

    /// Plays a batch that another server has appended.
    fn follow(&mut self, place: usize, batch: &Arc<Batch>) -> Result<(), LogError> {
        let Some(slot) = self.slots.get(place) else { return Ok(()) };
        let tape = slot.tape.clone();
        let damaged = |error| damaged(tape.stream(), &error);
        let events = batch.events().map_err(damaged)?;
        let authors = events.iter().map(|event| event.client);
        self.load_clients(place, authors.chain(batch.verdicts.iter().map(|verdict| verdict.client)))?;
        self.load_touched(place, events.iter().map(|event| &event.body))?;
        let Some(slot) = self.slots.get(place) else { return Ok(()) };
        events.iter().for_each(|event| slot.size.see(event.body.ops.len(), 0));
        slot.size.see(0, batch.block.bytes().len());
        slot.sequencer.watch(tape.is_watched());
        let played = slot.sequencer.follow(batch, |client| tape.peer_of(client)).map_err(damaged)?;
        tape.is_at(played.position);
        self.deliver_once(place);
        self.play(place, played);
        self.is_dirty(place);
        self.weigh(place);
        Ok(())
    }

    /// What others appended cannot be had: those who wait are told, and it is tried again.
    fn cannot_follow(&mut self, tape: &Arc<Tape>, waited: VecDeque<Command>, error: &LogError) {
        for command in waited {
            match command {
                Command::Open(open) => self.fail(tape, open.peer, None, error),
                Command::Push(push) => self.fail_push(&push, error),
                // Whoever asked may have gone.
                Command::Settle { settled, .. } => drop(settled.send(Err(error.clone()))),
                _ => {}
            }
        }
        if !error.is_retryable() {
            return;
        }
        let (tape, mailbox) = (Arc::downgrade(tape), self.mailbox.clone());
        self.runtime.spawn(async move {
            tokio::time::sleep(limits::FOLLOW_PAUSE).await;
            if let Some(tape) = tape.upgrade() {
                mailbox.post(Command::Heard(tape));
            }
        });
    }

    /// Tells authors who are here what became of their events, where the stream went on while it was not in memory.
    pub(super) fn tell_authors(&mut self, place: usize) -> Result<(), LogError> {
        let Some(slot) = self.slots.get(place) else { return Ok(()) };
        let tape = slot.tape.clone();
        let clients = tape.clients();
        self.load_clients(place, clients.iter().copied())?;
        let Some(slot) = self.slots.get(place) else { return Ok(()) };
        for client in clients {
            tape.peer_of(client).into_iter().for_each(|peer| slot.sequencer.tell(peer, client));
        }
        self.deliver_once(place);
        Ok(())
    }
}

impl Slot {
    /// Whether the log is known to have more than was decided on here.
    fn lacks_something(&self) -> bool {
        self.tape.heard() > self.sequencer.staged().position
    }

    /// Whether what comes now is to wait.
    fn is_behind(&self) -> bool {
        self.behind.is_some() || self.lacks_something()
    }
}
