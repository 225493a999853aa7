/** What every app does first: open its replica, and be there without a network. */

import { type Options, Tapeline } from "tapeline";
import { keepPages } from "./pages.js";

/** Opens the app's own replica, or that of who is signed in; the server is the one that gave this page. */
export function open(name: string, of?: Pick<Options, "subject" | "token">): Promise<Tapeline> {
  keepPages();
  return Tapeline.open({ name, ...of });
}
