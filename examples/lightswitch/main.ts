/** One boolean on every device. */

import { open } from "../shared/open.js";
import { showTape } from "../shared/tape.js";

const button = document.querySelector(".lamp") as HTMLButtonElement;
const show = (id: string, text: string) => {
  (document.getElementById(id) as HTMLElement).textContent = text;
};

const db = await open("lightswitch");
const room = db.stream("demo/lightswitch");
const lamps = room.collection<{ on: boolean }>("lamps");

// Edit: it shows before `upsert` returns, with or without a network.
let pressed = 0;
button.onclick = () => {
  pressed = performance.now();
  lamps.upsert("lamp", { on: !lamps.get("lamp")?.on });
};
addEventListener("keydown", (event) => {
  if (event.key !== " " || event.target !== document.body) return;
  event.preventDefault();
  if (!event.repeat) button.click();
});

// Show: called for one's own edits and for everybody else's alike.
lamps.watchOne("lamp", (lamp) => {
  const on = lamp?.on ?? false;
  button.setAttribute("aria-checked", String(on));
  document.body.classList.toggle("lit", on);
  show("state", on ? "The light is on" : "The light is off");
  if (pressed) show("shown", milliseconds());
});

// Latency: from the press to the server's word that it is on its disk.
room.onNotice((notice) => {
  if (notice.kind === "recorded" && pressed) show("recorded", milliseconds());
});
const milliseconds = () => `${(performance.now() - pressed).toFixed(1)} ms`;

// Presence: who else is here. Nothing of it is recorded.
room.presence.set({ here: true });
room.presence.watch((peers) => show("people", String(peers.size + 1)));

showTape(document.querySelector(".tape") as HTMLElement, db, room);
