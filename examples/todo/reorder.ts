/** Dragging a row to another place, by mouse, pen or finger. Nothing renders while it is dragged; rows are only shifted. */

import { type PointerEvent, useCallback, useEffect, useRef } from "react";

/** Pixels from an edge of the screen in which the page scrolls along. */
const EDGE = 72;

export function useReorder(rows: readonly { id: string }[], move: (id: string, to: number) => void) {
  const list = useRef<HTMLUListElement>(null);
  const newest = useRef({ rows, move });
  useEffect(() => {
    newest.current = { rows, move };
  });

  const grab = useCallback((event: PointerEvent<HTMLElement>, id: string) => {
    if (event.button !== 0 || !list.current) return;
    const from = newest.current.rows.findIndex((row) => row.id === id);
    drag(event, list.current, from, (to) => newest.current.move(id, to));
  }, []);
  return { list, grab };
}

/** Until it is let go of; Escape puts it back. */
function drag(
  { currentTarget, pointerId, clientY }: PointerEvent<HTMLElement>,
  list: HTMLElement,
  from: number,
  drop: (to: number) => void,
): void {
  const handle: HTMLElement = currentTarget;
  const items = [...list.children] as HTMLElement[];
  const boxes = items.map((item) => item.getBoundingClientRect());
  const [item, box] = [items[from], boxes[from]];
  if (!item || !box) return;
  const off = new AbortController();
  const { signal } = off;
  const start = clientY + scrollY;
  let pointer = clientY;
  let to = from;

  const show = () => {
    scrollBy(0, Math.min(0, pointer - EDGE) / 4 + Math.max(0, pointer - innerHeight + EDGE) / 4);
    const by = pointer + scrollY - start;
    const middle = box.top + box.height / 2 + by;
    item.style.translate = `0 ${by}px`;
    const now = boxes.filter((other, place) => place !== from && other.top + other.height / 2 < middle).length;
    if (now !== to) shift(now);
    frame = requestAnimationFrame(show);
  };
  const shift = (now: number) => {
    to = now;
    items.forEach((other, place) => {
      const up = place > from && place <= to;
      const down = place < from && place >= to;
      if (other !== item) other.style.translate = up ? `0 ${-box.height}px` : down ? `0 ${box.height}px` : "";
    });
  };
  let frame = requestAnimationFrame(show);

  const end = (isDropped: boolean) => {
    off.abort();
    cancelAnimationFrame(frame);
    item.classList.remove("dragged");
    for (const each of items) each.style.translate = "";
    if (isDropped && to !== from) drop(to);
  };
  item.classList.add("dragged");
  handle.setPointerCapture(pointerId);
  handle.addEventListener("pointermove", (now) => (pointer = now.clientY), { signal });
  handle.addEventListener("pointerup", () => end(true), { signal });
  handle.addEventListener("lostpointercapture", () => end(false), { signal });
  addEventListener("keydown", ({ key }) => key === "Escape" && end(false), { signal });
}
