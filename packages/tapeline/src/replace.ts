/** Absolute to relative: the smallest edits that turn the rows of a collection into those that are wanted. */

import type { Row } from "./collection.js";
import { invalid } from "./errors.js";
import { SPLICED_TEXT } from "./limits.js";
import { checkId } from "./names.js";
import { checkFields } from "./ops.js";

/** What a replacement would do. */
export interface Plan<Fields extends object> {
  readonly inserts: readonly Row<Fields>[];
  /** The fields that differ. */
  readonly updates: readonly { readonly id: string; readonly fields: Partial<Fields> }[];
  readonly deletes: readonly string[];
  /** How many rows are as wanted. */
  readonly unchanged: number;
}

/** Compares what is there with what is wanted. Fields that are not named become null, and null counts as absent. */
export function plan<Fields extends object>(
  there: readonly Row<Fields>[],
  wanted: readonly (Fields & { id: string })[],
  keep: boolean,
): Plan<Fields> {
  const rest = new Map(there.map((row) => [row.id, row]));
  for (const row of wanted) checkId((checkFields(row) as typeof row).id);
  const ids = new Set(wanted.map(({ id }) => id));
  if (ids.size < wanted.length) throw invalid("an id is wanted twice: give each row an id of its own");
  const inserts = wanted.filter(({ id }) => !rest.has(id));
  const updates = [];
  for (const row of wanted) {
    const was = rest.get(row.id);
    const fields = was && difference(was, row);
    if (fields && Object.keys(fields).length > 0) updates.push({ id: row.id, fields: fields as Partial<Fields> });
  }
  const deletes = keep ? [] : [...rest.keys()].filter((id) => !ids.has(id));
  return { inserts, updates, deletes, unchanged: wanted.length - inserts.length - updates.length };
}

/** Whether a text is better edited than replaced, so that what others type there at the same time stays. */
export function isLongText(value: unknown): value is string {
  return typeof value === "string" && value.length > SPLICED_TEXT;
}

function difference(was: object, wanted: object): Record<string, unknown> {
  const [before, after] = [was as Record<string, unknown>, wanted as Record<string, unknown>];
  const fields: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const value = after[name] ?? null;
    if (!isSame(before[name] ?? null, value)) fields[name] = value;
  }
  return fields;
}

/** Whether two values are the same, however the names in them are ordered. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  // Whole numbers may be numbers or bigints.
  if (isNumber(one) && isNumber(other)) return String(one) === String(other);
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const names = Object.keys(one);
  if (kindOf(one) !== kindOf(other) || names.length !== Object.keys(other).length) return false;
  const inside = (of: object, name: string) => (of as Record<string, unknown>)[name];
  return names.every((name) => name in other && isSame(inside(one, name), inside(other, name)));
}

const isNumber = (value: unknown) => typeof value === "number" || typeof value === "bigint";
const kindOf = (value: object) => Object.prototype.toString.call(value);
