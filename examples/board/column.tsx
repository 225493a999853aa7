/** One column: of the cards that are here, as many as fit on the screen. */

import { useStatus } from "@tapeline/react";
import { memo, type PointerEvent, useEffect, useRef } from "react";
import type { Collection, Stream } from "tapeline";
import { Card } from "./card.js";
import { Cursors, type Me, usePointer } from "./cursors.js";
import { type Held, useHeldCards } from "./held.js";
import { type Issue, type State, states } from "./issue.js";
import { useSeen } from "./sight.js";
import { STRIDE, useWindow } from "./window.js";

interface Props {
  state: State;
  stream: Stream | undefined;
  issues: Collection<Issue> | undefined;
  words: string;
  me: Me;
  show(state: State, held: Held): void;
}

export const Column = memo(function Column({ state, stream, issues, words, me, show }: Props) {
  const column = useRef<HTMLElement>(null);
  const isSeen = useSeen(column);
  const [held, look] = useHeldCards(isSeen ? issues : undefined, state, words);
  const { rows, isWhole, isComing } = held;
  const cards = useRef<HTMLDivElement>(null);
  const { from, to, first } = useWindow(cards, rows.length);
  const isOnline = useStatus(stream, ({ connection }) => connection.state === "connected");
  const point = usePointer(stream, me, state);
  useEffect(() => look(to), [to, held, look]);
  useEffect(() => show(state, held), [state, held, show]);

  return (
    <section ref={column} className="column" data-state={state} aria-labelledby={`name-${state}`}>
      <h2 id={`name-${state}`}>
        {states[state]} <span className="count">{count(rows.length, isWhole)}</span>
      </h2>
      <div className="cards" ref={cards}>
        <div
          className="all"
          data-last={isWhole ? rows.length : rows.length - 1}
          style={{ height: rows.length * STRIDE + (isComing ? MORE : 0) }}
          onPointerMove={(event: PointerEvent<HTMLElement>) => point(event)}
          onPointerLeave={() => point()}
        >
          <ul aria-label={states[state]}>
            {rows.slice(from, to).map((issue, place) => (
              <Card
                key={issue.id}
                issue={issue}
                place={from + place}
                of={isWhole ? rows.length : UNKNOWN}
                tabStop={from + place === first}
              />
            ))}
          </ul>
          {isComing && (
            <p className="more muted">{isOnline ? "More cards are on their way …" : "More come with the network."}</p>
          )}
          <Cursors stream={stream} state={state} />
          <div className="drop" />
        </div>
      </div>
    </section>
  );
});

/** Pixels for the word that more come. */
const MORE = 56;
/** What is said of how many there are where nobody knows, in a list that is read out. */
const UNKNOWN = -1;

/** How many cards there are: as many at least as are here. */
function count(here: number, isWhole: boolean): string {
  if (isWhole) return here.toLocaleString();
  return here > 0 ? `${here.toLocaleString()}+` : "…";
}
