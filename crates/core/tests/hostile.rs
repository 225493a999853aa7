//! Whatever arrives, reading it ends: with an error, or with something that can be said again. Never with a panic, a
//! deep recursion or memory taken on the word of a length.

mod support;

use fastrand::Rng;
use support::for_seeds;
use tapeline_core::batch::Batch;
use tapeline_core::codec::{Codec, CodecError, cbor, json};
use tapeline_core::limits;
use tapeline_core::state::{ClientState, StreamState};
use tapeline_core::value::Value;

/// Inputs that once broke something, or are of a kind that might: one a line, as hexadecimal bytes or as text.
const CBOR_CORPUS: &str = include_str!("corpus/cbor.hex");
const JSON_CORPUS: &str = include_str!("corpus/json.txt");

const MEGABYTES: usize = 1 << 20;

#[test]
fn the_corpus_is_harmless() {
    for line in lines(CBOR_CORPUS) {
        read_as_everything(&support::from_hex(line));
    }
    for line in lines(JSON_CORPUS) {
        read_as_everything(line.as_bytes());
    }
}

#[test]
fn random_bytes_are_harmless() {
    for_seeds(20_000, |_, random| {
        let bytes: Vec<u8> = (0..random.usize(0..60)).map(|_| random.u8(..)).collect();
        read_as_everything(&bytes);
    });
}

#[test]
fn random_json_is_harmless() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\\u",
        "d800",
        "0",
        "-",
        "1e9",
        ".5",
        "null",
        "true",
        " ",
        "\"frame\"",
        "\"push\"",
        "\"open\"",
        "\"events\"",
        "\"ops\"",
        "\"insert\"",
        "\"id\"",
        "\"$int\"",
        "\"$bytes\"",
        "\"$map\"",
    ];
    for_seeds(20_000, |_, random| {
        let text: String = (0..random.usize(0..30)).map(|_| *random.choice(&pieces).unwrap()).collect();
        read_as_everything(text.as_bytes());
    });
}

#[test]
fn what_is_read_of_damaged_frames_can_be_said_again() {
    for_seeds(6_000, |seed, random| {
        for codec in Codec::ALL {
            let mut bytes = match random.bool() {
                true => codec.encode_client(&support::client_frame(random)),
                false => codec.encode_server(&support::server_frame(random)),
            };
            (0..random.u8(1..4)).for_each(|_| damage(random, &mut bytes));
            read_as_everything(&bytes);
            if let Ok(frame) = codec.decode_client(&bytes) {
                assert_eq!(codec.decode_client(&codec.encode_client(&frame)), Ok(frame), "seed {seed}");
            }
            if let Ok(frame) = codec.decode_server(&bytes) {
                assert_eq!(Codec::Cbor.decode_server(&Codec::Cbor.encode_server(&frame)), Ok(frame), "seed {seed}");
            }
        }
    });
}

#[test]
fn damaged_rows_of_storage_are_harmless() {
    for_seeds(3_000, |_, random| {
        let batch = Batch { block: support::block(random), verdicts: Vec::new() };
        let mut client = ClientState::default();
        client.decide(support::verdict(random));
        for mut bytes in [batch.encode(), client.encode()] {
            damage(random, &mut bytes);
            read_as_everything(&bytes);
        }
    });
}

#[test]
fn nothing_may_be_cut_off_or_hung_on() {
    for_seeds(300, |seed, random| {
        let frame = support::client_frame(random);
        for codec in Codec::ALL {
            let mut bytes = codec.encode_client(&frame);
            for len in 0..bytes.len() {
                assert!(codec.decode_client(&bytes[..len]).is_err(), "seed {seed}, {codec:?} cut to {len}");
            }
            bytes.push(b'0');
            assert!(codec.decode_client(&bytes).is_err(), "seed {seed}, {codec:?}");
        }
    });
}

#[test]
fn lists_in_lists_by_the_million_end_where_the_limit_is() {
    let deep = vec![0x81; 4 * MEGABYTES];
    assert_eq!(cbor::decode_value(&deep), Err(CodecError::TooDeep.into()));
    let deep = "[".repeat(4 * MEGABYTES);
    assert!(matches!(json::value_from_json(&deep), Err(CodecError::Json(_))));
}

