/** Every limit of this package; those of the data are the core's. */

/** Bytes of the name of a stream, and of a collection. */
export const STREAM_BYTES = 200;
export const COLLECTION_BYTES = 64;
/** Queries whose results a tab holds of one stream that is open in part. */
export const QUERIES = 1_000;
/** Objects of the longest window on one. */
export const WINDOW = 1_000;
/** Objects and queries that were loaded of one, and are still held: the last of them. */
export const LOADED = 256;
/** Length of a text from which on it is edited, rather than replaced, to become another. */
export const SPLICED_TEXT = 64;
/** How deep lists and maps may nest in one value. */
export const VALUE_DEPTH = 32;
/** Bytes of what a tab says of itself, encoded. */
export const PRESENCE_BYTES = 4 << 10;
/** Bytes of stored records after which they are written anew as a whole, at least; and as a share of that whole. */
export const COMPACT_BYTES = 256 << 10;
export const COMPACT_SHARE = 0.5;
/** Records read from the device at once. */
export const RECORDS_AT_ONCE = 64;
/** Bytes waiting in a socket past which no more is given to it. */
export const SOCKET_BYTES = 1 << 20;
/** How long a leader may say nothing to a visible tab before it is taken for dead. */
export const LEADER_SILENCE = 5_000;
/** How long closing waits for edits to get to the device. */
export const CLOSING = 10_000;
/** How long a process may take to remove a lock that another one left, and how long others wait for that. */
export const LOCK_TURN = 5_000;
export const LOCK_PAUSE = 20;
/** Pauses before the device's storage is tried again. */
export const STORAGE_PAUSE = 5_000;
/** A timer that comes this much too late means that the machine slept. */
export const SLEPT = 10_000;
/** How long a server may take to answer where there is reason to doubt that it is still there. */
export const ANSWER = 5_000;
/** How often an open socket and a pause are looked after, at least. */
export const TICK = 1_000;
/** Bytes of a frame, inflated. */
export const FRAME_BYTES = 4 << 20;
/** Bytes of frames said in one POST, where WebSockets are blocked; a single frame may be larger. */
export const POST_BYTES = 1 << 20;
/** How often the same POST is tried, and the pause between. */
export const POST_TRIES = 4;
export const POST_PAUSE = 250;
/** After what time a connection of that kind that breaks makes way for a WebSocket again. */
export const SSE_HELD = 600_000;

/** After which part of its time a token is renewed. */
export const RENEW_AFTER = 0.8;
/** How long it is waited at least, in milliseconds: the app may have no newer one. */
export const RENEW_PAUSE = 1_000;
/** The longest that a timer waits, in milliseconds. */
export const TIMER_MOST = 2 ** 31 - 1;
