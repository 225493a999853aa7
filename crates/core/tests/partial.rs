//! What is told of the queries of a partial replica is the whole difference, whatever comes together.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use support::for_seeds;
use tapeline_core::codec::json;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::numbers::{ClientId, Millis, QueryNumber, Seq};
use tapeline_core::object::{Entry, Object, Stamp, Write, apply};
use tapeline_core::op::{Action, Edit, FieldMap, Op};
use tapeline_core::query::partial::{Difference, Held, Partial, Past, Subscribed};
use tapeline_core::query::routing::{Routed, Routes};
use tapeline_core::query::window::Window;
use tapeline_core::query::{Found, Query};
use tapeline_core::sequencer::Touched;
use tapeline_core::value::Value;

/// A stream, and what a replica of a part of it was told.
#[derive(Default)]
struct World {
    entries: BTreeMap<Key, Entry>,
    head: u64,
    routes: Routes,
    blocks: Vec<Routed>,
    partial: Partial,
    /// Up to where it was told.
    told: u64,
    replica: BTreeMap<Key, BTreeMap<String, Value>>,
    queries: u32,
    /// Whether it is told by what is there now, rather than by what happened.
    by_entries: bool,
}

impl World {
    fn batch(&mut self, random: &mut Rng) {
        let mut before = BTreeMap::new();
        for _ in 0..random.usize(1..6) {
            let op = op(random);
            let mut entry = self.entries.get(&op.key).cloned();
            before.entry(op.key.clone()).or_insert_with(|| entry.as_ref().and_then(Entry::live).cloned());
            let stamp = Stamp { seq: Seq(self.head), client: ClientId(random.u128(..2)) };
            apply(&mut entry, &op, &Write { stamp, ..Write::pending(ClientId(0), Seq(0), Millis(0)) });
            self.head += 1;
            entry.into_iter().for_each(|entry| drop(self.entries.insert(op.key.clone(), entry)));
        }
        let after = |key: &Key| self.entries.get(key).and_then(Entry::live).cloned();
        let touched = before.into_iter().map(|(key, before)| Touched { after: after(&key), key, before });
        self.blocks.push(Routed::new(touched.collect(), &self.routes));
    }

    /// Tells the replica what it has not been told.
    fn tell(&mut self) {
        let blocks: Vec<&Routed> = self.blocks.iter().collect();
        let is_told = |entry: &Entry| self.partial.is_changing() || entry.version().last.seq >= Seq(self.told);
        let entries = self.entries.iter().filter(|(_, entry)| is_told(entry));
        let entries: Vec<_> = entries.map(|(key, entry)| (key.clone(), Some(entry.clone()))).collect();
        let past = if self.by_entries { Past::Entries(&entries) } else { Past::Blocks(&blocks) };
        let difference = self.partial.play(Seq(self.told), past, Vec::new());
        self.take(difference);
        self.blocks.clear();
        self.told = self.head;
        self.read_short();
    }

    fn read_short(&mut self) {
        let short = self.partial.all().iter().filter(|subscribed| subscribed.is_short());
        let read = short.map(|short| (short.number, self.window(&short.query))).collect();
        let difference = self.partial.play(Seq(self.told), Past::Blocks(&[]), read);
        self.take(difference);
    }

    fn take(&mut self, Difference { changed, gone }: Difference) {
        assert!(changed.is_sorted_by(|a, b| a.key < b.key) && gone.is_sorted());
        for change in changed {
            let field = |(name, field): (&FieldName, tapeline_core::object::Field<'_>)| {
                (change.whole || field.version.last.seq >= Seq(self.told))
                    .then(|| (name.as_str().to_owned(), field.value.clone()))
            };
            let fields = change.object.fields().filter_map(field).collect();
            match change.whole {
                true => drop(self.replica.insert(change.key, fields)),
                false => self.replica.get_mut(&change.key).expect("it is held").extend(fields),
            }
        }
        for key in gone {
            assert!(self.replica.remove(&key).is_some() || self.by_entries, "it was held");
        }
    }

    fn subscribe(&mut self, query: Query) {
        let (query, number) = (Arc::new(query), QueryNumber(self.queries));
        self.queries += 1;
        let route = self.routes.add(&query.collection, &query.filter);
        self.partial.add(Subscribed { number, query: query.clone(), route, held: Held::Nothing, earlier: None });
        // What is on its way is told first; then all that the new query finds.
        self.tell();
        let found = match query.limit {
            None => self.found(&query),
            Some(_) => self.window(&query).rows().to_vec(),
        };
        let held = if query.limit.is_some() { Held::Window(self.window(&query)) } else { Held::All };
        self.partial.get_mut(number).unwrap().held = held;
        for (id, object) in found {
            let key = Key { collection: query.collection.clone(), id };
            self.replica.insert(key, fields(&object));
        }
    }

