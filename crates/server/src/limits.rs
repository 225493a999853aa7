//! Every limit of the server in one place. What a client may say is limited in [`tapeline_core::limits`].

use std::time::Duration;

use tapeline_core::numbers::Millis;

use crate::guests::Allowance;
use crate::pace::Rate;

// Sockets.

/// Connections at once, WebSocket and plain HTTP together.
pub const CONNECTIONS: usize = 65_536;
/// What one address may do, or one IPv6 network of 64 bits. A session is one request.
pub(crate) const ADDRESS: Allowance = Allowance {
    connections: 2_048,
    requests: Rate { per_second: 200, at_once: 2_000 },
    bytes: Rate { per_second: 16 << 20, at_once: 64 << 20 },
    remembered: 65_536,
};
/// What one caller may do: sessions and requests at once, requests, and bytes of both.
pub(crate) const CALLER: Allowance = Allowance {
    connections: 256,
    requests: Rate { per_second: 100, at_once: 1_000 },
    bytes: Rate { per_second: 4 << 20, at_once: 32 << 20 },
    remembered: 65_536,
};
/// What could be read lately, by whoever it was: so many are known again by those who come back with other rights.
pub(crate) const VIEWS: usize = 1_024;
/// How long a client may take to agree on encryption.
pub const TLS_WITHIN: Duration = Duration::from_secs(10);
/// How often certificates are looked at.
pub const TLS_LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Bytes of the largest message before the hello.
pub const HELLO_BYTES: usize = 16 << 10;
/// Bytes taken from a socket in one go.
pub const RECEIVE_BYTES: usize = 64 << 10;
/// Bytes of unfinished messages and bodies of all sockets together, past which the socket that would add to them is
/// closed, or its request put off.
pub const UNFINISHED_BYTES: usize = 128 << 20;
/// Bytes of unfinished messages of one socket that do not count for that.
pub const UNFINISHED_FREE_BYTES: usize = 4 << 10;
/// Bytes waiting for one socket, past which nothing more is played to it.
pub const OUTGOING_BYTES: usize = 32 << 10;
/// Bytes of answers waiting for one socket, past which nothing more is read from it.
pub const ANSWER_BYTES: usize = 256 << 10;
/// Bytes of events up to which copying them beside their frame's head is cheaper than sending them apart.
pub const COPIED_BYTES: usize = 4 << 10;
/// How hard frames are compressed that are worth it, 1 to 9. Pages of to-dos take 36 % of their bytes at 1, 32 % at 2 in 1.4
/// times the time, 30 % at 4 in 4 times the time.
pub const DEFLATE_LEVEL: u32 = 2;
/// Bytes of events read from the log, from which on they are compressed.
pub const DEFLATED_BYTES: usize = 16 << 10;
/// Ranges one socket has asked for and not been given, past which nothing more is read from it.
pub const FETCHES: usize = 4_096;
/// Changes of the queries of a client on one stream that wait until it holds what it asked for before, past which it may add
/// none.
pub const QUERY_CHANGES: usize = 4 * tapeline_core::limits::QUERIES;
/// Frames that cannot be read, after which a socket is closed.
pub const BAD_FRAMES: u32 = 16;
/// How long a socket that is being closed may take to say goodbye.
pub const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// Streams open at once on all sockets together, past which opening one is answered `later`.
pub const OPENINGS: i64 = 400_000;

// Who connects.

/// Bytes of a token or API key.
pub const TOKEN_BYTES: usize = 8 << 10;
/// Good tokens whose signatures are not looked at again when they are shown again.
pub const OPENED_TOKENS: usize = 1_024;
/// How far the clocks of issuers may be apart from ours, where an auth file does not say it.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// How far at most.
pub const LEEWAY_MOST: Duration = Duration::from_secs(10 * 60);
/// Keys that tokens are verified with: so many in an auth file, and so many that an issuer publishes.
pub const TOKEN_KEYS: usize = 16;
/// API keys in an auth file.
pub const API_KEYS: usize = 1_000;
/// Bytes of an auth file.
pub const AUTH_FILE_BYTES: usize = 1 << 20;
/// Bytes of a file with a key or certificates.
pub const KEY_FILE_BYTES: usize = 64 << 10;
/// Bytes of the list of what is revoked.
pub const REVOKED_BYTES: usize = 16 << 20;
/// How often these files are looked at.
pub const AUTH_LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Bytes of the keys that an issuer publishes.
pub const JWKS_BYTES: usize = 256 << 10;
/// How long an issuer may take to answer.
pub const JWKS_WITHIN: Duration = Duration::from_secs(5);
/// How often an issuer is asked.
pub const JWKS_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long an issuer is left alone whoever shows tokens of keys that are not known.
pub const JWKS_PAUSE: Duration = Duration::from_secs(5);

