/** A stream: the unit of sharing. What must change together, lives on one. */

import { Collection, type Edits, editsOf, Ops } from "./collection.js";
import { invalid } from "./errors.js";
import { checkCollection } from "./names.js";
import type { Presence } from "./presence.js";
import type { Notice, ParkedEdit, ParkedOp, Status } from "./status.js";
import type { Tab } from "./tab.js";
import type { TabStream } from "./tab-stream.js";
import type { Value } from "./values.js";

export class Stream {
  private readonly collections = new Map<string, unknown>();

  /** @internal */
  constructor(
    private readonly inner: TabStream,
    private readonly tab: Tab,
  ) {}

  /** Its name. */
  get name(): string {
    return this.inner.name;
  }

  /** The objects of one kind. The same one each time. */
  collection<Fields extends object = Record<string, Value>>(name: string): Collection<Fields> {
    checkCollection(name);
    if (!this.collections.has(name)) this.collections.set(name, new Collection<Fields>(this.inner, name));
    return this.collections.get(name) as Collection<Fields>;
  }

  /**
   * Several changes as one event: all of them take effect, or none does.
   *
   * ```ts
   * list.edit((on) => { on(tasks).delete(id); on(log).insert({ text: "removed" }); });
   * ```
   */
  edit(make: (on: <Fields extends object>(collection: Collection<Fields>) => Edits<Fields>) => void): void {
    const ops = new Ops();
    const made: unknown = make((collection) => editsOf(ops, collection));
    if (made instanceof Promise) throw invalid("an edit is made at once: wait for what it needs before, not within it");
    this.inner.edit(ops.finish());
  }

  /** Who else is there. */
  get presence(): Presence {
    return this.inner.presence;
  }

  /** Resolves once all edits made so far are on the device. */
  stored(): Promise<void> {
    return this.inner.stored();
  }

  /** Resolves once all edits made so far are recorded by the server, and all it had is played here. */
  synced(): Promise<void> {
    return this.inner.synced();
  }

  /** How it stands, always true. */
  status(): Status {
    return this.inner.status();
  }

  /** Tells a listener how it stands, whenever that changes. Answers how to stop. */
  onStatus(listener: (status: Status) => void): () => void {
    return listen(this.inner.statusListeners, listener);
  }

  /** Tells a listener what became of edits. Answers how to stop. */
  onNotice(listener: (notice: Notice) => void): () => void {
    return listen(this.inner.noticeListeners, listener);
  }

  /** Edits the server refused, kept until they are made again or discarded. */
  parked(): readonly ParkedEdit[] {
    return this.inner.parked();
  }

  /** Makes a refused edit again, on what is shown now. `false`: there is no such edit. */
  retry(edit: number): boolean {
    const parked = this.parked().find((known) => known.edit === edit);
    if (!parked) return false;
    const ops = new Ops();
    for (const op of parked.ops) again(ops, op);
    this.inner.edit(ops.finish());
    return this.discard(edit);
  }

  /** Drops a refused edit for good. `false`: there is no such edit. */
  discard(edit: number): boolean {
    if (!this.parked().some((known) => known.edit === edit)) return false;
    this.tab.discard(this.name, edit);
    return true;
  }

  /** The digest of all confirmed objects, 32 hexadecimal digits; only the tab that leads knows it. */
  digest(): string | undefined {
    return this.tab.digest(this.name);
  }
}

function again(ops: Ops, { op, collection, id, set, inc }: ParkedOp): void {
  if (op === "insert") ops.insert(collection, { ...set, id });
  if (op === "upsert") ops.upsert(collection, id, set ?? {});
  if (op === "delete") ops.delete(collection, id);
  if (op === "update" && set) ops.update(collection, id, set);
  if (op === "update" && inc) ops.increment(collection, id, inc);
}

function listen<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
