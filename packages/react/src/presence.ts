/** Who else is here, and what they are doing. */

import { useCallback, useEffect, useMemo, useRef } from "react";
import type { Stream, Value } from "tapeline";
import { share, useShared } from "./shared.js";

/** What the others say of themselves, by their ids. */
export type Peers<State> = ReadonlyMap<string, State>;

/** The others, and how to say what this one is doing; `null` says that it has left. */
export type Presence<State> = readonly [peers: Peers<State>, set: (state: State | null) => void];

const NOBODY = new Map<string, never>();

/** The others on a stream. What this component said is taken back when it leaves. */
export function usePresence<State extends object = { [name: string]: Value }>(
  stream: Stream | undefined,
): Presence<State> {
  const peers = useMemo(
    () =>
      stream &&
      share<Peers<State>>(stream, "peers", () => ({
        read: () => stream.presence.peers() as Peers<State>,
        watch: (changed) => stream.presence.watch((peers) => changed(peers as Peers<State>)),
        same: Object.is,
      })),
    [stream],
  );
  const said = useRef(false);
  const set = useCallback(
    (state: State | null) => {
      said.current = state !== null;
      if (said.current) stream?.presence.set(state as Value);
      else stream?.presence.clear();
    },
    [stream],
  );
  useEffect(
    () => () => {
      // Of one that was closed before, all is taken back.
      if (said.current && stream?.status().connection.state !== "closed") set(null);
    },
    [stream, set],
  );
  return [useShared(peers, NOBODY), set];
}
