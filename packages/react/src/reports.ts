/** What became of edits: those that wait for a decision, and what an app tells the person. */

import { useEffect, useMemo, useRef } from "react";
import type { Notice, ParkedEdit, Stream } from "tapeline";
import { share, useShared } from "./shared.js";
import { followStatus } from "./status.js";

const NONE: readonly ParkedEdit[] = Object.freeze([]);

/** Edits that were refused; renders again when there is another, or one is gone. */
export function useParked(stream: Stream | undefined): readonly ParkedEdit[] {
  const parked = useMemo(
    () =>
      stream &&
      share<readonly ParkedEdit[]>(stream, "parked", () => ({
        read: () => stream.parked(),
        watch: (changed) => followStatus(stream, () => changed(stream.parked())),
        same: (one, other) =>
          one.length === other.length && one.every(({ edit }, place) => edit === other[place]!.edit),
      })),
    [stream],
  );
  return useShared(parked, NONE);
}

/** Calls back with what became of edits, as long as the component is there. */
export function useNotices(stream: Stream | undefined, hear: (notice: Notice) => void): void {
  const newest = useRef(hear);
  useEffect(() => {
    newest.current = hear;
  });
  useEffect(() => stream?.onNotice((notice) => newest.current(notice)), [stream]);
}
