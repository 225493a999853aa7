/** What every app does first: open its replica, and be there without a network. */

import { Tapeline } from "tapeline";
import { keepPages } from "./pages.js";

/** Opens the app's own replica; the server is the one that gave this page. */
export function open(name: string): Promise<Tapeline> {
  keepPages();
  return Tapeline.open({ name });
}
