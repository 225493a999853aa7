/** Clients in Node with a real server: they converge, whatever is cut, killed or restarted. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Options, type Peers, type Presence, Tapeline } from "tapeline";
import { Line } from "./support/proxy.js";
import { seeded } from "./support/random.js";
import { Server } from "./support/server.js";
import { rowsUntil, statusUntil } from "./support/until.js";

interface Task {
  title: string;
  done?: boolean;
  count?: number;
}

const tasksOf = (db: Tapeline, name: string) => db.stream(name).collection<Task>("tasks");

for (const transport of ["websocket", "sse"] as const) describe(`by ${transport}`, () => clientsBy(transport));

function clientsBy(transport: "websocket" | "sse"): void {
  let server: Server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server.end());

  const open = (options: Partial<Options> = {}) =>
    Tapeline.open({ server: server.url, name: "clients", transport, ...options });

  test("what one client does, another sees", async () => {
    const [ann, ben] = [await open(), await open()];
    const [here, there] = [tasksOf(ann, "seen"), tasksOf(ben, "seen")];
    const arrived = rowsUntil(there, {}, (rows) => rows.length === 2);
    here.insert({ id: "b", title: "bread" });
    here.insert({ id: "m", title: "milk" });
    assert.deepEqual(await arrived, here.all());
    const changed = rowsUntil(here, { where: { done: true } }, (rows) => rows.length === 1);
    there.update("m", { done: true });
    there.increment("b", { count: 2 });
    assert.deepEqual((await changed)[0], { id: "m", title: "milk", done: true });
    await Promise.all([ann.stream("seen").synced(), ben.stream("seen").synced()]);
    assert.equal(ann.stream("seen").digest(), ben.stream("seen").digest());
    assert.equal(ben.stream("seen").digest(), await server.digest("seen"));
    await Promise.all([ann.close(), ben.close()]);
  });

  test("edits are told of as recorded, with their seq", async () => {
    const db = await open();
    const told: unknown[] = [];
    const stream = db.stream("notices");
    stream.onNotice((notice) => void told.push(notice));
    for (const title of ["a", "b"]) stream.collection<Task>("tasks").insert({ title });
    await stream.synced();
    assert.deepEqual(told, [
      { kind: "recorded", edit: 1, seq: 0, lost: [] },
      { kind: "recorded", edit: 2, seq: 1, lost: [] },
    ]);
    await db.close();
  });

  test("an edit the server refuses is parked with the reason, and can be made again or dropped", async () => {
    const [ann, ben] = [await open(), await open()];
    const here = tasksOf(ann, "refused");
    here.insert({ id: "x", title: "first" });
    await ann.stream("refused").synced();
    // In the very moment it is opened, nobody knows what exists: only the server can tell.
    const stream = ben.stream("refused");
    const there = tasksOf(ben, "refused");
    there.update("never", { title: "second" });
    there.update("nor", { count: 1 });
    const { pending } = await statusUntil(stream, ({ parked }) => parked === 2);
    assert.equal(pending, 0);
    const [refused, other] = stream.parked();
    assert.equal(refused!.code, "not_found");
    assert.match(refused!.reason, /never/);
    assert.deepEqual(refused!.ops, [{ op: "update", collection: "tasks", id: "never", set: { title: "second" } }]);
    assert.equal(stream.discard(other!.edit), true);
    assert.equal(stream.discard(other!.edit), false);
    here.insert({ id: "never", title: "now it is" });
    await rowsUntil(there, { where: { id: "never" } }, (rows) => rows.length === 1);
    assert.equal(stream.retry(refused!.edit), true);
    assert.equal(stream.retry(refused!.edit), false);
    await rowsUntil(here, { where: { id: "never", title: "second" } }, (rows) => rows.length === 1);
    await statusUntil(stream, ({ parked }) => parked === 0);
    await Promise.all([ann.close(), ben.close()]);
  });

  test("offline edits are kept in a directory, and sent once after a restart", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tapeline-clients-"));
    const storage = { directory };
    const first = await open({ storage });
    first.goOffline();
    for (let n = 0; n < 100; n++) tasksOf(first, "kept").insert({ id: `t${n}`, title: String(n) });
    await first.stream("kept").stored();
    await first.close();

    const second = await open({ storage });
    const stream = second.stream("kept");
    await stream.stored();
    assert.equal(tasksOf(second, "kept").count(), 100);
    await stream.synced();
    assert.deepEqual(
      (await server.events("kept")).map(({ ops }) => ops[0]!.id),
      Array.from({ length: 100 }, (_, n) => `t${n}`),
    );
    await second.close();

    const third = await open({ storage });
    third.goOffline();
    await third.stream("kept").stored();
    assert.equal(tasksOf(third, "kept").count(), 100);
    assert.equal(third.stream("kept").status().pending, 0);
    await third.close();
    await rm(directory, { recursive: true });
  });

  test("the server is killed while edits are on their way, and comes back: each is recorded once, in order", async () => {
    const own = await Server.start();
    const db = await open({ server: own.url, name: "killed" });
    const tasks = tasksOf(db, "killed");
    const states: string[] = [];
    db.onConnection(({ state }) => void states.push(state));
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 200; n++) tasks.insert({ id: `${round}-${n}`, title: "" });
      await statusUntil(db.stream("killed"), ({ pending, open }) => open && pending < 200);
      for (let n = 200; n < 300; n++) tasks.insert({ id: `${round}-${n}`, title: "" });
      await own.kill();
      await statusUntil(db.stream("killed"), ({ connection }) => connection.state === "waiting");
      assert.match(db.connection.why!, /closed/);
      assert.ok(db.connection.retryAt! > new Date(0));
      await own.restart();
      await db.stream("killed").synced();
    }
    const ids = (await own.events("killed")).map(({ ops }) => ops[0]!.id);
    const made = [0, 1, 2].flatMap((round) => Array.from({ length: 300 }, (_, n) => `${round}-${n}`));
    assert.deepEqual(ids, made);
    assert.ok(states.includes("connected") && states.includes("waiting"));
    await db.close();
    await own.end();
  });

  test("a first sync comes deflated, in its order, with what is said meanwhile", async () => {
    const author = await open({ server: server.url });
    const tasks = tasksOf(author, "deflated");
    const title = "The same words in the title of each of them";
    for (let n = 0; n < 20_000; n++) tasks.insert({ id: `t${n}`, title, done: n % 2 === 0 });
    await author.stream("deflated").synced();
    const line = await Line.to(server.url);
    const newcomer = await open({ server: line.url });
    const theirs = tasksOf(newcomer, "deflated");
    for (let n = 0; n < 20; n++) tasks.update(`t${n}`, { title: `${n}` });
    await author.stream("deflated").synced();
    await rowsUntil(theirs, { where: { title: "19" } }, (rows) => rows.length === 1);
    await newcomer.stream("deflated").synced();
    assert.equal(newcomer.stream("deflated").digest(), author.stream("deflated").digest());
    assert.ok(line.heard < (20_000 * title.length) / 2, `${line.heard} bytes came`);
    await Promise.all([author.close(), newcomer.close()]);
    line.end();
  });

  test("random edits of three clients with lines that are cut at random converge", async () => {
    const random = seeded("three clients");
    const lines = [await Line.to(server.url), await Line.to(server.url), await Line.to(server.url)];
    const dbs = await Promise.all(lines.map(({ url }) => open({ server: url })));
    const lists = dbs.map((db) => tasksOf(db, "random"));
    const ids = Array.from({ length: 30 }, (_, n) => `t${n}`);
    for (let round = 0; round < 300; round++) {
      const who = Math.floor(random() * dbs.length);
      const tasks = lists[who]!;
      const id = ids[Math.floor(random() * ids.length)]!;
      const what = random();
      const here = tasks.get(id);
      if (what < 0.3) tasks.upsert(id, { title: `${who} ${round}` });
      else if (here && what < 0.6) tasks.increment(id, { count: 1 });
      else if (here && what < 0.7) tasks.delete(id);
      else if (here) tasks.update(id, { title: `${who} ${round}`, done: random() < 0.5 });
      if (random() < 0.05) lines[Math.floor(random() * lines.length)]!.cut();
      if (random() < 0.1) await new Promise(setImmediate);
    }
    await Promise.all(dbs.map((db) => db.stream("random").synced()));
    // What one had recorded last, the others have yet to hear of.
    const { head } = (await server.command<{ head: number }>("status", "random"))[0]!;
    await Promise.all(dbs.map((db) => statusUntil(db.stream("random"), ({ played }) => played === head)));
    const digest = await server.digest("random");
    for (const [who, db] of dbs.entries()) {
      assert.equal(db.stream("random").digest(), digest, `client ${who}`);
      assert.deepEqual(lists[who]!.all(), lists[0]!.all());
    }
    await Promise.all(dbs.map((db) => db.close()));
    for (const line of lines) line.end();
  });

  test("offline is offline until told otherwise", async () => {
    const db = await open();
    const stream = db.stream("offline");
    await stream.synced();
    db.goOffline();
    assert.equal(db.connection.state, "offline");
    tasksOf(db, "offline").insert({ title: "later" });
    assert.equal(stream.status().pending, 1);
    db.goOnline();
    await stream.synced();
    assert.equal(db.connection.state, "connected");
    await db.close();
  });

  test("a token that cannot be had is a reason to wait", async () => {
    let asked = 0;
    const token = async () => {
      asked++;
      if (asked < 2) throw new Error("signed out");
      return "a token";
    };
    const db = await open({ token });
    const stream = db.stream("token");
    const { connection } = await statusUntil(stream, (status) => status.connection.state === "waiting");
    assert.equal(connection.why, "no token: signed out");
    await stream.synced();
    assert.equal(asked, 2);
    await db.close();
  });

  test("who is present is seen, and gone at once when they leave", async () => {
    const [ann, ben] = [await open(), await open()];
    const [here, there] = [ann.stream("present").presence, ben.stream("present").presence];
    here.set({ cursor: [1, 2] });
    there.set({ name: "Ben" });
    const [seenByAnn, seenByBen] = await Promise.all([peersUntil(here, 1), peersUntil(there, 1)]);
    assert.deepEqual([...seenByAnn.values()], [{ name: "Ben" }]);
    assert.deepEqual([...seenByBen.values()], [{ cursor: [1, 2] }]);
    here.clear();
    await peersUntil(there, 0);
    here.set({ cursor: [3, 4] });
    await peersUntil(there, 1);
    await ann.close();
    await peersUntil(there, 0);
    await ben.close();
  });
}

function peersUntil(presence: Presence, count: number): Promise<Peers> {
  return new Promise((resolve) => {
    const stop = presence.watch((peers) => {
      if (peers.size !== count) return;
      queueMicrotask(() => stop());
      resolve(peers);
    });
  });
}
