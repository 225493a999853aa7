/** Who else is there: cursors, "typing", names. It is never stored or recorded, and gone when they are. */

import { invalid, reportErrors } from "./errors.js";
import { PRESENCE_BYTES } from "./limits.js";
import { checkFunction } from "./names.js";
import { encode, type Value } from "./values.js";

/** The others on a stream, by id, each with what it says of itself. */
export type Peers = ReadonlyMap<string, Value>;

/** What a tab says of itself on one stream, and what it knows of others. */
export class Presence {
  #others: Peers = new Map();
  readonly #listeners = new Set<(peers: Peers) => void>();
  /** What it says of itself, encoded; null: nothing. */
  #state: Uint8Array = NOTHING;
  #used = false;

  readonly #own: string;
  readonly #say: (state: Uint8Array) => void;

  /** @internal `say`: tells the leader. `own`: this tab's id among peers. */
  constructor(own: string, say: (state: Uint8Array) => void) {
    this.#own = own;
    this.#say = say;
  }

  /** Says something of this tab, up to 4 KB: the others see it within a moment, the latest wins. */
  set(state: Value): void {
    const encoded = encode(state, "the presence");
    if (encoded.length > PRESENCE_BYTES) throw invalid("the presence is larger than 4 KB: say less of this tab");
    this.#state = encoded;
    this.#tell();
  }

  /** Goes, for the others. */
  clear(): void {
    this.#state = NOTHING;
    this.#tell();
  }

  /** The others there; nobody while there is no connection. */
  peers(): Peers {
    return this.#others;
  }

  /** Tells a listener who is there: soon, and whenever that changes. Answers how to stop. */
  watch(listener: (peers: Peers) => void): () => void {
    checkFunction(listener);
    const own = (peers: Peers) => listener(peers);
    this.#listeners.add(own);
    if (!this.#used) this.#tell();
    queueMicrotask(() => this.#listeners.has(own) && own(this.#others));
    return () => void this.#listeners.delete(own);
  }

  /** @internal There is a new leader, which knows nothing of it. */
  again(): void {
    if (this.#used) this.#tell();
  }

  /** @internal Takes what the leader says. */
  hear(peers: Record<string, Value>): void {
    this.#others = new Map(Object.entries(peers).filter(([peer]) => peer !== this.#own));
    for (const listener of [...this.#listeners]) reportErrors(() => listener(this.#others));
  }

  #tell(): void {
    this.#used = true;
    this.#say(this.#state);
  }
}

const NOTHING = Uint8Array.of(0xf6);