#[test]
fn an_unknown_part_is_skipped_however_deep_it_is() {
    // {0: 7, 40: [[[…[0]…]]]}: a ping that says something else besides.
    let mut ping = vec![0xa2, 0x00, 0x07, 0x18, 40];
    ping.extend(vec![0x81; 4 * MEGABYTES]);
    assert!(Codec::Cbor.decode_client(&ping).is_err());
    ping.push(0);
    assert!(Codec::Cbor.decode_client(&ping).is_ok());
}

#[test]
fn values_nest_as_deep_as_the_limit_says() {
    let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::List([inner].into()));
    for (depth, fits) in [(limits::VALUE_DEPTH, true), (limits::VALUE_DEPTH + 1, false)] {
        let value = nested(depth);
        let expected = if fits { Ok(value.clone()) } else { Err(CodecError::TooDeep) };
        assert_eq!(cbor::decode_value(&cbor::encode_value(&value)).map_err(CodecError::from), expected);
        assert_eq!(json::value_from_json(&json::value_to_json(&value)), expected);
    }
}

#[test]
fn lengths_that_lie_are_refused_at_once() {
    for major in [0x40, 0x60, 0x80, 0xa0] {
        for len in [1_000, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
            let mut bytes = vec![major | 27];
            bytes.extend(len.to_be_bytes());
            bytes.extend([0; 100]);
            assert!(cbor::decode_value(&bytes).is_err());
            read_as_everything(&bytes);
        }
    }
    // Each array says that there are as many items as bytes: together more than any number can count.
    let mut bytes = vec![0xa2, 0x00, 0x07, 0x18, 40];
    (0..100_000u32).for_each(|i| bytes.extend([0x9a].into_iter().chain((500_000 - 5 * i).to_be_bytes())));
    assert!(Codec::Cbor.decode_client(&bytes).is_err());
}

#[test]
fn more_than_the_limits_allow_is_refused() {
    let events = "{\"client\":\"00000000000000000000000001\",\"n\":1,\"ops\":[]},".repeat(limits::PUSH_EVENTS + 1);
    let push = format!(r#"{{"frame":"push","channel":1,"events":[{}]}}"#, events.trim_end_matches(','));
    let too_many =
        CodecError::TooMany { what: "events in one push", found: limits::PUSH_EVENTS + 1, most: limits::PUSH_EVENTS };
    assert_eq!(Codec::Json.decode_client(push.as_bytes()), Err(too_many));
    let ops = r#"{"delete":"a","id":"b"},"#.repeat(limits::EVENT_OPS + 1);
    let body = format!(r#"{{"ops":[{}]}}"#, ops.trim_end_matches(','));
    assert!(matches!(json::body_from_json(&body), Err(CodecError::TooMany { what: "ops in one event", .. })));
    let fields: Vec<String> = (0..=limits::OBJECT_FIELDS).map(|field| format!("\"{field}\":0")).collect();
    assert!(matches!(json::fields_from_json(&format!("{{{}}}", fields.join(","))), Err(CodecError::Fields(_))));
}

fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let (place, other) = (random.usize(0..bytes.len()), random.usize(0..bytes.len()));
    match random.u8(0..6) {
        0 => bytes[place] = random.u8(..),
        1 => bytes[place] ^= 1 << random.u8(0..8),
        2 => bytes.truncate(place),
        3 => bytes.insert(place, random.u8(..)),
        4 => drop(bytes.remove(place)),
        _ => {
            let part = bytes[place.min(other)..place.max(other)].to_vec();
            bytes.splice(place..place, part);
        }
    }
}

/// Reads bytes as all that bytes can be.
fn read_as_everything(bytes: &[u8]) {
    for codec in Codec::ALL {
        let _ = codec.decode_client(bytes);
        let _ = codec.decode_server(bytes);
    }
    let _ = cbor::decode_value(bytes);
    let _ = cbor::decode_recorded(bytes);
    let _ = cbor::decode_entry(bytes);
    let _ = cbor::decode_change(bytes);
    let _ = Batch::decode(bytes);
    let _ = StreamState::decode(bytes);
    let _ = ClientState::decode(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = json::value_from_json(text);
        let _ = json::fields_from_json(text);
        let _ = json::op_from_json(text);
        let _ = json::body_from_json(text);
    }
}

fn lines(corpus: &str) -> impl Iterator<Item = &str> {
    corpus.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}
