/** Who is here, and everybody's pointers: presence, which is told but never recorded. */

import { usePresence } from "@tapeline/react";
import { memo, type PointerEvent, useCallback, useEffect, useState } from "react";
import type { Stream } from "tapeline";
import { hueOfName, madeUpName } from "../shared/names.js";
import type { State } from "./issue.js";

/** Who this is, made up once for each tab. */
export interface Me {
  readonly name: string;
}

/**
 * What a tab says of itself: where it points, in the cards of a column, so that it fits any screen; or where its caret is
 * in the text of an issue.
 */
export type Said = Me & {
  column?: State;
  x?: number;
  y?: number;
  caret?: { issue: string; turn: number; from: number; to: number };
};

export function useMe(): Me {
  const [me] = useState(() => ({ name: madeUpName() }));
  return me;
}

/** Says where this tab's pointer is. */
export function usePointer(stream: Stream | undefined, me: Me, column: State) {
  return useCallback(
    (event?: PointerEvent<HTMLElement>) => {
      if (!event) return stream?.presence.set({ ...me });
      const box = event.currentTarget.getBoundingClientRect();
      const x = Math.round(((event.clientX - box.left) / box.width) * 1000) / 1000;
      stream?.presence.set({ ...me, column, x, y: Math.round(event.clientY - box.top) });
    },
    [stream, me, column],
  );
}

/** The pointers of others in one column. */
export const Cursors = memo(function Cursors({ stream, state }: { stream: Stream | undefined; state: State }) {
  const [peers] = usePresence<Said>(stream);
  const here = [...peers].filter(([, said]) => said.column === state);
  return (
    <div className="cursors" aria-hidden="true">
      {here.map(([peer, said]) => {
        const { name, x = 0, y = 0 } = said;
        return (
          <div
            key={peer}
            className="cursor"
            style={{ left: `${x * 100}%`, top: y, "--hue": hueOfName(name) } as object}
          >
            <svg viewBox="0 0 16 20" aria-hidden="true">
              <path d="M1.5 1.5 6 18l3-6.5 6-1.5z" />
            </svg>
            <span>{name}</span>
          </div>
        );
      })}
    </div>
  );
});

/** Who is here. */
export function Here({ stream, me }: { stream: Stream | undefined; me: Me }) {
  const [peers, set] = usePresence<Said>(stream);
  useEffect(() => set({ ...me }), [set, me]);
  const names = [...peers.values()].map((said) => said.name);
  return (
    <ul className="here-now" aria-label="People here">
      {[me.name, ...names].slice(0, 6).map((name, place) => (
        <li key={`${name} ${place}`} className="face" style={{ "--hue": hueOfName(name) } as object} title={name}>
          {name.replace(/[a-z ]+/g, "")}
          <span className="unseen">
            {name}
            {place === 0 && " (you)"}
          </span>
        </li>
      ))}
      {names.length > 5 && <li className="muted">+{names.length - 5}</li>}
    </ul>
  );
}
