/** Undo and redo, as buttons and keys need them. */

import { useMemo } from "react";
import type { Stream } from "tapeline";
import { share, useShared } from "./shared.js";
import { followStatus } from "./status.js";

/** What can be undone and redone, and how. */
export interface Undo {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Takes back what this tab did last. `false`: there was nothing. */
  undo(options?: { force?: boolean }): boolean;
  /** Does again what was last taken back. */
  redo(options?: { force?: boolean }): boolean;
}

const NOTHING: Undo = { canUndo: false, canRedo: false, undo: () => false, redo: () => false };

/** Undo and redo of a stream; renders again when there is something to undo, or no longer. */
export function useUndo(stream: Stream | undefined): Undo {
  const undo = useMemo(
    () =>
      stream &&
      share<Undo>(stream, "undo", () => ({
        read: () => stateOf(stream),
        watch: (changed) => followStatus(stream, () => changed(stateOf(stream))),
        same: (one, other) => one.canUndo === other.canUndo && one.canRedo === other.canRedo,
      })),
    [stream],
  );
  return useShared(undo, NOTHING);
}

function stateOf(stream: Stream): Undo {
  const { canUndo, canRedo } = stream;
  return { canUndo, canRedo, undo: (options) => stream.undo(options), redo: (options) => stream.redo(options) };
}