    fn unsubscribe(&mut self, random: &mut Rng) {
        let numbers: Vec<_> = self.partial.all().iter().map(|subscribed| subscribed.number).collect();
        let Some(number) = random.choice(numbers) else { return };
        self.tell();
        let gone = self.partial.remove(number).unwrap();
        self.routes.remove(gone.route);
        let wanted = self.wanted();
        self.replica.retain(|key, _| wanted.contains(key));
    }

    /// Something else may be read: a query finds others from now on.
    fn refilter(&mut self, random: &mut Rng) {
        let whole = self.partial.all().iter().filter(|subscribed| matches!(subscribed.held, Held::All));
        let Some(number) = random.choice(whole.map(|subscribed| subscribed.number).collect::<Vec<_>>()) else { return };
        let mut subscribed = self.partial.remove(number).unwrap();
        let filter = query(random).filter;
        self.routes.remove(subscribed.route);
        subscribed.route = self.routes.add(&subscribed.query.collection, &filter);
        subscribed.earlier = Some(subscribed.query.filter.clone());
        subscribed.query = Arc::new(Query { filter, ..Query::clone(&subscribed.query) });
        self.partial.add(subscribed);
        self.by_entries = true;
        self.tell();
        self.partial.has_changed();
    }

    fn found(&self, query: &Query) -> Vec<Found> {
        let live = self.entries.iter().filter_map(|(key, entry)| Some((key, entry.live()?)));
        let of_it =
            live.filter(|(key, object)| key.collection == query.collection && query.filter.matches(&key.id, object));
        let mut found: Vec<Found> = of_it.map(|(key, object)| (key.id.clone(), object.clone())).collect();
        found.sort_by(|a, b| query.order.compare((&a.0, &a.1), (&b.0, &b.1)));
        found
    }

    fn window(&self, query: &Arc<Query>) -> Window {
        let (mut found, limit) = (self.found(query), query.limit.unwrap());
        let is_all = found.len() <= limit;
        found.truncate(limit);
        Window::new(query.clone(), found, is_all)
    }

    /// The keys of all that the queries find.
    fn wanted(&self) -> BTreeSet<Key> {
        let of = |query: &Arc<Query>| {
            let collection = query.collection.clone();
            let found = self.found(query).into_iter().take(query.limit.unwrap_or(usize::MAX));
            found.map(move |(id, _)| Key { collection: collection.clone(), id })
        };
        self.partial.all().iter().flat_map(|subscribed| of(&subscribed.query)).collect()
    }
}

fn fields(object: &Object) -> BTreeMap<String, Value> {
    object.fields().map(|(name, field)| (name.as_str().to_owned(), field.value.clone())).collect()
}

fn op(random: &mut Rng) -> Op {
    let collection = Collection::new(random.choice(["x", "x", "y"]).unwrap()).unwrap();
    let key = Key { collection, id: ObjectId::new(format!("o{}", random.u8(..12))).unwrap() };
    let name = || FieldName::new("n").unwrap();
    let other = FieldName::new("m").unwrap();
    let action = match random.u8(..5) {
        0 => Action::Delete,
        1 | 2 => {
            let mut fields = vec![(name(), Value::Int(random.i64(..5)))];
            fields.extend(random.bool().then(|| (other, Value::Int(random.i64(..3)))));
            Action::Upsert(FieldMap::new(fields).unwrap())
        }
        _ => {
            let field = if random.bool() { name() } else { other };
            Action::Update(FieldMap::new(vec![(field, Edit::Set(Value::Int(random.i64(..5))))]).unwrap())
        }
    };
    Op { key, seen: None, action }
}

fn query(random: &mut Rng) -> Query {
    let filter = random.choice(["{}", r#"{"n":1}"#, r#"{"n":{"in":[2,3]}}"#, r#"{"m":{"lt":2}}"#, r#"{"id":"o3"}"#]);
    let order = random.choice([r#""n""#, r#"["-m","n"]"#, r#""-id""#, "null"]).unwrap();
    let limit = if random.bool() { String::new() } else { format!(r#","limit":{}"#, random.u8(..6)) };
    let collection = random.choice(["x", "x", "y"]).unwrap();
    let text = format!(r#"{{"collection":"{collection}","where":{},"orderBy":{order}{limit}}}"#, filter.unwrap());
    Query::from_value(&json::value_from_json(&text).unwrap()).unwrap()
}

#[test]
fn a_part_is_told_as_exactly_as_the_whole() {
    for_seeds(1_000, |seed, random| {
        let mut world = World::default();
        for step in 0..40 {
            world.by_entries = random.bool();
            match random.u8(..9) {
                0 => world.subscribe(query(random)),
                1 => world.unsubscribe(random),
                2 | 3 => world.tell(),
                4 => world.refilter(random),
                _ => world.batch(random),
            }
            if world.told == world.head {
                let wanted = world.wanted();
                let expected: BTreeMap<_, _> =
                    wanted.into_iter().map(|key| (key.clone(), fields(world.entries[&key].live().unwrap()))).collect();
                assert_eq!(world.replica, expected, "seed {seed}, step {step}");
            }
        }
    });
}
