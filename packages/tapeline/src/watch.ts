/** A watched query: its rows, kept up to date by differences; rows that did not change keep their identity. */

import { reportErrors } from "./errors.js";
import { Reader } from "./values.js";

/** What became of the answer since it was last told. */
export interface Change<Row> {
  readonly added: readonly Row[];
  readonly changed: readonly Row[];
  readonly removed: readonly Row[];
}

export type Listener<Row> = (rows: readonly Row[], change: Change<Row>) => void;

export class Watch<Row extends { id: string }> {
  rows: readonly Row[] = [];
  told = false;

  readonly #listener: Listener<Row>;

  constructor(
    readonly handle: number,
    listener: Listener<Row>,
    /** What it holds of a stream that is open in part. */
    readonly held?: number,
  ) {
    this.#listener = listener;
  }

  /** Takes a difference. Answers what to tell. */
  take(moved: Uint8Array): Change<Row> {
    const reader = new Reader(moved);
    reader.size();
    const [out, into, inserted] = [reader.sizes(), reader.sizes(), reader.rows<Row>()];
    const removed = out.map((place) => this.rows[place]!);
    this.rows = Object.freeze(merge(this.rows, out, into, inserted));
    return difference(removed, inserted);
  }

  tell(change: Change<Row>): void {
    this.told = true;
    reportErrors(() => this.#listener(this.rows, change));
  }
}

/** So many moves cost less one by one than all rows do. */
const FEW = 16;

function merge<Row>(was: readonly Row[], out: number[], into: number[], inserted: Row[]): Row[] {
  if (out.length + into.length <= FEW) {
    // What is fastest was measured: a copy by its iterator takes a twentieth of one row by row.
    const rows = [...was];
    for (let last = out.length; last-- > 0; ) rows.splice(out[last]!, 1);
    for (const [at, place] of into.entries()) rows.splice(place, 0, inserted[at]!);
    return rows;
  }
  const rows = new Array<Row>(was.length - out.length + into.length);
  let [from, gone, came] = [0, 0, 0];
  for (let place = 0; place < rows.length; place++) {
    if (into[came] === place) {
      rows[place] = inserted[came++]!;
      continue;
    }
    for (; out[gone] === from; from++) gone++;
    rows[place] = was[from++]!;
  }
  return rows;
}

function difference<Row extends { id: string }>(removed: Row[], inserted: Row[]): Change<Row> {
  if (removed.length === 0) return { added: inserted, changed: [], removed };
  const gone = new Map(removed.map((row) => [row.id, row]));
  const added: Row[] = [];
  const changed: Row[] = [];
  for (const row of inserted) (gone.delete(row.id) ? changed : added).push(row);
  return { added, changed, removed: [...gone.values()] };
}
