//! The golden vectors: what every implementation of the protocol must write, read and refuse. `golden/README.md` tells
//! how another one is tested with them.

mod support;

use serde_json::Value as Json;
use support::from_hex;
use tapeline_core::codec::{Codec, CodecError, cbor, json};
use tapeline_core::frame::ServerFrame;
use tapeline_core::hash::{Chain, Digest};
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{ClientId, Millis, Seq};
use tapeline_core::object::{Entry, Object, Write, apply};
use tapeline_core::op::{Action, Op};

const CLIENT_FRAMES: &str = include_str!("golden/client_frames.json");
const SERVER_FRAMES: &str = include_str!("golden/server_frames.json");
const VALUES: &str = include_str!("golden/values.json");
const OBJECTS: &str = include_str!("golden/objects.json");
const HASHES: &str = include_str!("golden/hashes.json");
const REFUSED: &str = include_str!("golden/refused.json");

#[test]
fn client_frames_are_written_and_read_as_they_must_be() {
    for vector in vectors(CLIENT_FRAMES, "vectors") {
        check_frame(&vector, Codec::encode_client, Codec::decode_client);
    }
}

#[test]
fn server_frames_are_written_and_read_as_they_must_be() {
    for vector in vectors(SERVER_FRAMES, "vectors") {
        check_frame(&vector, Codec::encode_server, Codec::decode_server);
        if let Some(after) = vector["chain_after"].as_str() {
            let frame = Codec::Cbor.decode_server(&bytes(&vector["cbor"]));
            let Ok(ServerFrame::Events(events)) = frame else { panic!("{vector}: no events") };
            assert_eq!(events.block.after().to_string(), after, "{vector}");
        }
    }
}

#[test]
fn values_are_written_and_read_as_they_must_be() {
    for vector in vectors(VALUES, "vectors") {
        let (name, text, bytes) = (&vector["name"], text(&vector["json"]), bytes(&vector["cbor"]));
        let value = cbor::decode_value(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cbor::encode_value(&value), bytes, "{name}");
        assert_eq!(json::value_to_json(&value), text, "{name}");
        for text in [text].into_iter().chain(others(&vector, "json")) {
            assert_eq!(json::value_from_json(text).as_ref(), Ok(&value), "{name}: {text}");
        }
        for digits in others(&vector, "cbor") {
            assert_eq!(cbor::decode_value(&from_hex(digits)).as_ref(), Ok(&value), "{name}: {digits}");
        }
    }
}

#[test]
fn objects_have_the_digests_they_must_have() {
    let mut sum = Digest::EMPTY;
    for vector in vectors(OBJECTS, "vectors") {
        let (key, object) = object(&vector);
        let canonical = cbor::canonical_object(&key, &object);
        assert_eq!(canonical, bytes(&vector["canonical"]), "{vector}");
        assert_eq!(Digest::of(&canonical).to_string(), text(&vector["digest"]), "{vector}");
        assert_eq!(parse(&json::object_fields_to_json(&object)), vector["fields"], "{vector}");
        sum = sum.plus(Digest::of(&canonical));
    }
    assert_eq!(sum.to_string(), text(&parse(OBJECTS)["sum"]));
}

#[test]
fn contents_and_logs_have_the_hashes_they_must_have() {
    for vector in vectors(HASHES, "content") {
        let body = json::body_from_json(&vector["body"].to_string()).unwrap();
        let encoded = cbor::encode_body(&body);
        assert_eq!(encoded.bytes(), bytes(&vector["bytes"]), "{vector}");
        assert_eq!(format!("{:016x}", encoded.hash().0), text(&vector["hash"]), "{vector}");
    }
    for vector in vectors(HASHES, "chain") {
        let before = u64::from_str_radix(text(&vector["before"]), 16).unwrap();
        let recorded = bytes(&vector["recorded"]);
        let event = cbor::decode_recorded(&recorded).unwrap();
        assert_eq!(cbor::encode_recorded(&event), recorded, "{vector}");
        assert_eq!(Chain(before).extend(&recorded).to_string(), text(&vector["after"]), "{vector}");
    }
}

#[test]
fn what_must_be_refused_is_refused() {
    for vector in vectors(REFUSED, "vectors") {
        let (name, frame) = (&vector["name"], text(&vector["as"]) == "frame");
        if let Some(text) = vector["json"].as_str() {
            let read = match frame {
                true => Codec::Json.decode_client(text.as_bytes()).map(drop),
                false => json::value_from_json(text).map(drop),
            };
            assert!(read.is_err(), "{name}: {text}");
        }
        if let Some(digits) = vector["cbor"].as_str() {
            let read = match frame {
                true => Codec::Cbor.decode_client(&from_hex(digits)).map(drop),
                false => cbor::decode_value(&from_hex(digits)).map(drop).map_err(Into::into),
            };
            assert!(read.is_err(), "{name}: {digits}");
        }
    }
}

/// Checks that the two spellings of a frame read as one, and that it is written as they say.
fn check_frame<T: PartialEq + std::fmt::Debug>(
    vector: &Json,
    encode: impl Fn(Codec, &T) -> Vec<u8>,
    decode: impl Fn(Codec, &[u8]) -> Result<T, CodecError>,
) {
    let (name, spelled, bytes) = (&vector["name"], vector["json"].to_string(), bytes(&vector["cbor"]));
    let frame = decode(Codec::Cbor, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(encode(Codec::Cbor, &frame), bytes, "{name}");
    assert_eq!(serde_json::from_slice::<Json>(&encode(Codec::Json, &frame)).unwrap(), vector["json"], "{name}");
    for text in [spelled.as_str()].into_iter().chain(others(vector, "json")) {
        assert_eq!(decode(Codec::Json, text.as_bytes()).as_ref(), Ok(&frame), "{name}: {text}");
    }
    for digits in others(vector, "cbor") {
        assert_eq!(decode(Codec::Cbor, &from_hex(digits)).as_ref(), Ok(&frame), "{name}: {digits}");
    }
}

fn object(vector: &Json) -> (Key, Object) {
    let collection = Collection::new(text(&vector["collection"])).unwrap();
    let key = Key { collection, id: ObjectId::new(text(&vector["id"])).unwrap() };
    let action = Action::Insert(json::fields_from_json(&vector["fields"].to_string()).unwrap());
    let mut entry = None;
    apply(&mut entry, &Op { key: key.clone(), seen: None, action }, &Write::pending(ClientId(0), Seq(0), Millis(0)));
    let object = entry.as_ref().and_then(Entry::live).unwrap().as_ref().clone();
    (key, object)
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn vectors(file: &str, list: &str) -> Vec<Json> {
    let vectors = parse(file)[list].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    vectors
}

/// Other spellings that read the same.
fn others<'a>(vector: &'a Json, codec: &str) -> impl Iterator<Item = &'a str> {
    vector["reads_the_same"][codec].as_array().into_iter().flatten().map(text)
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

fn bytes(json: &Json) -> Vec<u8> {
    from_hex(text(json))
}
