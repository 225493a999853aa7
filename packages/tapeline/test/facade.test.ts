/** The package as an app sees it, without any server: edits and queries are synchronous, watchers hear what changed. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Change, type Row, Tapeline } from "tapeline";
import { rowsUntil } from "./support/until.js";

interface Task {
  title: string;
  completed?: boolean;
  position?: number | null;
  tags?: string[];
  count?: number;
}

// Nobody listens there.
const db = await Tapeline.open({ server: "ws://127.0.0.1:9", name: "facade" });
db.goOffline();
after(() => db.close());

let streams = 0;
function newTasks() {
  const stream = db.stream(`tasks/${++streams}`);
  return { stream, tasks: stream.collection<Task>("tasks") };
}

const titles = (rows: readonly Row<Task>[]) => rows.map(({ title }) => title);
/** Whatever was begun in this microtask is done after it. */
const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

test("an edit shows before the call returns", () => {
  const { tasks } = newTasks();
  const id = tasks.insert({ title: "Buy milk", completed: false });
  assert.deepEqual(tasks.get(id), { id, title: "Buy milk", completed: false });
  tasks.update(id, { completed: true });
  assert.equal(tasks.get(id)?.completed, true);
  tasks.increment(id, { count: 2 });
  tasks.increment(id, { count: 3 });
  assert.equal(tasks.get(id)?.count, 5);
  tasks.upsert(id, { title: "Buy bread" });
  tasks.upsert("mine", { title: "Mine" });
  assert.deepEqual(titles(tasks.all()).sort(), ["Buy bread", "Mine"]);
  tasks.delete(id);
  assert.equal(tasks.get(id), undefined);
  assert.equal(tasks.count(), 1);
});

test("the same name is the same stream, and the same collection", () => {
  assert.equal(db.stream("same"), db.stream("same"));
  assert.equal(db.stream("same").collection("tasks"), db.stream("same").collection("tasks"));
});

test("rows are frozen, and their bytes and lists are as they were given", () => {
  const { stream } = newTasks();
  const things = stream.collection<Record<string, unknown>>("things");
  const fields = { bytes: new Uint8Array([1, 2]), list: [1, { a: null }], big: 2n ** 60n, small: -0.5, none: null };
  const row = things.get(things.insert(fields))!;
  assert.ok(Object.isFrozen(row));
  assert.deepEqual({ ...row }, { id: row.id, ...fields });
});

test("several edits in one take effect together, or not at all", async () => {
  const { stream, tasks } = newTasks();
  // Before that nobody knows what exists.
  await stream.stored();
  const log = stream.collection<{ text: string }>("log");
  let id = "";
  stream.edit((on) => {
    id = on(tasks).insert({ title: "one" });
    on(tasks).update(id, { completed: true });
    on(log).insert({ text: "made" });
  });
  assert.equal(tasks.get(id)?.completed, true);
  assert.equal(stream.status().pending, 1);
  assert.throws(() =>
    stream.edit((on) => {
      on(tasks).insert({ title: "two" });
      on(tasks).insert({ title: "one again", id });
    }),
  );
  assert.deepEqual(titles(tasks.all()), ["one"]);
  assert.equal(log.count(), 1);
});

test("queries filter, sort and limit", () => {
  const { tasks } = newTasks();
  for (let position = 0; position < 10; position++) {
    const tags = position % 3 ? [] : ["third"];
    tasks.insert({ id: `t${position}`, title: `Task ${position}`, completed: position % 2 === 0, position, tags });
  }
  tasks.insert({ id: "none", title: "No position", position: null });
  const ids = (query: Parameters<typeof tasks.all>[0]) => tasks.all(query).map(({ id }) => id);
  assert.deepEqual(ids({ where: { completed: true }, orderBy: "-position", limit: 2 }), ["t8", "t6"]);
  assert.deepEqual(ids({ where: { position: { ge: 3, lt: 5 } } }), ["t3", "t4"]);
  assert.deepEqual(ids({ where: { tags: { contains: "third" }, position: { ne: 0 } } }), ["t3", "t6", "t9"]);
  assert.deepEqual(ids({ where: { title: { prefix: "No" } } }), ["none"]);
  assert.deepEqual(ids({ where: { id: { in: ["t1", "none"] } } }), ["none", "t1"]);
  assert.deepEqual(ids({ where: { or: [{ position: 1 }, { title: "Task 2" }], not: { completed: true } } }), ["t1"]);
  assert.deepEqual(ids({ where: { position: { exists: false } } }), ["none"]);
  assert.equal(tasks.count({ completed: true }), 5);
});

