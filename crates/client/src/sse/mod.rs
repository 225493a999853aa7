//! A session where WebSockets are blocked: the server's frames come as Server-Sent Events in the answer to one GET, the
//! client's go in POSTs, one after the other.

mod bodies;
mod events;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, StatusCode};
use tapeline_core::codec::Codec;
use tapeline_core::frame::ClientFrame;
use tapeline_core::limits;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::http::Http;
use crate::inflate;
use crate::socket::{Address, Ended, Heard, Queues, Socket, SocketError};
use bodies::Bodies;
use events::{Event, Events};

/// How often a body is sent before the session is given up. Under its number it is taken once.
const POST_ATTEMPTS: u32 = 2;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_millis(limits::SILENCE.0);

pub(crate) async fn connect(address: Address) -> Result<Socket, SocketError> {
    let query = format!("?protocol={}", address.codec.subprotocol());
    let answer = Http::new(&address.origin).send(Method::GET, &query, Bytes::new()).await?;
    if answer.status() != StatusCode::OK {
        return Err(refused(answer.status()));
    }
    let mut reading = Reading { body: answer.into_body(), events: Events::default() };
    let secret = match reading.next().await? {
        Event { kind, data } if kind == "session" => data,
        _ => return Err(SocketError::Network("this is no answer of a Tapeline server".into())),
    };
    let (socket, Queues { heard, to_say }) = Socket::new();
    let reading = tokio::spawn(read(reading, address.codec, heard.clone()));
    tokio::spawn(write(address, secret, to_say, heard, reading));
    Ok(socket)
}

/// The answer that carries a session.
struct Reading {
    body: Incoming,
    events: Events,
}

impl Reading {
    async fn next(&mut self) -> Result<Event, SocketError> {
        loop {
            if let Some(event) = self.events.next()? {
                return Ok(event);
            }
            let part = self.body.frame().await.ok_or(SocketError::Cut)??;
            self.events.extend(part.data_ref().map_or(&[], |data| data))?;
        }
    }
}

async fn read(mut reading: Reading, codec: Codec, heard: mpsc::Sender<Heard>) {
    loop {
        let frame = match reading.next().await {
            Ok(Event { kind, data }) if kind == "message" => decode(codec, &data),
            Ok(Event { kind, data }) if kind == "goodbye" => Err(SocketError::Ended(data.into())),
            Ok(_) => continue,
            Err(error) => Err(error),
        };
        let last = frame.is_err();
        // Where nobody listens any more, the session is needed for what is still to be said: until this task is ended.
        heard.send(frame).await.unwrap_or_default();
        if last {
            return;
        }
    }
}

fn decode(codec: Codec, data: &str) -> Heard {
    match codec {
        Codec::Json => inflate::read(codec, data.as_bytes()),
        Codec::Cbor => {
            let bytes = BASE64_STANDARD.decode(data);
            inflate::read(codec, &bytes.map_err(|_| SocketError::Ended("an event is not in base 64".into()))?)
        }
    }
}

/// Sends what is to be said until nobody says more, and then goodbye. The answer is read for as long as that.
async fn write(
    address: Address,
    secret: String,
    to_say: mpsc::Receiver<ClientFrame>,
    heard: mpsc::Sender<Heard>,
    mut reading: JoinHandle<()>,
) {
    let ended = Ended::with(&reading);
    let mut bodies = Bodies::new(address.codec, to_say);
    let mut http = Http::new(&address.origin);
    let mut number = 0u64;
    while let Some(body) = bodies.next().await {
        number += 1;
        if let Err(error) = post(&mut http, &format!("/{secret}/{number}"), body).await {
            // Where the server has ended the session, its answer says why: that is heard rather.
            if tokio::time::timeout(GOODBYE, &mut reading).await.is_err() {
                drop(ended);
                // Where nobody hears it, nobody needs to know.
                heard.send(Err(error)).await.unwrap_or_default();
            }
            return;
        }
    }
    drop(tokio::time::timeout(GOODBYE, post(&mut http, &format!("/{secret}/goodbye"), Bytes::new())).await);
}

/// Posts a body, again where it may not have come.
async fn post(http: &mut Http<'_>, path: &str, body: Bytes) -> Result<(), SocketError> {
    let mut attempts_left = POST_ATTEMPTS;
    loop {
        attempts_left -= 1;
        let sent = tokio::time::timeout(SILENCE, http.send(Method::POST, path, body.clone())).await;
        let error = match sent {
            Ok(Ok(answer)) if answer.status() == StatusCode::NO_CONTENT => return Ok(()),
            Ok(Ok(answer)) if answer.status() != StatusCode::SERVICE_UNAVAILABLE => {
                return Err(refused(answer.status()));
            }
            Ok(Ok(answer)) => refused(answer.status()),
            Ok(Err(error)) => error,
            Err(_) => SocketError::Network("the server does not answer".into()),
        };
        if attempts_left == 0 {
            return Err(error);
        }
    }
}

fn refused(status: StatusCode) -> SocketError {
    SocketError::Network(format!("the server answered {status}").into())
}
