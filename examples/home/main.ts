/** The front page: no replica, only what the server records, on all streams together. */

import { keepPages } from "../shared/pages.js";
import { AT_FIRST, add, headsOf, type Recorded, ROWS, read, rowOf } from "../shared/recorded.js";
import "../shared/tape.css";

const EVERY = 700;

keepPages();
const panel = document.querySelector(".tape") as HTMLElement;
const list = panel.querySelector("ol") as HTMLOListElement;
const stands = panel.querySelector(".stands") as HTMLElement;
const played = new Map<string, number>();

async function look(): Promise<void> {
  const heads = await headsOf();
  panel.dataset.state = heads ? "connected" : "offline";
  stands.textContent = heads
    ? `Live: ${heads.size} ${heads.size === 1 ? "stream" : "streams"}`
    : "No server: the apps go on";
  const news = await Promise.all([...(heads ?? [])].map(([stream, head]) => since(stream, head)));
  for (const { stream, event } of news.flat().sort((one, other) => one.event.at - other.event.at)) {
    add(list, rowOf(event, stream));
  }
}

/** What a stream has recorded since the last look. */
async function since(stream: string, head: number): Promise<{ stream: string; event: Recorded }[]> {
  const from = Math.max(played.get(stream) ?? head - AT_FIRST, head - ROWS, 0);
  const events = from < head ? await read(stream, from, head - from) : [];
  if (events) played.set(stream, from + events.length);
  return (events ?? []).map((event) => ({ stream, event }));
}

/** One look after the other, while somebody sees it. */
async function follow(): Promise<never> {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}
void follow();
