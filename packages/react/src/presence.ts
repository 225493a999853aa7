/** Who else is here, and what they are doing. */

import { useCallback, useEffect, useMemo, useRef } from "react";
import type { Stream, Value } from "tapeline";
import { share, useShared } from "./shared.js";

/** What the others say of themselves, by their ids. */
export type Peers<State> = ReadonlyMap<string, State>;

/** The others, and how to say what this one is doing; `null` takes it back. */
export type Presence<State> = readonly [peers: Peers<State>, set: (state: State | null) => void];

const NOBODY = new Map<string, never>();

/** What components say on each stream, by component; the last one is what the others see. */
const said = new WeakMap<Stream, Map<object, Value>>();

/** The others on a stream. What this component said is taken back when it leaves; what another said before counts again. */
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
  const self = useRef(undefined);
  const set = useCallback(
    (state: State | null) => {
      if (stream) say(stream, self, state as Value);
    },
    [stream],
  );
  useEffect(
    () => () => {
      // Of one that was closed before, all is taken back.
      const isClosed = stream?.status().connection.state === "closed";
      if (stream && !isClosed && said.get(stream)?.has(self)) say(stream, self, null);
    },
    [stream],
  );
  return [useShared(peers, NOBODY), set];
}

function say(stream: Stream, component: object, state: Value): void {
  const all = said.get(stream) ?? new Map<object, Value>();
  said.set(stream, all);
  if (state !== null) stream.presence.set(state);
  all.delete(component);
  if (state !== null) return void all.set(component, state);
  const before = [...all.values()].at(-1);
  if (before === undefined) stream.presence.clear();
  else stream.presence.set(before);
}
