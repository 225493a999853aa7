//! What a receiver is told.
//!
//! ```text
//! {"receiver":"mail","streams":[{"stream":"shops/1","gone":{"from":3,"to":12},"events":[{"seq":12,…},…]}]}
//! ```
//!
//! Events are spelled as over plain HTTP. `gone` stands where events were let go before they were told.

use serde::Serialize;
use serde_json::value::RawValue;
use tapeline_core::block::EventBlock;
use tapeline_core::codec::{CodecError, json};
use tapeline_core::name::StreamName;
use tapeline_core::numbers::Seq;

/// What a receiver is told of one stream.
pub(super) struct Part {
    pub(super) stream: StreamName,
    /// The events that it is not told because they were let go.
    gone: Option<Gone>,
    events: Vec<Box<RawValue>>,
    /// How far it is with this.
    pub(super) end: Seq,
}

#[derive(Clone, Copy, Serialize)]
struct Gone {
    from: u64,
    to: u64,
}

impl Part {
    /// The events of a block, for a receiver that is at `from`.
    pub(super) fn new(stream: StreamName, from: Seq, block: &EventBlock) -> Result<Self, CodecError> {
        let gone = (from < block.from()).then(|| Gone { from: from.0, to: block.from().0 });
        let events = block.events().map(|event| {
            // Our own writer writes nothing else than JSON.
            Ok(RawValue::from_string(json::recorded_to_json(&event?)).unwrap_or_default())
        });
        Ok(Self { stream, gone, events: events.collect::<Result<_, CodecError>>()?, end: block.end() })
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gone.is_none()
    }

    /// How many events it tells of.
    pub(super) fn count(&self) -> u64 {
        self.events.len() as u64
    }

    /// Roughly how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.get().len()).sum::<usize>() + self.stream.as_str().len()
    }
}

#[derive(Serialize)]
struct Told<'a> {
    receiver: &'a str,
    streams: Vec<ToldPart<'a>>,
}

#[derive(Serialize)]
struct ToldPart<'a> {
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<Gone>,
    events: &'a [Box<RawValue>],
}

/// Spells what a receiver is told.
pub(super) fn spell(receiver: &str, parts: &[Part]) -> String {
    let streams =
        parts.iter().map(|Part { stream, gone, events, .. }| ToldPart { stream: stream.as_str(), gone: *gone, events });
    let told = Told { receiver, streams: streams.collect() };
    serde_json::to_string(&told).unwrap_or_default()
}
