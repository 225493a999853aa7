//! A device: a replica, the store under it, and the clock and connection it has.

use std::collections::BTreeMap;

use fastrand::Rng;
use tapeline_core::codec::Codec;
use tapeline_core::link::Link;
use tapeline_core::name::{Key, StreamName};
use tapeline_core::numbers::{Channel, ClientId, EditId, Millis, QueryNumber};
use tapeline_core::replica::{Keeping, Moment, Replica, Row, Start, StoreBatch, Table};
use tapeline_core::undo::History;

use crate::diary::Diary;
use crate::network::ConnId;
use crate::rights::Level;
use crate::sabotage::Sabotage;
use crate::workload::{self, Marker};

/// Wall-clock time when the world begins.
const EPOCH: i64 = 1_763_640_000_000;

/// Whether some devices speak JSON.
const JSON: bool = true;

/// The rows of a store.
pub type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Which one it is.
    pub number: usize,
    /// The replica, while the process runs.
    pub replica: Option<Replica>,
    /// The replica's store.
    pub store: Store,
    /// When it connects.
    pub link: Link,
    /// The connection it believes to have.
    pub conn: Option<ConnId>,
    /// How often the process was started.
    pub life: u64,
    /// It reaches nobody before this time.
    pub cut_off_until: Millis,
    /// It wakes by itself at this time.
    pub wakes_at: Option<Millis>,
    /// Its own randomness.
    pub random: Rng,
    /// Older copies of its store.
    pub copies: Vec<Rows>,
    /// Where the replica keeps itself.
    pub keeping: Keeping,
    /// What was edited since the process started can be undone.
    pub history: History,
    /// The same, to check it.
    pub diary: Diary,
    /// Objects that are to stay on the device, as they were last left.
    pub drafts: BTreeMap<Key, Draft>,
    /// What its token lets it do.
    pub level: Level,
    /// It holds only what its queries find.
    pub partial: bool,
    /// Those that are wanted since the process started, each as often as it is.
    pub wanted: Vec<QueryNumber>,
    start: Start,
    codec: Codec,
    skew: i64,
}

/// A draft: its one field, the marker that it is, and the edit that last changed it.
#[derive(Clone, Copy, Debug)]
pub struct Draft {
    /// What it says.
    pub said: Marker,
    /// What it is.
    pub marker: Marker,
    /// Its last edit.
    pub edit: EditId,
}

/// A store: rows that are durable, and at most one batch that is not.
#[derive(Clone, Debug, Default)]
pub struct Store {
    rows: Rows,
    /// At which level they hold nothing that may not be read, but for what may be by the view that they tell of.
    level: Level,
    unsynced: Option<(StoreBatch, Level)>,
}

impl Device {
    /// A new device that does not run yet.
    pub fn new(number: usize, mut random: Rng, now: Millis) -> Self {
        let keeping = if random.u8(0..6) == 0 { Keeping::Memory } else { Keeping::Device };
        let start = if random.u8(0..3) == 0 { Start::Head } else { Start::Played };
        let codec = if JSON && random.u8(0..3) == 0 { Codec::Json } else { Codec::Cbor };
        Self {
            number,
            replica: None,
            store: Store::default(),
            link: Link::new(now),
            conn: None,
            life: 0,
            cut_off_until: Millis(0),
            wakes_at: None,
            random,
            copies: Vec::new(),
            keeping,
            history: History::default(),
            diary: Diary::default(),
            drafts: BTreeMap::new(),
            level: Level::Whole,
            partial: false,
            wanted: Vec::new(),
            start,
            codec,
            skew: 0,
        }
    }

    /// Another device with a copy of this one's store, and with the same ways.
    pub fn copy(&mut self, number: usize, now: Millis) -> Self {
        let mut copy = Self::new(number, self.random.fork(), now);
        copy.store.rows = self.store.rows.clone();
        (copy.keeping, copy.start) = (self.keeping, self.start);
        copy
    }

