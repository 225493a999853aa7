/** A stream: the unit of sharing. What must change together, lives on one. */

import { Collection } from "./collection.js";
import type { Command } from "./commands.js";
import { Edits } from "./edits.js";
import { invalid } from "./errors.js";
import { listen } from "./listeners.js";
import { checkCollection } from "./names.js";
import type { Notice, ParkedEdit } from "./notices.js";
import { Ops } from "./ops.js";
import type { Presence } from "./presence.js";
import type { Status } from "./status.js";
import type { Tab } from "./tab.js";
import type { TabStream } from "./tab-stream.js";
import { encode, type Value, Writer } from "./values.js";

/** The edits of one transaction, on any of the stream's collections. */
export type On = <Fields extends object>(collection: Collection<Fields>) => Edits<Fields>;

/** Something that was read: an object, or one of its fields. */
export type Read = readonly [collection: string, id: string, field?: string];

/** What the objects of collections hold is not said: each collection is given its type where it is used. */
export type Untyped = Record<never, object>;

/** `Collections`: what the objects of each collection hold, by its name, as `tapeline types` makes it of a schema. */
export class Stream<Collections extends { [Name in keyof Collections]: object } = Untyped> {
  readonly #collections = new Map<string, unknown>();

  readonly #inner: TabStream;
  readonly #tab: Tab;

  /** @internal */
  constructor(inner: TabStream, tab: Tab) {
    this.#inner = inner;
    this.#tab = tab;
  }

  /** Its name. */
  get name(): string {
    return this.#inner.name;
  }

  /** The objects of one kind. The same one each time. */
  collection<Name extends keyof Collections & string>(name: Name): Collection<Collections[Name]>;
  collection<Fields extends object = Record<string, Value>>(name: string): Collection<Fields>;
  collection<Fields extends object>(name: string): Collection<Fields> {
    checkCollection(name);
    if (!this.#collections.has(name)) this.#collections.set(name, new Collection<Fields>(this.#inner, name));
    return this.#collections.get(name) as Collection<Fields>;
  }

  /**
   * Several changes as one event: all of them take effect, or none does.
   *
   * ```ts
   * list.edit((on) => { on(tasks).delete(id); on(log).insert({ text: "removed" }); });
   * ```
   *
   * `unchanged`: objects and fields that it rests on. Where one has changed when it reaches the server, it is refused.
   */
  edit(make: (on: On) => void, { unchanged = [] }: { unchanged?: readonly Read[] } = {}): void {
    const ops = new Ops(this.#inner);
    const made: unknown = make((collection) => {
      if (collection?.stream !== this.#inner)
        throw invalid(`what is edited is a collection of ${this.name}, like list.collection("tasks")`);
      return new Edits(collection.name, (run) => run(ops));
    });
    if (made instanceof Promise) throw invalid("an edit is made at once: wait for what it needs before, not within it");
    if (unchanged.length === 0) return this.#inner.edit(ops.finish());
    const reads = encode(unchanged, "unchanged");
    // It was made by no command.
    this.#inner.editWith(new Writer().array(3).raw(ops.finish()).raw(reads).value(null, "").finish(), Date.now());
  }

  /** Runs a command. Throws `Refused` where it refuses; nothing has changed then. */
  run<Args>(command: Command<Args> | string, args: Args): void {
    const name = typeof command === "string" ? command : command.name;
    // The edit keeps the time for when the command is run again: it is the one that the command is told.
    const now = Date.now();
    const edit = this.#tab.commands.run(name, args, this.#inner, now);
    if (edit) this.#inner.editWith(edit, now);
  }

  /**
   * Takes back what this tab did last, as a new edit: `false` where there is nothing. What others have changed since
   * stays as it is, unless it is forced.
   */
  undo({ force = false } = {}): boolean {
    return this.#inner.step(false, force);
  }

  /** Does again what was last taken back. `false`: there is nothing. */
  redo({ force = false } = {}): boolean {
    return this.#inner.step(true, force);
  }

  /** Whether there is something to undo. */
  get canUndo(): boolean {
    return this.#inner.mirror.canStep(false);
  }

  /** Whether there is something to redo. */
  get canRedo(): boolean {
    return this.#inner.mirror.canStep(true);
  }

  /**
   * All edits made meanwhile are undone and redone together. Where it answers a promise, as while something is dragged,
   * until that is settled.
   */
  group<T>(make: () => T): T {
    return this.#inner.group(make);
  }

  /** Who else is there. */
  get presence(): Presence {
    return this.#inner.presence;
  }

  /** Resolves once all edits made so far are on the device. */
  stored(): Promise<void> {
    return this.#inner.stored();
  }

  /** Resolves once all edits made so far are recorded by the server, and all that it has told of is played here. */
  synced(): Promise<void> {
    return this.#inner.synced();
  }

  /** How it stands, always true. */
  status(): Status {
    return this.#inner.status();
  }

  /** Tells a listener how it stands, whenever that changes. Answers how to stop. */
  onStatus(listener: (status: Status) => void): () => void {
    return listen(this.#inner.statusListeners, listener);
  }

  /** Tells a listener what became of edits. Answers how to stop. */
  onNotice(listener: (notice: Notice) => void): () => void {
    return listen(this.#inner.noticeListeners, listener);
  }

  /** Edits that were refused, kept until they are made again or discarded. */
  parked(): readonly ParkedEdit[] {
    return this.#inner.parked.edits;
  }

  /** Makes a refused edit again, on what is shown now; a command is run again. `false`: there is no such edit. */
  retry(edit: number): boolean {
    const { edits, ops } = this.#inner.parked;
    const parked = edits.find((known) => known.edit === edit);
    if (!parked) return false;
    const { command } = parked;
    if (command && this.#tab.commands.has(command.name)) this.run(command.name, command.args);
    else this.#inner.edit(ops.get(edit)!);
    return this.discard(edit);
  }

  /** Makes another edit in place of a refused one. `false`: there is no such edit. */
  retryAs(edit: number, make: (on: On) => void): boolean {
    if (!this.#inner.parked.ops.has(edit)) return false;
    this.edit(make);
    return this.discard(edit);
  }

  /** Drops a refused edit for good. `false`: there is no such edit. */
  discard(edit: number): boolean {
    if (!this.#inner.parked.ops.has(edit)) return false;
    this.#tab.discard(this.name, edit);
    return true;
  }

  /** The id under which this device's copy of the stream sends, as in conflicts; empty before it is known. */
  get client(): string {
    return this.#inner.client;
  }

  /** The digest of all confirmed objects, 32 hexadecimal digits; only the tab that leads knows it. */
  digest(): string | undefined {
    return this.#tab.digest(this.name);
  }
}
