/** Rows as components see them: one that did not change is the same object, also where it was read anew. */

import type { Collection, Row } from "tapeline";
import { keyOf } from "./key.js";

/** By rows that were read anew: the same ones, as they are shown. */
const shown = new WeakMap<object, object>();

/** Takes what was found one time after the other, at first after `rows`. Answers what is shown of it. */
export function keeper<T extends object>(collection: Collection<T>, rows: readonly Row<T>[]) {
  return (found: readonly Row<T>[]): readonly Row<T>[] => {
    rows = keep(collection, rows, found);
    return rows;
  };
}

/** Whether two rows show the same, with the conflicts that stand on them. */
export function areSame<T extends object>(collection: Collection<T>, one?: Row<T>, other?: Row<T>): boolean {
  const contentOf = (row: Row<T> | undefined) => keyOf(row && [row, collection.conflicts(row)]);
  return contentOf(one) === contentOf(other);
}

/** Of rows that did not change the same objects, and the same list where none did. */
function keep<T extends object>(collection: Collection<T>, was: readonly Row<T>[], found: readonly Row<T>[]) {
  const known = new Map(was.map((row) => [row.id, row]));
  const rows = found.map((row) => keepRow(collection, known.get(row.id), row));
  const isSame = rows.length === was.length && rows.every((row, place) => row === was[place]);
  return isSame ? was : Object.freeze(rows);
}

function keepRow<T extends object>(collection: Collection<T>, was: Row<T> | undefined, row: Row<T>): Row<T> {
  if (was === undefined || was === row) return row;
  if (shown.get(row) === was) return was;
  if (!areSame(collection, was, row)) return row;
  shown.set(row, was);
  return was;
}
