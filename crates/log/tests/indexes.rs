//! Declared indexes: they say what the objects are, whatever is written, declared, and stopped meanwhile.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tapeline_core::name::{Collection, FieldName, Key, ObjectId};
use tapeline_core::query::Query;
use tapeline_core::query::index::{Index, Plan};
use tapeline_core::value::{Entries, Value};
use tapeline_log::embedded::{Embedded, verify};
use tapeline_log::suite::{Writer, append, delete};
use tapeline_log::{IndexRow, Pin, StateStore};

fn index(collection: &str, fields: &[&str]) -> Index {
    let fields = fields.iter().map(|field| FieldName::new(field).unwrap()).collect();
    Index { collection: Collection::new(collection).unwrap(), fields }
}

fn query(random: &mut Rng) -> Query {
    let title = Value::text(title(random));
    let by_title = |name: &str, title| Value::Map(Entries::new(vec![(name.into(), title)]).unwrap());
    let mut conditions = Vec::new();
    if random.bool() {
        conditions.push(("done".into(), random.bool().into()));
    }
    match random.u8(..5) {
        0 => conditions.push(("title".into(), title)),
        1 => conditions.push(("title".into(), by_title("ge", title))),
        2 => conditions.push(("title".into(), by_title("in", Value::List(vec![title, Value::text("b")].into())))),
        _ => {}
    }
    let order = ["title", "-title", "id", "-id"];
    let order = order.map(Value::text);
    let order = match random.bool() {
        true => random.choice(order).unwrap(),
        false => Value::List(vec![Value::text("-title"), Value::text("-id")].into()),
    };
    let parts = vec![
        ("collection".into(), Value::text("tasks")),
        ("where".into(), Value::Map(Entries::new(conditions).unwrap())),
        ("orderBy".into(), order),
        ("limit".into(), Value::Int(20)),
    ];
    Query::from_value(&Value::Map(Entries::new(parts).unwrap())).unwrap()
}

/// A title, sometimes one that is cut in an index.
fn title(random: &mut Rng) -> String {
    let titles = ["a", "b", "", "a\0", "z"].map(String::from);
    match random.u8(..4) {
        0 => format!("{}{}", "long ".repeat(14), random.choice(titles).unwrap()),
        _ => random.choice(titles).unwrap(),
    }
}

