/** Something outside of React that many components look at: it is watched once, as long as anybody looks. */

import { useSyncExternalStore } from "react";

/** Where a value comes from. */
export interface Source<T> {
  /** The value now. */
  read(): T;
  /** Calls back whenever it may have changed; answers how to stop. */
  watch(changed: (value: T) => void): () => void;
  /** Whether two values show the same. */
  same(one: T, other: T): boolean;
}

/** How long a component that suspends is waited for before it has to ask again, and how long it may take to be committed. */
const WAITED_FOR = 5_000;
const COMMITTED_IN = 1_000;

/** A source and those who look at it. It reads nothing before somebody asks, and watches nothing before a commit. */
export class Shared<T> {
  readonly #source: Source<T>;
  readonly #listeners = new Set<() => void>();
  #value: { is: T } | undefined;
  #stop: (() => void) | undefined;
  #waiting: Promise<void> | undefined;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  readonly snapshot = (): T => {
    this.#value ??= { is: this.#source.read() };
    return this.#value.is;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#stop ??= this.#source.watch((value) => this.#hear(value));
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      // StrictMode and moves in the tree subscribe again at once: that is no reason to watch anew.
      queueMicrotask(() => this.#rest());
    };
  };

  /**
   * What a component waits for that suspends until `isSo`: it is watched though nothing was committed. One that went away
   * meanwhile does not ask again, and leaves nothing behind. Throws where it cannot be watched.
   */
  until(isSo: (value: T) => boolean): Promise<void> {
    this.#waiting ??= this.#wait(isSo);
    return this.#waiting;
  }

  #wait(isSo: (value: T) => boolean): Promise<void> {
    let over = () => {};
    const waiting = new Promise<void>((resolve) => {
      over = resolve;
    });
    const look = () => isSo(this.snapshot()) && over();
    const stop = this.subscribe(look);
    look();
    setTimeout(over, WAITED_FOR);
    return waiting.then(() => {
      this.#waiting = undefined;
      setTimeout(stop, COMMITTED_IN);
    });
  }

  #hear(value: T): void {
    if (this.#value && this.#source.same(this.#value.is, value)) return;
    this.#value = { is: value };
    for (const listener of [...this.#listeners]) listener();
  }

  /** Nobody looks: nothing is watched, and what was seen is no longer known to be true. */
  #rest(): void {
    if (this.#listeners.size > 0 || !this.#stop) return;
    this.#stop();
    this.#stop = undefined;
    this.#value = undefined;
  }
}

/** What is shared of each stream, by key. Held weakly: a rendering that is thrown away leaves nothing behind. */
const shared = new WeakMap<object, Map<string, WeakRef<Shared<unknown>>>>();
const gone = new FinalizationRegistry<{ of: Map<string, WeakRef<Shared<unknown>>>; key: string }>(({ of, key }) => {
  if (!of.get(key)?.deref()) of.delete(key);
});

/** The one for this owner and key; made where there is none. */
export function share<T>(owner: object, key: string, source: () => Source<T>): Shared<T> {
  let of = shared.get(owner);
  if (!of) shared.set(owner, (of = new Map()));
  const known = of.get(key)?.deref();
  if (known) return known as Shared<T>;
  const made = new Shared(source());
  of.set(key, new WeakRef(made as Shared<unknown>));
  gone.register(made, { of, key });
  return made;
}

/** The value of something shared, or what `select` makes of it; `none` where there is nothing, and on a server. */
export function useShared<T, N, R = T>(of: Shared<T> | undefined, none: N, select?: (value: T) => R): R | N {
  const nothing = () => none;
  const snapshot = of && (select ? () => select(of.snapshot()) : (of.snapshot as unknown as () => R));
  return useSyncExternalStore<R | N>(of?.subscribe ?? never, snapshot ?? nothing, nothing);
}

const never = () => () => {};
