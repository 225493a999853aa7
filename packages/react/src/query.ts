/** Live queries: rows that render again when, and only when, they changed. */

import { type RefObject, useEffect, useMemo, useRef } from "react";
import { type Collection, type Query, type Row, type Status, TapelineError } from "tapeline";
import { keyOf } from "./key.js";
import { areSame, keeper } from "./rows.js";
import { share, useShared } from "./shared.js";

const NONE: readonly never[] = Object.freeze([]);
const NOTHING: Found<never> = Object.freeze({ rows: NONE, isReady: false });

/** The rows of a query, kept live. Queries are compared by content, so one written in place is fine. */
export function useQuery<T extends object>(
  collection: Collection<T> | undefined,
  query: Query<T> = {},
): readonly Row<T>[] {
  const key = keyOf(query);
  const last = useRef<readonly Row<T>[]>(NONE);
  const shared = useMemo(
    () =>
      collection &&
      share<readonly Row<T>[]>(collection, `rows ${key}`, () => {
        const keep = keeper(collection, last.current);
        return {
          read: () => keep(collection.all(query)),
          watch: (changed) => collection.watch(query, (rows) => changed(keep(rows))),
          same: Object.is,
        };
      }),
    [collection, key],
  );
  const rows = useShared(shared, NONE);
  useKept(last, rows);
  return rows;
}

/** What a query finds of a part of a stream. */
export interface Found<T> {
  readonly rows: readonly Row<T>[];
  /** All of it is here. What is here before that is what the device has: show it, and a placeholder for the rest. */
  readonly isReady: boolean;
  /** Why nothing of the stream may be read, where the server said so. */
  readonly denied?: string | undefined;
}

/**
 * The rows of a query on a part of a stream, held and kept live, and whether all of them are here. With `suspend` the
 * component suspends until they are; so that something shows offline, do without. Of a stream that may not be read it
 * throws then.
 */
export function useHeld<T extends object>(
  collection: Collection<T> | undefined,
  query: Query<T> = {},
  { suspend = false } = {},
): Found<T> {
  const key = keyOf(query);
  const last = useRef<readonly Row<T>[]>(NONE);
  const shared = useMemo(
    () =>
      collection &&
      share<Found<T>>(collection, `held ${key}`, () => {
        const keep = keeper(collection, last.current);
        const found = (rows: readonly Row<T>[], isReady: boolean) => {
          return { rows: keep(rows), isReady, denied: collection.stream.status().denied };
        };
        return {
          read: () => found(collection.all(query), false),
          watch: (changed) => hold(collection, query, (rows, isReady) => changed(found(rows, isReady))),
          same: (one, other) => one.isReady === other.isReady && one.rows === other.rows && one.denied === other.denied,
        };
      }),
    [collection, key],
  );
  const found = useShared(shared, NOTHING);
  useKept(last, found.rows);
  if (!suspend || !shared || found.isReady) return found;
  if (found.denied !== undefined) throw new TapelineError("denied", found.denied, true);
  throw shared.until(({ isReady, denied }) => isReady || denied !== undefined);
}

/** Remembers what is shown: of it stays what the next query finds too. */
function useKept<T>(last: RefObject<T>, now: T): void {
  useEffect(() => {
    last.current = now;
  });
}

function hold<T extends object>(
  collection: Collection<T>,
  query: Query<T>,
  changed: (rows: readonly Row<T>[], isReady: boolean) => void,
) {
  const held = collection.hold(query);
  const stop = collection.watch(query, (rows) => changed(rows, held.isReady));
  const { stream } = collection;
  // Closed before it is ready, it never will be; what may not be read is waited for again once it may be.
  const wait = () =>
    held.ready().then(
      () => changed(held.rows(), true),
      () => {},
    );
  let denied: string | undefined;
  const hear = (status: Status) => {
    if (status.denied === denied) return;
    denied = status.denied;
    changed(held.rows(), held.isReady);
    if (denied === undefined) wait();
  };
  stream.statusListeners.add(hear);
  hear(stream.status());
  wait();
  return () => {
    stop();
    stream.statusListeners.delete(hear);
    held.release();
  };
}

/** One object, kept live; `undefined` while there is none. */
export function useObject<T extends object>(
  collection: Collection<T> | undefined,
  id: string | undefined,
): Row<T> | undefined {
  const object = useMemo(() => {
    if (!collection || id === undefined) return;
    return share<Row<T> | undefined>(collection, `object ${id}`, () => ({
      read: () => collection.get(id),
      watch: (changed) => collection.watchOne(id, changed),
      same: (one, other) => areSame(collection, one, other),
    }));
  }, [collection, id]);
  return useShared(object, undefined);
}
