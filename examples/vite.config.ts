/** Builds the pages into dist/: one page for each app, what they share in files of its own, and a service worker. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const pages = [
  "index.html",
  "lightswitch/index.html",
  "todo/index.html",
  "board/index.html",
  "chat/index.html",
  "lists/index.html",
];

const file = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

/** Puts in what all pages have: `<!-- shared/head.html -->` stands for that file. */
function sharedParts(): Plugin {
  const put = (html: string) => html.replace(/<!-- (shared\/\S+) -->/g, (_, name) => file(name).trim());
  return { name: "shared-parts", transformIndexHtml: { order: "pre", handler: put } };
}

/** Writes the service worker with the list of all files, so that one visit is enough to have them without a network. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      const built = Object.keys(bundle).map((file) => `/${file.replace(/index\.html$/, "")}`);
      const files = [...built, "/tape.svg", "/manifest.webmanifest"].sort();
      const contents = createHash("sha256");
      for (const built of Object.values(bundle)) contents.update("code" in built ? built.code : built.source);
      const code = file("shared/worker.js")
        .replace("FILES", JSON.stringify(files))
        .replace("VERSION", JSON.stringify(contents.digest("hex").slice(0, 12)));
      this.emitFile({ type: "asset", fileName: "worker.js", source: code });
    },
  };
}

/** Writes each file by gzip beside it, as `tapeline demo` sends it to browsers that take it so: less than half the bytes. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      for (const built of Object.values(bundle)) {
        const plain = "code" in built ? built.code : built.source;
        this.emitFile({ type: "asset", fileName: `${built.fileName}.gz`, source: gzipSync(plain, { level: 9 }) });
      }
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [sharedParts(), serviceWorker(), compressed()],
  // Nothing inline: the pages are served under a strict Content-Security-Policy.
  build: { target: "es2022", assetsInlineLimit: 0, rolldownOptions: { input: pages } },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:7070", ws: true } } },
});
