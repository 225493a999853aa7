/** How a stream is, in a component. */

import { useMemo } from "react";
import type { Status, Stream } from "tapeline";
import { keyOf } from "./key.js";
import { share, useShared } from "./shared.js";

/** A stream's status; `undefined` until it is open. */
export function useStatus(stream: Stream | undefined): Status | undefined;
/** A part of a stream's status, as `select` gives it: renders again only when that part changed. */
export function useStatus<T extends string | number | boolean | null | undefined>(
  stream: Stream | undefined,
  select: (status: Status) => T,
): T | undefined;
export function useStatus(stream: Stream | undefined, select?: (status: Status) => unknown): unknown {
  const status = useMemo(
    () =>
      stream &&
      share<Status>(stream, "status", () => ({
        read: () => stream.status(),
        watch: (changed) => followStatus(stream, changed),
        same: (one, other) => keyOf(one) === keyOf(other),
      })),
    [stream],
  );
  return useShared<Status, undefined, unknown>(status, undefined, select);
}

/** Calls back with every status from now on, the present one first: it may have changed since the component rendered. */
export function followStatus(stream: Stream, changed: (status: Status) => void): () => void {
  const stop = stream.onStatus(changed);
  changed(stream.status());
  return stop;
}
