/** What tabs of one app say to each other, on one channel that all of them hear. */

import type { Connection, ReplicaStatus, Notice } from "../status.js";
import type { Value } from "../values.js";

/** Said by a tab to whoever leads. */
export type ToLeader =
  /** Tell me of this stream: first the whole view, then what changes. */
  | { kind: "join"; tab: string; stream: string }
  /** An edit made on a mirror; sent again until it is on the device. */
  | { kind: "edit"; tab: string; stream: string; bytes: Uint8Array }
  | { kind: "discard"; stream: string; edit: number }
  | { kind: "offline"; offline: boolean }
  | { kind: "presence"; tab: string; stream: string; watch: boolean; state: Value | undefined }
  | { kind: "leave"; tab: string };

/** Said by the leader to all tabs, or to one. */
export type FromLeader =
  | { kind: "leading" }
  | { kind: "view"; to: string; stream: string; pages: Uint8Array[] }
  | { kind: "changes"; stream: string; bytes: Uint8Array }
  | { kind: "status"; stream: string; status: ReplicaStatus; parked: Uint8Array }
  | { kind: "connection"; connection: Connection; offline: boolean }
  | { kind: "notice"; stream: string; notice: Notice }
  | { kind: "peers"; stream: string; peers: [string, Value][] };

export type Message = (ToLeader | FromLeader) & {
  /** The version of these messages. */
  version: number;
};
