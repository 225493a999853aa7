/** The panel beside each app: how it stands, a switch to go offline, and the stream as it is recorded, live. */

import type { Connection, Status, Stream, Tapeline } from "tapeline";
import { AT_FIRST, add, part, type Recorded, ROWS, read, rowOf } from "./recorded.js";
import "./tape.css";

const standing = `
  <header>
    <span class="stands" role="status"></span>
    <button class="toggle" role="switch" aria-checked="false">Go offline</button>
  </header>
  <dl>
    <div><dt>head</dt><dd data-of="head">0</dd></div>
    <div><dt>behind</dt><dd data-of="behind">0</dd></div>
    <div><dt>pending</dt><dd data-of="pending">0</dd></div>
    <div><dt>parked</dt><dd data-of="parked">0</dd></div>
  </dl>`;
const events = `
  <ol tabindex="0" aria-label="Events of the stream, newest first">
    <li class="nothing">Nothing is on this tape yet. Change something.</li>
  </ol>`;

/** Fills the page's panel with the tape of a stream. */
export function showTape(host: HTMLElement, db: Tapeline, stream: Stream): void {
  showStanding(host, db, stream);
  host.insertAdjacentHTML("beforeend", events);
  showEvents(host.querySelector("ol") as HTMLOListElement, stream);
}

/** Fills it with how the app stands alone: the events of a stream are for who may see all of them. */
export function showStanding(host: HTMLElement, db: Tapeline, stream: Stream): void {
  host.innerHTML = standing;
  const offline = host.querySelector("button") as HTMLButtonElement;
  const stands = host.querySelector(".stands") as HTMLElement;
  const show = () => {
    const status = stream.status();
    host.dataset.state = db.connection.state;
    offline.setAttribute("aria-checked", String(db.connection.state === "offline"));
    stands.textContent = inWords(db.connection, status);
    for (const field of host.querySelectorAll<HTMLElement>("dd")) {
      field.textContent = status[field.dataset.of as "head" | "behind" | "pending" | "parked"].toLocaleString();
    }
  };
  offline.onclick = () => (db.connection.state === "offline" ? db.goOnline() : db.goOffline());
  stream.onStatus(show);
  db.onConnection(show);
  show();
}

/** Shows what is recorded, what became of one's own edits, and which of them others came before. */
function showEvents(list: HTMLOListElement, stream: Stream): void {
  const own = new Set<number>();
  let me = "";
  let others = -1;
  stream.onNotice((notice) => {
    if (notice.kind === "recorded") {
      own.add(notice.seq);
      note(list, "ack", "ack", `your edit ${notice.edit} is on disk as event ${notice.seq}`);
      for (const { id, reason } of notice.lost)
        note(list, "refused", "lost", `of your edit of ${id}, a part: ${reason}`);
    }
    if (notice.kind === "refused") note(list, "refused", "refused", `your edit ${notice.edit}: ${notice.reason}`);
    if (notice.kind === "cancelled") note(list, "ack", "cancelled", `your edit ${notice.edit} came to nothing, unsent`);
    if (notice.kind === "overwritten")
      note(list, "rebase", "overwritten", `your ${Object.keys(notice.fields).join(", ")}, by event ${notice.seq}`);
    if (notice.kind === "started_over") note(list, "refused", "started over", notice.reason);
  });
  follow(stream, (event) => {
    if (own.delete(event.seq)) me = event.client;
    const mine = event.client === me;
    add(list, rowOf(event, mine ? "this device" : event.client.slice(-6)));
    const { pending } = stream.status();
    if (!mine && pending > 0) note(list, "rebase", "rebased", `${edits(pending)} of yours onto event ${event.seq}`);
    else if (mine && event.base <= others)
      note(list, "rebase", "rebased", `made before event ${others}, put behind it`);
    if (!mine) others = event.seq;
  });
}

function note(list: HTMLOListElement, kind: string, what: string, rest: string): void {
  const row = part("li", `note ${kind}`, "");
  const line = part("span", "", ` ${rest}`);
  line.prepend(part("b", "", what));
  row.append(line);
  add(list, row);
}

/** Calls back for each event of a stream, from the latest ones on, whenever the replica hears of more. */
function follow(stream: Stream, take: (event: Recorded) => void): void {
  let next: number | undefined;
  let reading = false;
  const more = async () => {
    if (reading || document.hidden) return;
    reading = true;
    while (stream.status().head > (next ?? 0)) {
      const { head } = stream.status();
      next = Math.max(next ?? head - AT_FIRST, head - ROWS, 0);
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
