/** Tapeline in Node. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import WebSocket from "ws";
import { dialBy } from "./leader/transports.js";
import { start } from "./module.js";
import { FileStore } from "./store/file.js";
import { runIn } from "./tapeline.js";

runIn({
  start: () => start(() => readFile(new URL("./tapeline.wasm", import.meta.url))),
  server: () => process.env.TAPELINE_SERVER,
  dial: (transport) => dialBy(transport, WebSocket as unknown as typeof globalThis.WebSocket),
  platform: (app, storage) => ({
    shared: undefined,
    openStore: async () =>
      typeof storage === "object" ? FileStore.open(join(storage.directory, encodeURIComponent(app))) : undefined,
  }),
});

export * from "./index.js";
