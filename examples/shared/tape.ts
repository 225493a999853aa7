/** The panel beside each app: how it stands, a switch to go offline, and the stream as it is recorded, live. */

import type { Connection, Status, Stream, Tapeline } from "tapeline";
import { part, type Recorded, read, rowOf } from "./recorded.js";
import "./tape.css";

const ROWS = 60;

const panel = `
  <header>
    <span class="stands" role="status"></span>
    <button class="toggle" role="switch" aria-checked="false">Go offline</button>
  </header>
  <dl>
    <div><dt>head</dt><dd data-of="head">0</dd></div>
    <div><dt>behind</dt><dd data-of="behind">0</dd></div>
    <div><dt>pending</dt><dd data-of="pending">0</dd></div>
    <div><dt>parked</dt><dd data-of="parked">0</dd></div>
  </dl>
  <ol tabindex="0" aria-label="Events of the stream, newest first">
    <li class="nothing">Nothing is on this tape yet. Change something.</li>
  </ol>`;

/** Fills the page's panel with the tape of a stream. */
export function showTape(host: HTMLElement, db: Tapeline, stream: Stream): void {
  host.innerHTML = panel;
  const list = host.querySelector("ol") as HTMLOListElement;
  const offline = host.querySelector("button") as HTMLButtonElement;
  const stands = host.querySelector(".stands") as HTMLElement;

  offline.onclick = () => (db.connection.state === "offline" ? db.goOnline() : db.goOffline());

  const showStatus = () => {
    const status = stream.status();
    host.dataset.state = db.connection.state;
    offline.setAttribute("aria-checked", String(db.connection.state === "offline"));
    stands.textContent = inWords(db.connection, status);
    for (const field of host.querySelectorAll<HTMLElement>("dd")) {
      field.textContent = status[field.dataset.of as "head" | "behind" | "pending" | "parked"].toLocaleString();
    }
  };
  stream.onStatus(showStatus);
  db.onConnection(showStatus);
  showStatus();

  const add = (row: HTMLElement) => {
    list.querySelector(".nothing")?.remove();
    list.prepend(row);
    while (list.children.length > ROWS) list.lastElementChild?.remove();
  };
  const note = (kind: string, what: string, rest: string) => {
    const row = part("li", `note ${kind}`, "");
    const line = part("span", "", ` ${rest}`);
    line.prepend(part("b", "", what));
    row.append(line);
    add(row);
  };

  const own = new Set<number>();
  stream.onNotice((notice) => {
    if (notice.kind === "recorded") {
      own.add(notice.seq);
      note("ack", "ack", `your edit ${notice.edit} is on disk as event ${notice.seq}`);
    }
    if (notice.kind === "refused") note("refused", "refused", `your edit ${notice.edit}: ${notice.reason}`);
    if (notice.kind === "started_over") note("refused", "started over", notice.reason);
  });

  let me = "";
  let others = -1;
  follow(stream, (event) => {
    if (own.delete(event.seq)) me = event.client;
    const mine = event.client === me;
    add(rowOf(event, mine ? "this device" : event.client.slice(-6)));
    const pending = stream.status().pending;
    if (!mine && pending > 0) note("rebase", "rebased", `${edits(pending)} of yours onto event ${event.seq}`);
    else if (mine && event.base <= others) note("rebase", "rebased", `made before event ${others}, put behind it`);
    if (!mine) others = event.seq;
  });
}

/** Calls back for each event of a stream, from the latest ones on, whenever the replica hears of more. */
function follow(stream: Stream, take: (event: Recorded) => void): void {
  let next = 0;
  let reading = false;
  const more = async () => {
    if (reading || document.hidden) return;
    reading = true;
    while (stream.status().head > next) {
      next = Math.max(next, stream.status().head - ROWS);
      const events = await read(stream.name, next);
      if (!events?.length) break;
      for (const event of events) take(event);
      next += events.length;
    }
    reading = false;
  };
  stream.onStatus(more);
  document.addEventListener("visibilitychange", more);
  void more();
}

function inWords(connection: Connection, status: Status): string {
  switch (connection.state) {
    case "connected":
      if (status.behind > 0) return `Catching up: ${status.behind.toLocaleString()} behind`;
      return status.pending > 0 ? `Sending ${edits(status.pending)}` : "In step";
    case "offline":
      return status.pending > 0 ? `Offline: ${edits(status.pending)} waiting` : "Offline";
    case "connecting":
      return "Connecting…";
    case "waiting":
      return "No server: trying again soon";
    case "closed":
      return "Closed";
    default:
      return "Reload: a newer version is open";
  }
}

function edits(count: number): string {
  return count === 1 ? "1 edit" : `${count.toLocaleString()} edits`;
}
