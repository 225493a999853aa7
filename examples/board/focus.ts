/** The keyboard: arrows go from card to card, Alt with arrows takes the card along. The focus stays with the card. */

import { type KeyboardEvent, type RefObject, useCallback } from "react";
import type { Shown } from "./board.js";
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
      const place = Number(card.dataset.place) + down;
      const last = (shown.current.get(to)?.length ?? 0) - 1 + (event.altKey && across ? 1 : 0);
      const at = Math.max(0, Math.min(place, last));
      const id = event.altKey ? card.dataset.id : shown.current.get(to)?.[at]?.id;
      if (!id) return;
      if (event.altKey) move(id, to, at);
      focus(board.current, id, to, at);
    },
    [board, shown, move],
  );
}

/** Scrolls a card into sight and focuses it as soon as it is rendered there. */
function focus(board: HTMLElement | null, id: string, state: State, place: number): void {
  const column = board?.querySelector(`[data-state="${state}"]`);
  const cards = column?.querySelector<HTMLElement>(".cards");
  if (!column || !cards) return;
  const top = place * STRIDE;
  if (top < cards.scrollTop) cards.scrollTop = top;
  if (top + STRIDE > cards.scrollTop + cards.clientHeight) cards.scrollTop = top + STRIDE - cards.clientHeight;
  let tries = 30;
  const find = () => {
    const card = column.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`);
    if (card && Number(card.dataset.place) === place) card.focus({ preventScroll: true });
    else if (tries-- > 0) requestAnimationFrame(find);
  };
  find();
  column.scrollIntoView({ block: "nearest", inline: "nearest" });
}
