//! Whatever can be said comes back as it was said, in both codecs, and both say the same.

mod support;

use std::fmt::Debug;

use support::for_seeds;
use tapeline_core::batch::{Batch, ClientVerdict};
use tapeline_core::codec::{Codec, CodecError, cbor, json};
use tapeline_core::frame::ServerFrame;
use tapeline_core::hash::{Chain, Digest};
use tapeline_core::numbers::{EventNumber, Incarnation, Position, Seq};
use tapeline_core::object::Entry;
use tapeline_core::op::Action;
use tapeline_core::state::{ClientState, StreamState};
use tapeline_core::valid::Changed;

#[test]
fn client_frames_come_back() {
    for_seeds(2_000, |seed, random| {
        let frame = support::client_frame(random);
        for codec in Codec::ALL {
            let bytes = codec.encode_client(&frame);
            comes_back(seed, &frame, codec.decode_client(&bytes));
            others_can_read(seed, codec, &bytes);
        }
    });
}

#[test]
fn server_frames_come_back() {
    for_seeds(2_000, |seed, random| {
        let frame = support::server_frame(random);
        for codec in Codec::ALL {
            let bytes = codec.encode_server(&frame);
            comes_back(seed, &frame, codec.decode_server(&bytes));
            others_can_read(seed, codec, &bytes);
        }
    });
}

#[test]
fn values_come_back_with_the_same_canonical_bytes() {
    for_seeds(3_000, |seed, random| {
        let value = support::value(random);
        let (bytes, text) = (cbor::encode_value(&value), json::value_to_json(&value));
        comes_back(seed, &value, cbor::decode_value(&bytes).map_err(Into::into));
        comes_back(seed, &value, json::value_from_json(&text));
        assert_eq!(json::value_from_json(&text).map(|value| cbor::encode_value(&value)), Ok(bytes), "seed {seed}");
    });
}

#[test]
fn a_chain_is_the_same_through_json() {
    for_seeds(300, |seed, random| {
        let events = loop {
            if let ServerFrame::Events(events) = support::server_frame(random) {
                break events;
            }
        };
        let text = Codec::Json.encode_server(&ServerFrame::Events(events.clone()));
        let Ok(ServerFrame::Events(read)) = Codec::Json.decode_server(&text) else { panic!("seed {seed}") };
        assert_eq!(read.block.after(), events.block.after(), "seed {seed}");
    });
}

#[test]
fn an_op_or_body_alone_reads_as_it_does_in_a_frame() {
    for_seeds(500, |seed, random| {
        let event = support::recorded(random, Seq(seed));
        let text = json::recorded_to_json(&event);
        comes_back(seed, &event.body, json::body_from_json(&text));
        assert!(!text.contains('\n'), "seed {seed}: not one line");
    });
    let op = json::op_from_json(r#"{"insert":"tasks","id":"1","set":{"title":"x"}}"#).unwrap();
    let Action::Insert(set) = op.action else { panic!("not an insert") };
    assert_eq!(json::fields_from_json(r#"{"title":"x"}"#), Ok(set));
}

#[test]
fn what_is_to_become_of_an_object_comes_back_with_its_fields() {
    for_seeds(1_000, |seed, random| {
        let [before, after] = [(); 2].map(|()| support::random_entry(random).as_ref().and_then(Entry::live).cloned());
        let changed = Changed { key: support::key(random), before, after };
        let (stream, read) = cbor::decode_change(&cbor::encode_change("lists/home", &changed.as_change())).unwrap();
        let fields =
            |changed: &Changed| [&changed.before, &changed.after].map(|it| it.as_ref().map(|it| it.to_value()));
        assert_eq!((stream.as_str(), &read.key), ("lists/home", &changed.key), "seed {seed}");
        assert_eq!(fields(&read), fields(&changed), "seed {seed}");
    });
}

#[test]
fn entries_come_back() {
    for_seeds(1_000, |seed, random| {
        let Some(entry) = support::random_entry(random) else { return };
        comes_back(seed, &entry, cbor::decode_entry(&cbor::encode_entry(&entry)).map_err(Into::into));
    });
}

#[test]
fn batches_come_back() {
    for_seeds(300, |seed, random| {
        let verdicts = (0..random.u8(0..4)).map(|_| ClientVerdict {
            client: support::client(random),
            subject: None,
            own: support::verdict(random),
        });
        let batch = Batch { verdicts: verdicts.collect(), block: support::block(random) };
        comes_back(seed, &batch, Batch::decode(&batch.encode()));
    });
}

#[test]
fn the_states_of_streams_and_clients_come_back() {
    for_seeds(300, |seed, random| {
        let state = StreamState {
            incarnation: Incarnation(random.u64(..)),
            position: Position(random.u64(..)),
            head: Seq(random.u64(..)),
            chain: Chain(random.u64(..)),
            live: random.u64(..),
            digest: Digest(random.u128(..)),
        };
        comes_back(seed, &state, StreamState::decode(&state.encode()));
        let mut client = ClientState::default();
        (0..random.u8(0..5)).for_each(|_| client.decide(support::verdict(random)));
        client.settle(EventNumber(random.u64(0..9)));
        comes_back(seed, &client, ClientState::decode(&client.encode()));
    });
}

fn comes_back<T: PartialEq + Debug>(seed: u64, said: &T, read: Result<T, CodecError>) {
    assert_eq!(read.as_ref(), Ok(said), "seed {seed}");
}

/// Independent readers of the two formats find one whole thing there.
fn others_can_read(seed: u64, codec: Codec, bytes: &[u8]) {
    match codec {
        Codec::Cbor => {
            let mut reader = minicbor::Decoder::new(bytes);
            assert!(reader.skip().is_ok() && reader.position() == bytes.len(), "seed {seed}");
        }
        Codec::Json => assert!(serde_json::from_slice::<serde_json::Value>(bytes).is_ok(), "seed {seed}"),
    }
}
