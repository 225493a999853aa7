/** Queries: which rows of a collection, in which order, how many. */

import type { Value } from "./values.js";

/** Comparisons of one field; all of them must hold. */
export interface Test<T> {
  readonly eq?: T;
  readonly ne?: T;
  readonly lt?: T;
  readonly le?: T;
  readonly gt?: T;
  readonly ge?: T;
  readonly in?: readonly T[];
  /** A list with this item, or a text with this part. */
  readonly contains?: Value;
  readonly prefix?: string;
  /** Whether it is there at all, and not null. */
  readonly exists?: boolean;
}

/** Conditions on a row; all of them must hold. */
export type Where<Fields> = {
  readonly [Field in keyof Fields | "id"]?: Field extends keyof Fields
    ? Fields[Field] | null | Test<Fields[Field]>
    : string | Test<string>;
} & {
  readonly and?: readonly Where<Fields>[];
  readonly or?: readonly Where<Fields>[];
  readonly not?: Where<Fields>;
};

/** A field or `id`, or `-field` for the other way round. */
export type OrderBy<Fields> = OrderField<Fields> | `-${OrderField<Fields>}`;
type OrderField<Fields> = (keyof Fields & string) | "id";

export interface Query<Fields> {
  readonly where?: Where<Fields> | undefined;
  /** Ties, and rows without an order, are in the order of their ids. */
  readonly orderBy?: OrderBy<Fields> | readonly OrderBy<Fields>[] | undefined;
  readonly limit?: number | undefined;
  /** Of a part: what the rows refer to in these fields, by an id or a list of ids, in these collections, is held with them. */
  readonly with?: { readonly [Field in keyof Fields]?: string } | undefined;
}
