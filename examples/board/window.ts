/** Which cards of a long column are on the screen. Renders again only when another card comes into sight. */

import { type RefObject, useEffect, useState } from "react";

/** Pixels from one card to the next. */
export const STRIDE = 98;
/** Cards rendered beyond each edge. */
const BEYOND = 4;

/** What is rendered, and the first that is in sight. */
interface Window {
  from: number;
  to: number;
  first: number;
}

export function useWindow(list: RefObject<HTMLElement | null>, count: number): Window {
  const [seen, setSeen] = useState({ first: 0, cards: 12 });
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const look = () => {
      const first = Math.floor(element.scrollTop / STRIDE);
      const cards = Math.ceil(element.clientHeight / STRIDE) + 1;
      setSeen((seen) => (seen.first === first && seen.cards === cards ? seen : { first, cards }));
    };
    const sized = new ResizeObserver(look);
    sized.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      sized.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [list]);
  const first = Math.min(seen.first, Math.max(0, count - seen.cards));
  return { from: Math.max(0, first - BEYOND), to: Math.min(count, first + seen.cards + BEYOND), first };
}
