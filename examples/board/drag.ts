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
  const box = card.getBoundingClientRect();
  const copy = card.cloneNode(true) as HTMLElement;
  copy.classList.add("copy");
  Object.assign(copy.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px` });
  copy.removeAttribute("tabindex");
  copy.setAttribute("aria-hidden", "true");
  document.body.append(copy);
  card.classList.add("dragged");
  document.body.classList.add("dragging");

  let pointer: globalThis.PointerEvent = down;
  let target: Target | undefined;
  const show = () => {
    copy.style.translate = `${pointer.clientX - down.clientX}px ${pointer.clientY - down.clientY}px`;
    scroll(target, board, pointer);
    target = targetAt(pointer, board);
    for (const column of board.querySelectorAll<HTMLElement>(".column")) {
      const here = column === target?.column;
      column.classList.toggle("target", here);
      const line = column.querySelector<HTMLElement>(".drop");
      if (line && here && target) line.style.transform = `translateY(${target.place * STRIDE - 5}px)`;
    }
    frame = requestAnimationFrame(show);
  };
  let frame = requestAnimationFrame(show);

  const end = (drop: boolean) => {
    off.abort();
    cancelAnimationFrame(frame);
    copy.remove();
    card.classList.remove("dragged");
    document.body.classList.remove("dragging");
    for (const column of board.querySelectorAll(".target")) column.classList.remove("target");
    const { id = "", place = "0" } = card.dataset;
    if (!drop || !target) return;
    const same = home === target.column;
    const to = same && target.place > Number(place) ? target.place - 1 : target.place;
    if (!same || to !== Number(place)) move(id, target.column.dataset.state as State, to);
  };
  addEventListener("pointermove", (now) => (pointer = now), { signal });
  addEventListener("touchmove", (touch) => touch.preventDefault(), { signal, passive: false });
  addEventListener("pointerup", () => end(true), { signal });
  addEventListener("pointercancel", () => end(false), { signal });
  addEventListener("keydown", ({ key }) => key === "Escape" && end(false), { signal });
}

/** The column under the pointer, and the gap between two cards nearest to it. */
function targetAt({ clientX, clientY }: globalThis.PointerEvent, board: HTMLElement): Target | undefined {
  for (const column of board.querySelectorAll<HTMLElement>(".column")) {
    const { left, right } = column.getBoundingClientRect();
    const cards = column.querySelector<HTMLElement>(".cards");
    const all = column.querySelector<HTMLElement>(".all");
    if (!cards || !all || clientX < left || clientX > right) continue;
    const most = Math.round(Number.parseFloat(all.style.height) / STRIDE);
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
