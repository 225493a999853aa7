//! What a replica makes of pages and events, in its simplest form.

use std::collections::{BTreeMap, BTreeSet};

use tapeline_core::codec::cbor::decode_entry;
use tapeline_core::frame::{ClientFrame, Filling, Live, Open, Page, ServerFrame, Subscription};
use tapeline_core::hash::Chain;
use tapeline_core::name::{Collection, Key, ObjectId};
use tapeline_core::numbers::{Position, QueryNumber, Seq};
use tapeline_core::object::Object;
use tapeline_core::objects::Objects;
use tapeline_log::EventLog;

use super::{Client, World, open, stream};

/// Fields by name, as people see them.
pub type Shown = BTreeMap<Key, String>;

/// What was made of the pages and events of one stream.
#[derive(Default)]
pub struct Held {
    pub objects: BTreeMap<Key, Vec<(String, String)>>,
    pub played: Seq,
    pub chain: Chain,
    pub filling: Option<Filling>,
    pub pages: Vec<Page>,
    /// Queries of which all is held.
    pub ready: BTreeSet<QueryNumber>,
}

impl Held {
    pub fn take_page(&mut self, page: Page) {
        if page.fresh {
            self.objects.clear();
        }
        for item in &page.items {
            let entry = decode_entry(&item.entry).unwrap();
            let mut fields = fields(entry.live().unwrap());
            if !item.whole {
                let known = self.objects.get(&item.key).expect("a part is of what is held");
                let others = known.iter().filter(|(name, _)| fields.iter().all(|(other, _)| other != name));
                fields.extend(others.cloned().collect::<Vec<_>>());
                fields.sort();
            }
            self.objects.insert(item.key.clone(), fields);
        }
        for key in &page.gone {
            self.objects.remove(key);
        }
        match (page.query, &page.after) {
            (None, Some(after)) => self.filling = Some(Filling::after(&page, after.clone())),
            (None, None) => {
                (self.filling, self.played) = (None, page.to);
                self.chain = page.chain;
            }
            (Some(number), None) => drop(self.ready.insert(number)),
            (Some(_), Some(_)) => {}
        }
        self.pages.push(page);
    }

    /// How it opens the stream.
    pub fn open(&self, client: u128, queries: Option<Vec<Subscription>>) -> Open {
        let (filling, played, chain) = (self.filling.clone(), self.played, self.chain);
        Open { pages: true, played, chain, filling, queries, ..open(0, "s", client, Live::From(played)) }
    }

    /// Takes what comes until the filling is done.
    pub async fn fill(&mut self, client: &mut Client) {
        loop {
            match client.hear().await {
                ServerFrame::Page(page) => {
                    let is_over = page.query.is_none() && page.end.is_some();
                    self.take_page(page);
                    if is_over {
                        return;
                    }
                }
                other => panic!("not a page: {other:?}"),
            }
        }
    }

    /// Takes pages until one says that a query is ready.
    pub async fn hear_ready(&mut self, client: &mut Client, number: u32) {
        while !self.ready.contains(&QueryNumber(number)) {
            match client.hear().await {
                ServerFrame::Page(page) => self.take_page(page),
                ServerFrame::Pong => {}
                other => panic!("not a page: {other:?}"),
            }
        }
    }

    /// Takes pages until it is told what became of the stream up to an event. Who asked by a ping asks again: authors are
    /// answered a moment before their events are played, and a ping may fall between.
    pub async fn hear_to(&mut self, client: &mut Client, seq: u64) {
        let mut pings = 0..1_000;
        while self.played < Seq(seq) {
            match client.hear().await {
                ServerFrame::Page(page) => self.take_page(page),
                ServerFrame::Pong => {
                    pings.next().expect("it is told sooner or later");
                    client.say(ClientFrame::Ping).await;
                }
                ServerFrame::Ack { .. } => {}
                other => panic!("not a page: {other:?}"),
            }
        }
    }
}

impl Client {
    /// Opens stream `s` as somebody who holds something.
    pub async fn open_as(&mut self, held: &mut Held, client: u128, first: &[&str]) {
        let first = first.iter().map(|name| Collection::new(*name).unwrap()).collect();
        self.say(ClientFrame::Open(Open { first, ..held.open(client, None) })).await;
        self.hear_opened().await;
    }
}

/// All objects of stream `s`, by playing its log.
pub async fn replayed(world: &World) -> Objects {
    let mut objects = Objects::default();
    for batch in world.log.replay(&stream("s"), Position::FIRST, usize::MAX).await.unwrap() {
        batch.events().unwrap().iter().for_each(|event| objects.play(event));
    }
    objects
}

/// What everybody should hold.
pub async fn expected(world: &World, wanted: impl Fn(&Key, &Object) -> bool) -> BTreeMap<Key, Vec<(String, String)>> {
    let objects = replayed(world).await;
    let live = objects.keys().filter_map(|key| Some((key.clone(), objects.get(&key)?.clone())));
    live.filter(|(key, object)| wanted(key, object)).map(|(key, object)| (key, fields(&object))).collect()
}

pub fn fields(object: &Object) -> Vec<(String, String)> {
    object.fields().map(|(name, field)| (name.as_str().to_owned(), format!("{:?}", field.value))).collect()
}

pub fn key_of(collection: &str, id: &str) -> Key {
    Key { collection: Collection::new(collection).unwrap(), id: ObjectId::new(id).unwrap() }
}
