/** The hooks in Node, as on a server that renders; and in Chromium, where each scenario runs in a page. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { type Browser, chromium, type Page as Tab } from "playwright-core";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { Page, scenarios } from "./scenarios.js";

const options = { server: "ws://127.0.0.1:9", name: "server", storage: "memory" } as const;
const rendered = () => renderToString(createElement(Page, { options }));

test("on a server there are no rows, and neither storage nor network is touched", () => {
  const before = process.getActiveResourcesInfo();
  assert.match(rendered(), /^<main><h1>0<!-- --> tasks.*none<!-- --> pending<\/h1><ul><\/ul><p><\/p><\/main>$/);
  assert.deepEqual(process.getActiveResourcesInfo(), before);
});

const SCHEMA = `
[collections.tasks.fields]
title = "ask"
[streams."*"]
read = "true"
write = "true"
[streams."secret/*"]
read = "false"
[streams."late/*"]
read = "false"
write = "true"
`;
/** The same, but that what is late may be read. */
const LATE_SCHEMA = SCHEMA.replace(/(late.*\nread = )"false"/, '$1"true"');

let tapeline: ChildProcess;
let pages: Server;
let browser: Browser;
let tab: Tab;
let server = "";
const data = mkdtempSync(join(tmpdir(), "tapeline-react-"));

before(async () => {
  [server, browser] = await Promise.all([
    serve(),
    chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
    }),
  ]);
  pages = await servePages();
  tab = await browser.newPage();
  await tab.exposeFunction("openLate", async () => {
    await end();
    await serve(server.replace("ws://", ""), LATE_SCHEMA);
  });
  await tab.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`);
  await tab.waitForFunction(() => "run" in globalThis);
});

after(async () => {
  await browser.close();
  pages.close();
  await end();
  rmSync(data, { recursive: true });
});

for (const name of Object.keys(scenarios)) {
  test(name, async () => {
    const wrong: string[] = [];
    const listen = (error: Error) => wrong.push(String(error));
    tab.on("pageerror", listen);
    type Global = { run(name: string, server: string): Promise<void> };
    await tab.evaluate(([name, server]) => (globalThis as unknown as Global).run(name, server), [
      name,
      server,
    ] as const);
    tab.off("pageerror", listen);
    assert.deepEqual(wrong, []);
  });
}

async function end(): Promise<void> {
  tapeline.kill("SIGKILL");
  await once(tapeline, "exit");
}

/** A server of its own. Answers its address. */
async function serve(address = "127.0.0.1:0", rules = SCHEMA): Promise<string> {
  const { TAPELINE = "target/debug/tapeline" } = process.env;
  const schema = join(data, "schema.toml");
  writeFileSync(schema, rules);
  const started = spawn(TAPELINE, ["serve", "--json", "--listen", address, "--data", data, "--schema", schema], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  tapeline = started;
  for await (const line of createInterface(started.stdout)) return JSON.parse(line).listening;
  throw new Error("the server ended before it said where it is");
}

/** The page, its script and the core. */
async function servePages(): Promise<Server> {
  const contents = 'import { run } from "./scenarios.tsx"; globalThis.run = run;';
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: "packages/react/test" },
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"development"' },
  });
  const page = `<!doctype html><template id="from-server">${rendered()}</template><script type="module" src="/page.js"></script>`;
  const files: Record<string, [type: string, body: string | Uint8Array]> = {
    "/": ["text/html", page],
    "/page.js": ["text/javascript", outputFiles[0]?.contents ?? ""],
    "/tapeline.wasm": ["application/wasm", readFileSync("packages/tapeline/dist/tapeline.wasm")],
  };
  const listening = createServer(({ url = "/" }, answer) => {
    const [type, body] = files[url] ?? ["text/plain", ""];
    answer.setHeader("content-type", type).end(body);
  });
  return new Promise((resolve) => listening.listen(0, "127.0.0.1", () => resolve(listening)));
}
