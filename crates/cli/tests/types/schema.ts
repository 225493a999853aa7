// Made by `tapeline types --lang ts` from the schema: make it anew when that changes.

import type { Value } from "tapeline";

/** An object of `blog-posts`. */
export interface BlogPosts {
  day?: Value;
}

/** An object of `people`. */
export type People = Record<string, Value>;

/** An object of `tasks`. */
export interface Tasks {
  cost?: number | null;
  "due-date"?: string | null;
  dueDate?: number | bigint | null;
  effort?: number | null;
  more?: { readonly [name: string]: Value } | null;
  note?: Value;
  /** Refers to `people`. */
  owner?: string | null;
  picture?: Uint8Array | null;
  size?: number | bigint | null;
  state?: "open" | "in work" | "done" | null;
  tags?: readonly Value[] | null;
  title: string;
  type?: 1 | 2 | true | null;
  urgent: boolean;
  /** Refers to `people`. */
  watchers?: readonly string[] | null;
}

/** What is on a stream: `db.stream<Collections>("…").collection("…")`. */
export interface Collections {
  "blog-posts": BlogPosts;
  people: People;
  tasks: Tasks;
}
