/** Dragging a row to another place, by mouse, pen or finger. Nothing renders while it is dragged; rows are only shifted. */

import { type PointerEvent, useCallback, useEffect, useRef } from "react";

export function useReorder(rows: readonly { id: string }[], move: (id: string, to: number) => void) {
  const list = useRef<HTMLUListElement>(null);
  const newest = useRef({ rows, move });
  useEffect(() => {
    newest.current = { rows, move };
  });

  const grab = useCallback((event: PointerEvent<HTMLElement>, id: string) => {
    if (event.button !== 0 || !list.current) return;
    const handle = event.currentTarget;
    const items = [...list.current.children] as HTMLElement[];
    const from = newest.current.rows.findIndex((row) => row.id === id);
    const boxes = items.map((item) => item.getBoundingClientRect());
    const item = items[from];
    const box = boxes[from];
    if (!item || !box) return;
    const start = event.clientY;
    let to = from;
    item.classList.add("dragged");
    handle.setPointerCapture(event.pointerId);

    handle.onpointermove = ({ clientY }) => {
      const by = clientY - start;
      const middle = box.top + box.height / 2 + by;
      to = boxes.filter((other, place) => place !== from && other.top + other.height / 2 < middle).length;
      item.style.translate = `0 ${by}px`;
      items.forEach((other, place) => {
        const up = place > from && place <= to;
        const down = place < from && place >= to;
        if (other !== item) other.style.translate = up ? `0 ${-box.height}px` : down ? `0 ${box.height}px` : "";
      });
    };
    handle.onlostpointercapture = () => {
      handle.onpointermove = handle.onlostpointercapture = null;
      item.classList.remove("dragged");
      for (const each of items) each.style.translate = "";
      if (to !== from) newest.current.move(id, to);
    };
  }, []);
  return { list, grab };
}