// Reading what is behind.

/// Reads of the log that run at once.
pub const READS: usize = 8;
/// Bytes read from the log that wait to be sent, all sockets together. As they run out, reads get smaller.
pub const READ_AHEAD_BYTES: usize = 64 << 20;
/// Bytes of the smallest read; a single event may be larger.
pub const SMALLEST_READ_BYTES: usize = 4 << 10;
/// Bytes of recent blocks kept in memory for readers that are nearly caught up, all streams together.
pub const TAIL_BYTES: usize = 48 << 20;
/// Bytes a block counts for beside its events.
pub const TAIL_BLOCK_BYTES: usize = 256;

/// Blocks that are gone through at once for somebody who follows a part of a stream; past it the store is read.
pub const COURSE_BLOCKS: usize = 1_024;

// Filling replicas.
/// Bytes of events that are read from the log for a replica, from which on it is rather filled where there are still more.
pub const PLAYED_BYTES: usize = tapeline_core::limits::READ_BYTES / 2;

/// Bytes of a page from which on it is compressed.
pub const DEFLATED_PAGE_BYTES: usize = 512;
/// Entries that are looked up in one go.
pub const KEYS_AT_ONCE: usize = 64;
/// Entries looked at for one page, however few of them are in it.
pub const PAGE_ENTRIES: usize = 20_000;
/// Pages that are made at once. Others wait their turn, so that live traffic has the other processors.
pub const PAGES_AT_ONCE: usize = 1;
/// Pages of one pinned state that are kept for others who are filled from nothing.
pub const SHELVED_PAGES: usize = 16;
/// Keys found through the index of what events touch, past which all entries are looked at.
pub const TOUCHED_KEYS: usize = 32_768;
/// How often pins are looked for that nobody has read from since.
pub const PINS_EVERY: Duration = Duration::from_secs(30);

// Shards.

