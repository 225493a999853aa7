/**
 * Measures the package as apps use it: in Node, and in Chromium against a real server. Peers and limits run beside it.
 *
 *     node packages/tapeline/bench/bench.mjs [--json] [MEASURE…]
 *
 * With --json, one line a figure: {"measure": …, "value": …, "unit": …}.
 */

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createRelay } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { chromium } from "playwright-core";
import { Tapeline } from "../dist/node.js";

const root = new URL("../../..", import.meta.url).pathname;
const [flags, wanted] = [
  process.argv.slice(2).filter((a) => a.startsWith("--")),
  process.argv.slice(2).filter((a) => !a.startsWith("--")),
];
const json = flags.includes("--json");

function report(measure, value, unit, target) {
  const rounded = Number(value.toPrecision(4));
  if (json) console.log(JSON.stringify({ measure, value: rounded, unit }));
  else
    console.log(
      `${measure.padEnd(40)} ${String(rounded).padStart(12)} ${unit.padEnd(6)} ${target ? `target ${target}` : ""}`,
    );
}

const quantile = (values, q) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

async function startServer() {
  const data = await mkdtemp(join(tmpdir(), "tapeline-bench-"));
  const binary = process.env.TAPELINE ?? join(root, "target/release/tapeline");
  const child = spawn(binary, ["serve", "--data", data, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const address = await new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", () => reject(new Error(`${binary} ended: ${said}`)));
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const found = /(ws:\/\/[\d.:]+)/.exec(said);
      if (found) resolve(found[1]);
    });
  });
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    await rm(data, { recursive: true, force: true });
  };
  return { address, stop };
}

const TYPES = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".html": "text/html",
  ".mjs": "text/javascript",
};
const PLACES = {
  "/dist/": "packages/tapeline/dist/",
  "/bench/": "packages/tapeline/bench/",
  "/yjs/": "node_modules/yjs/dist/",
  "/lib0/": "node_modules/lib0/",
};

async function startPages() {
  const server = createServer((request, response) => {
    const asked = new URL(request.url, "http://x").pathname;
    const path = extname(asked) ? asked : `${asked}.js`;
    const place = Object.keys(PLACES).find((start) => path.startsWith(start));
    if (!place) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(path)] ?? "text/plain");
    createReadStream(join(root, PLACES[place], path.slice(place.length)))
      .on("error", () => response.writeHead(404).end())
      .pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-precise-memory-info",
  "--js-flags=--expose-gc",
];

async function browse(pages, run) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ARGS,
  });
  const open = async (context) => {
    const page = await (context ?? (await browser.newContext())).newPage();
    page.on("pageerror", (error) => console.error("page:", error.message));
    await page.goto(`${pages.address}/bench/page.html`);
    return page;
  };
  try {
    return await run(open, browser);
  } finally {
    await browser.close();
  }
}

const task = (place) => ({
  title: `Buy milk and bread for day ${place}`,
  completed: false,
  position: place,
  color: "green",
  owner: "ana",
});

/** A relay to a server that counts the bytes that come from it. */
async function startRelay(address) {
  const { hostname, port } = new URL(address);
  const counted = { bytes: 0 };
  const relay = createRelay((client) => {
    const server = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      from.setNoDelay(true);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
    server.on("data", (bytes) => {
      counted.bytes += bytes.length;
    });
  });
  await new Promise((resolve) => relay.listen(0, "127.0.0.1", resolve));
  return { address: `ws://127.0.0.1:${relay.address().port}`, counted, stop: () => relay.close() };
}

const WORDS = "buy milk call plumber write report water plants book flight pay rent fix bicycle plan garden".split(" ");
const title = () => Array.from({ length: 5 }, () => WORDS[Math.floor(Math.random() * WORDS.length)]).join(" ");
const todo = () => ({ title: title(), done: false, label: WORDS[Math.floor(Math.random() * WORDS.length)] });