    /// The process starts from what is durable.
    pub fn start(&mut self, now: Millis) {
        self.life += 1;
        self.link = Link::new(now);
        self.wakes_at = None;
        self.wanted.clear();
        (self.history, self.diary) = Default::default();
        let client = ClientId(self.random.u128(..));
        let stream = StreamName::new("sim/stream").expect("a name");
        let mut first = workload::collections();
        self.random.shuffle(&mut first);
        first.truncate(self.random.usize(0..=2));
        let mut replica = match self.keeping {
            Keeping::Memory => Replica::new(stream, client, self.start, Keeping::Memory),
            Keeping::Device => {
                Replica::restore(stream, client, self.start, self.store.rows()).expect("what was stored can be read")
            }
        };
        replica.want_first(first);
        if self.partial {
            assert!(replica.hold_part(), "it holds nothing else");
            replica.subscribe(&workload::query_of_stock()).expect("there is room for it");
        }
        self.replica = Some(replica);
    }

    /// The process ends; what was not synced may be lost.
    pub fn crash(&mut self) {
        self.replica = None;
        self.conn = None;
        let kept = self.random.bool();
        if let Some((batch, level)) = self.store.unsynced.take().filter(|_| kept) {
            self.store.write(batch, level, None);
        }
    }

    /// Takes a batch to be stored, of a replica that last held nothing but what may be read at this level.
    pub fn store(&mut self, batch: StoreBatch, level: Level) {
        self.store.unsynced = Some((batch, level));
    }

    /// At which level what is durable holds nothing that may not be read, until what may be read now has come.
    pub fn stored_level(&self) -> Level {
        self.store.level
    }

    /// The batch that was being stored is durable, or could not be stored.
    pub fn synced(&mut self, succeeds: bool, sabotage: Option<Sabotage>) {
        let Some((batch, level)) = self.store.unsynced.take() else { return };
        let number = batch.number;
        if succeeds {
            self.store.write(batch, level, sabotage);
        }
        let Some(replica) = &mut self.replica else { return };
        if succeeds { replica.stored(number) } else { replica.not_stored(number) }
    }

    /// Keeps a copy of the store as it is.
    pub fn keep_copy(&mut self) {
        self.copies.push(self.store.rows.clone());
    }

    /// Puts an older copy in place of the store.
    pub fn restore(&mut self, rows: Rows) {
        self.store = Store { rows, ..Store::default() };
    }

    /// The wall clock jumps, by a day or so.
    pub fn jump(&mut self) {
        self.skew = self.random.i64(-100_000_000..100_000_000);
    }

    /// The channel of its stream.
    pub fn channel(&self) -> Channel {
        Channel(self.number as u32 + 1)
    }

    /// What it speaks.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Its wall clock.
    pub fn clock(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add_signed(EPOCH + self.skew))
    }

    /// The time on its wall clock that is, in the world, this one.
    pub fn world_time(&self, wall: Millis) -> Millis {
        Millis(wall.0.saturating_add_signed(-EPOCH - self.skew))
    }

    /// The time, and fresh randomness.
    pub fn moment(&mut self, now: Millis) -> Moment {
        Moment { now: self.clock(now), random: self.random.u128(..) }
    }
}

impl Store {
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.rows.iter().map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        })
    }

    fn write(&mut self, batch: StoreBatch, level: Level, sabotage: Option<Sabotage>) {
        self.level = level;
        if batch.whole {
            self.rows.clear();
        }
        for row in batch.rows {
            let torn = sabotage == Some(Sabotage::TornTransaction) && batch.number.is_multiple_of(2);
            if torn && row.table == Table::Meta && self.rows.contains_key(&(row.table, row.key.clone())) {
                continue;
            }
            if sabotage == Some(Sabotage::CursorBeforeRows) && batch.number % 3 == 2 && row.table == Table::Objects {
                continue;
            }
            match row.value {
                Some(value) => drop(self.rows.insert((row.table, row.key), value)),
                None => drop(self.rows.remove(&(row.table, row.key))),
            }
        }
    }
}
