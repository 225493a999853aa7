/** Tapeline in a browser: a page, a worker, any number of tabs. */

import { start } from "./core.js";
import { dialWebSocket } from "./leader/connection.js";
import { IndexedDbStore } from "./store/indexeddb.js";
import { runIn } from "./tapeline.js";

runIn({
  start: () => start(fetch(new URL("./tapeline.wasm", import.meta.url))),
  server: () => (/^http/.test(location.origin) ? location.origin : undefined),
  dial: () => dialWebSocket(WebSocket),
  platform: (app, storage) => ({
    shared: typeof navigator.locks === "undefined" || storage === "memory" ? undefined : app,
    openStore: async () => (storage === "memory" ? undefined : IndexedDbStore.open(app)),
  }),
});

export * from "./index.js";
