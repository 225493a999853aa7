/** Holding a part of a stream: the results of queries, each for as long as somebody wants it. */

import type { Collection, Row } from "./collection.js";
import { invalid } from "./errors.js";
import { toHex } from "./ids.js";
import { LOADED, QUERIES } from "./limits.js";
import type { Query } from "./query.js";
import type { TabStream } from "./tab-stream.js";

/** A query whose result a part of a stream holds: what enters it comes, what leaves it goes. */
export class Held<Fields extends object> {
  readonly #stream: TabStream;
  readonly #collection: Collection<Fields>;
  #query: Query<Fields>;
  #number: number;

  /** @internal `number`: what the tab knows it as. */
  constructor(stream: TabStream, collection: Collection<Fields>, query: Query<Fields>, number: number) {
    this.#stream = stream;
    this.#collection = collection;
    this.#query = query;
    this.#number = number;
  }

  /** Whether all that the query finds is here. What is here before that is what the device has. */
  get isReady(): boolean {
    return this.#stream.holds.isReady(this.#number);
  }

  /** Resolves once all that the query finds is here; rejects where it is released before. */
  ready(): Promise<void> {
    return this.#stream.untilHeld(() => this.#number);
  }

  /** What the query finds, as it is now. */
  rows(): readonly Row<Fields>[] {
    return this.#collection.all(this.#query);
  }

  /** Makes a window longer: it holds so many objects from now on, 1,000 at most. */
  more(limit: number): void {
    if (!Number.isInteger(limit) || limit < 1) throw invalid("a window holds a whole number of objects, 1 or more");
    const query = { ...this.#query, limit };
    this.#number = this.#stream.holds.more(this.#number, this.#collection.encodeHeld(query), limit);
    this.#query = query;
  }

  /** Lets go of it. With the last that wants the same, what it alone held leaves the device. */
  release(): void {
    this.#stream.holds.release(this.#number);
  }
}

/** What one tab says of it to whoever leads. */
export type Holding =
  /** Hold what this query finds. The tab gives the number. */
  | { kind: "hold"; hold: number; query: Uint8Array }
  /** The window `instead` is to hold so many objects, as `hold` from now on. */
  | { kind: "more"; hold: number; instead: number; query: Uint8Array; limit: number }
  | { kind: "release"; hold: number };

/** What a tab holds of a stream, by number. */
export class Holds {
  #last = 0;
  readonly #all = new Map<number, { readonly query: Uint8Array; ready: boolean }>();
  /** What was loaded, by what was asked for, the last one last. */
  readonly #loaded = new Map<string, number>();

  readonly #say: (holding: Holding) => void;

  constructor(say: (holding: Holding) => void) {
    this.#say = say;
  }

  begin(query: Uint8Array): number {
    if (this.#all.size >= QUERIES) throw invalid(`a tab holds at most ${QUERIES} queries of a stream: release some`);
    const hold = ++this.#last;
    this.#all.set(hold, { query, ready: false });
    this.#say({ kind: "hold", hold, query });
    return hold;
  }

  /** Holds what a query finds for as long as it is among the last that were loaded. */
  load(query: Uint8Array): number {
    const asked = toHex(query);
    const hold = this.#loaded.get(asked) ?? this.begin(query);
    this.#loaded.delete(asked);
    this.#loaded.set(asked, hold);
    for (const [oldest, hold] of this.#loaded) {
      if (this.#loaded.size <= LOADED) break;
      // Somebody waits for what has yet to come.
      if (!this.isReady(hold)) continue;
      this.#loaded.delete(oldest);
      this.release(hold);
    }
    return hold;
  }

  more(instead: number, query: Uint8Array, limit: number): number {
    if (!this.#all.delete(instead)) return instead;
    const hold = ++this.#last;
    this.#all.set(hold, { query, ready: false });
    this.#say({ kind: "more", hold, instead, query, limit });
    return hold;
  }

  release(hold: number): void {
    if (this.#all.delete(hold)) this.#say({ kind: "release", hold });
  }

  has(hold: number): boolean {
    return this.#all.has(hold);
  }

  isReady(hold: number): boolean {
    return this.#all.get(hold)?.ready ?? false;
  }

  /** There is a new leader, which knows nothing of it. */
  again(): void {
    for (const [hold, { query }] of this.#all) this.#say({ kind: "hold", hold, query });
  }

  /** The leader says which are ready. */
  hear(holds: readonly number[]): void {
    for (const hold of holds) {
      const known = this.#all.get(hold);
      if (known) known.ready = true;
    }
  }
}
