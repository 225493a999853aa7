/**
 * Edits of texts and bytes.
 *
 * JavaScript counts UTF-16 code units, in which 🙂 is two; what travels counts Unicode characters (scalar values), in
 * which it is one. Apps say the former everywhere, and are translated here.
 */

import { invalid } from "./errors.js";

/** At `offset`, `delete` units go and `insert` comes. Units are those of the text's `length`; of bytes, bytes. */
export type Splice = readonly [offset: number, remove: number, insert: string | Uint8Array];

/** The same splices, counted in Unicode characters of the text they are for. They are in order, as the core demands. */
export function inCharacters(text: string, splices: readonly Splice[]): Splice[] {
  let unit = 0;
  let character = 0;
  const count = (offset: number): number => {
    if (offset > text.length) throw invalid(`${offset} is past the end of the text, which has ${text.length} units`);
    if (isInside(text, offset))
      throw invalid(`${offset} is inside of a character of two units: cut before or after it`);
    if (offset < unit) unit = character = 0;
    for (; unit < offset; unit++) if (!isInside(text, unit)) character++;
    return character;
  };
  return splices.map(([offset, remove, insert]) => {
    const from = count(offset);
    return [from, count(offset + remove) - from, insert];
  });
}

/**
 * One splice that makes a text another: what is the same at both ends stays. Nothing where nothing differs. An editor
 * moves its cursors past it.
 */
export function spliceBetween(before: string, after: string): Splice | undefined {
  if (typeof before !== "string" || typeof after !== "string") throw invalid("a text becomes a text");
  if (before === after) return undefined;
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  if (isInside(before, head) || isInside(after, head)) head--;
  let tail = 0;
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  if (isInside(before, before.length - tail) || isInside(after, after.length - tail)) tail--;
  return [head, before.length - head - tail, after.slice(head, after.length - tail)];
}

/** Whether an offset of well-formed text is between the two halves of a character. */
function isInside(text: string, offset: number): boolean {
  return (text.charCodeAt(offset) & 0xfc00) === 0xdc00;
}
