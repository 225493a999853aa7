/** The keyboard: arrows go from card to card, Alt with arrows takes the card along. The focus stays with the card. */

import { type KeyboardEvent, type RefObject, useCallback } from "react";
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
  const column = board?.querySelector(`[data-state="${state}"]`);
  const cards = column?.querySelector<HTMLElement>(".cards");
  if (!column || !cards) return;
  const top = place * STRIDE;
  if (top < cards.scrollTop) cards.scrollTop = top;
  if (top + STRIDE > cards.scrollTop + cards.clientHeight) cards.scrollTop = top + STRIDE - cards.clientHeight;
  column.scrollIntoView({ block: "nearest", inline: "nearest" });
  const from = document.activeElement;
  let tries = PATIENCE;
  const find = () => {
    const card = column.querySelector<HTMLElement>(`[data-place="${place}"]`);
    if (card && (!id || card.dataset.id === id)) card.focus({ preventScroll: true });
    // The focus goes away with a card that is moved, but no further than to the page.
    else if (tries-- > 0 && [from, document.body].includes(document.activeElement)) requestAnimationFrame(find);
  };
  find();
}
