/** Checks in Node. */

import { readFile } from "node:fs/promises";
import { instantiate } from "../wasm.js";
import { checksBy } from "./schema.js";

export const checks = checksBy(() => instantiate(() => readFile(new URL("./checks.wasm", import.meta.url))));

export type { Checks, Objection } from "../checking.js";
