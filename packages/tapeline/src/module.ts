/**
 * The module of the core: starting it, and how bytes go over. An argument is written to its input, an answer is read from its
 * output, or copied; what a function answers is a number.
 */

import type { Checks, Objection } from "./checking.js";
import { reportErrors } from "./errors.js";
import { instantiate } from "./wasm.js";

/** The functions the module exports. All answer numbers: lengths, handles, -1 for nothing, -2 for an error. */
type Exports = Record<Name, (...values: (number | boolean)[]) => number> & { memory: WebAssembly.Memory };

type Name =
  | "about"
  | "close"
  | "hello"
  | "input"
  | "link_connected"
  | "link_free"
  | "link_heard"
  | "link_lost"
  | "link_new"
  | "link_nudge"
  | "link_poll"
  | "mirror_can_step"
  | "mirror_edit"
  | "mirror_edit_with"
  | "mirror_find"
  | "mirror_free"
  | "mirror_get"
  | "mirror_get_after"
  | "mirror_group"
  | "mirror_hear"
  | "mirror_is_complete"
  | "mirror_last_edit"
  | "mirror_look"
  | "mirror_new"
  | "mirror_poll_changed"
  | "mirror_poll_commit"
  | "mirror_publish"
  | "mirror_send_again"
  | "mirror_step"
  | "mirror_stored_through"
  | "mirror_taken_through"
  | "mirror_unwatch"
  | "mirror_watch"
  | "output"
  | "output_bytes"
  | "ping"
  | "position_between"
  | "replica_all_before"
  | "replica_changes"
  | "replica_changes_to"
  | "replica_connected"
  | "replica_digest"
  | "replica_discard"
  | "replica_disconnected"
  | "replica_free"
  | "replica_get_before"
  | "replica_hold"
  | "replica_is_ready"
  | "replica_keep"
  | "replica_new"
  | "replica_not_stored"
  | "replica_parked"
  | "replica_poll_frame"
  | "replica_poll_notice"
  | "replica_poll_record"
  | "replica_poll_run"
  | "replica_poll_timeout"
  | "replica_receive"
  | "replica_poll_peers"
  | "replica_present"
  | "replica_ran"
  | "replica_watch_peers"
  | "replica_restore"
  | "replica_restored"
  | "replica_status"
  | "replica_subscribe"
  | "replica_store_whole"
  | "replica_stored"
  | "replica_take"
  | "replica_take_from"
  | "replica_unsubscribe"
  | "replica_want_more"
  | "replica_view"
  | "replica_view_to"
  | "view_page";

export const NOTHING = -1;
const FAILED = -2;

let core: Exports | undefined;
let memory = new Uint8Array(0);
export const encoder = new TextEncoder();
export const decoder = new TextDecoder();

/** What edits are checked by, each known to the core by its number, from 1 on. */
const known: Checks[] = [];
/** What stood against the last edit that was checked. */
let objection: Objection | undefined;
/** How much room there is for a reason, in bytes. */
const REASON_BYTES = 1000;

/** The number of checks; 0 for none. */
export function numberOf(checks: Checks | undefined): number {
  return checks ? known.indexOf(checks) + 1 || known.push(checks) : 0;
}

/**
 * What the core asks of the page: of a change, what stands against it. The reason is written in its place. Nothing may be thrown
 * through the core: where checks break, the server decides.
 */
function check(by: number, place: number, length: number): number {
  const change = bytesOf(running()).slice(place, place + length);
  objection = reportErrors(() => known[by - 1]!.check(change));
  if (!objection) return NOTHING;
  return encoder.encodeInto(objection.reason, memory.subarray(place, place + REASON_BYTES)).written;
}

/** Starts the core from its module: its bytes, or where to fetch them. Once is enough. */
export async function start(source: URL | (() => Promise<BufferSource>)): Promise<void> {
  if (core) return;
  const exports = await instantiate(source, { env: { check } });
  core ??= exports as unknown as Exports;
}

export function running(): Exports {
  if (!core) throw new Error("the core is not started");
  return core;
}

/** The core's memory, which moves when it grows. */
function bytesOf(exports: Exports): Uint8Array {
  if (memory.buffer !== exports.memory.buffer) memory = new Uint8Array(exports.memory.buffer);
  return memory;
}

/** Writes parts to the core's input, one after the other, and answers their length. */
export function put(...parts: Uint8Array[]): number {
  const exports = running();
  let length = 0;
  for (const part of parts) length += part.length;
  let place = exports.input(length);
  for (const part of parts) {
    bytesOf(exports).set(part, place);
    place += part.length;
  }
  return length;
}

/** The first bytes of the core's output, where they stand. */
function output(length: number): Uint8Array {
  const exports = running();
  const place = exports.output();
  return bytesOf(exports).subarray(place, place + length);
}

/** A number that was answered; an error is thrown. */
export function told(answer: number): number {
  if (answer !== FAILED) return answer;
  const words = decoder.decode(output(running().output_bytes()));
  throw Object.assign(new Error(words), objection?.reason.startsWith(words) && { objection });
}

/** Bytes that were answered, where there are any, and where they stand: to be read before the core is called again. */
export function lent(answer: number): Uint8Array | undefined {
  const length = told(answer);
  return length === NOTHING ? undefined : output(length);
}

/** A copy of bytes that were answered, where there are any; an error is thrown. */
export function given(answer: number): Uint8Array | undefined {
  return lent(answer)?.slice();
}
