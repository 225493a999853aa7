/** Live queries: rows that render again when, and only when, they changed. */

import { useMemo } from "react";
import type { Collection, Query, Row } from "tapeline";
import { keyOf } from "./key.js";
import { share, useShared } from "./shared.js";

const NONE: readonly never[] = Object.freeze([]);
const NOTHING = Object.freeze({ rows: NONE, isReady: false });

/** The rows of a query, kept live. Queries are compared by content, so one written in place is fine. */
export function useQuery<T extends object>(
  collection: Collection<T> | undefined,
  query: Query<T> = {},
): readonly Row<T>[] {
  const key = keyOf(query);
  const rows = useMemo(
    () =>
      collection &&
      share<readonly Row<T>[]>(collection, `rows ${key}`, () => ({
        read: () => collection.all(query),
        watch: (changed) => collection.watch(query, changed),
        same: areSame,
      })),
    [collection, key],
  );
  return useShared(rows, NONE);
}

/** What a query finds of a part of a stream. */
export interface Found<T> {
  readonly rows: readonly Row<T>[];
  /** All of it is here. What is here before that is what the device has: show it, and a placeholder for the rest. */
  readonly isReady: boolean;
}

/**
 * The rows of a query on a part of a stream, held and kept live, and whether all of them are here. With `suspend` the
 * component suspends until they are; so that something shows offline, do without.
 */
export function useHeld<T extends object>(
  collection: Collection<T> | undefined,
  query: Query<T> = {},
  { suspend = false } = {},
): Found<T> {
  const key = keyOf(query);
  const found = useMemo(
    () =>
      collection &&
      share<Found<T>>(collection, `held ${key}`, () => ({
        read: () => ({ rows: collection.all(query), isReady: false }),
        watch: (changed) => hold(collection, query, changed),
        same: (one, other) => one.isReady === other.isReady && areSame(one.rows, other.rows),
      })),
    [collection, key],
  );
  const value = useShared(found, NOTHING);
  if (suspend && found && !value.isReady) throw found.until(({ isReady }) => isReady);
  return value;
}

function hold<T extends object>(collection: Collection<T>, query: Query<T>, changed: (found: Found<T>) => void) {
  const held = collection.hold(query);
  const stop = collection.watch(query, (rows) => changed({ rows, isReady: held.isReady }));
  // Closed before it is ready, it never will be.
  held.ready().then(
    () => changed({ rows: held.rows(), isReady: true }),
    () => {},
  );
  return () => {
    stop();
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
      same: Object.is,
    }));
  }, [collection, id]);
  return useShared(object, undefined);
}

function areSame(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((row, place) => row === other[place]);
}
