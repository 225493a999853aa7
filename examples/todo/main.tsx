/** Starts the list, and shows its stream beside it. */

import { TapelineProvider } from "@tapeline/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { open } from "../shared/open.js";
import { showTape } from "../shared/tape.js";
import { List } from "./list.js";

const db = await open("todo");

createRoot(document.getElementById("app") as HTMLElement).render(
  <StrictMode>
    <TapelineProvider db={db}>
      <List />
    </TapelineProvider>
  </StrictMode>,
);

showTape(document.querySelector(".tape") as HTMLElement, db, db.stream("demo/todo"));
