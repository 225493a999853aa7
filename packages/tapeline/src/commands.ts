/**
 * Commands: named functions that read what is shown and say what is to change. They are kept with the edit they make, and
 * run again by the tab that leads where what they read has changed before it was sent, or the server says so.
 *
 * A command refuses by throwing `Refused`; anything else that it throws is a mistake of the app, and reported as such.
 */

import type * as core from "./core.js";
import { Reads } from "./edits.js";
import { invalid, reportErrors, wordsOf } from "./errors.js";
import { uuid } from "./ids.js";
import { checkCollection, checkFunction } from "./names.js";
import { Ops, type View } from "./ops.js";
import { decode, encode, type Value, Writer } from "./values.js";

/** Thrown by a command that refuses: what was asked for cannot be, and why. */
export class Refused extends Error {
  override readonly name = "Refused";
}

/** What a command is known as; its arguments have this type. */
export interface Command<Args> {
  readonly name: string;
  /** Of no use but to the compiler. */
  readonly args?: Args;
}

export interface CommandOptions {
  /**
   * The server refuses what it makes where an object that it read has changed, and it is run again. It reads objects by
   * their ids alone.
   */
  readonly serializable?: boolean;
}

/** What a command reads and does. Time, ids and chance are those of its first run whenever it is run again. */
export class Transaction {
  readonly #next: () => number;
  readonly #ops: Ops;
  readonly #objects = new Map<string, readonly [collection: string, id: string]>();
  readonly #collections = new Set<string>();

  readonly #serializable: boolean;

  /** @internal `now`: when it first ran, in milliseconds. `seed`: of 53 bits. */
  constructor(
    view: View,
    /** When the command first ran, in milliseconds since 1970. */
    readonly now: number,
    seed: number,
    serializable: boolean,
  ) {
    this.#serializable = serializable;
    this.#next = chance(seed);
    this.#ops = new Ops(view, () => this.id());
  }

  /** The objects of one kind. */
  collection<Fields extends object = Record<string, Value>>(name: string): Reads<Fields> {
    checkCollection(name);
    return new Reads<Fields>(name, this.#ops, (id) => {
      if (id === undefined && this.#serializable) throw invalid(NOT_ALL);
      if (id === undefined) this.#collections.add(name);
      else this.#objects.set(JSON.stringify([name, id]), [name, id]);
    });
  }

  /** A new id: a UUID that sorts by time. */
  id(): string {
    return uuid(
      this.now,
      this.#next() & 0xfff,
      Uint8Array.from({ length: 16 }, () => this.#next() & 0xff),
    );
  }

  /** A number from 0 to 1, without 1. */
  random(): number {
    return this.#next() / 2 ** 32;
  }

  /** @internal `ops`, and what was read: `[[collection, id], …], [collection, …]`. */
  finish(): { count: number; ops: Uint8Array; reads: Uint8Array } {
    const reads = [[...this.#objects.values()], [...this.#collections]];
    // Without the head of the list around both.
    return { count: this.#ops.count, ops: this.#ops.finish(), reads: encode(reads, "what is read").subarray(1) };
  }
}

const NOT_ALL =
  "a serializable command reads objects by their ids: of a whole collection the server does not know whether it changed";

interface Known {
  readonly run: (tx: Transaction, args: never) => void;
  readonly serializable: boolean;
}

/** The commands of an app. */
export class Commands {
  readonly #known = new Map<string, Known>();

  add<Args>(name: string, run: (tx: Transaction, args: Args) => void, options: CommandOptions): Command<Args> {
    checkFunction(run, "a command");
    if (this.#known.has(name)) throw invalid(`the command ${name} is there already: give this one another name`);
    this.#known.set(name, { run, serializable: options.serializable ?? false });
    return { name };
  }

  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** Runs one for the first time. Answers the edit it makes, as the core reads it; none where it does nothing. */
  run(name: string, args: unknown, view: View, now: number): Uint8Array | undefined {
    const known = this.#known.get(name);
    if (!known)
      throw invalid(`the command ${name} is not known here: call db.command(${JSON.stringify(name)}, …) first`);
    const kept = encode(args ?? null, "the arguments");
    const seed = Math.floor(Math.random() * 2 ** 53);
    const { count, ops, reads } = runOnce(known, decode(kept), view, now, seed);
    if (count === 0) return undefined;
    const writer = new Writer().array(3).raw(ops).array(0);
    writer.array(6).text(name).raw(kept).uint(seed).uint(Number(known.serializable)).raw(reads);
    return writer.finish();
  }

  /** Runs again what is to be run again of a stream. */
  runAgain(replica: core.Replica): void {
    for (let run = replica.pollRun(); run; run = replica.pollRun()) {
      const [edit, name, args, at, seed] = decode(run);
      const known = this.#known.get(name);
      if (!known) {
        replica.ran(edit, 3, "");
        continue;
      }
      try {
        const { ops, reads } = runOnce(known, args, before(replica, edit), at, seed);
        replica.ran(edit, 0, new Writer().array(3).raw(ops).raw(reads).finish());
      } catch (error) {
        const words = wordsOf(error);
        if (error instanceof Refused) replica.ran(edit, 1, words);
        else {
          replica.ran(edit, 2, words);
          reportErrors(() => {
            throw error;
          });
        }
      }
    }
  }
}

function runOnce({ run, serializable }: Known, args: unknown, view: View, now: number, seed: number) {
  const tx = new Transaction(view, now, seed, serializable);
  const made: unknown = run(tx, args as never);
  if (made instanceof Promise) throw invalid("a command is run at once: wait for what it needs before, not within it");
  return tx.finish();
}

/** What was shown before an edit. */
function before(replica: core.Replica, edit: number): View {
  return {
    get: (collection, id, ops) => replica.getBefore(edit, encode([collection, id], "the id"), ops ?? NO_OPS),
    all: (collection) => replica.allBefore(edit, collection),
  };
}

/** An empty list. */
const NO_OPS = Uint8Array.of(0x80);

/** Numbers of 32 bits from a seed of 53 (Chris Doty-Humphrey's sfc32). */
function chance(seed: number): () => number {
  let [a, b, c, count] = [seed >>> 0, Math.floor(seed / 2 ** 32), 0x9e3779b9, 1];
  const next = () => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}
