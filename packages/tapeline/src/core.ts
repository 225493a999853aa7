/**
 * The core, compiled to WebAssembly, as classes: the other side of `crates/wasm`.
 *
 * Nothing is decided here. What goes over is bytes (see `module.ts`); what is structured is CBOR (see `values.ts`); times are
 * milliseconds, ids and random numbers 16 bytes. What is decoded at once stands where the core wrote it, and is good until the
 * next call.
 */

import type { Checks } from "./checking.js";
import { decoder, encoder, given, lent, NOTHING, numberOf, put, running, told } from "./module.js";

/** The replica of one stream: its outbox, its confirmed objects, its place on the log. It lives where the leader is. */
export class Replica {
  handle: number;

  /** `client`: used where nothing is stored. One that is kept on the device is restored first. */
  constructor(stream: string, client: Uint8Array, onDevice: boolean) {
    this.handle = told(running().replica_new(put(client, encoder.encode(stream)), onDevice));
  }

  /** Takes one part of a stored record, in the order they were written. Throws where it is damaged or newer. */
  restore(part: Uint8Array): void {
    told(running().replica_restore(this.handle, put(part)));
  }

  /** All records were read. `checks`: of commands that are run again. */
  restored(checks: Checks | undefined): void {
    told(running().replica_restored(this.handle, numberOf(checks)));
  }

  /** Holds only what its queries find, where it holds nothing yet; or, not `part`, all of the stream. */
  hold(part: boolean): void {
    told(running().replica_hold(this.handle, part));
  }

  /** Wants the result of a query. Answers its number. */
  subscribe(query: Uint8Array): number {
    return told(running().replica_subscribe(this.handle, put(query)));
  }

  /** Wants so many objects of a window. */
  wantMore(query: number, limit: number): void {
    told(running().replica_want_more(this.handle, query, limit));
  }

  unsubscribe(query: number): void {
    told(running().replica_unsubscribe(this.handle, query));
  }

  /** Whether all that a query finds is held. */
  isReady(query: number): boolean {
    return told(running().replica_is_ready(this.handle, query)) === 1;
  }

  connected(channel: number): void {
    told(running().replica_connected(this.handle, channel));
  }

  disconnected(): void {
    told(running().replica_disconnected(this.handle));
  }

  receive(frame: Uint8Array, now: number, random: Uint8Array): void {
    told(running().replica_receive(this.handle, put(random, frame), now));
  }

  /** The next frame to send; ask until there is none, after every other call. */
  pollFrame(now: number): Uint8Array | undefined {
    return given(running().replica_poll_frame(this.handle, now));
  }

  /** When to ask for a frame again though nothing else happened. */
  pollTimeout(): number | undefined {
    const at = running().replica_poll_timeout(this.handle);
    return at < 0 ? undefined : at;
  }

  /** The next record to store, `{number, whole, urgent, parts}`; `flush`: though one is on its way. */
  pollRecord(flush: boolean): Uint8Array | undefined {
    return lent(running().replica_poll_record(this.handle, flush));
  }

  stored(record: number): void {
    told(running().replica_stored(this.handle, record));
  }

  notStored(record: number): void {
    told(running().replica_not_stored(this.handle, record));
  }

  /** Goes on in memory alone where the device cannot be used, and back to the device when it can. */
  keep(onDevice: boolean): void {
    told(running().replica_keep(this.handle, onDevice));
  }

  /** The next record is to be all there is, in place of the earlier ones. */
  storeWhole(): void {
    told(running().replica_store_whole(this.handle));
  }

  /** Takes an edit of another tab, once however often it comes. */
  take(tab: Uint8Array, commit: Uint8Array): void {
    told(running().replica_take(this.handle, put(tab, commit)));
  }

  /** Takes the edits of this tab's own mirror. */
  takeFrom(tab: Uint8Array, mirror: Mirror): void {
    told(running().replica_take_from(this.handle, mirror.handle, put(tab)));
  }

  /** The whole view in pages, for mirrors of other tabs that begin. */
  view(): Uint8Array[] {
    told(running().replica_view(this.handle));
    const pages: Uint8Array[] = [];
    for (let page = given(running().view_page()); page; page = given(running().view_page())) pages.push(page);
    return pages;
  }

  /** Gives the whole view to this tab's own mirror. */
  viewTo(mirror: Mirror): void {
    told(running().replica_view_to(this.handle, mirror.handle));
  }

