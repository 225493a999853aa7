/** Waiting for something to be true: tests never sleep. */

import type { Collection, Query, Row, Status, Stream } from "tapeline";

/** Resolves with the rows of a query once they are as they should be. */
export function rowsUntil<Fields extends object>(
  collection: Collection<Fields>,
  query: Query<Fields>,
  isSo: (rows: readonly Row<Fields>[]) => boolean,
): Promise<readonly Row<Fields>[]> {
  return new Promise((resolve) => {
    const stop = collection.watch(query, (rows) => {
      if (!isSo(rows)) return;
      queueMicrotask(() => stop());
      resolve(rows);
    });
  });
}

/** Resolves with the status of a stream once it is as it should be. */
export function statusUntil(stream: Stream, isSo: (status: Status) => boolean): Promise<Status> {
  if (isSo(stream.status())) return Promise.resolve(stream.status());
  return new Promise((resolve) => {
    const stop = stream.onStatus((status) => {
      if (!isSo(status)) return;
      stop();
      resolve(status);
    });
  });
}