/// Checks that what is read of indexes is what there is.
fn check(writer: &Writer, pin: &dyn Pin, random: &mut Rng) -> usize {
    let indexes = pin.indexes().unwrap();
    let mut read = 0;
    for _ in 0..12 {
        let query = query(random);
        let Some(plan) = Plan::of(&query, &indexes) else { continue };
        read += 1;
        let mut rows: Vec<IndexRow> = Vec::new();
        let most = random.usize(1..40);
        loop {
            let next = pin.index_rows(&plan, rows.last(), most).unwrap();
            assert!(next.len() <= most);
            rows.extend_from_slice(&next);
            if next.len() < most {
                break;
            }
        }
        let live = writer.objects.collection(&query.collection);
        let mut expected: Vec<(&ObjectId, _)> = live.filter(|(id, object)| query.filter.matches(id, object)).collect();
        expected.sort_by(|a, b| query.order.compare((a.0, a.1), (b.0, b.1)));
        let object = |row: &IndexRow| {
            let key = Key { collection: query.collection.clone(), id: row.id.clone() };
            writer.objects.get(&key).cloned().expect("what is in an index is there")
        };
        rows.iter().for_each(|row| assert_eq!(plan.index.place(&object(row)), row.place));
        if plan.in_order.is_some() {
            for same in rows.chunk_by_mut(|a, b| a.place == b.place).filter(|same| same[0].place.is_cut) {
                same.sort_by(|a, b| query.order.compare((&a.id, &object(a)), (&b.id, &object(b))));
            }
        } else {
            rows.sort_by(|a, b| query.order.compare((&a.id, &object(a)), (&b.id, &object(b))));
        }
        let found: Vec<&ObjectId> =
            rows.iter().filter(|row| query.filter.matches(&row.id, &object(row))).map(|row| &row.id).collect();
        assert_eq!(found, expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{query:?}");
    }
    read
}

fn write(log: &Embedded, writer: &mut Writer, random: &mut Rng) {
    for _ in 0..random.usize(1..6) {
        let ids: Vec<u64> = (0..random.usize(1..60)).map(|_| random.u64(..400)).collect();
        let next = match random.u8(..4) {
            0 => writer.events(ids.into_iter().map(delete).collect()),
            _ => writer.upserts(&ids, &title(random)),
        };
        let batch = next.batch.clone();
        append(log, next).unwrap();
        let changes = writer.play(&batch);
        log.apply(&writer.stream, changes).unwrap();
    }
}

/// Has everything written, and waits until a stream has all that is declared.
fn until_built(log: &Embedded, writer: &Writer, declared: &[Index]) {
    let begun = Instant::now();
    loop {
        log.flush_soon();
        let mut indexes = log.pin(&writer.stream).unwrap().unwrap().indexes().unwrap();
        indexes.sort();
        if indexes == declared && log.stats().unflushed_bytes == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{indexes:?} of {declared:?}");
        std::thread::yield_now();
    }
}

#[test]
fn indexes_say_what_the_objects_are_through_writes_stops_and_other_declarations() {
    let all = [
        index("lists", &["title"]),
        index("tasks", &["done"]),
        index("tasks", &["done", "title"]),
        index("tasks", &["title"]),
        index("tasks", &["title", "done"]),
    ];
    let mut read = 0;
    for seed in 0..12 {
        println!("seed {seed}");
        let (mut random, directory) = (Rng::with_seed(seed), tempfile::tempdir().unwrap());
        let mut writer = Writer::new("s");
        for _ in 0..6 {
            let declared: Vec<Index> = all.iter().filter(|_| random.bool()).cloned().collect();
            let log = Embedded::open(directory.path()).unwrap();
            log.declare(declared.clone());
            // What only the journal has is played by the one who sequences.
            writer.catch_up(&log);
            for _ in 0..random.u8(..6) {
                write(&log, &mut writer, &mut random);
                let pin = log.pin(&writer.stream).unwrap().unwrap();
                read += check(&writer, &*pin, &mut random);
                if random.bool() {
                    log.flush_soon();
                }
                read += check(&writer, &*pin, &mut random);
            }
            if log.pin(&writer.stream).unwrap().is_some() && random.bool() {
                until_built(&log, &writer, &declared);
                let pin = log.pin(&writer.stream).unwrap().unwrap();
                read += check(&writer, &*pin, &mut random);
            }
            // Closed, or stopped as by a power cut.
            if random.bool() {
                log.close().unwrap();
            }
            drop(log);
            let verified = verify(directory.path(), |_| ()).unwrap();
            assert!(verified.damage.is_empty(), "seed {seed}: {:?}", verified.damage);
        }
    }
    assert!(read > 500, "{read} queries were read from indexes");
}

/// More than one step's worth.
#[test]
fn an_index_that_is_declared_later_is_built_behind_what_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("s");
    let mut random = Rng::with_seed(1);
    let mut log = Embedded::open(directory.path()).unwrap();
    let upserts = |log: &Embedded, writer: &mut Writer, ids: std::ops::Range<u64>, title: &str| {
        let next = writer.upserts(&ids.collect::<Vec<_>>(), title);
        let batch = next.batch.clone();
        append(log, next).unwrap();
        let changes = writer.play(&batch);
        log.apply(&writer.stream, changes).unwrap();
    };
    upserts(&log, &mut writer, 0..30_000, "a");
    for declared in [vec![index("tasks", &["title"])], Vec::new(), vec![index("tasks", &["title"])]] {
        log.close().unwrap();
        drop(log);
        log = Embedded::open(directory.path()).unwrap();
        log.declare(declared.clone());
        for round in 0..5 {
            upserts(&log, &mut writer, round * 3_000..round * 3_000 + 100, &title(&mut random));
            let pin = log.pin(&writer.stream).unwrap().unwrap();
            check(&writer, &*pin, &mut random);
            log.flush_soon();
        }
        until_built(&log, &writer, &declared);
        let pin = log.pin(&writer.stream).unwrap().unwrap();
        assert_eq!(check(&writer, &*pin, &mut random) > 0, !declared.is_empty());
    }
    log.close().unwrap();
    assert!(verify(directory.path(), |_| ()).unwrap().damage.is_empty());
}
