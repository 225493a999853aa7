//! A reader that stops reading slows nobody, costs no memory for what it has not read, and catches up.

mod support;

use support::{World, event, key};
use tapeline_core::event::Authored;
use tapeline_core::frame::Live;
use tapeline_core::name::FieldName;
use tapeline_core::numbers::Seq;
use tapeline_core::op::{Action, FieldMap, Op};
use tapeline_core::value::Value;

const EVENTS: u64 = 3_000;
const BYTES: usize = 16 << 10;
/// What the kernel may hold on both ends of a loopback connection, and the server for one socket, with room to spare.
const MOST_UNREAD: u64 = 20 << 20;

fn large(n: u64) -> Authored {
    let set = FieldMap::new(vec![(FieldName::new("text").unwrap(), Value::text("x".repeat(BYTES)))]).unwrap();
    event(1, n, vec![Op { key: key("a"), seen: None, action: Action::Upsert(set) }])
}

#[tokio::test]
async fn a_reader_that_stops_reading_slows_nobody() {
    let world = World::new().await;
    let mut stopped = world.client().await;
    stopped.open(0, "s", 2, Live::From(Seq(0))).await;
    let mut author = world.client().await;
    author.open(0, "s", 1, Live::No).await;
    for n in 1..=EVENTS {
        author.push(0, vec![large(n)]).await;
        author.hear_acks(1).await;
    }
    assert!(EVENTS * BYTES as u64 > MOST_UNREAD * 2);
    let delivered = world.metric("tapeline_delivered_bytes_total").await;
    assert!((1..MOST_UNREAD).contains(&delivered), "{delivered} bytes were taken for a reader that does not read");
    let mut other = world.client().await;
    other.open(0, "s", 3, Live::From(Seq(0))).await;
    other.hear_range(0, EVENTS).await;
    stopped.hear_range(0, EVENTS).await;
    author.push(0, vec![large(EVENTS + 1)]).await;
    stopped.hear_range(EVENTS, EVENTS + 1).await;
}
