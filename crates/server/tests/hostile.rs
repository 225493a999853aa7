//! What an enemy may send: it is told what is wrong or sent away, and nobody else notices.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use support::sse::{self, Line};
use support::{Client, World, hello, open, title, titles};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{ClientFrame, ErrorCode, Hello, Live, ServerFrame};
use tapeline_core::limits;
use tapeline_core::numbers::{Channel, Seq};
use tapeline_log::memory::MemoryLog;
use tapeline_server::ServerConfig;
use tapeline_server::auth::{Authenticator, new_api_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Bodies that never end take from what all unfinished messages have together.
#[tokio::test]
async fn many_large_requests_at_once_are_put_off() {
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let most = tapeline_server::limits::UNFINISHED_BYTES / (limits::FRAME_BYTES - 1);
    let head =
        format!("POST /v1/streams/s/events HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", limits::FRAME_BYTES);
    let part = vec![b' '; limits::FRAME_BYTES - 1];
    let mut sockets = Vec::new();
    let answer = loop {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        // Where it is answered before all of it has come, the rest may not be taken.
        let _ = socket.write_all(&part).await;
        sockets.push(socket);
        assert!(sockets.len() <= most + 8, "all of them are held");
        if sockets.len() > most {
            let mut answer = vec![0; 12];
            let last = sockets.last_mut().unwrap();
            if tokio::time::timeout(support::PATIENCE / 20, last.read_exact(&mut answer)).await.is_ok() {
                break answer;
            }
        }
    };
    assert_eq!(answer, b"HTTP/1.1 503");
    is_untouched(bystander).await;
}

/// Client ids stand in recorded events: who reads them can name them, and that is all.
#[tokio::test]
async fn a_client_id_of_somebody_else_takes_nothing_from_them() {
    let [ana, eve] = ["ana", "eve"].map(|name| new_api_key(name).unwrap());
    let key = |name: &str, hash: &str| format!("[[keys]]\nname = '{name}'\nhash = '{hash}'\nsubject = '{name}'\n");
    let auth = Authenticator::read(&(key("ana", &ana.hash) + &key("eve", &eve.hash)), Path::new("")).unwrap();
    let config = ServerConfig { auth: Some(Arc::new(auth)), ..ServerConfig::default() };
    let world = World::with(Arc::new(MemoryLog::new()), config).await;
    let connect = async |key: &str| {
        let mut client = Client::connect(world.address, Codec::Cbor).await;
        client.say(ClientFrame::Hello(Hello { token: Some(key.into()), ..hello() })).await;
        assert!(matches!(client.hear().await, ServerFrame::Welcome(_)));
        client
    };
    let (mut anas, mut eves) = (connect(&ana.key).await, connect(&eve.key).await);
    anas.open(0, "s", 7, Live::From(Seq(0))).await;
    anas.push(0, titles(7, 1..2)).await;
    anas.hear_ack().await;
    anas.hear_range(0, 1).await;
    for live in [Live::No, Live::From(Seq(0))] {
        eves.say(ClientFrame::Open(open(3, "s", 7, live))).await;
        assert_eq!(eves.hear_error().await.code, ErrorCode::Forbidden);
    }
    anas.push(0, titles(7, 2..3)).await;
    anas.hear_ack().await;
    anas.hear_range(1, 2).await;
}

/// A seed, printed so that a failure can be had again with `SEED=…`.
fn random() -> fastrand::Rng {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Somebody who minds its own business, and must be able to.
async fn bystander(world: &World) -> Client {
    let mut client = world.client().await;
    client.open(0, "quiet", 1, Live::From(Seq(0))).await;
    client
}

async fn is_untouched(mut client: Client) {
    client.push(0, vec![title(1, 1, "a", "x")]).await;
    client.hear_acks(1).await;
    client.hear_range(0, 1).await;
}

/// Hears whatever comes until the socket closes or a pong comes.
async fn drain(client: &mut Client) {
    let _ = client.socket.send(Message::Binary(client.codec.encode_client(&ClientFrame::Ping).into())).await;
    let heard = async {
        while let Some(Ok(message)) = client.socket.next().await {
            if let Message::Binary(bytes) = message
                && client.codec.decode_server(&bytes) == Ok(tapeline_core::frame::ServerFrame::Pong)
            {
                return;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, heard).await.expect("the server answers or closes");
}

#[tokio::test]
async fn frames_that_are_mutated_cut_or_made_up() {
    let mut random = random();
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let good: Vec<Vec<u8>> = [
        ClientFrame::Hello(hello()),
        ClientFrame::Open(open(0, "s", 2, Live::From(Seq(0)))),
        ClientFrame::Push { channel: Channel(0), events: titles(2, 1..4) },
        ClientFrame::Fetch { channel: Channel(0), from: Seq(0), to: Seq(9) },
        ClientFrame::Close { channel: Channel(0) },
    ]
    .iter()
    .map(|frame| Codec::Cbor.encode_client(frame))
    .collect();
    for _ in 0..150 {
        let mut client = Client::connect(world.address, Codec::Cbor).await;
        let honest = random.usize(0..good.len());
        for frame in &good[..honest] {
            client.say_bytes(frame.clone()).await;
        }
        for _ in 0..random.usize(1..12) {
            let mut frame = good[random.usize(..good.len())].clone();
            match random.u8(..3) {
                0 => frame.truncate(random.usize(..frame.len())),
                1 => (0..random.usize(1..4)).for_each(|_| {
                    let place = random.usize(..frame.len());
                    frame[place] = random.u8(..);
                }),
                _ => frame = (0..random.usize(..200)).map(|_| random.u8(..)).collect(),
            }
            if client.socket.send(Message::Binary(frame.into())).await.is_err() {
                break;
            }
        }
        drain(&mut client).await;
    }
    is_untouched(bystander).await;
}

#[tokio::test]
async fn bytes_that_are_no_websocket() {
    let mut random = random();
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let handshake = "GET /v1/sync HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: tapeline.v1.cbor\r\n\r\n";
    for round in 0..100 {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let mut bytes: Vec<u8> = if round % 2 == 0 { handshake.into() } else { Vec::new() };
        bytes.extend((0..random.usize(1..3_000)).map(|_| random.u8(..)));
        // The server may close before it has all.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
        assert!(round % 2 == 1 || answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    }
    is_untouched(bystander).await;
}

#[tokio::test]
async fn requests_that_are_no_requests() {
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    let smuggled = "POST /v1/streams/s/events HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nzzz\r\n";
    for request in [long.as_str(), many.as_str(), smuggled, "\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ =
            tokio::time::timeout(support::PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{answer}");
    }
    is_untouched(bystander).await;
}

#[tokio::test]
async fn messages_that_are_too_large() {
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let mut client = Client::connect(world.address, Codec::Cbor).await;
    let _ = client.socket.send(Message::Binary(vec![0; 20 << 10].into())).await;
    assert_eq!(client.hear_close().await, Some(CloseCode::Size));
    let mut client = world.client().await;
    let _ = client.socket.send(Message::Binary(vec![0; limits::FRAME_BYTES + 1].into())).await;
    assert!(matches!(client.hear_close().await, Some(CloseCode::Size) | None));
    let mut client = world.client().await;
    client.say_bytes(vec![0; limits::FRAME_BYTES]).await;
    assert_eq!(client.hear_error().await.code, tapeline_core::frame::ErrorCode::BadFrame);
    client.hears_nothing_more().await;
    is_untouched(bystander).await;
}

#[tokio::test]
async fn messages_that_never_end_take_no_more_than_there_is() {
    let world = World::new().await;
    let bystander = bystander(&world).await;
    let mut sockets = Vec::new();
    for _ in 0..60 {
        let mut client = world.client().await;
        // The head of a binary message of 4 MiB, and 3 MiB of it.
        let stream = client.socket.get_mut();
        stream.write_all(&[0x82, 0xff]).await.unwrap();
        stream.write_all(&(4u64 << 20).to_be_bytes()).await.unwrap();
        stream.write_all(&[0; 4]).await.unwrap();
        if stream.write_all(&vec![0; 3 << 20]).await.is_ok() {
            sockets.push(client);
        }
    }
    // 60 times 3 MiB is more than all sockets may have together: the last ones are sent away.
    let last = sockets.last_mut().unwrap();
    assert!(matches!(last.hear_close().await, Some(CloseCode::Again) | None));
    is_untouched(bystander).await;
}

/// Bodies of a session that came by Server-Sent Events: mutated, cut, made up, under any number.
#[tokio::test]
async fn bodies_that_are_no_bodies() {
    let (world, mut random) = (World::new().await, random());
    let bystander = bystander(&world).await;
    for codec in Codec::ALL {
        let good = [ClientFrame::Ping, ClientFrame::Open(open(1, "s", 9, Live::Head)), ClientFrame::Ping];
        let good = sse::body(codec, &good);
        for _ in 0..60 {
            let line = Line::connect(world.address, codec).await;
            let mut body = good.clone();
            match random.u8(..3) {
                0 => body.truncate(random.usize(..good.len())),
                1 => (0..4).for_each(|_| body[random.usize(..good.len())] = random.u8(..)),
                _ => body = (0..random.usize(..64)).map(|_| random.u8(..)).collect(),
            }
            let last = ["1", "2", "goodbye", "x", ""][random.usize(..5)];
            let status = line.post_to(last, &body).await.status;
            assert!(matches!(status, 204 | 400 | 404 | 409), "{status}");
        }
    }
    is_untouched(bystander).await;
}
