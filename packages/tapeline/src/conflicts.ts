/** Conflicts: values that lost to others on a field that asks people, and stand on the object until one of them decides. */

import { clientText } from "./ids.js";

/** A value that somebody wrote while somebody else wrote what the field holds. */
export interface Conflict {
  readonly field: string;
  readonly value: unknown;
  /** When it was written, by its author's clock. */
  readonly at: Date;
  /** Who wrote it, where the server knows. */
  readonly actor?: string;
  /** The device's copy of the stream that wrote it, as in `stream.client`. */
  readonly client: string;
}

const NONE: readonly Conflict[] = Object.freeze([]);
const known = new WeakMap<object, readonly Conflict[]>();

/** Those on a row; the same array each time. */
export function conflictsOf(row: object): readonly Conflict[] {
  return known.get(row) ?? NONE;
}

/** Takes note of those that the core wrote beside a row. */
// biome-ignore lint/suspicious/noExplicitAny: it is as the core wrote it.
export function noteConflicts(row: object, conflicts: any[]): void {
  const read = conflicts.map(([field, value, , client, at, actor]) =>
    Object.freeze({ field, value, at: new Date(at), client: clientText(client), ...(actor === null ? {} : { actor }) }),
  );
  known.set(row, Object.freeze(read));
}