test("a watcher hears all there is first, then only what changed, once a microtask", async () => {
  const { tasks } = newTasks();
  const heard: [rows: readonly Row<Task>[], change: Change<Row<Task>>][] = [];
  tasks.insert({ id: "a", title: "a", completed: false });
  tasks.insert({ id: "b", title: "b", completed: false });
  const open = { where: { completed: false }, orderBy: "title" } as const;
  const stop = tasks.watch(open, (...told) => heard.push(told));
  assert.equal(heard.length, 0);
  await soon();
  assert.deepEqual(titles(heard[0]![0]), ["a", "b"]);
  assert.equal(heard[0]![1].added.length, 2);

  tasks.update("a", { completed: true });
  tasks.update("b", { title: "bb" });
  tasks.insert({ id: "c", title: "c", completed: false });
  tasks.insert({ id: "d", title: "d", completed: true });
  await soon();
  assert.equal(heard.length, 2);
  const [rows, change] = heard[1]!;
  assert.deepEqual(titles(rows), ["bb", "c"]);
  assert.deepEqual([titles(change.added), titles(change.changed), titles(change.removed)], [["c"], ["bb"], ["a"]]);

  tasks.update("d", { title: "dd" });
  tasks.update("c", { completed: false });
  await soon();
  assert.equal(heard.length, 2, "nothing that it asks for has changed");

  tasks.insert({ id: "e", title: "e", completed: false });
  await soon();
  assert.equal(heard[2]![0][0], rows[0], "a row that did not change is the same object");
  assert.ok(Object.isFrozen(heard[2]![0]));
  stop();
  stop();
  tasks.delete("b");
  await soon();
  assert.equal(heard.length, 3);
});

test("a watcher of nothing hears that there is nothing", async () => {
  const { tasks } = newTasks();
  assert.deepEqual(await rowsUntil(tasks, {}, () => true), []);
});

test("watchers may edit, watch and stop while they are told", async () => {
  const { tasks } = newTasks();
  const heard: string[] = [];
  tasks.insert({ id: "a", title: "a" });
  const stopFirst = tasks.watch({}, (rows) => {
    heard.push(`first ${rows.length}`);
    if (rows.length > 1) return;
    tasks.insert({ id: "b", title: "b" });
    tasks.watch({ where: { id: "b" } }, ([row]) => void heard.push(`inner ${row?.title}`));
    stopSecond();
  });
  const stopSecond = tasks.watch({}, () => void heard.push("second"));
  await soon();
  assert.deepEqual(heard, ["first 1", "first 2", "inner b"]);
  stopFirst();
});

test("watching one object tells of it, and that it is gone", async () => {
  const { tasks } = newTasks();
  const heard: (string | undefined)[] = [];
  tasks.watchOne("a", (row) => void heard.push(row?.title));
  await soon();
  tasks.insert({ id: "a", title: "here" });
  await soon();
  tasks.insert({ id: "b", title: "somebody else" });
  await soon();
  tasks.delete("a");
  await soon();
  assert.deepEqual(heard, [undefined, "here", undefined]);
});

test("the status tells what waits, and that nobody is asked", async () => {
  const { stream, tasks } = newTasks();
  const pending: number[] = [];
  stream.onStatus((status) => void pending.push(status.pending));
  await soon();
  for (let edit = 0; edit < 3; edit++) tasks.insert({ title: String(edit) });
  assert.equal(stream.status().pending, 3);
  assert.equal(stream.status().connection.state, "offline");
  assert.equal(stream.status().storage, "memory");
  await soon();
  assert.equal(pending.at(-1), 3);
  assert.ok(Date.now() - stream.status().oldestPending!.getTime() < 60_000);
});

test("who listens to the status hears of the connection, though somebody else asks for the status first", async () => {
  const { stream } = newTasks();
  const stop = db.onConnection(() => void stream.status());
  const states: string[] = [];
  stream.onStatus(({ connection }) => void states.push(connection.state));
  db.goOnline();
  await soon();
  db.goOffline();
  await soon();
  stop();
  assert.match(states.join(), /^connecting,.*offline$/);
});

test("a stream that is opened just before everything is closed leaves nothing behind", async () => {
  for (let turns = 0; turns < 20; turns++) {
    const short = await Tapeline.open({ server: "ws://127.0.0.1:9", name: `short ${turns}` });
    short.stream("short");
    for (let turn = 0; turn < turns; turn++) await undefined;
    await short.close();
    // Whatever is left behind would reject, with nobody to hear of it.
    await soon();
  }
});

test("a mistake in one listener keeps no other from being told", async () => {
  const { stream, tasks } = newTasks();
  const mistakes: unknown[] = [];
  const others = process.rawListeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => void mistakes.push(error.message));
  let told = 0;
  tasks.watch({}, () => {
    throw new Error("mine");
  });
  stream.onStatus(() => {
    throw new Error("too");
  });
  tasks.watch({}, () => void told++);
  stream.onStatus(() => void told++);
  await soon();
  await soon();
  process.removeAllListeners("uncaughtException");
  for (const other of others) process.on("uncaughtException", other as () => void);
  assert.ok(told >= 2);
  assert.deepEqual([...new Set(mistakes)].sort(), ["mine", "too"]);
});
