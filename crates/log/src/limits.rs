//! Every limit of the log in one place: what bounds each queue, batch and cache, and when things are written.

use std::time::Duration;

// The journal.

/// Bytes that may wait for the journal before an append waits too.
pub const JOURNAL_QUEUE_BYTES: usize = 16 << 20;
/// Bytes of a journal segment past which the next group begins another.
pub const JOURNAL_SEGMENT_BYTES: u64 = 64 << 20;

// Writing behind.

/// Bytes applied but not yet in the store, past which `apply` waits.
pub const UNFLUSHED_BYTES: usize = 48 << 20;
/// How often what was applied is written to the store.
pub const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Bytes applied past which it is written sooner.
pub const FLUSH_BYTES: usize = 8 << 20;
/// Streams kept in memory though nothing of them waits to be written.
pub const RESIDENT_STREAMS: usize = 200_000;

// Checkpoints.

/// Bytes of the store's memtable past which it is made durable.
pub const MEMTABLE_BYTES: u64 = 64 << 20;
/// Memtables that may wait to be made durable before writing behind waits for them.
pub const SEALED_MEMTABLES: usize = 2;
/// Bytes of whole journal segments in the store past which it is made durable, so that they can go.
pub const JOURNAL_BYTES: u64 = 64 << 20;
/// The longest time between a write and the checkpoint that covers it.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);
/// How long nothing must be written before the store is settled: made durable, compacted, the journal emptied.
pub const IDLE: Duration = Duration::from_millis(1_000);
/// Bytes of rows or journal that are worth a checkpoint when nothing is going on.
pub const IDLE_BYTES: u64 = 256 << 10;
/// What part of a store has to be let go before all of it is merged to give the space back: one in so many.
pub const FREED_PART: u64 = 4;
/// Objects that are put into an index in one step, and streams looked at for those that lack one.
pub const INDEXED_AT_ONCE: usize = 4_096;
/// Segments that are let go in one step.
pub const TRIM_SEGMENTS: usize = 16;
/// Bytes of a store past which settling leaves its tables to the ordinary compaction.
pub const SETTLE_BYTES: u64 = 256 << 20;

// The store.

/// Events that a stream's tail has before they are sealed into a segment.
pub const SEGMENT_EVENTS: u64 = 1_024;
/// Bytes that a stream's tail has before it is sealed into a segment, however few the events are.
pub const SEGMENT_BYTES: u64 = 256 << 10;
/// Events of one sealed segment.
pub const SEGMENT_MOST_EVENTS: u64 = 4_096;
/// How hard sealed segments are compressed.
pub const SEGMENT_LEVEL: i32 = 6;
/// Clients of a stream that are kept in the stream's own row.
pub const FEW_CLIENTS: usize = 3;
/// Bytes that they may have there.
pub const FEW_CLIENTS_BYTES: usize = 256;
/// Bytes of the cache of the store's blocks.
pub const CACHE_BYTES: u64 = 12 << 20;
/// Bytes of a block of the store before it is compressed.
pub const BLOCK_BYTES: u32 = 16 << 10;
/// Files the store keeps open.
pub const OPEN_FILES: usize = 512;
/// Bytes of a value past which it is stored apart from its key and not moved by compactions.
pub const APART_BYTES: u32 = 16 << 10;
/// Bytes of one sealed segment before it is compressed, unless a single event has more.
pub const SEGMENT_MOST_BYTES: usize = 1 << 20;
/// Files that come from memtables before they are merged with the others.
pub const YOUNG_TABLES: u8 = 6;
/// Bytes of a file of the store.
pub const TABLE_BYTES: u64 = 32 << 20;

// Snapshots.

/// Bytes of records that go into a page of a snapshot, but for the last one.
pub const SNAPSHOT_PAGE_BYTES: usize = 512 << 10;
/// Bytes that such a page may have, with the one record that is larger.
pub const SNAPSHOT_MOST_BYTES: usize = 256 << 20;
/// How hard its pages are compressed.
pub const SNAPSHOT_LEVEL: i32 = 1;
/// Records that are taken from a snapshot at once.
pub const SNAPSHOT_RECORDS: usize = 4_096;
/// Parts of a snapshot that wait between those who read and those who write it.
pub const SNAPSHOT_PARTS: usize = 2;
/// Events since the last snapshot of a stream before another one is made.
pub const SNAPSHOT_EVENTS: u64 = 8_192;
/// They are also at least one for so many objects, so that snapshots cost a stream no more than a few times what its events do.
pub const SNAPSHOT_PART: u64 = 2;
/// Streams that wait to be looked at for whether they need a snapshot; what comes beyond that asks again later.
pub const SNAPSHOTS_WAITING: usize = 1_024;
/// Streams of which it is remembered when they need the next snapshot.
pub const SNAPSHOTS_DUE: usize = 65_536;
/// Rows of a stream that are removed from a cache in one step.
pub const FORGOTTEN_ROWS: usize = 4_096;
/// How often a node tries to begin from a snapshot, which others may replace meanwhile.
pub const SNAPSHOT_TRIES: usize = 3;
/// A log is shortened, and a snapshot made for it, when the events that go are at least one for so many objects.
pub const SHORTENED_PART: u64 = 4;

// JetStream.

/// Bytes that may wait for JetStream before an append waits too.
pub const LANES_BYTES: usize = 16 << 20;
/// Bytes of one message. What a stream has to append in one go and is larger goes in parts.
pub const PART_BYTES: usize = 512 << 10;
/// Bytes from which on batches of one message are compressed.
pub const PACKED_FROM: usize = 2 << 10;
/// How hard.
pub const MESSAGE_LEVEL: i32 = 1;
/// Bytes past which they are not.
pub const UNPACKED_MOST: usize = 256 << 20;
/// Bytes that the headers of a message may have.
pub const PART_HEADER_BYTES: usize = 4 << 10;
/// How long an answer of the cluster is waited for. Then nobody knows what it did.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a cluster is waited for that has just started.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at such a cluster.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How often a message is given to JetStream that refuses it though it follows from the last one.
pub const PUBLISH_TRIES: usize = 10;
/// How long it is waited between two of them.
pub const PUBLISH_PAUSE: Duration = Duration::from_millis(5);
/// Streams of which it is remembered where they end.
pub const KNOWN_PLACES: usize = 200_000;
/// Messages that are asked for at once.
pub const READ_MESSAGES: usize = 1_000;
/// Bytes of them, but for the last one.
pub const READ_MESSAGES_BYTES: usize = 4 << 20;
/// Streams whose ends are asked for at the same time.
pub const ENDS_AT_ONCE: usize = 16;
/// How often JetStream says that there is nothing new. Without it for twice as long it is asked again.
pub const WATCH_BEAT: Duration = Duration::from_millis(500);
/// Between two tries to hear what is new.
pub const WATCH_PAUSE: Duration = Duration::from_millis(200);
/// How long a node's lease is good after it was renewed.
pub const LEASE: Duration = Duration::from_secs(3);
/// How often it is renewed.
pub const LEASE_RENEWED: Duration = Duration::from_millis(800);
/// Messages to other nodes that wait to be sent.
pub const SAYINGS: usize = 4_096;
