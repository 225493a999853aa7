/**
 * The keyboard: arrows go from card to card, Alt with arrows takes the card along. The focus stays with the card, also
 * where undo moves it.
 */

import { type KeyboardEvent, type RefObject, useCallback } from "react";
import { stepOf } from "../shared/undo.js";
import type { Shown } from "./board.js";
import { lastPlace } from "./held.js";
import { order, type State } from "./issue.js";
import { STRIDE } from "./window.js";

const steps: Record<string, [across: number, down: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function useFocus(
  board: RefObject<HTMLElement | null>,
  shown: RefObject<Shown>,
  move: (id: string, state: State, place: number) => void,
) {
  return useCallback(
    (event: KeyboardEvent<HTMLElement>) => {
      const card = (event.target as HTMLElement).closest<HTMLElement>(".issue");
      if (card && stepOf(event.nativeEvent)) return follow(board.current, shown.current, card);
      const step = steps[event.key];
      const from = card?.closest<HTMLElement>(".column")?.dataset.state as State | undefined;
      if (!card || !step || !from) return;
      event.preventDefault();
      const [across, down] = step;
      const to = order[order.indexOf(from) + across];
      if (!to) return;
      const { id = "", place } = card.dataset;
      const held = shown.current.get(to);
      const last = event.altKey ? lastPlace(held, id) : (held?.rows.length ?? 0) - 1;
      const at = Math.max(0, Math.min(Number(place) + down, last));
      if (event.altKey) move(id, to, at);
      focus(board.current, event.altKey ? id : held?.rows[at]?.id, to, at);
    },
    [board, shown, move],
  );
}

/** Frames in which a card that is to be focused may come. */
const PATIENCE = 120;

/** Scrolls a card into sight and focuses it as soon as it is rendered there; without an id, whichever comes to that place. */
function focus(board: HTMLElement | null, id: string | undefined, state: State, place: number): void {
  const column = show(board, state, place);
  untilFocused(() => {
    const card = column?.querySelector<HTMLElement>(`[data-place="${place}"]`);
    return card && (!id || card.dataset.id === id) ? card : null;
  });
}

/** The focus goes along with a card, where that is taken elsewhere and drops it. */
function follow(board: HTMLElement | null, shown: Shown, card: HTMLElement): void {
  const { id } = card.dataset;
  untilFocused(() => {
    if (document.activeElement === card) return null;
    for (const [state, { rows }] of shown) {
      const place = rows.findIndex((issue) => issue.id === id);
      const moved = place < 0 ? null : show(board, state, place)?.querySelector<HTMLElement>(`[data-id="${id}"]`);
      if (moved) return moved;
    }
    return null;
  });
}

/** Scrolls a place of a column into sight. Answers the column. */
function show(board: HTMLElement | null, state: State, place: number): Element | undefined {
  const column = board?.querySelector(`[data-state="${state}"]`);
  const cards = column?.querySelector<HTMLElement>(".cards");
  if (!column || !cards) return undefined;
  const top = place * STRIDE;
  if (top < cards.scrollTop) cards.scrollTop = top;
  if (top + STRIDE > cards.scrollTop + cards.clientHeight) cards.scrollTop = top + STRIDE - cards.clientHeight;
  column.scrollIntoView({ block: "nearest", inline: "nearest" });
  return column;
}

/** Focuses what is found as soon as it is there. */
function untilFocused(find: () => HTMLElement | null): void {
  const from = document.activeElement;
  let tries = PATIENCE;
  const look = () => {
    const found = find();
    if (found) found.focus({ preventScroll: true });
    // The focus goes away with a card that is moved, but no further than to the page.
    else if (tries-- > 0 && [from, document.body].includes(document.activeElement)) requestAnimationFrame(look);
  };
  look();
}
