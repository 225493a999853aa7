/** Where others are in a text: their carets and selections, drawn under the text area by the very same text. */

import { usePresence } from "@tapeline/react";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import type { Splice, Stream } from "tapeline";
import { hueOfName } from "../shared/names.js";
import type { Me, Said } from "./cursors.js";
import { moved } from "./typing.js";

/** Somebody's selection: it began at `from`, the caret is at `to`. `turn` tells a new one from one said before. */
export interface Caret {
  readonly name: string;
  readonly turn: number;
  readonly from: number;
  readonly to: number;
}

type Carets = ReadonlyMap<string, Caret>;

/** The carets of others in an issue's text, and how to move them past a change of it until they say where they are. */
export function useCarets(stream: Stream | undefined, issue: string) {
  const [peers] = usePresence<Said>(stream);
  const [carets, setCarets] = useState<Carets>(new Map());
  useEffect(() => {
    setCarets((known) => new Map([...peers].flatMap(([peer, said]) => caretOf(known, peer, said, issue))));
  }, [peers, issue]);
  const shift = useCallback((splice: Splice, before: string) => {
    const past = ({ from, to, ...rest }: Caret) => ({
      ...rest,
      from: moved(from, splice, before),
      to: moved(to, splice, before),
    });
    setCarets((known) => new Map([...known].map(([peer, caret]) => [peer, past(caret)])));
  }, []);
  return [carets, shift] as const;
}

function caretOf(known: Carets, peer: string, { name, caret }: Said, issue: string): [string, Caret][] {
  if (caret?.issue !== issue) return [];
  const before = known.get(peer);
  return [[peer, before?.turn === caret.turn ? before : { name, ...caret }]];
}

/**
 * Says where the caret of this tab is. What was typed up to there has to be with the others first, who would otherwise
 * see the caret beyond the text.
 */
export function useSayCaret(stream: Stream | undefined, me: Me, issue: string) {
  const newest = useRef<{ from: number; to: number }>(undefined);
  const saying = useRef(false);
  const turn = useRef(0);
  useEffect(
    () => () => {
      newest.current = undefined;
      stream?.presence.set({ ...me });
    },
    [stream, me],
  );
  return useCallback(
    async ({ selectionStart, selectionEnd, selectionDirection }: HTMLTextAreaElement) => {
      const back = selectionDirection === "backward";
      newest.current = { from: back ? selectionEnd : selectionStart, to: back ? selectionStart : selectionEnd };
      if (saying.current) return;
      saying.current = true;
      while (newest.current) {
        const place: { from: number; to: number } = newest.current;
        await stream?.synced().catch(() => {});
        // It was left meanwhile.
        if (!newest.current) break;
        stream?.presence.set({ ...me, caret: { issue, turn: ++turn.current, ...place } });
        if (newest.current === place) newest.current = undefined;
      }
      saying.current = false;
    },
    [stream, me, issue],
  );
}

/** The text once more, unseen but for what is put in: it wraps as the text area does, and gives it its height. */
export function Carets({ text, carets }: { text: string; carets: Carets }) {
  const all = [...carets].map(([peer, caret]) => ({
    ...caret,
    peer,
    from: Math.min(caret.from, text.length),
    to: Math.min(caret.to, text.length),
  }));
  const cuts = [...new Set([0, ...all.flatMap(({ from, to }) => [from, to]), text.length])].sort((a, b) => a - b);
  const parts = cuts.flatMap((cut, place): ReactNode[] => {
    const here = all.filter(({ to }) => to === cut).map((caret) => <Flag key={caret.peer} caret={caret} />);
    const next = cuts[place + 1];
    if (next === undefined) return here;
    const within = all.find(({ from, to }) => Math.min(from, to) <= cut && Math.max(from, to) >= next);
    const piece = text.slice(cut, next);
    const hue = { "--hue": hueOfName(within?.name ?? "") } as object;
    return [
      ...here,
      within ? (
        <mark key={cut} style={hue}>
          {piece}
        </mark>
      ) : (
        piece
      ),
    ];
  });
  return (
    <div className="carets" aria-hidden="true">
      {parts}
      {"\u200b"}
    </div>
  );
}

function Flag({ caret: { name } }: { caret: Caret }) {
  return (
    <span className="caret" style={{ "--hue": hueOfName(name) } as object}>
      <span>{name}</span>
    </span>
  );
}
