//! Every limit of Tapeline in one place: what is refused past it, and what bounds each queue, cache, batch and retry.

use crate::numbers::Millis;

// What a client may say.

/// Bytes of one stream name.
pub const STREAM_NAME_BYTES: usize = 200;
/// Bytes of one collection, field or command name.
pub const NAME_BYTES: usize = 64;
/// Bytes of a code or reason that this version does not know.
pub const WORD_BYTES: usize = 23;
/// Bytes of one object id.
pub const OBJECT_ID_BYTES: usize = 128;
/// How deep lists and maps may nest in one value.
pub const VALUE_DEPTH: usize = 32;
/// Bytes of one event, encoded.
pub const EVENT_BYTES: usize = 1 << 20;
/// Ops in one event.
pub const EVENT_OPS: usize = 10_000;
/// Objects that may go or change with what one event deletes, because they refer to it.
pub const FOLLOWING_OBJECTS: usize = 1_000;
/// Values for whose holders storage is looked through in one go, to find what goes with an object.
pub const LOOK_UPS_AT_ONCE: usize = 64;
/// Fields one object may have.
pub const OBJECT_FIELDS: usize = 1_000;
/// Bytes of one field that grows by edits (text, bytes, sets, counters of nested values), encoded.
pub const FIELD_BYTES: usize = 1 << 20;
/// Letters that go and come where the difference of two texts is looked for place by place; past it, it is one piece.
pub const DIFFERENCE: usize = 1_000;
/// Members of one edit of a set, assignments of one edit within a value, splices of one edit of a text.
pub const EDIT_PARTS: usize = 10_000;
/// Conflicts that stand on one object. Past it the oldest goes.
pub const CONFLICTS: usize = 64;
/// Reads one event may declare as `unchanged`.
pub const EVENT_READS: usize = 1_000;
/// Events in one push.
pub const PUSH_EVENTS: usize = 4_096;
/// Bytes of one frame in either direction. A frame has room for the largest event.
pub const FRAME_BYTES: usize = 4 << 20;
/// Streams open at once on one socket.
pub const CHANNELS: usize = 1_000_000;
/// Earlier client ids a replica may name when it opens a stream.
pub const FORMER_CLIENTS: usize = 8;
/// Collections a replica may name whose objects are to come first.
pub const FIRST_COLLECTIONS: usize = 16;
/// Queries of one partial replica.
pub const QUERIES: usize = 1_000;
/// Queries over which the ids are spread that the rows of a query refer to in one field.
pub const RELATED_QUERIES: usize = 8;
/// Ids in each of them.
pub const RELATED_OBJECTS: usize = 1_000;
/// Objects of one window of a partial replica.
pub const WINDOW_ROWS: usize = 1_000;

/// Bytes of what one peer says of itself, encoded.
pub const PRESENCE_BYTES: usize = 4 << 10;
/// Peers in one presence frame of a client.
pub const PRESENCE_PEERS: usize = 64;

// What the server holds.

/// Peers present on one stream. Past it others are told `later`.
pub const PEERS: usize = 1_000;

/// Events of one client on one stream whose verdicts it has not yet stored. Past it pushes are answered `later`.
pub const UNSETTLED_EVENTS: usize = 16_384;
/// Bytes of events the server puts into one frame where more are waiting.
pub const READ_BYTES: usize = 256 << 10;
/// Bytes of objects in one page of a filling, before any compression.
pub const PAGE_BYTES: usize = 256 << 10;
/// Events that a replica gets rather than what they came to, where it holds what was before them, or nothing and there
/// are no more.
pub const EVENTS_RATHER: u64 = 1_024;
/// Events of one fetched range.
pub const FETCH_EVENTS: u64 = 1 << 20;

/// Edits of texts on one stream that are remembered, for events that were typed before them.
pub const TEXT_CHANGES: usize = 65_536;
/// How many events back the log is read for edits of texts that are remembered no longer. Past it an author is told to
/// move its edit to the present text.
pub const TEXT_HISTORY_EVENTS: u64 = 65_536;

// What a replica holds.

