//! The protocol as a raw client sees it, in both codecs.

mod support;

use support::{World, titles, title, update};
use tapeline_core::codec::Codec;
use tapeline_core::frame::{AckRun, Live, ServerFrame};
use tapeline_core::numbers::{EventNumber, Seq};

#[tokio::test]
async fn an_edit_is_acknowledged_and_then_played() {
    for codec in Codec::ALL {
        let world = World::new().await;
        let mut author = world.client_of(codec).await;
        let mut reader = world.client_of(codec).await;
        let opened = author.open(1, "lists/groceries", 1, Live::From(Seq(0))).await;
        assert_eq!((opened.head, opened.last, opened.verdicts), (Seq(0), vec![EventNumber(0)], vec![]));
        reader.open(7, "lists/groceries", 2, Live::Head).await;
        author.push(1, vec![title(1, 1, "a", "milk"), title(1, 2, "b", "bread")]).await;
        assert_eq!(author.hear_ack().await, [AckRun { n: EventNumber(1), seq: Seq(0), count: 2 }]);
        author.hear_range(0, 2).await;
        let events = reader.hear_events().await;
        assert_eq!((events.head, events.block.range()), (Seq(2), Seq(0)..Seq(2)));
        assert_eq!(events.channel.0, 7);
        author.push(1, vec![update(1, 3, "nothing")]).await;
        assert!(matches!(author.hear().await, ServerFrame::Refused { n: EventNumber(3), .. }));
        author.push(1, titles(1, 4..5)).await;
        author.hear_ack().await;
        author.hear_range(2, 3).await;
        world.server.stop().await;
    }
}
