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

  constructor(
    readonly handle: number,
    private readonly listener: Listener<Row>,
    /** What it holds of a stream that is open in part. */
    readonly held?: number,
  ) {}

  /** Takes a difference. Answers what to tell. */
  take(moved: Uint8Array): Change<Row> {
    const reader = new Reader(moved);
    reader.size();
    const places = new Array<number>(reader.size());
    for (let place = 0; place < places.length; place++) places[place] = reader.size();
    const inserted = new Array<[number, Row]>(reader.size());
    for (let place = 0; place < inserted.length; place++) {
      reader.size();
      inserted[place] = [reader.size(), reader.row<Row>()];
    }
    const was = this.rows;
    this.rows = Object.freeze(merge(was, places, inserted));
    return difference(
      places.map((place) => was[place]!),
      inserted.map(([, row]) => row),
    );
  }

  tell(change: Change<Row>): void {
    this.told = true;
    reportErrors(() => this.listener(this.rows, change));
  }
}

/** So many moves cost less one by one than all rows do. */
const FEW = 16;

function merge<Row>(was: readonly Row[], removed: number[], inserted: [number, Row][]): Row[] {
  if (removed.length + inserted.length <= FEW) {
    // What is fastest was measured: a copy by its iterator takes a twentieth of one row by row.
    const rows = [...was];
    for (let last = removed.length; last-- > 0; ) rows.splice(removed[last]!, 1);
    for (const [place, row] of inserted) rows.splice(place, 0, row);
    return rows;
  }
  const rows = new Array<Row>(was.length - removed.length + inserted.length);
  let from = 0;
  let out = 0;
  let into = 0;
  for (let place = 0; place < rows.length; place++) {
    if (into < inserted.length && inserted[into]![0] === place) {
      rows[place] = inserted[into++]![1];
      continue;
    }
    while (out < removed.length && removed[out] === from) {
      out++;
      from++;
    }
    rows[place] = was[from++]!;
  }
  return rows;
}

function difference<Row extends { id: string }>(removed: Row[], inserted: Row[]): Change<Row> {
  const gone = new Map(removed.map((row) => [row.id, row]));
  const added: Row[] = [];
  const changed: Row[] = [];
  for (const row of inserted) (gone.delete(row.id) ? changed : added).push(row);
  return { added, changed, removed: [...gone.values()] };
}
