//! Filling replicas: pages of what a stream has, read from a pinned state of it.
//!
//! `pins` keeps what is pinned, `fill` goes over the keys of one filling. Pages are made one after the other, whoever
//! they are for, on threads that may wait for the disk: many who are filled at once wait for each other, and nobody
//! else waits for them.

mod fill;
mod pins;

use std::sync::Arc;

use tapeline_core::codec::Codec;
use tapeline_core::frame::{Page, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, LogError, StateStore};
use tokio::sync::Semaphore;

use crate::deflate::deflate;
use crate::hub::Tape;
use crate::inbox::OpeningId;
use crate::limits;
use crate::shared::Shared;
pub(crate) use fill::Fill;
pub(crate) use pins::{Pinned, Pins};

/// What all fillings share.
pub(crate) struct Fillers {
    pub(crate) pins: Pins,
    turns: Arc<Semaphore>,
}

/// How pages are spelled for a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelling {
    pub(crate) codec: Codec,
    pub(crate) channel: Channel,
    /// Whether it can inflate.
    pub(crate) deflate: bool,
}

/// A page, ready to be sent.
pub(crate) struct Made {
    /// The bytes of its message.
    pub(crate) message: Vec<u8>,
    /// What is left to be done.
    pub(crate) fill: Box<Fill>,
    /// Where the replica is with it, if it is the last.
    pub(crate) end: Option<Seq>,
}

/// What became of making a page.
pub(crate) struct Filled {
    /// For this opening of a stream.
    pub(crate) opening: OpeningId,
    /// Under this channel.
    pub(crate) channel: Channel,
    /// The page, or why there is none.
    pub(crate) made: Result<Box<Made>, LogError>,
}

impl Default for Fillers {
    fn default() -> Self {
        Self { pins: Pins::default(), turns: Arc::new(Semaphore::new(limits::PAGES_AT_ONCE)) }
    }
}

impl<L: EventLog, S: StateStore> Shared<L, S> {
    /// Makes the next page of a filling.
    pub(crate) async fn make_page(
        &self,
        tape: &Arc<Tape>,
        mut fill: Box<Fill>,
        spelling: Spelling,
    ) -> Result<Box<Made>, LogError> {
        let pin = match fill.pin() {
            Some(pin) => pin,
            None => {
                let pinned = self.pin(tape, fill.from(), fill.shares_pins()).await?;
                fill.take_pin(pinned)
            }
        };
        let gone = || LogError::Storage("the server stops".into());
        let permit = self.fillers.turns.clone().acquire_owned().await.map_err(|_| gone())?;
        let (head, metrics) = (tape.head(), self.metrics.clone());
        let made = tokio::task::spawn_blocking(move || {
            let page = fill.next(&*pin, spelling.channel, head)?;
            let end = page.end.map(|_| page.to);
            let message = spelling.spell(page);
            metrics.pages.inc();
            metrics.page_bytes.inc_by(message.len() as u64);
            drop(permit);
            Ok(Box::new(Made { message, fill, end }))
        });
        made.await.map_err(|_| gone())?
    }

    /// A state of a stream that is past `from`: one that others read already, or as it is now.
    pub(crate) async fn pin(&self, tape: &Arc<Tape>, from: Seq, shared: bool) -> Result<Arc<Pinned>, LogError> {
        let pins = &self.fillers.pins;
        if let Some(pinned) = shared.then(|| pins.find(tape.stream(), from, tape.head())).flatten() {
            return Ok(pinned);
        }
        // The store does not move on until the state is pinned.
        let settled = self.shards.settle(tape.clone()).await?;
        let (store, stream) = (self.store.clone(), tape.stream().clone());
        let pin = tokio::task::spawn_blocking(move || store.pin(&stream)).await;
        let pin = pin.map_err(|_| LogError::Storage("the server stops".into()))??;
        drop(settled);
        Ok(pins.keep(tape.stream(), pin))
    }
}

impl Spelling {
    fn spell(self, page: Page) -> Vec<u8> {
        let bytes = self.codec.encode_server(&ServerFrame::Page(page));
        match self.deflate && bytes.len() >= limits::DEFLATED_PAGE_BYTES {
            true => deflate(&[&bytes]),
            false => bytes,
        }
    }
}
