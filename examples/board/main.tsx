/** Starts the board, and shows its stream beside it. */

import { TapelineProvider } from "@tapeline/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { open } from "../shared/open.js";
import { showTape } from "../shared/tape.js";
import { Board } from "./board.js";

const db = await open("board");

createRoot(document.getElementById("app") as HTMLElement).render(
  <StrictMode>
    <TapelineProvider db={db}>
      <Board />
    </TapelineProvider>
  </StrictMode>,
);

showTape(document.querySelector(".tape") as HTMLElement, db, db.part("demo/board"));
