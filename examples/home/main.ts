/** The front page: no replica, only what the server records, on all streams together. */

import { keepPages } from "../shared/pages.js";
import { headsOf, read, rowOf } from "../shared/recorded.js";
import "../shared/tape.css";

const EVERY = 700;
const ROWS = 60;
const AT_FIRST = 8;

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
  for (const [stream, head] of heads ?? []) {
    const from = Math.max(played.get(stream) ?? head - AT_FIRST, head - ROWS, 0);
    if (from < head) await show(stream, from);
    played.set(stream, head);
  }
}

async function show(stream: string, from: number): Promise<void> {
  for (const event of (await read(stream, from, ROWS)) ?? []) {
    list.querySelector(".nothing")?.remove();
    list.prepend(rowOf(event, stream));
    while (list.children.length > ROWS) list.lastElementChild?.remove();
  }
}

/** One look after the other, while somebody sees it. */
async function follow(): Promise<never> {
  for (;;) {
    if (!document.hidden) await look();
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}
void follow();
