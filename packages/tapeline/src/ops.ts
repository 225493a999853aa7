/** The ops of one edit, gathered; what comes later in it sees what comes before. */

import { invalid, TapelineError } from "./errors.js";
import { newId } from "./ids.js";
import { checkId } from "./names.js";
import { inCharacters, type Splice } from "./text.js";
import { isPlain, Reader, Writer } from "./values.js";

const INSERT = 0;
const UPDATE = 1;
const UPSERT = 2;
const DELETE = 3;

/** The parts of an update, in the order of their numbers. */
export const PARTS = ["set", "inc", "add", "remove", "splice", "put"] as const;
export type Part = (typeof PARTS)[number];

/** What an edit is made of: what is shown, or was once. */
export interface View {
  /** One object as ops would leave it, as a row. */
  get(collection: string, id: string, ops: Uint8Array | undefined): Uint8Array | undefined;
  /** All objects of a collection, as rows. */
  all(collection: string): Uint8Array;
}

/** An op on an object, and where it is written. */
interface Made {
  readonly collection: string;
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

/** Writers that nobody uses. */
const idle: Writer[] = [];

export class Ops {
  readonly #made: Made[] = [];
  /** All of them, one behind the other; `undefined`: the edit is made. */
  #writing: Writer | undefined = (idle.pop() ?? new Writer()).openList();
  /** Where the last one ends. */
  #end = this.#writer.length;

  readonly #view: View;
  readonly #makeId: () => string;

  constructor(view: View, makeId = newId) {
    this.#view = view;
    this.#makeId = makeId;
  }

  get count(): number {
    return this.#made.length;
  }

  insert(collection: string, fields: object): string {
    const { id = this.#makeId(), ...rest } = checkFields(fields) as { id?: string };
    this.#op(INSERT, collection, id, "set", rest);
    return id;
  }

  upsert(collection: string, id: string, fields: object): void {
    this.#op(UPSERT, collection, id, "set", fields);
  }

  update(collection: string, id: string, part: Part, fields: object): void {
    this.#op(UPDATE, collection, id, part, fields);
  }

  splice(collection: string, id: string, field: string, splices: readonly Splice[]): void {
    for (const splice of splices) {
      if (!(Array.isArray(splice) && isCount(splice[0]) && isCount(splice[1])))
        throw invalid(`a splice of ${field} is [offset, delete, insert]`);
    }
    const row = this.get<Record<string, unknown>>(collection, id);
    if (!row) throw new TapelineError("conflict", `${collection}/${id} does not exist: there is no ${field} to splice`);
    const is = row[field] ?? "";
    const wire = typeof is === "string" ? inCharacters(is, splices) : splices;
    this.update(collection, id, "splice", { [field]: wire });
  }

  delete(collection: string, id: string): void {
    this.#op(DELETE, collection, id, "set", {});
  }

  /** One object, as these ops leave it. */
  get<Row>(collection: string, id: string): Row | undefined {
    checkId(id);
    const own = this.#made.filter((op) => op.id === id && op.collection === collection);
    const row = this.#view.get(collection, id, own.length > 0 ? this.#only(own) : undefined);
    return row && new Reader(row).row<Row>();
  }

  /** All objects of a collection as these ops leave them, in the order of their ids. */
  all<Row extends { id: string }>(collection: string): readonly Row[] {
    const rows = new Map(new Reader(this.#view.all(collection)).rows<Row>().map((row) => [row.id, row]));
    for (const id of new Set(this.#made.filter((op) => op.collection === collection).map(({ id }) => id))) {
      const row = this.get<Row>(collection, id);
      if (row) rows.set(id, row);
      else rows.delete(id);
    }
    return [...rows.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** All of them, as the core reads them: good until the next op is made anywhere. */
  finish(): Uint8Array {
    const writer = this.#writer;
    writer.closeList(this.count);
    this.#writing = undefined;
    // One that an error left with half an edit in it never comes back here.
    idle.push(writer);
    return writer.written(0, this.#end);
  }

  get #writer(): Writer {
    if (!this.#writing) throw invalid("this edit is made: make another one");
    return this.#writing;
  }

  #only(made: readonly Made[]): Uint8Array {
    const only = new Writer().array(made.length);
    for (const { from, to } of made) only.raw(this.#writer.written(from, to));
    return only.finish();
  }

  #op(kind: number, collection: string, id: string, part: Part, fields: object): void {
    checkId(id);
    const names = Object.keys(checkFields(fields));
    if ("id" in fields) throw invalid("the id of an object never changes: leave it out of the fields");
    const writer = this.#writer;
    const from = this.#end;
    // What is there past the last one is half of one that could not be made.
    writer.length = from;
    writer
      .array(names.length ? 4 : 3)
      .uint(kind)
      .text(collection)
      .text(id);
    if (names.length) {
      writer.map(1).uint(PARTS.indexOf(part)).map(names.length);
      for (const name of names) writer.name(name, "the field").value((fields as Record<string, unknown>)[name], name);
    }
    this.#end = writer.length;
    this.#made.push({ collection, id, from, to: this.#end });
  }
}

/** The fields of an object are a plain one. */
export function checkFields(fields: object): object {
  if (isPlain(fields)) return fields;
  throw invalid('the fields are a plain object, like { title: "Buy milk" }');
}

function isCount(number: unknown): boolean {
  return Number.isSafeInteger(number) && (number as number) >= 0;
}
