//! The test server's end of sessions that are carried by Server-Sent Events and POSTs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ErrorCode, ServerFrame};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::server::{World, go_away};

type Shared = Arc<Mutex<World>>;
type HangUp = watch::Receiver<Option<ErrorCode>>;
type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) async fn serve(socket: TcpStream, world: Shared, hang_up: HangUp) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (world, hang_up) = (world.clone(), hang_up.clone());
        async move {
            Ok::<_, Infallible>(match *request.method() {
                Method::GET => begin(world, hang_up, request.uri().query().unwrap()),
                _ => speak(&world, request).await,
            })
        }
    });
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
}

fn begin(world: Shared, mut hang_up: HangUp, query: &str) -> Response<Body> {
    let codec = Codec::ALL.into_iter().find(|codec| query == format!("protocol={}", codec.subprotocol())).unwrap();
    let (session, to_send) = world.lock().unwrap().enter();
    world.lock().unwrap().bodies.insert(session, 0);
    hang_up.mark_unchanged();
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        // The codec stands in the secret, so that bodies can be read.
        let secret = format!("event: session\ndata: {session}.{}\n\n", codec.subprotocol());
        if sender.send_data(secret.into()).await.is_ok() {
            send(&mut sender, codec, to_send, hang_up).await;
        }
        world.lock().unwrap().leave(session);
    });
    Response::new(body.boxed_unsync())
}

async fn send(sender: &mut Sender<Bytes>, codec: Codec, mut to_send: mpsc::Receiver<ServerFrame>, mut hang_up: HangUp) {
    loop {
        tokio::select! {
            frame = to_send.recv() => {
                let Some(frame) = frame else { return };
                if sender.send_data(event(codec, &frame)).await.is_err() { return }
            }
            _ = hang_up.changed() => {
                let why = *hang_up.borrow_and_update();
                if let Some(code) = why {
                    drop(sender.send_data(event(codec, &go_away(code))).await);
                }
                return;
            }
        }
    }
}

fn event(codec: Codec, frame: &ServerFrame) -> Bytes {
    let frame = codec.encode_server(frame);
    let data = match codec {
        Codec::Cbor => BASE64_STANDARD.encode(frame),
        Codec::Json => String::from_utf8(frame).unwrap(),
    };
    format!("data: {data}\n\n").into()
}

async fn speak(world: &Shared, request: Request<Incoming>) -> Response<Body> {
    let path: Vec<String> = request.uri().path().split('/').map(Into::into).collect();
    let (session, protocol) = path[3].split_once('.').unwrap();
    let session = session.parse().unwrap();
    let codec = Codec::ALL.into_iter().find(|codec| codec.subprotocol() == protocol).unwrap();
    let Ok(body) = request.into_body().collect().await else { return status(StatusCode::BAD_REQUEST) };
    let mut world = world.lock().unwrap();
    if !world.has(session) {
        return status(StatusCode::NOT_FOUND);
    }
    match path[4].parse::<u64>() {
        Err(_) => world.leave(session),
        Ok(number) if number > world.bodies[&session] => {
            assert_eq!(world.bodies.insert(session, number), Some(number - 1));
            take(&mut world, session, codec, &body.to_bytes());
        }
        Ok(_) => {}
    }
    status(StatusCode::NO_CONTENT)
}

fn take(world: &mut World, session: u64, codec: Codec, mut body: &[u8]) {
    while !body.is_empty() {
        let (frame, rest) = match codec {
            Codec::Json => body.split_at(body.iter().position(|byte| *byte == b'\n').unwrap() + 1),
            Codec::Cbor => {
                let (length, rest) = body.split_first_chunk::<4>().unwrap();
                rest.split_at(u32::from_be_bytes(*length) as usize)
            }
        };
        world.receive(session, codec.decode_client(frame).unwrap());
        body = rest;
    }
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Empty::new().boxed_unsync()).unwrap()
}