/// Events a replica has on their way at once: fewer than a server lets be unsettled. A long outbox goes out in one go.
pub const IN_FLIGHT_EVENTS: usize = 12_288;
/// Bytes of events a replica puts into one push.
pub const PUSH_BYTES: usize = 256 << 10;
/// Bytes of events a replica keeps unapplied behind a gap. Past it the newest are dropped and fetched again later.
pub const HELD_BYTES: usize = 8 << 20;
/// Commits waiting in an outbox. Past it a commit is refused with a clear error and the app keeps its data.
pub const PENDING_EVENTS: usize = 1_000_000;
/// Steps that can be undone on one stream. Past it the oldest is forgotten.
pub const UNDO_STEPS: usize = 200;
/// Edits of others of texts that are yet to be told to whoever keeps places in them; past it, they look at the text.
pub const TEXT_MOVES: usize = 4_096;
/// Of those, how many are remembered for a tab that may not have heard of them when it types; past it, the texts tell.
pub const UNHEARD_MOVES: usize = 256;
/// Objects and collections a command may read.
pub const COMMAND_READS: usize = 10_000;
/// Ops of one edit that has taken in later ones.
pub const COALESCED_OPS: usize = 64;
/// Bytes of one edit that has taken in later ones, roughly.
pub const COALESCED_BYTES: usize = 64 << 10;
/// How often an edit is made again that was refused because something had changed.
pub const TRIES: u32 = 16;
/// Acknowledged events of its own a replica keeps, for a server that comes back from an older backup.
pub const KEPT_EVENTS: usize = 1_000;
/// How long they are kept.
pub const KEPT_FOR: Millis = Millis(7 * 24 * 60 * 60 * 1_000);
/// Changed keys a replica remembers for a watcher that does not look; past it the watcher is told "everything".
pub const CHANGED_KEYS: usize = 1_000_000;

/// Tabs of which a replica remembers how many of their edits it has taken.
pub const TABS: usize = 256;
/// Bytes of objects in one page of a view.
pub const VIEW_PAGE_BYTES: usize = 256 << 10;
/// Bytes of rows in one part of a stored record.
pub const RECORD_PART_BYTES: usize = 256 << 10;

// What is worked out from what is wanted.

/// Bytes of a text from which on it is edited, rather than replaced, to become another.
pub const SPLICED_TEXT_BYTES: usize = 64;
/// Bytes that an event may take beside its ops.
pub const EVENT_HEAD_BYTES: usize = 64;

// What a query may ask.

/// Conditions of one query, fields it is sorted by, and values of one list in it.
pub const QUERY_CONDITIONS: usize = 1_000;
/// Bytes of a text by which an index sorts; those that are the same so far are sorted when they are read.
pub const INDEXED_BYTES: usize = 64;
/// Indexes of one collection, and fields of one index.
pub const INDEXES: usize = 16;

// Time.

/// How long a socket may be silent before the client asks for a sign of life.
pub const HEARTBEAT: Millis = Millis(15_000);
/// How long without a sign of life before a socket counts as dead, on either side.
pub const SILENCE: Millis = Millis(40_000);
/// The first pause before connecting again; it doubles up to [`BACKOFF_MOST`], with jitter.
pub const BACKOFF_FIRST: Millis = Millis(200);
/// The longest pause before connecting again.
pub const BACKOFF_MOST: Millis = Millis(15_000);
/// Attempts in a row at a WebSocket that something between client and server cut off, after which the client tries
/// without one.
pub const WEBSOCKET_ATTEMPTS: u32 = 2;
/// How long the client does without, after which it prefers a WebSocket again when it next connects.
pub const WEBSOCKET_AGAIN: Millis = Millis(10 * 60 * 1_000);
/// How long a replica waits before it pushes again after `later`.
pub const LATER_PAUSE: Millis = Millis(500);
/// How long a replica waits before it asks again for a stream of which it may read nothing.
pub const DENIED_PAUSE: Millis = Millis(10_000);
/// Events that a replica reads before it plays them. Reading and playing are each about as much code as a processor keeps
/// at hand: it does many of the one, then many of the other.
pub const READ_AHEAD: usize = 32;
/// Names that are looked at one by one before they are searched as a sorted list.
pub const FEW_NAMES: usize = 8;
/// Objects that have changed since the digest was last asked for, past which it takes them in at once.
pub const UNCOUNTED_OBJECTS: usize = 4_096;
/// Names of fields and collections that a replica keeps to share among objects.
pub const KNOWN_NAMES: usize = 256;
/// Bytes of a value up to which it may be one of those that come again and again: a state, a colour, somebody's name.
pub const COMMON_TEXT_BYTES: usize = 16;
/// Values like that which a replica keeps to share among objects.
pub const COMMON_TEXTS: usize = 256;

/// How long a peer is present after it last said so.
pub const PRESENCE_LIFETIME: Millis = Millis(30_000);
/// How often a client says that its peers are still present.
pub const PRESENCE_RENEWAL: Millis = Millis(10_000);
/// How long after one presence frame a stream waits with the next, in either direction; what changes meanwhile goes
/// together.
pub const PRESENCE_PAUSE: Millis = Millis(50);

// Checks.

/// Events of one stream after which the server sends a digest along.
pub const DIGEST_EVENTS: u64 = 4_096;
