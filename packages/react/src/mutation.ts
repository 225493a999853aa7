/** Edits made by a component: what goes wrong with one is shown instead of thrown. */

import { useCallback, useLayoutEffect, useRef, useState } from "react";

/** A mutation as a component holds it. */
export interface Mutation<A extends unknown[], R> {
  /** Makes the edit; the same function in every rendering. Answers `undefined` where it was wrong. */
  run: (...values: A) => R | undefined;
  /** What was wrong with the last one. */
  error: unknown;
}

/** An edit to be made later, such as on a click. It shows at once; nothing has to be waited for. */
export function useMutation<A extends unknown[], R>(edit: (...values: A) => R): Mutation<A, R> {
  const [error, setError] = useState<unknown>();
  const newest = useRef(edit);
  useBrowserLayoutEffect(() => {
    newest.current = edit;
  });
  const run = useCallback((...values: A) => {
    try {
      const answer = newest.current(...values);
      setError(undefined);
      if (answer instanceof Promise) answer.catch(setError);
      return answer;
    } catch (error) {
      setError(error);
      return undefined;
    }
  }, []);
  return { run, error };
}

/** React 18 warns of layout effects on a server, where none runs. */
const useBrowserLayoutEffect = typeof document === "undefined" ? () => {} : useLayoutEffect;
