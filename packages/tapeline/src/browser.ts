/** Tapeline in a browser: a page, a worker, any number of tabs. */

import { dialBy } from "./leader/transports.js";
import { start } from "./module.js";
import { IndexedDbStore } from "./store/indexeddb.js";
import { NoStorage } from "./store/store.js";
import { runIn } from "./tapeline.js";

runIn({
  start: () => start(new URL("./tapeline.wasm", import.meta.url)),
  server: () => (/^http/.test(location.origin) ? location.origin : undefined),
  dial: (transport) => dialBy(transport, WebSocket),
  platform: (app, storage) => ({
    shared: !navigator.locks || storage === "memory" ? undefined : app,
    openStore: async () => {
      if (storage === "memory") return undefined;
      // Tabs that cannot agree on who leads must not share the device.
      if (!navigator.locks)
        throw new NoStorage("missing", "this page has no Web Locks: serve it over https, or from localhost");
      return IndexedDbStore.open(app);
    },
  }),
});

export * from "./index.js";
