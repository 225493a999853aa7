/**
 * What tabs of one app say to each other, on one channel that all of them hear.
 *
 * Each leader has a term, a number above all earlier ones. What a leader of an earlier term says, which has yet to notice
 * that its time is over, is not listened to; and an edit is meant for the leader of one term alone, to whom its tab has
 * sent all that came before it. So no edit is lost between two leaders.
 */

import type { Holding } from "../held.js";
import type { Connection, ReplicaStatus } from "../status.js";
import type { Value } from "../values.js";

/** Asked by a tab of whoever leads. */
export type ToLeader =
  /** Tell me of this stream: first the whole view, then what changes. `part`: what is held of it is enough. */
  | { kind: "join"; tab: string; stream: string; part: boolean }
  /** What a tab holds of a stream that is open in part. */
  | { kind: "holding"; tab: string; stream: string; holding: Holding }
  /** An edit made on a mirror; sent again until it is on the device. */
  | { kind: "edit"; tab: string; stream: string; bytes: Uint8Array }
  | { kind: "discard"; stream: string; edit: number }
  | { kind: "offline"; offline: boolean }
  /** What a tab says of itself, encoded; it also wants to hear of others. */
  /** What a tab says of itself, encoded; null: it goes. It wants to hear of others from now on. */
  | { kind: "presence"; tab: string; stream: string; state: Uint8Array }
  /** Are you there? */
  | { kind: "beat" };

/** How a stream stands, where that has changed. */
export interface Standing {
  /** The core's status, encoded: most are never looked at. */
  readonly status: Uint8Array;
  readonly storage: Storage;
  /** Edits that were refused, encoded. */
  readonly parked: Uint8Array;
}

/** Where edits are kept, and why not on the device. */
export interface Storage {
  readonly storage: ReplicaStatus["storage"];
  readonly storageWhy?: string;
}

/** Said by the leader to all tabs, or to one. */
export type FromLeader =
  | { kind: "leading" }
  | { kind: "view"; to: string; stream: string; pages: Uint8Array[]; standing: Standing | undefined }
  /** What is shown and how it stands change together: neither is ahead of the other. */
  | { kind: "changes"; stream: string; bytes: Uint8Array | undefined; standing: Standing | undefined }
  /** All that these of a tab's queries find is here. */
  | { kind: "held"; to: string; stream: string; holds: readonly number[] }
  | { kind: "connection"; connection: Connection; offline: boolean }
  /** Encoded: most are listened to by nobody. */
  | { kind: "notice"; stream: string; bytes: Uint8Array }
  | { kind: "peers"; stream: string; peers: Record<string, Value> };

/** Versions of an app that are open at once understand this much of each other. */
export type Message = {
  /** The version of what is said. */
  readonly version: number;
  /** Of the leader that says it, or that is asked. */
  readonly term: number;
} & ({ readonly said: FromLeader } | { readonly asked: ToLeader });
