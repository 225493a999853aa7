//! Filling replicas: pages of what a stream has, read from a pinned state of it.
//!
//! `pins` keeps what is pinned; `whole` goes over the keys of a replica that holds all of a stream, `part` over what the
//! queries of another want, `rows` reads windows, `gather` gathers a page, `shelf` keeps those
//! that many get. Pages are made one after the other, whoever
//! they are for, on threads that may wait for the disk: many who are filled at once wait for each other, and nobody else
//! waits for them.

mod gather;
mod part;
mod pins;
mod rows;
mod shelf;
mod whole;

use std::sync::Arc;

use bytes::Bytes;
use tapeline_core::codec::Codec;
use tapeline_core::frame::{Page, ServerFrame};
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::{EventLog, LogError, Pin, StateStore};
use tokio::sync::Semaphore;

use crate::deflate::deflate;
use crate::hub::Tape;
use crate::inbox::OpeningId;
use crate::limits;
use crate::shared::Shared;
pub(crate) use gather::Gathered;
pub(crate) use part::PartFill;
pub(crate) use pins::{Pinned, Pins};
pub(crate) use whole::WholeFill;

/// What a replica is still to get.
pub(crate) enum Fill {
    /// One that holds all of a stream.
    Whole(WholeFill),
    /// One that holds the results of queries.
    Part(PartFill),
}

/// What all fillings share.
pub(crate) struct Fillers {
    pub(crate) pins: Pins,
    turns: Arc<Semaphore>,
}

/// How pages are spelled for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) codec: Codec,
    pub(crate) channel: Channel,
    /// Whether it can inflate.
    pub(crate) deflate: bool,
}

/// A page, ready to be sent, where one came of it.
pub(crate) struct Made {
    /// The bytes of its message.
    pub(crate) message: Option<Bytes>,
    /// What is left to be done.
    pub(crate) fill: Box<Fill>,
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
        let pin = loop {
            match fill.pin() {
                Some(pin) => break pin,
                None => fill.take_pin(self.pin(tape, fill.shares_from()).await?),
            }
        };
        if let Some(message) = fill.take_shelved(spelling) {
            return Ok(Box::new(Made { message: Some(message), fill }));
        }
        let gone = || LogError::Storage("the server stops".into());
        let permit = self.fillers.turns.clone().acquire_owned().await.map_err(|_| gone())?;
        let (head, metrics) = (tape.head(), self.metrics.clone());
        let made = tokio::task::spawn_blocking(move || {
            // Somebody else may have made it while this one waited.
            if let Some(message) = fill.take_shelved(spelling) {
                return Ok(Box::new(Made { message: Some(message), fill }));
            }
            let message = fill.message(&*pin, spelling, head)?;
            metrics.pages.inc();
            drop(permit);
            Ok(Box::new(Made { message, fill }))
        });
        made.await.map_err(|_| gone())?
    }

    /// The state of a stream: one past `from` that others read already, where that will do, or as it is now.
    async fn pin(&self, tape: &Arc<Tape>, from: Option<Seq>) -> Result<Arc<Pinned>, LogError> {
        let pins = &self.fillers.pins;
        // Those who come at the same time wait for the first of them, and then share what it pinned.
        let _first = tape.pinning.lock().await;
        if let Some(pinned) = from.and_then(|from| pins.find(tape.stream(), from, tape.head())) {
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

impl Fill {
    /// Whether all is done.
    pub(crate) fn is_over(&mut self) -> bool {
        match self {
            Self::Whole(whole) => whole.end().is_some(),
            Self::Part(part) => part.is_over(),
        }
    }

    fn pin(&self) -> Option<Arc<dyn Pin>> {
        match self {
            Self::Whole(whole) => whole.pin(),
            Self::Part(part) => part.pin(),
        }
    }

    /// From where on a state will do that others read. Not at all for a part: what becomes of its queries is known from
    /// where it was asked for.
    fn shares_from(&self) -> Option<Seq> {
        match self {
            Self::Whole(whole) => Some(whole.from()),
            Self::Part(_) => None,
        }
    }

    fn take_pin(&mut self, pinned: Arc<Pinned>) {
        match self {
            Self::Whole(whole) => whole.take_pin(pinned),
            Self::Part(part) => part.take_pin(pinned),
        }
    }

    /// The next page, if it was made for somebody else.
    fn take_shelved(&mut self, spelling: Spelling) -> Option<Bytes> {
        match self {
            Self::Whole(whole) => whole.take_shelved(spelling),
            Self::Part(_) => None,
        }
    }

    /// The message of the next page. `None`: it takes longer, and others have their turn first.
    fn message(&mut self, pin: &dyn Pin, spelling: Spelling, head: Seq) -> Result<Option<Bytes>, LogError> {
        match self {
            Self::Whole(whole) => whole.message(pin, spelling, head).map(Some),
            Self::Part(part) => Ok(part.next(pin, spelling.channel, head)?.map(|page| spelling.spell(page))),
        }
    }
}

impl Spelling {
    /// The bytes of a page's message.
    pub(crate) fn spell(self, page: Page) -> Bytes {
        let bytes = self.codec.encode_server(&ServerFrame::Page(page));
        match self.deflate && bytes.len() >= limits::DEFLATED_PAGE_BYTES {
            true => deflate(&[&bytes]).into(),
            false => bytes.into(),
        }
    }
}