  /** What changed since it was last asked, for the mirrors of other tabs. */
  changes(): Uint8Array | undefined {
    return given(running().replica_changes(this.handle));
  }

  /** Tells this tab's own mirror what changed; the same for the others, or no bytes where there are no `others`. */
  changesTo(mirror: Mirror, others: boolean): Uint8Array | undefined {
    return given(running().replica_changes_to(this.handle, mirror.handle, others));
  }

  /** A peer, 8 bytes of id, says something of itself, an encoded value; null: it goes. */
  present(peer: Uint8Array, state: Uint8Array): void {
    told(running().replica_present(this.handle, put(peer, state)));
  }

  /** Hears of others from now on. */
  watchPeers(): void {
    told(running().replica_watch_peers(this.handle));
  }

  /** Everybody who is present, `{id: state}`, where that has changed. */
  pollPeers(): Uint8Array | undefined {
    return lent(running().replica_poll_peers(this.handle));
  }

  /** `{open, played, head, behind, pending, oldestPending?, parked, drafts, stored, agreedSeq?, agreedAt?, diverged, …}` */
  status(): Uint8Array {
    return lent(running().replica_status(this.handle))!;
  }

  digest(): string {
    return decoder.decode(lent(running().replica_digest(this.handle))!);
  }

  /** `[[edit, at, refusal, ops, command | null], …]` */
  parked(): Uint8Array {
    return given(running().replica_parked(this.handle))!;
  }

  /** Drops a refused edit. `false`: there is no such edit. */
  discard(edit: number): boolean {
    return told(running().replica_discard(this.handle, edit)) === 1;
  }

  /** The next thing to hear of: see `notices.ts`. */
  pollNotice(): Uint8Array | undefined {
    return given(running().replica_poll_notice(this.handle));
  }

  /** The next command to be run again, `[edit, name, args, at, seed]`; say with `ran` what came of it. */
  pollRun(): Uint8Array | undefined {
    return lent(running().replica_poll_run(this.handle));
  }

  /** One object as it was before an edit, and as ops would leave that, as a row. `key`: `[collection, id]`. */
  getBefore(edit: number, key: Uint8Array, ops: Uint8Array): Uint8Array | undefined {
    return lent(running().replica_get_before(this.handle, edit, key.length, put(key, ops)));
  }

  /** All objects of a collection as they were before an edit, `[row, …]` in no order. */
  allBefore(edit: number, collection: string): Uint8Array {
    return lent(running().replica_all_before(this.handle, edit, put(encoder.encode(collection))))!;
  }

  /** A command was run again: 0 with `[ops, objects, collections]`, 1 it refuses, 2 it broke, 3 nobody knows it. */
  ran(edit: number, outcome: 0 | 1 | 2 | 3, what: Uint8Array | string): void {
    told(
      running().replica_ran(this.handle, edit, outcome, put(typeof what === "string" ? encoder.encode(what) : what)),
    );
  }

  free(): void {
    running().replica_free(this.handle);
    this.handle = NOTHING;
  }
}

/** A tab's copy of the view of one stream: read and edited at once. */
export class Mirror {
  handle: number;

  /** `checks`: of edits, before they are taken. */
  constructor(tab: Uint8Array, stream: string, checks: Checks | undefined) {
    this.handle = told(running().mirror_new(put(tab, encoder.encode(stream)), numberOf(checks)));
  }

  /** Makes an edit of these ops: all of them, or none. Throws where it does not fit what is shown, or is not valid. */
  edit(ops: Uint8Array, now: number, draft = false): void {
    told(running().mirror_edit(this.handle, put(ops), now, draft));
  }

  /** The same with what it depends on, and how it came about: `[ops, [read, …], command | null]`. */
  editWith(edit: Uint8Array, now: number): void {
    told(running().mirror_edit_with(this.handle, put(edit), now));
  }

  /** A draft becomes an object like others. `key`: `[collection, id]`. */
  publish(key: Uint8Array, now: number): void {
    told(running().mirror_publish(this.handle, put(key), now));
  }

  /** Takes this tab's last edit back, or makes it again. `false`: there is nothing to do. */
  step(redo: boolean, forced: boolean, now: number): boolean {
    return told(running().mirror_step(this.handle, now, redo, forced)) === 1;
  }

  canStep(redo: boolean): boolean {
    // Nothing can be done with one that is gone.
    return running().mirror_can_step(this.handle, redo) === 1;
  }

