/** Which rows were changed here and are not yet known to be on the server. Kept beside the page, for when it is reloaded. */

import { useCallback, useEffect, useState } from "react";
import type { Stream } from "tapeline";

const KEY = "todo: not yet synced";
const kept = () => new Set<string>(JSON.parse(localStorage.getItem(KEY) ?? "[]"));

export function useMarks(stream: Stream | undefined): [ReadonlySet<string>, (id: string | undefined) => void] {
  const [marked, setMarked] = useState<ReadonlySet<string>>(kept);

  // `synced` is about all edits made before it was asked: ask again after each.
  useEffect(() => {
    let newest = true;
    if (marked.size > 0) void stream?.synced().then(() => newest && setMarked(new Set()));
    localStorage.setItem(KEY, JSON.stringify([...marked]));
    return () => {
      newest = false;
    };
  }, [stream, marked]);

  const mark = useCallback((id: string | undefined) => {
    if (id) setMarked((marked) => new Set([...marked, id]));
  }, []);
  return [marked, mark];
}
