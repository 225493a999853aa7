/** Which rows were changed here and are not yet known to be on the server. Kept beside the page, for when it is reloaded. */

import { useCallback, useEffect, useState } from "react";
import type { Stream } from "tapeline";

/** `app`: whose rows they are. */
export function useMarks(
  stream: Stream | undefined,
  app: string,
): [ReadonlySet<string>, (id: string | undefined) => void] {
  const key = `${app}: not yet synced`;
  const [marked, setMarked] = useState<ReadonlySet<string>>(
    () => new Set(JSON.parse(localStorage.getItem(key) ?? "[]")),
  );

  // `synced` is about all edits made before it was asked: ask again after each.
  useEffect(() => {
    let newest = true;
    if (marked.size > 0) void stream?.synced().then(() => newest && setMarked(new Set()));
    localStorage.setItem(key, JSON.stringify([...marked]));
    return () => {
      newest = false;
    };
  }, [stream, marked, key]);

  const mark = useCallback((id: string | undefined) => {
    if (id) setMarked((marked) => new Set([...marked, id]));
  }, []);
  return [marked, mark];
}
