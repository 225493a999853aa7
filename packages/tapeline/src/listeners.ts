/** Who is told of something until they stop it. */

import { checkFunction } from "./names.js";

/** Has a listener hear of something from now on. Answers how to stop. */
export function listen<Told>(listeners: Set<(told: Told) => void>, listener: (told: Told) => void): () => void {
  checkFunction(listener);
  const own = (told: Told) => listener(told);
  listeners.add(own);
  return () => void listeners.delete(own);
}