/** 100,000 to-dos with a history of 300,000 events. */
async function history(server, name) {
  const author = await Tapeline.open({ server: server.address, name: `author of ${name}` });
  const stream = author.stream(name);
  const todos = stream.collection("todos");
  const ids = Array.from({ length: 100_000 }, () => todos.insert(todo()));
  await stream.synced();
  // One after the other, or edits of one to-do would go out as one event.
  for (let round = 0; round < 2; round++) {
    for (const id of ids) todos.update(id, { title: title() });
    await stream.synced();
  }
  return { author, stream, todos, ids };
}

/** Holds a stream anew. Answers how long that took. */
async function hold(address, name, digest) {
  const begun = performance.now();
  const db = await Tapeline.open({ server: address, name: "newcomer" });
  const stream = db.stream(name);
  await stream.synced();
  const took = performance.now() - begun;
  if (stream.digest() !== digest) throw new Error("the digests differ");
  return { db, stream, took };
}

const measures = {
  async cold({ server, pages }) {
    const { author, stream } = await history(server, "bench/cold");
    const times = [];
    for (let round = 0; round < 3; round++) {
      const { db, took } = await hold(server.address, "bench/cold", stream.digest());
      times.push(took);
      await db.close();
    }
    report("node.cold_ms", quantile(times, 0.5), "ms", "1,000");
    const relay = await startRelay(server.address);
    const { db } = await hold(relay.address, "bench/cold", stream.digest());
    report("node.cold_wire_bytes", relay.counted.bytes, "B", "4,000,000");
    await db.close();
    relay.stop();
    await browse(pages, async (open) => {
      const page = await open();
      const took = await page.evaluate(
        ([address, digest]) => globalThis.cold(address, digest),
        [server.address, stream.digest()],
      );
      report("browser.cold_ms", took, "ms", "1,000");
    });
    await author.close();
  },

  async return({ server }) {
    const { author, stream, todos, ids } = await history(server, "bench/return");
    const relay = await startRelay(server.address);
    const away = await hold(relay.address, "bench/return", stream.digest());
    away.db.goOffline();
    for (let round = 0; round < 200; round++) {
      for (const id of ids.slice(0, 1_000)) todos.update(id, { title: title() });
      await stream.synced();
    }
    const before = relay.counted.bytes;
    const begun = performance.now();
    away.db.goOnline();
    await away.stream.synced();
    report("node.return_ms", performance.now() - begun, "ms");
    if (away.stream.digest() !== stream.digest()) throw new Error("the digests differ");
    report("node.return_wire_bytes", relay.counted.bytes - before, "B", "100,000");
    await away.db.close();
    await author.close();
    relay.stop();
  },

  async node_commits({ server }) {
    const db = await Tapeline.open({ server: server.address, name: "commits" });
    db.goOffline();
    const tasks = db.stream("bench/commits").collection("tasks");
    let told = 0;
    tasks.watch({ where: { completed: false }, orderBy: "-position", limit: 100 }, () => told++);
    for (let place = -2_000; place < 0; place++) tasks.insert(task(place));
    await null;
    const [begun, count] = [performance.now(), 20_000];
    for (let place = 0; place < count; place++) {
      tasks.insert(task(place));
      // The watcher is told of each, in a microtask of its own.
      await null;
      await null;
    }
    report("node.commits_per_s", (count / (performance.now() - begun)) * 1000, "1/s", "50,000");
    if (told < count) throw new Error(`the watcher was told ${told} times`);
    await db.close();
  },

  async inbound({ server }) {
    const author = await Tapeline.open({ server: server.address, name: "author" });
    const stream = author.stream("bench/inbound");
    const [tasks, count] = [stream.collection("tasks"), 100_000];
    for (let place = 0; place < count; place++) tasks.insert(task(place));
    await stream.synced();
    const reader = await Tapeline.open({ server: server.address, name: "reader" });
    const begun = performance.now();
    const copy = reader.stream("bench/inbound");
    await copy.synced();
    report("node.inbound_events_per_s", (count / (performance.now() - begun)) * 1000, "1/s", "200,000");
    if (copy.digest() !== stream.digest()) throw new Error("the digests differ");
    await reader.close();
    await author.close();
  },

  commit: ({ server, pages }) =>
    browse(pages, async (open) => {
      const page = await open();
      const { times, online, idle } = await page.evaluate((address) => globalThis.commit(address), server.address);
      report("browser.commit_p50_ms", quantile(times, 0.5), "ms");
      report("browser.commit_p99_ms", quantile(times, 0.99), "ms", "0.5");
      report("browser.commit_online_p50_ms", quantile(online, 0.5), "ms");
      report("browser.commit_online_p99_ms", quantile(online, 0.99), "ms", "0.5");
      report("browser.commit_of_idle", quantile(times, 0.99) / quantile(idle, 0.99), "");
      report("browser.idle_p99_ms", quantile(idle, 0.99), "ms");
    }),

  change: ({ server, pages }) =>
    browse(pages, async (open) => {
      const [writer, reader] = [await open(), await open()];
      await reader.evaluate((address) => globalThis.listen(address), server.address);
      await writer.evaluate((address) => globalThis.write(address), server.address);
      const { view, dom, paint } = await reader.evaluate(() => globalThis.heard());
      report("browser.change_view_p50_ms", quantile(view, 0.5), "ms", "3");
      report("browser.change_dom_p50_ms", quantile(dom, 0.5), "ms", "8");
      report("browser.change_paint_p50_ms", quantile(paint, 0.5), "ms", "20");
    }),

  offline: ({ server, pages }) =>
    browse(pages, async (open) => {
      const [writer, reader] = [await open(), await open()];
      await reader.evaluate((address) => globalThis.await10k(address), server.address);
      const { local, stored, at } = await writer.evaluate((address) => globalThis.offline10k(address), server.address);
      const seen = await reader.evaluate(() => globalThis.seen10k());
      report("browser.offline_local_ms", local, "ms", "250");
      report("browser.offline_stored_ms", stored, "ms");
      report("browser.offline_visible_ms", seen - at, "ms", "300");
    }),

  reopen: ({ server, pages }) =>
    browse(pages, async (open, browser) => {
      const context = await browser.newContext();
      const first = await open(context);
      await first.evaluate((address) => globalThis.fill(address), server.address);
      await first.close();
      const { some, all } = await (await open(context)).evaluate(
        (address) => globalThis.reopen(address),
        server.address,
      );
      report("browser.reopen_first_ms", some, "ms", "100");
      report("browser.reopen_all_ms", all, "ms", "500");
    }),

  frames: ({ server, pages }) =>
    browse(pages, async (open) => {
      const page = await open();
      const { p99, worst, missed } = await page.evaluate((address) => globalThis.frames(address), server.address);
      report("browser.frame_p99_ms", p99, "ms", "16.7");
      report("browser.frame_worst_ms", worst, "ms");
      report("browser.frames_missed", missed, "%");
    }),

  memory: ({ server, pages }) =>
    browse(pages, async (open) => {
      const author = await Tapeline.open({ server: server.address, name: "author-of-memory" });
      const stream = author.stream("bench/memory");
      for (let place = 0; place < 100_000; place++) stream.collection("tasks").insert(task(place));
      await stream.synced();
      await author.close();
      const ours = await (await open()).evaluate((address) => globalThis.memory(address), server.address);
      const yjs = await (await open()).evaluate(() => globalThis.memoryOfYjs());
      report("browser.memory_mb", ours / 1e6, "MB");
      report("browser.memory_yjs_mb", yjs / 1e6, "MB");
      report("browser.memory_of_yjs", ours / yjs, "", "0.5");
    }),
};

const names = wanted.length ? wanted : Object.keys(measures);
const server = await startServer();
const pages = await startPages();
try {
  for (const name of names) {
    if (!measures[name]) throw new Error(`there is no measure ${name}; there are ${Object.keys(measures).join(", ")}`);
    process.stderr.write(`measuring ${name} …\n`);
    await measures[name]({ server, pages });
  }
} finally {
  pages.stop();
  await server.stop();
}
