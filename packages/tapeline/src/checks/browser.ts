/** Checks in a browser. */

import { instantiate } from "../wasm.js";
import { checksBy } from "./schema.js";

/**
 * What an app's schema says is valid, of the text of the file that its server has: for `Tapeline.open({ checks })`. Throws where
 * the text is no schema.
 */
export const checks = checksBy(() => instantiate(new URL("./checks.wasm", import.meta.url)));

export type { Checks, Objection } from "../checking.js";
