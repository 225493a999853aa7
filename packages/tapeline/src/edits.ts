/** What can be done to the objects of one kind: alone, as a part of a larger edit, or in a command. */

import type { Row } from "./collection.js";
import { invalid } from "./errors.js";
import { checkFields, type Ops } from "./ops.js";
import { type Splice, spliceBetween } from "./text.js";
import type { Value } from "./values.js";

/** The fields that may hold a value of some kind: a number to add to, a text to edit. */
export type FieldsOf<Fields, Kind> = {
  [Field in keyof Fields]-?: unknown extends Fields[Field]
    ? Field
    : Extract<Fields[Field], Kind> extends never
      ? never
      : Field;
}[keyof Fields] &
  string;

type Spliced = Splice[2];
type Name<Fields> = keyof Fields & string;
type Member<List> = unknown extends List ? Value : List extends readonly (infer Item)[] ? Item : never;

/** Members of sets: one, or a list of them. */
export type Members<Fields> = {
  readonly [Field in FieldsOf<Fields, readonly unknown[]>]?: Member<Fields[Field]> | readonly Member<Fields[Field]>[];
};

export class Edits<Fields extends object> {
  /** @internal `make`: makes an edit of ops, or a part of one. */
  constructor(
    /** The collection's name. */
    readonly name: string,
    protected readonly make: <T>(run: (ops: Ops) => T) => T,
  ) {}

  /** Makes an object and answers its id: the one given, or a new UUID that sorts by time. */
  insert(fields: Fields & { id?: string }): string {
    return this.make((ops) => ops.insert(this.name, fields));
  }

  /** Sets some fields of an object that is there. */
  update(id: string, fields: Partial<Fields>): void {
    this.make((ops) => ops.update(this.name, id, "set", fields));
  }

  /** Makes an object, or sets these fields where it is there. */
  upsert(id: string, fields: Partial<Fields>): void {
    this.make((ops) => ops.upsert(this.name, id, fields));
  }

  /** Adds numbers to fields: what others add at the same time adds up. */
  increment(id: string, amounts: { readonly [Field in FieldsOf<Fields, number | bigint>]?: number | bigint }): void {
    this.make((ops) => ops.update(this.name, id, "inc", amounts));
  }

  /** Adds members to sets, which are lists: one each, or a list of them. What others add at the same time stays. */
  add(id: string, members: Members<Fields>): void {
    this.make((ops) => ops.update(this.name, id, "add", listed(members)));
  }

  /** Takes members out of sets. One that somebody else adds at the same time stays. */
  remove(id: string, members: Members<Fields>): void {
    this.make((ops) => ops.update(this.name, id, "remove", listed(members)));
  }

  /**
   * Replaces a piece of a text, or of bytes: `remove` units at `offset` go, `insert` comes; or several such pieces, in
   * order, all offsets in the text as it is before. What others type at the same time stays. Units are those of
   * JavaScript's `length`.
   */
  splice(id: string, field: FieldsOf<Fields, Spliced>, offset: number, remove: number, insert: Spliced): void;
  splice(id: string, field: FieldsOf<Fields, Spliced>, splices: readonly Splice[]): void;
  splice(id: string, field: string, at: number | readonly Splice[], remove = 0, insert: Spliced = ""): void {
    const splices: readonly Splice[] = Array.isArray(at) ? at : [[at as number, remove, insert]];
    this.make((ops) => ops.splice(this.name, id, field, splices));
  }

  /** Makes a text another by one splice: what is the same at both ends is not touched. */
  editText(id: string, field: FieldsOf<Fields, string>, text: string): void {
    this.make((ops) => {
      const was = ops.get<Record<string, unknown>>(this.name, id)?.[field];
      const splice = spliceBetween(typeof was === "string" ? was : "", text);
      if (splice) ops.splice(this.name, id, field, [splice]);
    });
  }

  /** Assigns within a value of maps, like `["address", "city"]`; `undefined` takes away what is there. */
  put(id: string, field: FieldsOf<Fields, object>, path: readonly string[], value: Value | undefined): void {
    if (!(Array.isArray(path) && path.length && path.every((name) => typeof name === "string")))
      throw invalid('a path is a list of names, like ["address", "city"]');
    const assigned = value === undefined ? [path] : [path, value];
    this.make((ops) => ops.update(this.name, id, "put", { [field]: [assigned] }));
  }

  /** Settles the conflicts on a field: from now on it holds this value. */
  resolve<Field extends Name<Fields>>(id: string, field: Field, value: Fields[Field]): void {
    this.make((ops) => ops.update(this.name, id, "set", { [field]: value }));
  }

  delete(id: string): void {
    this.make((ops) => ops.delete(this.name, id));
  }
}

/** The same, in a command: what it reads is noted, and what it has done so far shows. */
export class Reads<Fields extends object> extends Edits<Fields> {
  readonly #ops: Ops;
  readonly #read: (id?: string) => void;

  /** @internal `read`: takes note of an object, or of the whole collection. */
  constructor(name: string, ops: Ops, read: (id?: string) => void) {
    super(name, (run) => run(ops));
    this.#ops = ops;
    this.#read = read;
  }

  /** One object. */
  get(id: string): Row<Fields> | undefined {
    this.#read(id);
    return this.#ops.get(this.name, id);
  }

  /** All objects, in the order of their ids. */
  all(): readonly Row<Fields>[] {
    this.#read();
    return this.#ops.all(this.name);
  }
}

function listed(members: object): object {
  const lists = Object.entries(checkFields(members)).map(([name, of]) => [name, Array.isArray(of) ? of : [of]]);
  return Object.fromEntries(lists);
}
