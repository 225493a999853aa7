/** The board: a window on each column, of which the first cards are on the device; a move is one small edit. */

import { useMutation, useObject, usePart } from "@tapeline/react";
import { type KeyboardEvent, type MouseEvent, useCallback, useRef, useState } from "react";
import { positionBetween } from "tapeline";
import { Coming } from "../shared/coming.js";
import { Reports } from "../shared/reports.js";
import { UndoButtons } from "../shared/undo.js";
import { Column } from "./column.js";
import { Here, useMe } from "./cursors.js";
import { Details } from "./details.js";
import { useDrag } from "./drag.js";
import { useFocus } from "./focus.js";
import { type Held, lastPlace } from "./held.js";
import { type Issue, order, reportOf, type State, states } from "./issue.js";
import { useSettled } from "./settled.js";

/** What each column shows now: what a move is made among. */
export type Shown = Map<State, Held>;
/** How long nothing is typed before the server is asked for what was, in milliseconds. */
const PAUSE = 150;

export function Board() {
  const stream = usePart("demo/board");
  const issues = stream?.collection<Issue>("issues");
  const [words, setWords] = useState("");
  const [said, say] = useState("");
  const wanted = useSettled(words, PAUSE);
  const shown = useRef<Shown>(new Map());
  const me = useMe();

  /** Between its new neighbours, which may be any two: there is always room. */
  const { run: move, error } = useMutation((id: string, state: State, place: number) => {
    const held = shown.current.get(state);
    const others = (held?.rows ?? []).filter((issue) => issue.id !== id);
    const at = Math.max(0, Math.min(place, lastPlace(held, id)));
    const position = positionBetween(others[at - 1]?.position, others[at]?.position);
    issues?.update(id, { state, position });
    say(`${id} is in ${states[state]} now, at place ${at + 1}`);
  });

  const grab = useDrag(move);
  const board = useRef<HTMLDivElement>(null);
  const keys = useFocus(board, shown, move);
  const [opened, open] = useState<string>();
  const issue = useObject(issues, opened);
  const openBy = (event: MouseEvent | KeyboardEvent) => {
    const card = (event.target as HTMLElement).closest<HTMLElement>(".issue");
    if (!card) return;
    // The key would go on to the first button of what it opens.
    event.preventDefault();
    open(card.dataset.id);
  };
  const [onDevice, setOnDevice] = useState(0);
  const [waits, setWaits] = useState(false);
  const show = useCallback(
    (state: State, held: Held) => {
      shown.current.set(state, held);
      setOnDevice(issues?.count() ?? 0);
      setWaits([...shown.current.values()].some(({ isComing }) => isComing));
    },
    [issues],
  );

  return (
    <>
      <header className="title">
        <h1>Board</h1>
        <input
          type="search"
          className="filter card"
          aria-label="Filter issues"
          placeholder="Filter by words, label, person…"
          value={words}
          onChange={(event) => setWords(event.target.value)}
        />
        <UndoButtons stream={stream} />
        <Here stream={stream} me={me} />
      </header>
      {error instanceof Error && <p role="alert">{error.message}</p>}
      <section
        className="board"
        aria-label="Columns"
        ref={board}
        onKeyDown={(event) => (event.key === "Enter" ? openBy(event) : keys(event))}
        onPointerDown={grab}
        onClick={openBy}
      >
        {order.map((state) => (
          <Column key={state} state={state} issues={issues} words={wanted} stream={stream} me={me} show={show} />
        ))}
      </section>
      <p className="hint muted">
        <span className="on-device">{onDevice.toLocaleString()}</span> cards are on this device: those you have looked
        at. Drag a card, or focus one: arrows go from card to card, <kbd>Alt</kbd> with arrows moves the card,{" "}
        <kbd>Enter</kbd> opens it.
      </p>
      {stream && issues && issue && (
        <Details stream={stream} issues={issues} issue={issue} me={me} close={() => open(undefined)} />
      )}
      <Coming stream={stream} waits={waits} />
      <Reports stream={stream} tell={reportOf} />
      <p className="unseen" aria-live="polite">
        {said}
      </p>
    </>
  );
}
