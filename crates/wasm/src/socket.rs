//! What is said on a socket beside what streams say.

use tapeline_core::codec::cbor;
use tapeline_core::frame::{ClientFrame, ErrorFrame, Hello, PROTOCOL, ServerFrame};
use tapeline_core::numbers::Channel;
use tapeline_core::value::Value;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Result, number, record};

/// The first frame on a socket.
#[wasm_bindgen]
pub fn hello(agent: String, token: Option<String>) -> Vec<u8> {
    cbor::encode_client_frame(&ClientFrame::Hello(Hello { protocol: PROTOCOL, agent, token }))
}

/// Asks for a sign of life.
#[wasm_bindgen]
pub fn ping() -> Vec<u8> {
    cbor::encode_client_frame(&ClientFrame::Ping)
}

/// Closes a stream.
#[wasm_bindgen]
pub fn close(channel: u32) -> Vec<u8> {
    cbor::encode_client_frame(&ClientFrame::Close { channel: Channel(channel) })
}

/// What a frame of the server is about: `{kind, channel?, code?, message?, silence?}`; `kind` is `welcome`, `pong`,
/// `error`, `presence`, or `stream` for what a replica takes.
///
/// # Errors
/// Where the bytes are no frame.
#[wasm_bindgen]
pub fn about(frame: &[u8]) -> Result<Vec<u8>> {
    let (kind, channel) = match cbor::decode_server_frame(frame)? {
        ServerFrame::Welcome(welcome) => {
            return Ok(record([("kind", "welcome".into()), ("silence", number(welcome.silence.0))]));
        }
        ServerFrame::Error(error) => return Ok(about_error(error)),
        ServerFrame::Pong => ("pong", None),
        ServerFrame::Opened(opened) => ("stream", Some(opened.channel)),
        ServerFrame::Events(events) => ("stream", Some(events.channel)),
        ServerFrame::Resync(resync) => ("stream", Some(resync.channel)),
        ServerFrame::Ack { channel, .. } | ServerFrame::Refused { channel, .. } => ("stream", Some(channel)),
    };
    Ok(record([("kind", kind.into()), ("channel", channel_value(channel))]))
}

fn about_error(error: ErrorFrame) -> Vec<u8> {
    record([
        ("kind", "error".into()),
        ("channel", channel_value(error.channel)),
        ("code", error.code.code().into()),
        ("message", error.message.into()),
    ])
}

fn channel_value(channel: Option<Channel>) -> Value {
    channel.map_or(Value::Null, |channel| channel.0.into())
}
