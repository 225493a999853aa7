/** One column: as many cards as fit on the screen, of however many there are. */

import { useQuery } from "@tapeline/react";
import { memo, type PointerEvent, useEffect, useMemo, useRef } from "react";
import type { Collection, Row, Stream } from "tapeline";
import { Card } from "./card.js";
import { Cursors, type Me, usePointer } from "./cursors.js";
import { type Issue, matching, type State, states } from "./issue.js";
import { STRIDE, useWindow } from "./window.js";

interface Props {
  state: State;
  stream: Stream | undefined;
  issues: Collection<Issue> | undefined;
  words: string;
  me: Me;
  show(state: State, rows: readonly Row<Issue>[]): void;
}

export const Column = memo(function Column({ state, stream, issues, words, me, show }: Props) {
  const all = useQuery(issues, { where: { state }, orderBy: "position" });
  const rows = useMemo(() => matching(all, words), [all, words]);
  const cards = useRef<HTMLDivElement>(null);
  const { from, to, first } = useWindow(cards, rows.length);
  const point = usePointer(stream, me, state);
  useEffect(() => show(state, rows), [state, rows, show]);

  return (
    <section className="column" data-state={state} aria-labelledby={`name-${state}`}>
      <h2 id={`name-${state}`}>
        {states[state]} <span className="count">{rows.length.toLocaleString()}</span>
      </h2>
      <div className="cards" ref={cards}>
        <div
          className="all"
          style={{ height: rows.length * STRIDE }}
          onPointerMove={(event: PointerEvent<HTMLElement>) => point(event)}
          onPointerLeave={() => point()}
        >
          <ul aria-label={states[state]}>
            {rows.slice(from, to).map((issue, place) => (
              <Card
                key={issue.id}
                issue={issue}
                place={from + place}
                of={rows.length}
                tabStop={from + place === first}
              />
            ))}
          </ul>
          <Cursors stream={stream} state={state} />
          <div className="drop" />
        </div>
      </div>
    </section>
  );
});