/// Shards at most. There are half as many as the machine has processors, but at least one.
pub const SHARDS: usize = 8;
/// Bytes of commands waiting for one shard, past which sessions wait.
pub const QUEUE_BYTES: usize = 16 << 20;
/// Bytes a command counts for beside its events.
pub const COMMAND_BYTES: usize = 256;
/// Bytes of events that are played from the log before what they came to is stored.
pub const REPLAY_BYTES: usize = 8 << 20;
/// Bytes of events in one batch, after which it is staged though more is waiting.
pub const BATCH_BYTES: usize = 256 << 10;
/// Bytes of streams in memory, all shards together, past which those are let go that were not used for a while.
pub const RESIDENT_BYTES: usize = 480 << 20;
/// How far past that memory is so short that streams in use are packed, too, as a part of it.
pub const RESIDENT_SHORT_PART: usize = 16;
/// Bytes that a stream in memory takes beside its objects.
pub const STREAM_BYTES: usize = 2_048;
/// Bytes that an object in memory takes beside its fields.
pub const OBJECT_BYTES: usize = 768;
/// Bytes of one stream in memory, past which it rests for a moment to let its objects go.
pub const STREAM_MOST_BYTES: usize = 64 << 20;
/// Bytes of one stream in memory up to which it is packed rather than forgotten.
pub const PACKED_STREAM_BYTES: usize = 48 << 10;
/// Bytes of one stream in memory from which on it is worth letting its objects go when memory is short.
pub const STREAM_LARGE_BYTES: usize = 1 << 20;
/// How long changes are gathered before they go to the state store.
pub const STORE_AFTER: Duration = Duration::from_millis(500);
/// Streams whose changes are stored, or that are let go, in one turn of a shard, beside one for each command.
pub const STREAMS_A_TURN: usize = 64;
/// Streams of a log that others append to, too, that are loaded at once by one shard.
pub const LOADS_AT_ONCE: usize = 16;
/// How long those who read wait to hear what others appended last.
pub const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// How long it is waited before what others appended is asked for again, where it cannot be had.
pub const FOLLOW_PAUSE: Duration = Duration::from_millis(250);
/// Bytes of events that another node is asked to decide on at once; more are decided on where they are.
pub const FORWARD_BYTES: usize = 512 << 10;
/// How long another node may take to decide before it is done here.
pub const FORWARD_WITHIN: Duration = Duration::from_secs(2);
/// Streams whose events a node counts, from one renewal of its lease to the next.
pub const HEAT_STREAMS: usize = 4_096;
/// Events a second from which on a stream is hot.
pub const HOT_STREAM: u64 = 50;
/// Hot streams that a node tells of.
pub const HOT_STREAMS: usize = 16;
/// Events a second from which on a node gives streams away.
pub const BUSY_NODE: u64 = 1_000;
/// Streams that a node may have given away.
pub const GIVEN_STREAMS: usize = 64;
/// Renewals of the lease after which loads are what they are since a stream was given away.
pub const HEAT_SETTLES: u32 = 6;
/// Renewals after which a stream that was given away, and is not hot any more, is taken back: a minute.
pub const COLD_AFTER: u32 = 75;
/// How long it may take before it is asked whether it is there.
pub const FORWARD_DOUBTED: Duration = Duration::from_millis(300);
/// How often it is looked for what took too long.
pub const FORWARD_LOOKS_EVERY: Duration = Duration::from_millis(200);
/// What other nodes ask for and was not begun, past which what they say is lost.
pub const ASKED: usize = 1_024;
/// How long those wait before they send again whose events came after what others had appended.
pub const CONFLICT_PAUSE: Millis = Millis(20);
/// Streams that are brought up at once after a start.
pub const BRING_UP_AT_ONCE: usize = 64;

// Letting events go.

/// How often all streams are looked at.
pub const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Streams that are asked for at once for it.
pub const RETENTION_STREAMS: usize = 256;
/// A pause after each stream of which something was let go.
pub const RETENTION_PAUSE: Duration = Duration::from_millis(5);
/// Streams of which it is remembered that nothing is old enough yet.
pub const YOUNG_STREAMS: usize = 1 << 16;

// Plain HTTP.

/// Bytes of the head of a request.
pub const REQUEST_HEAD_BYTES: usize = 16 << 10;
/// Bytes of the body of a request.
pub const REQUEST_BODY_BYTES: usize = tapeline_core::limits::FRAME_BYTES;
/// How long a client may take to send a request's head.
pub const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long a request may take to be answered, and a client to take the next part of an answer.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// Streams listed in one answer.
pub const LISTED_STREAMS: usize = 1_000;
/// Events in one answer that is a single JSON document.
pub const LISTED_EVENTS: u64 = 10_000;
/// Bytes of such an answer, past which it has no more events.
pub const LISTED_BYTES: usize = 4 << 20;
/// Events up to which parts of their bytes can be asked for: they are all read to count the bytes.
pub const EVENTS_IN_PARTS: u64 = 1 << 18;
/// How long a request may wait for events.
pub const WAIT: Duration = Duration::from_secs(25);
/// How long nothing is said to who follows a stream, after which a sign of life is.
pub const TAIL_BEAT: Duration = Duration::from_secs(15);
/// Bytes of one part of a streamed answer.
pub const PART_BYTES: usize = 64 << 10;
/// Parts of a streamed answer that wait for the client.
pub const PARTS: usize = 2;
/// Objects that are sorted for one request.
pub const SORTED_OBJECTS: usize = 10_000;
/// Bytes of such objects.
pub const SORTED_BYTES: usize = 32 << 20;
/// Bytes of the lines of a page of a snapshot, past which no more objects are on it.
pub const PAGE_BYTES: usize = 1 << 20;
/// Snapshots that are held for those who read them page by page; with one more, the one that was not read for longest goes.
pub const SNAPSHOTS: usize = 32;
/// How long a snapshot is held that nobody reads.
pub const SNAPSHOT_KEPT: Duration = Duration::from_secs(60);
/// How long after a snapshot was made those who begin are sent on to it.
pub const SNAPSHOT_SHARED: Duration = Duration::from_secs(10);
/// Answers that list objects or streams at once.
pub const OBJECT_LISTS: usize = 16;

