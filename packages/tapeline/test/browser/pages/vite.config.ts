/** Builds the page of the tests as an app would that uses Vite. */

import { defineConfig } from "vite";

export default defineConfig({
  base: "/vite/",
  // Where the packed package is installed.
  resolve: {
    alias: { tapeline: new URL("../../../../../target/packed/node_modules/tapeline", import.meta.url).pathname },
  },
  build: { emptyOutDir: true },
});
