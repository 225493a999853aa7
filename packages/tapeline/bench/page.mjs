/** What the benchmarks do in a page. Each is called by bench.mjs. */

import { Tapeline } from "/dist/browser.js";

const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const turn = () => new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
const task = (place) => ({
  title: `Buy milk and bread for day ${place}`,
  completed: false,
  position: place,
  color: "green",
  owner: "ana",
});
const open = (server, name, storage = "memory") => Tapeline.open({ server, name, storage });

async function filled(server, name, count, storage) {
  const db = await open(server, name, storage);
  const stream = db.stream(`bench/${name}`);
  const tasks = stream.collection("tasks");
  for (let place = 0; place < count; place++) tasks.insert(task(place));
  await stream.synced();
  return { db, stream, tasks };
}

globalThis.commit = async (server) => {
  const { db, tasks } = await filled(server, "commit", 10_000);
  const ids = tasks.all().map((row) => row.id);
  let told = 0;
  tasks.watch({ where: { completed: false }, orderBy: "position" }, () => told++);
  await turn();
  let step = 0;
  const commit = async () => {
    const id = ids[(++step * 7919) % ids.length];
    const begun = performance.now();
    tasks.update(id, { title: `changed ${step}`, position: step });
    await turn();
    return performance.now() - begun;
  };
  // Somebody who is quick, and hears of each from the server meanwhile.
  const online = [];
  while (step < 1_000) {
    online.push(await commit());
    await sleep(5);
  }
  // Without a pause there is the server's work and the network's beside it, on the same processors: so offline.
  db.goOffline();
  const times = [];
  while (step < 4_000) {
    times.push(await commit());
    if (step % 50 === 0) await sleep(0);
  }
  if (told < step) throw new Error(`the watcher was told ${told} times`);
  await db.close();
  return { times, online, idle: idle(3_000) };
};

/** How long steps take in which nothing is done for 0.2 ms: what is above that, others on the machine take of any step. */
function idle(steps) {
  return Array.from({ length: steps }, () => {
    const begun = performance.now();
    while (performance.now() - begun < 0.2);
    return performance.now() - begun;
  });
}

const view = [];
const dom = [];
const paint = [];

globalThis.listen = async (server) => {
  const db = await open(server, "reader");
  const stream = db.stream("bench/change");
  const list = document.getElementById("list");
  stream.collection("marks").watch({}, (rows) => {
    for (const { at } of rows) {
      if (!at) continue;
      view.push(now() - at);
      list.textContent = String(at);
      dom.push(now() - at);
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => paint.push(now() - at);
        channel.port2.postMessage(null);
      });
    }
  });
  await stream.synced();
};

globalThis.write = async (server) => {
  const db = await open(server, "writer");
  const stream = db.stream("bench/change");
  const marks = stream.collection("marks");
  const id = marks.insert({ at: 0 });
  await stream.synced();
  for (let change = 0; change < 150; change++) {
    marks.update(id, { at: now() });
    await sleep(20);
  }
  await stream.synced();
};

globalThis.heard = async () => {
  await sleep(200);
  return { view, dom, paint };
};

let seenAt;

globalThis.await10k = async (server) => {
  const db = await open(server, "reader10k");
  const stream = db.stream("bench/offline");
  stream.collection("tasks").watch({}, (rows) => {
    if (rows.length === 10_000) seenAt ??= now();
  });
  await stream.synced();
};

globalThis.offline10k = async (server) => {
  const db = await open(server, "writer10k", "device");
  const stream = db.stream("bench/offline");
  await stream.synced();
  db.goOffline();
  const tasks = stream.collection("tasks");
  let shown = 0;
  tasks.watch({}, (rows) => {
    shown = rows.length;
  });
  const begun = performance.now();
  for (let place = 0; place < 10_000; place++) tasks.insert(task(place));
  await turn();
  while (shown < 10_000) await sleep(1);
  const local = performance.now() - begun;
  await stream.stored();
  const stored = performance.now() - begun;
  const at = now();
  db.goOnline();
  return { local, stored, at };
};

globalThis.seen10k = async () => {
  for (let tries = 0; tries < 3_000 && !seenAt; tries++) await sleep(10);
  return seenAt;
};

