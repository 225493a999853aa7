/** Builds the page of the tests as an app would that uses Vite. */

import { defineConfig } from "vite";

const packed = new URL("../../../../../target/packed/node_modules/tapeline", import.meta.url).pathname;

export default defineConfig({
  base: "/vite/",
  // Where the packed package is installed.
  resolve: { alias: { "tapeline/checks": `${packed}/dist/checks.js`, tapeline: packed } },
  build: { emptyOutDir: true },
});
