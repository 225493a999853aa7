/** Live queries: rows that render again when, and only when, they changed. */

import { useMemo } from "react";
import type { Collection, Query, Row } from "tapeline";
import { keyOf } from "./key.js";
import { share, useShared } from "./shared.js";

const NONE: readonly never[] = Object.freeze([]);

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
        same: (one, other) => one.length === other.length && one.every((row, place) => row === other[place]),
      })),
    [collection, key],
  );
  return useShared(rows, NONE);
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