globalThis.cold = async (server, digest) => {
  const begun = performance.now();
  const db = await open(server, "newcomer");
  const stream = db.stream("bench/cold");
  await stream.synced();
  const took = performance.now() - begun;
  if (stream.digest() !== digest) throw new Error("the digests differ");
  await db.close();
  return took;
};

globalThis.fill = async (server) => {
  const { stream, db } = await filled(server, "reopen", 100_000, "device");
  await stream.stored();
  await db.close();
};

globalThis.reopen = async (server) => {
  const begun = performance.now();
  const db = await open(server, "reopen", "device");
  db.goOffline();
  const tasks = db.stream("bench/reopen").collection("tasks");
  let some;
  return new Promise((resolve) => {
    tasks.watch({}, (rows) => {
      if (rows.length > 0) some ??= performance.now() - begun;
      if (rows.length === 100_000) resolve({ some, all: performance.now() - begun });
    });
  });
};

globalThis.frames = async (server) => {
  const { tasks, db } = await filled(server, "frames", 100_000);
  const ids = tasks.all({ limit: 10_000 }).map((row) => row.id);
  const list = document.getElementById("list");
  tasks.watch({ orderBy: "position" }, (rows) => {
    list.replaceChildren(
      ...rows.slice(0, 30).map((row) => Object.assign(document.createElement("li"), { textContent: row.title })),
    );
  });
  await sleep(1_000);
  const frames = [];
  let last;
  const measure = (time) => {
    if (last) frames.push(time - last);
    last = time;
    requestAnimationFrame(measure);
  };
  requestAnimationFrame(measure);
  for (let change = 0; change < 500; change++) {
    tasks.update(ids[(change * 7919) % ids.length], { title: `changed ${change}`, position: change % 40 });
    await sleep(10);
  }
  await db.close();
  const sorted = frames.toSorted((a, b) => a - b);
  const missed = (100 * frames.filter((time) => time > 25).length) / frames.length;
  return { p99: sorted[Math.floor(sorted.length * 0.99)], worst: sorted.at(-1), missed };
};

/** What the page holds: JavaScript's heap, and the memory of WebAssembly beside it. */
async function used() {
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    await sleep(50);
  }
  const [heap, other] = [performance.memory.usedJSHeapSize, await wasmBytes()];
  return heap + other;
}

const memories = new Set();
const instantiate = WebAssembly.instantiateStreaming;
WebAssembly.instantiateStreaming = async (...values) => {
  const made = await instantiate.apply(WebAssembly, values);
  memories.add(made.instance.exports.memory);
  return made;
};

async function wasmBytes() {
  let bytes = 0;
  for (const memory of memories) bytes += memory.buffer.byteLength;
  return bytes;
}

globalThis.memory = async (server) => {
  const before = performance.memory.usedJSHeapSize;
  const reader = await open(server, "memory");
  const stream = reader.stream("bench/memory");
  globalThis.held = { stream, rows: [] };
  stream.collection("tasks").watch({}, (rows) => {
    globalThis.held.rows = rows;
  });
  await stream.synced();
  await sleep(100);
  if (globalThis.held.rows.length !== 100_000) throw new Error(`${globalThis.held.rows.length} rows`);
  return (await used()) - before;
};

globalThis.memoryOfYjs = async () => {
  const Y = await import("yjs");
  const author = new Y.Doc();
  const tasks = author.getMap("tasks");
  for (let place = 0; place < 100_000; place++) {
    const { title, completed, position, color, owner } = task(place);
    const fields = new Y.Map(Object.entries({ title, completed, position, color, owner }));
    tasks.set(crypto.randomUUID(), fields);
  }
  const update = Y.encodeStateAsUpdate(author);
  author.destroy();
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    await sleep(50);
  }
  const before = performance.memory.usedJSHeapSize;
  const copy = new Y.Doc();
  Y.applyUpdate(copy, update);
  globalThis.held = { copy, rows: copy.getMap("tasks").toJSON() };
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    await sleep(50);
  }
  return performance.memory.usedJSHeapSize - before;
};
