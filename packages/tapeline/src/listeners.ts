/** Who is told of something until they stop it. */

import { invalid } from "./errors.js";

/** Has a listener hear of something from now on. Answers how to stop. */
export function listen<Told>(listeners: Set<(told: Told) => void>, listener: (told: Told) => void): () => void {
  checkListener(listener);
  const own = (told: Told) => listener(told);
  listeners.add(own);
  return () => void listeners.delete(own);
}

export function checkListener(listener: unknown): void {
  if (typeof listener !== "function") throw invalid("a listener is a function");
}
