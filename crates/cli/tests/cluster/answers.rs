//! What a client is told of its own events, whichever node decides on them: each once, in their order, before it sees them.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tapeline_core::codec::Codec;
use tapeline_core::event::{Authored, Body};
use tapeline_core::frame::{ClientFrame, Hello, Live, Open, PROTOCOL, ServerFrame};
use tapeline_core::name::{Collection, Key, ObjectId, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EventNumber, Seq};
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::world::{World, in_time};

const CLIENT: ClientId = ClientId(77);
const CHANNEL: Channel = Channel(3);
/// Frames, and events in each.
const FRAMES: u64 = 100;
const EVENTS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_of_each_event_once_in_order_and_before_it_sees_it() {
    let world = World::together(1, 2).await;
    for decides in [false, true] {
        let name = format!("lists/{decides}");
        let holder = world.holder(&name);
        let node = if decides { holder } else { 1 - holder };
        in_time(check(&world.nodes[node].url, &StreamName::new(name).expect("a name"))).await;
    }
}

async fn check(url: &str, stream: &StreamName) {
    let mut request = format!("{url}/v1/sync").into_client_request().expect("an address");
    let subprotocol = HeaderValue::from_static(Codec::Cbor.subprotocol());
    request.headers_mut().insert("sec-websocket-protocol", subprotocol);
    let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("connected");
    let (mut sender, mut receiver) = socket.split();
    let hello = Hello { protocol: PROTOCOL, agent: "test".into(), token: None, deflate: false, schema: None };
    let open = Open::new(CHANNEL, stream.clone(), CLIENT, Live::From(Seq::FIRST));
    let pushes = (0..FRAMES).map(|frame| {
        let events = (1..=EVENTS).map(|place| event(EventNumber(frame * EVENTS + place))).collect();
        ClientFrame::Push { channel: CHANNEL, events }
    });
    let frames: Vec<_> = [ClientFrame::Hello(hello), ClientFrame::Open(open)].into_iter().chain(pushes).collect();
    tokio::spawn(async move {
        for frame in frames {
            sender.send(Message::Binary(Codec::Cbor.encode_client(&frame).into())).await.expect("sent");
            // So that they come to be decided on one after another.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (mut told, mut seen) = (EventNumber(0), 0);
    while seen < FRAMES * EVENTS {
        let Some(Ok(Message::Binary(bytes))) = receiver.next().await else { continue };
        match Codec::Cbor.decode_server(&bytes).expect("a frame") {
            ServerFrame::Ack { runs, .. } => {
                for run in runs {
                    assert_eq!((run.n, run.seq), (told.next(), Seq(told.0)), "each once, in order");
                    told = told.plus(run.count);
                }
            }
            ServerFrame::Events(events) => {
                for event in events.block.events() {
                    let event = event.expect("an event");
                    seen += 1;
                    assert!(event.n <= told, "{} was seen before it was told of, as far as {told}", event.n);
                }
            }
            ServerFrame::Welcome(_) | ServerFrame::Opened(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn event(n: EventNumber) -> Authored {
    let id = ObjectId::new(format!("t{n}")).expect("an id");
    let key = Key { collection: Collection::new("things").expect("a name"), id };
    let set = FieldMap::new(vec![("n".parse().expect("a name"), Value::Int(n.0 as i64))]).expect("a field");
    let op = Op { key, seen: None, action: Action::Upsert(set) };
    let body = Body { base: Seq::FIRST, ops: vec![op], ..Body::default() };
    Authored { client: CLIENT, n, settled: EventNumber(0), body }
}
