/**
 * Dragging a card by mouse, pen or finger. Nothing renders meanwhile: a copy follows the pointer, a line shows where the
 * card would go. A finger has to rest on the card first, since it may as well want to scroll.
 */

import { type PointerEvent, useCallback } from "react";
import type { State } from "./issue.js";
import { STRIDE } from "./window.js";

const REST = 220;
const SLACK = 6;
const EDGE = 56;

type Move = (id: string, state: State, place: number) => void;
interface Target {
  column: HTMLElement;
  cards: HTMLElement;
  place: number;
}

export function useDrag(move: Move) {
  return useCallback(
    (event: PointerEvent<HTMLElement>) => {
      const card = (event.target as HTMLElement).closest<HTMLElement>(".issue");
      if (!card || event.button !== 0) return;
      waitForIt(event.nativeEvent, card, event.currentTarget, move);
    },
    [move],
  );
}

/** A mouse drags once it moves, a finger once it has rested. */
function waitForIt(down: globalThis.PointerEvent, card: HTMLElement, board: HTMLElement, move: Move): void {
  const off = new AbortController();
  const { signal } = off;
  const begin = () => {
    off.abort();
    drag(down, card, board, move);
  };
  const rests = down.pointerType === "mouse" ? undefined : setTimeout(begin, REST);
  signal.addEventListener("abort", () => clearTimeout(rests));
  const moved = (now: globalThis.PointerEvent) => {
    if (Math.hypot(now.clientX - down.clientX, now.clientY - down.clientY) < SLACK) return;
    if (rests === undefined) begin();
    else off.abort();
  };
  addEventListener("pointermove", moved, { signal });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => off.abort(), { signal });
}

function drag(down: globalThis.PointerEvent, card: HTMLElement, board: HTMLElement, move: Move): void {
  const off = new AbortController();
  const { signal } = off;
  const home = card.closest(".column");
  const copy = copyOf(card);
  let pointer: globalThis.PointerEvent = down;
  let target: Target | undefined;

  const show = () => {
    copy.style.translate = `${pointer.clientX - down.clientX}px ${pointer.clientY - down.clientY}px`;
    scroll(target, board, pointer);
    target = targetAt(pointer, board);
    showTarget(target, board);
    frame = requestAnimationFrame(show);
  };
  let frame = requestAnimationFrame(show);

  const end = (drop: boolean) => {
    off.abort();
    cancelAnimationFrame(frame);
    copy.remove();
    card.classList.remove("dragged");
    document.body.classList.remove("dragging");
    showTarget(undefined, board);
    if (!drop || !target) return;
    const { id = "", place } = card.dataset;
    const from = home === target.column ? Number(place) : Number.POSITIVE_INFINITY;
    // Taken out of its own column, the card leaves a gap that those below close.
    const to = target.place > from ? target.place - 1 : target.place;
    if (to !== from) move(id, target.column.dataset.state as State, to);
  };
  addEventListener("pointermove", (now) => (pointer = now), { signal });
  addEventListener("touchmove", (touch) => touch.preventDefault(), { signal, passive: false });
  const giveUp = ({ key }: KeyboardEvent) => {
    if (key !== "Escape") return;
    end(false);
    // The button is still down.
    addEventListener("pointerup", swallowClick, { once: true });
  };
  const letGo = () => {
    swallowClick();
    end(true);
  };
  addEventListener("pointerup", letGo, { signal });
  addEventListener("pointercancel", () => end(false), { signal });
  addEventListener("keydown", giveUp, { signal });
}

/** A drag that ends where it began is no click. */
function swallowClick(): void {
  const off = new AbortController();
  addEventListener("click", (event) => event.stopPropagation(), { capture: true, signal: off.signal });
  setTimeout(() => off.abort());
}

/** What follows the pointer while the card itself stays where it was. */
function copyOf(card: HTMLElement): HTMLElement {
  const { left, top, width } = card.getBoundingClientRect();
  const copy = card.cloneNode(true) as HTMLElement;
  copy.classList.add("copy");
  copy.removeAttribute("tabindex");
  copy.setAttribute("aria-hidden", "true");
  Object.assign(copy.style, { left: `${left}px`, top: `${top}px`, width: `${width}px` });
  document.body.append(copy);
  document.body.classList.add("dragging");
  card.classList.add("dragged");
  return copy;
}

/** A line where the card would go. */
function showTarget(target: Target | undefined, board: HTMLElement): void {
  for (const column of board.querySelectorAll<HTMLElement>(".column")) {
    column.classList.toggle("target", column === target?.column);
    const line = column.querySelector<HTMLElement>(".drop");
    if (line && column === target?.column) line.style.transform = `translateY(${target.place * STRIDE - 5}px)`;
  }
}

/** The column under the pointer, and the gap between two cards nearest to it. */
function targetAt({ clientX, clientY }: globalThis.PointerEvent, board: HTMLElement): Target | undefined {
  for (const column of board.querySelectorAll<HTMLElement>(".column")) {
    const { left, right } = column.getBoundingClientRect();
    const cards = column.querySelector<HTMLElement>(".cards");
    const all = column.querySelector<HTMLElement>(".all");
    if (!cards || !all || clientX < left || clientX > right) continue;
    const most = Math.max(0, Number(all.dataset.last));
    const place = Math.round((clientY - all.getBoundingClientRect().top) / STRIDE);
    return { column, cards, place: Math.max(0, Math.min(place, most)) };
  }
  return undefined;
}

/** Near an edge, what is under the pointer scrolls. */
function scroll(target: Target | undefined, board: HTMLElement, { clientX, clientY }: globalThis.PointerEvent): void {
  const speed = (at: number, low: number, high: number) => {
    if (at < low + EDGE) return (at - low - EDGE) / 3;
    return at > high - EDGE ? (at - high + EDGE) / 3 : 0;
  };
  if (target) {
    const { top, bottom } = target.cards.getBoundingClientRect();
    target.cards.scrollTop += speed(clientY, top, bottom);
  }
  const { left, right } = board.getBoundingClientRect();
  if (board.scrollWidth > board.clientWidth) board.scrollLeft += speed(clientX, left, right);
}
