/** Positions in a list that people sort by hand. */

import * as core from "./core.js";
import { byCore } from "./errors.js";
import { encode } from "./values.js";

/**
 * A text that sorts between two others, for a field that a list is ordered by; nothing stands for the beginning or the
 * end. Two people who insert at the same place get different ones.
 */
export function positionBetween(before: string | null | undefined, after: string | null | undefined): string {
  return byCore(() => core.positionBetween(encode([before ?? null, after ?? null], "the positions")));
}