// The application's own backend.

/// Bytes of a backend file.
pub const BACKEND_FILE_BYTES: usize = 64 << 10;
/// Bytes of the name of a validator or receiver.
pub const BACKEND_NAME_BYTES: usize = 64;
/// Streams and collections that one of them names.
pub const BACKEND_NAMES: usize = 256;
/// Bytes of what is posted, unless a single question or event has more.
pub const POSTED_BYTES: usize = 1 << 20;
/// Bytes of what is answered to that.
pub const BACKEND_ANSWER_BYTES: usize = 1 << 20;
/// Bytes of what people are told by a validator.
pub const MESSAGE_BYTES: usize = tapeline_authority::limits::MESSAGE_BYTES;
/// Validators.
pub const VALIDATORS: usize = 16;
/// How long a validator may take for each try, where its file does not say it.
pub const VALIDATOR_WITHIN: Duration = Duration::from_secs(2);
/// How long at most.
pub const VALIDATOR_WITHIN_MOST: Duration = Duration::from_secs(5);
/// How often a validator is asked until it is given up.
pub const VALIDATOR_TRIES: u32 = 3;
/// How long after the first try it is tried again; twice that after the second.
pub const VALIDATOR_PAUSE: Duration = Duration::from_millis(100);
/// How long it is left alone after the last.
pub const VALIDATOR_REST: Duration = Duration::from_secs(1);
/// How long a question may wait for its answer, with all that waits before it.
pub const ASKED_WITHIN: Duration = Duration::from_secs(20);
/// Questions that are put to a validator together.
pub const QUESTIONS_AT_ONCE: usize = 100;
/// Questions that wait for one validator, past which whoever asks waits, too.
pub const QUESTIONS_WAITING: usize = 4_096;
/// Requests to one validator that are not answered.
pub const ASKED_AT_ONCE: usize = 4;
/// Bytes of events that wait for what validators say, one shard; what comes beyond that is answered `later`.
pub const ASKED_BYTES: usize = 16 << 20;
/// How often validators are asked about one event that others keep changing the meaning of.
pub const ASKED_AGAIN: u32 = 16;
/// Receivers.
pub const RECEIVERS: usize = 16;
/// How long a receiver may take for a post.
pub const RECEIVER_WITHIN: Duration = Duration::from_secs(10);
/// Streams that a receiver is told of in one post.
pub const RECEIVER_STREAMS_TOGETHER: usize = 100;
/// Bytes of events that are read for one post of one stream, and past which no other stream is in it.
pub const RECEIVER_READ_BYTES: usize = 256 << 10;
/// Names of streams that wait until a receiver is told of them, and streams of which it is remembered how far it is; with more, all
/// streams are looked at again.
pub const RECEIVER_STREAMS: usize = 1 << 16;
/// How long a receiver is left alone after a post that failed; twice that after the next.
pub const RECEIVER_PAUSE: Duration = Duration::from_millis(500);
/// At most so long.
pub const RECEIVER_PAUSE_MOST: Duration = Duration::from_secs(30);
/// How often it is looked whether there is anything to do, where nothing is.
pub const RECEIVER_LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How often all streams are looked at where other nodes record, too.
pub const RECEIVER_SCANS_EVERY: Duration = Duration::from_secs(60);
/// Events that stay of those that say how far a receiver is.
pub const RECEIVER_EVENTS: u64 = 1_024;

// Stopping.

/// How long stopping may take in all.
pub const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How long what a client showed is taken for good before it is looked at again, at least.
pub const LOOK_AGAIN_IN: Duration = Duration::from_millis(100);

// The log of the server.

/// How often the same is said of what comes and goes, at most.
pub const TROUBLE_EVERY: Duration = Duration::from_secs(60);
