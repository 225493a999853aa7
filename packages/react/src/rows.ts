/** Rows as components see them: one that did not change is the same object, also where it was read anew. */

import type { Row } from "tapeline";
import { keyOf } from "./key.js";

/** By rows that were read anew: the same ones, as they are shown. */
const shown = new WeakMap<object, object>();

/** Takes what was found one time after the other, at first after `rows`. Answers what is shown of it. */
export function keeper<T>(rows: readonly Row<T>[]): (found: readonly Row<T>[]) => readonly Row<T>[] {
  return (found) => {
    rows = keep(rows, found);
    return rows;
  };
}

/** Of rows that did not change the same objects, and the same list where none did. */
function keep<T>(was: readonly Row<T>[], found: readonly Row<T>[]): readonly Row<T>[] {
  const known = new Map(was.map((row) => [row.id, row]));
  const rows = found.map((row) => keepRow(known.get(row.id), row));
  const isSame = rows.length === was.length && rows.every((row, place) => row === was[place]);
  return isSame ? was : Object.freeze(rows);
}

function keepRow<T>(was: Row<T> | undefined, row: Row<T>): Row<T> {
  if (was === undefined || was === row) return row;
  if (shown.get(row) === was) return was;
  if (keyOf(was) !== keyOf(row)) return row;
  shown.set(row, was);
  return was;
}
