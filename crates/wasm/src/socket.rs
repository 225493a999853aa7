//! What is said on a socket beside what streams say.

use tapeline_core::codec::cbor::{self, Glance};
use tapeline_core::frame::{ClientFrame, ErrorFrame, Hello, PROTOCOL, ServerFrame};
use tapeline_core::numbers::{Channel, SchemaVersion};
use tapeline_core::value::Value;

use crate::state::{Answer, answer, text};

fn say(frame: &ClientFrame) -> i32 {
    answer(0, &mut |_, _| Ok(Answer::Bytes(cbor::encode_client_frame(frame))))
}

/// The first frame on a socket. Input: what the client is, then, after `agent` bytes of it, a token where there is one.
/// `deflate`: whether it can inflate. `schema`: the version of the schema that the app was written for; 0 where it says none.
#[unsafe(no_mangle)]
extern "C" fn hello(agent: usize, deflate: u32, schema: u32, bytes: usize) -> i32 {
    answer(bytes, &mut |_, input| {
        let (agent, token) = input.split_at_checked(agent).ok_or("the input is too short")?;
        let token = if token.is_empty() { None } else { Some(text(token)?.into()) };
        let schema = (schema > 0).then_some(SchemaVersion(schema));
        let hello = Hello { protocol: PROTOCOL, agent: text(agent)?.into(), token, deflate: deflate != 0, schema };
        Ok(Answer::Bytes(cbor::encode_client_frame(&ClientFrame::Hello(hello))))
    })
}

/// Asks for a sign of life.
#[unsafe(no_mangle)]
extern "C" fn ping() -> i32 {
    say(&ClientFrame::Ping)
}

/// Closes a stream.
#[unsafe(no_mangle)]
extern "C" fn close(channel: u32) -> i32 {
    say(&ClientFrame::Close { channel: Channel(channel) })
}

/// What a frame of the server is about: `{kind, channel?, code?, message?, expiresIn?}`; `kind` is `welcome`, `error`, `stream` for
/// what a replica takes, or `other`.
#[unsafe(no_mangle)]
extern "C" fn about(bytes: usize) -> i32 {
    answer(bytes, &mut |_, frame| Ok(Answer::Bytes(about_frame(cbor::glance(frame)?))))
}

fn about_frame(frame: Glance) -> Vec<u8> {
    match frame {
        Glance::Whole(ServerFrame::Error(error)) => about_error(error),
        Glance::Whole(ServerFrame::Welcome(welcome)) => {
            let expires_in = welcome.expires_in.map_or(Value::Null, |left| Value::Int(left.0 as i64));
            cbor::encode_named(&[("kind", "welcome".into()), ("expiresIn", expires_in)])
        }
        Glance::Whole(_) => cbor::encode_named(&[("kind", "other".into())]),
        Glance::Stream(None) => cbor::encode_named(&[("kind", "other".into())]),
        Glance::Stream(channel) => {
            cbor::encode_named(&[("kind", "stream".into()), ("channel", channel_value(channel))])
        }
    }
}

fn about_error(error: ErrorFrame) -> Vec<u8> {
    cbor::encode_named(&[
        ("kind", "error".into()),
        ("channel", channel_value(error.channel)),
        ("code", error.code.code().into()),
        ("message", error.message.into()),
    ])
}

fn channel_value(channel: Option<Channel>) -> Value {
    channel.map_or(Value::Null, |channel| channel.0.into())
}
