/** Objects of one kind on a stream: read at once, edited at once. */

import { invalid } from "./errors.js";
import { newId } from "./ids.js";
import { checkId } from "./names.js";
import type { Query, Where } from "./query.js";
import type { TabStream } from "./tab-stream.js";
import { encode, isPlain, Reader, Writer } from "./values.js";
import type { Change } from "./watch.js";

/** An object as it is read: its fields and its id. Frozen; a changed one is another. */
export type Row<Fields> = Readonly<Fields> & { readonly id: string };

const INSERT = 0;
const UPDATE = 1;
const UPSERT = 2;
const DELETE = 3;

const SET = 0;
const INC = 1;

/** Writers that nobody uses. */
const idle: Writer[] = [];

/** Ops of one edit, gathered. */
export class Ops {
  private readonly writer = idle.pop() ?? new Writer();
  private count = 0;

  insert(collection: string, fields: object): string {
    const { id = newId(), ...rest } = checkFields(fields) as { id?: string };
    this.op(INSERT, collection, id, SET, rest);
    return id;
  }

  update(collection: string, id: string, fields: object): void {
    this.op(UPDATE, collection, id, SET, fields);
  }

  upsert(collection: string, id: string, fields: object): void {
    this.op(UPSERT, collection, id, SET, fields);
  }

  increment(collection: string, id: string, amounts: object): void {
    this.op(UPDATE, collection, id, INC, amounts);
  }

  delete(collection: string, id: string): void {
    this.op(DELETE, collection, id, SET, {});
  }

  /** All of them, as the core reads them. */
  finish(): Uint8Array {
    const { writer } = this;
    const ops = writer.finish();
    const whole = writer.array(this.count).raw(ops).finish();
    // One that an error left with half an edit in it never comes back here.
    idle.push(writer);
    return whole;
  }

  private op(kind: number, collection: string, id: string, part: number, fields: object): void {
    checkId(id);
    const names = Object.keys(checkFields(fields));
    if ("id" in fields) throw invalid("the id of an object never changes: insert another object, and delete this one");
    const { writer } = this;
    writer
      .array(names.length ? 4 : 3)
      .uint(kind)
      .text(collection)
      .text(id);
    if (names.length) {
      writer.map(1).uint(part).map(names.length);
      for (const name of names) writer.name(name, "the field").value((fields as Record<string, unknown>)[name], name);
    }
    this.count++;
  }
}

/** The fields of an object are a plain one. */
function checkFields(fields: object): object {
  if (isPlain(fields)) return fields;
  throw invalid('the fields are a plain object, like { title: "Buy milk" }');
}

export class Collection<Fields extends object> {
  /** @internal */
  constructor(
    private readonly stream: TabStream,
    /** Its name. */
    readonly name: string,
  ) {}

  /** Makes an object and answers its id: the one given, or a new UUID that sorts by time. */
  insert(fields: Fields & { id?: string }): string {
    let id = "";
    this.edit((ops) => {
      id = ops.insert(this.name, fields);
    });
    return id;
  }

  /** Sets some fields of an object that is there. */
  update(id: string, fields: Partial<Fields>): void {
    this.edit((ops) => ops.update(this.name, id, fields));
  }

  /** Makes an object, or sets these fields where it is there. */
  upsert(id: string, fields: Partial<Fields>): void {
    this.edit((ops) => ops.upsert(this.name, id, fields));
  }

  /** Adds numbers to fields: what others add at the same time adds up. */
  increment(id: string, amounts: { [Field in keyof Fields]?: number | bigint }): void {
    this.edit((ops) => ops.increment(this.name, id, amounts));
  }

  delete(id: string): void {
    this.edit((ops) => ops.delete(this.name, id));
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
    if (typeof listener !== "function") throw invalid("a listener is a function: watch(query, (rows) => …)");
    return this.stream.watch<Row<Fields>>(this.encode(query), listener);
  }

  /** Tells a listener of one object, and whenever it changes; `undefined` while it is not there. */
  watchOne(id: string, listener: (row: Row<Fields> | undefined) => void): () => void {
    return this.watch({ where: { id } as Where<Fields> }, ([row]) => listener(row));
  }

  private edit(make: (ops: Ops) => void): void {
    const ops = new Ops();
    make(ops);
    this.stream.edit(ops.finish());
  }

  private encode({ where, orderBy, limit }: Query<Fields>): Uint8Array {
    const query = { collection: this.name, where: where ?? null, orderBy: orderBy ?? null, limit: limit ?? null };
    return encode(query, "the query");
  }
}

/** The edits of one transaction, on one of its collections. */
export type Edits<Fields extends object> = Pick<
  Collection<Fields>,
  "insert" | "update" | "upsert" | "increment" | "delete"
>;

/** Makes edits on a collection part of a larger one. */
export function editsOf<Fields extends object>(ops: Ops, { name }: Collection<Fields>): Edits<Fields> {
  return {
    insert: (fields) => ops.insert(name, fields),
    update: (id, fields) => ops.update(name, id, fields),
    upsert: (id, fields) => ops.upsert(name, id, fields),
    increment: (id, amounts) => ops.increment(name, id, amounts),
    delete: (id) => ops.delete(name, id),
  };
}
