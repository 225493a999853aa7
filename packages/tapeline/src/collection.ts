/** Objects of one kind on a stream: read at once, edited at once. */

import { type Conflict, conflictsOf } from "./conflicts.js";
import { Edits } from "./edits.js";
import { invalid } from "./errors.js";
import { Held } from "./held.js";
import { WINDOW } from "./limits.js";
import { checkFunction, checkId } from "./names.js";
import { Ops } from "./ops.js";
import type { Query, Where } from "./query.js";
import { isLongText, type Plan, plan } from "./replace.js";
import type { TabStream } from "./tab-stream.js";
import { encode, isPlain, Reader } from "./values.js";
import type { Change } from "./watch.js";

/** An object as it is read: its fields and its id. Frozen; a changed one is another. */
export type Row<Fields> = Readonly<Fields> & { readonly id: string };

export class Collection<Fields extends object> extends Edits<Fields> {
  /** @internal */
  constructor(
    readonly stream: TabStream,
    name: string,
  ) {
    super(name, (run) => {
      const ops = new Ops(stream);
      const made = run(ops);
      if (ops.count > 0) stream.edit(ops.finish());
      return made;
    });
  }

  /** One object, as it is now. */
  get(id: string): Row<Fields> | undefined {
    checkId(id);
    const row = this.stream.get(this.name, id);
    return row && new Reader(row).row();
  }

  /** The objects that a query asks for, as they are now. */
  all(query: Query<Fields> = {}): readonly Row<Fields>[] {
    const rows = this.stream.find(this.encode(query));
    return Object.freeze(new Reader(rows).rows<Row<Fields>>());
  }

  /** How many objects there are. */
  count(where?: Where<Fields>): number {
    return new Reader(this.stream.find(this.encode({ where }))).size();
  }

  /**
   * Tells a listener what a query asks for: soon, and whenever it changes, once a microtask with all that changed. Rows
   * that did not change keep their identity. Answers how to stop.
   */
  watch(
    query: Query<Fields>,
    listener: (rows: readonly Row<Fields>[], change: Change<Row<Fields>>) => void,
  ): () => void {
    checkFunction(listener);
    return this.stream.watch<Row<Fields>>(this.stream.part ? this.encodeHeld(query) : this.encode(query), listener);
  }

  /**
   * Holds what a query finds, of a stream that was opened with `db.part()`: what enters it comes, what leaves it goes,
   * until it is released. One with a limit is a window, which `more` makes longer. What is watched there is held by itself.
   */
  hold(query: Query<Fields>): Held<Fields> {
    return new Held(this.stream, this, query, this.stream.hold(this.encodeHeld(query)));
  }

  /**
   * An object of a stream that was opened with `db.part()`: at once where it is held, from the server otherwise. Many who
   * ask for the same ask once. The last 256 things that were loaded stay held.
   */
  load(id: string): Promise<Row<Fields> | undefined>;
  /** The same of all that a query finds. */
  load(query: Query<Fields>): Promise<readonly Row<Fields>[]>;
  async load(what: string | Query<Fields>): Promise<Row<Fields> | undefined | readonly Row<Fields>[]> {
    if (typeof what === "string") checkId(what);
    const query = typeof what === "string" ? { where: { id: what } as Where<Fields> } : what;
    const hold = this.stream.load(this.encodeHeld(query));
    await this.stream.untilHeld(() => hold);
    return typeof what === "string" ? this.get(what) : this.all(what);
  }

  /** Tells a listener of one object, and whenever it changes; `undefined` while it is not there. */
  watchOne(id: string, listener: (row: Row<Fields> | undefined) => void): () => void {
    checkFunction(listener);
    checkId(id);
    return this.watch({ where: { id } as Where<Fields> }, ([row]) => listener(row));
  }

  /** The values that wait for a person to decide, of an object or of a row that was read. `resolve` settles them. */
  conflicts(of: string | Row<Fields>): readonly Conflict[] {
    return conflictsOf((typeof of === "string" ? this.get(of) : of) ?? {});
  }

  /** Makes an object that stays on this device, with every later edit of it, until it is published. Answers its id. */
  draft(fields: Fields & { id?: string }): string {
    const ops = new Ops(this.stream);
    const id = ops.insert(this.name, fields);
    this.stream.edit(ops.finish(), true);
    return id;
  }

  /** A draft becomes an object like others, and is sent. */
  publish(id: string): void {
    checkId(id);
    this.stream.publish(encode([this.name, id], "the draft"));
  }

  /**
   * Makes the collection consist of these rows, as one edit that touches nothing else: new ones are inserted, those that
   * differ get the fields in which they do, all others are deleted, unless they are to be kept. Fields that are not named
   * become null. Of texts longer than 64, only what differs is edited. Answers what was done.
   */
  replace(rows: readonly (Fields & { id: string })[], { keep = false } = {}): Plan<Fields> {
    const planned = this.planReplace(rows, { keep });
    this.make((ops) => {
      for (const row of planned.inserts) ops.insert(this.name, row);
      for (const { id, fields } of planned.updates) this.#become(ops, id, fields);
      for (const id of planned.deletes) ops.delete(this.name, id);
    });
    return planned;
  }

  /** What a replacement would do now. Nothing is edited. */
  planReplace(rows: readonly (Fields & { id: string })[], { keep = false } = {}): Plan<Fields> {
    return plan(this.all(), rows, keep);
  }

  #become(ops: Ops, id: string, fields: Partial<Fields>): void {
    const was = ops.get<Record<string, unknown>>(this.name, id);
    const [set, texts]: [Record<string, unknown>, [string, string][]] = [{}, []];
    for (const [field, value] of Object.entries(fields)) {
      if (isLongText(was?.[field]) && isLongText(value)) texts.push([field, value]);
      else set[field] = value;
    }
    if (Object.keys(set).length > 0) ops.update(this.name, id, "set", set);
    const edits = new Edits<Record<string, string>>(this.name, (run) => run(ops));
    for (const [field, text] of texts) edits.editText(id, field, text);
  }

  /** @internal A query whose result is held. */
  encodeHeld(query: Query<Fields>): Uint8Array {
    const encoded = this.encode(query);
    if ((query.limit ?? 0) <= WINDOW) return encoded;
    const fewer = `ask for ${WINDOW.toLocaleString("en")} or fewer, and for those behind them by another query`;
    throw invalid(`a window on a part of a stream cannot have ${query.limit} objects: ${fewer}`);
  }

  /** @internal */
  encode(query: Query<Fields>): Uint8Array {
    if (!isPlain(query)) throw invalid("the query is a plain object");
    // What else is asked for, the core says that there is no such thing.
    const { where = null, orderBy = null, limit = null, with: related = null, ...others } = query;
    return encode({ ...others, collection: this.name, where, orderBy, limit, with: related }, "the query");
  }
}
