/** Starts the room, and shows its stream beside it. */

import { TapelineProvider } from "@tapeline/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { open } from "../shared/open.js";
import { showTape } from "../shared/tape.js";
import { Room } from "./room.js";

const db = await open("chat");

createRoot(document.getElementById("app") as HTMLElement).render(
  <StrictMode>
    <TapelineProvider db={db}>
      <Room />
    </TapelineProvider>
  </StrictMode>,
);

showTape(document.querySelector(".tape") as HTMLElement, db, db.part("demo/chat"));
