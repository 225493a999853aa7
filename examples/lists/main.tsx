/** Signs somebody in, and shows the lists that they may see. */

import { TapelineProvider } from "@tapeline/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { showStanding } from "../shared/tape.js";
import { me, openFor } from "./account.js";
import { Lists } from "./lists.js";
import { SignIn } from "./sign-in.js";

const root = createRoot(document.getElementById("app") as HTMLElement);
const panel = document.querySelector(".tape") as HTMLElement;
const name = me();

if (name) {
  const db = await openFor(name);
  root.render(
    <StrictMode>
      <TapelineProvider db={db}>
        <Lists me={name} />
      </TapelineProvider>
    </StrictMode>,
  );
  showStanding(panel, db, db.stream("accounts/lists"));
  const note = document.createElement("p");
  note.className = "nothing-shown muted";
  note.textContent = "Its tape has what others alone may see, so it stays with the server.";
  panel.append(note);
} else {
  panel.remove();
  root.render(<SignIn />);
}