  /** All edits from now on are one step, or no longer. */
  group(begins: boolean): void {
    told(running().mirror_group(this.handle, begins));
  }

  /** The next edit to be sent to the leader of another tab. */
  pollCommit(): Uint8Array | undefined {
    return given(running().mirror_poll_commit(this.handle));
  }

  /** There is a new leader: what is not known to be on the device goes to it. `elsewhere`: it is not in this tab. */
  sendAgain(elsewhere: boolean): void {
    told(running().mirror_send_again(this.handle, elsewhere));
  }

  /** Takes a change of the view of another tab's leader. Throws where it is of another version. */
  hear(change: Uint8Array): void {
    told(running().mirror_hear(this.handle, put(change)));
  }

  isComplete(): boolean {
    return told(running().mirror_is_complete(this.handle)) === 1;
  }

  lastEdit(): number {
    return running().mirror_last_edit(this.handle);
  }

  takenThrough(): number {
    return running().mirror_taken_through(this.handle);
  }

  storedThrough(): number {
    return running().mirror_stored_through(this.handle);
  }

  /** One object, as a row `[id, {field: value}, conflicts?]`. */
  get(collection: string, id: string): Uint8Array | undefined {
    const name = encoder.encode(collection);
    return lent(running().mirror_get(this.handle, name.length, put(name, encoder.encode(id))));
  }

  /** One object as ops would leave it, as a row. `key`: `[collection, id]`. */
  getAfter(key: Uint8Array, ops: Uint8Array): Uint8Array | undefined {
    return lent(running().mirror_get_after(this.handle, key.length, put(key, ops)));
  }

  /** The answer to a query now, `[row, …]`. */
  find(query: Uint8Array): Uint8Array {
    return lent(running().mirror_find(this.handle, put(query)))!;
  }

  watch(query: Uint8Array): number {
    return told(running().mirror_watch(this.handle, put(query)));
  }

  unwatch(watch: number): void {
    told(running().mirror_unwatch(this.handle, watch));
  }

  /** The next query whose answer may have changed. */
  pollChanged(): number | undefined {
    const watch = told(running().mirror_poll_changed(this.handle));
    return watch === NOTHING ? undefined : watch;
  }

  /** What became of an answer since it was last asked: `[[place, …], [place, …], [row, …]]`, take out, then put in. */
  look(watch: number): Uint8Array | undefined {
    return lent(running().mirror_look(this.handle, watch));
  }

  free(): void {
    running().mirror_free(this.handle);
    this.handle = NOTHING;
  }
}

/** When to connect, to ask for a sign of life, and to give up. Times are monotonic milliseconds. */
export class Link {
  readonly #handle: number;

  constructor(now: number) {
    this.#handle = told(running().link_new(now));
  }

  /** -1 connect, -2 send a ping, -3 give the socket up; else nothing before this time. */
  poll(now: number): number {
    return running().link_poll(this.#handle, now);
  }

  connected(now: number): void {
    told(running().link_connected(this.#handle, now));
  }

  heard(now: number): void {
    told(running().link_heard(this.#handle, now));
  }

  lost(now: number, random: number): void {
    told(running().link_lost(this.#handle, now, random));
  }

  nudge(now: number): void {
    told(running().link_nudge(this.#handle, now));
  }

  free(): void {
    running().link_free(this.#handle);
  }
}

/** A position between two, `[before | null, after | null]`. */
export function positionBetween(ends: Uint8Array): string {
  return decoder.decode(lent(running().position_between(put(ends), Math.random() * 2 ** 53))!);
}

/** The first frame on a socket. `deflate`: frames may come in DEFLATE. `schema`: 0 where none is said. */
export function hello(agent: string, token: string | undefined, deflate: boolean, schema: number): Uint8Array {
  const name = encoder.encode(agent);
  return given(running().hello(name.length, Number(deflate), schema, put(name, encoder.encode(token ?? ""))))!;
}

/** Asks for a sign of life. */
export function ping(): Uint8Array {
  return given(running().ping())!;
}

/** Closes a stream. */
export function closeStream(channel: number): Uint8Array {
  return given(running().close(channel))!;
}

/** What a frame of the server is about: `{kind, channel?, code?, message?, silence?}`. */
export function about(frame: Uint8Array): Uint8Array {
  return lent(running().about(put(frame)))!;
}
