/** Wrong use gets an error that says what to do instead, and changes nothing. */

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newId, positionBetween, Tapeline, TapelineError } from "tapeline";
import { statusUntil } from "./support/until.js";

const NOWHERE = { server: "ws://127.0.0.1:9" };
const db = await Tapeline.open({ ...NOWHERE, name: "wrong" });
after(() => db.close());
const list = db.stream("list");
// biome-ignore lint/suspicious/noExplicitAny: what is tested is what types would forbid.
const tasks = list.collection("tasks") as any;

const invalid = (words: RegExp) => ({ name: "TapelineError", code: "invalid", retryable: false, message: words });

test("names that are none", () => {
  for (const name of ["", "/a", "a/", "a//b", "a".repeat(201), "\ud800", 5, undefined, "a\u0000b"]) {
    assert.throws(
      () =>
        db
          .stream(name as string)
          .collection("tasks")
          .insert({ a: 1 }),
      TapelineError,
      JSON.stringify(name),
    );
  }
  for (const name of ["", "a".repeat(65), "\ud800", 5, undefined]) {
    assert.throws(() => list.collection(name as string).insert({ a: 1 }), TapelineError, JSON.stringify(name));
    assert.throws(() => list.collection(name as string).all(), TapelineError, JSON.stringify(name));
  }
  for (const id of ["", "a".repeat(129), "\ud800", 5, null]) {
    assert.throws(() => tasks.insert({ id }), TapelineError, JSON.stringify(id));
    assert.throws(() => tasks.update(id, { a: 1 }), TapelineError, JSON.stringify(id));
    assert.throws(() => tasks.get(id), TapelineError, JSON.stringify(id));
  }
  assert.throws(() => tasks.insert({ "": 1 }), TapelineError);
  assert.throws(() => tasks.insert({ ["a".repeat(65)]: 1 }), TapelineError);
  assert.throws(() => tasks.insert({ "\ud800": 1 }), invalid(/surrogate/));
});

test("values that cannot travel", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.throws(
    () => tasks.insert({ f() {} }),
    invalid(/^f is a function, which cannot travel: store what it stands for/),
  );
  assert.throws(() => tasks.insert({ circle }), invalid(/contains itself/));
  assert.throws(() => tasks.insert({ n: Number.NaN }), invalid(/^n is NaN/));
  assert.throws(() => tasks.insert({ at: new Date() }), invalid(/getTime\(\)/));
  assert.throws(() => tasks.insert({ u: undefined }), invalid(/leave the field out, or set it to null/));
  assert.throws(() => tasks.insert({ big: "x".repeat(2 << 20) }), invalid(/bytes/));
  assert.equal(tasks.count(), 0);
  assert.equal(list.status().pending, 0);
});

test("fields that are none", () => {
  for (const fields of [null, undefined, "text", 5, [1], new Date(), new Map([["a", 1]])]) {
    assert.throws(() => tasks.insert(fields), invalid(/the fields are a plain object, like/), String(fields));
    assert.throws(() => tasks.upsert("a", fields), invalid(/the fields are a plain object, like/), String(fields));
  }
});

test("edits that do not fit what is shown", async () => {
  await list.stored();
  const id = tasks.insert({ title: "one" });
  assert.throws(() => tasks.insert({ id, title: "again" }), { code: "conflict", message: /exists/ });
  assert.throws(() => tasks.update(newId(), { title: "x" }), { code: "conflict", message: /does not exist/ });
  assert.throws(() => tasks.update(id, { id: "other" }), invalid(/the id of an object never changes/));
  assert.throws(() => tasks.update(id, tasks.get(id)), invalid(/leave it out of the fields/));
  assert.throws(() => tasks.increment(id, { title: 1 }), TapelineError);
  assert.throws(() => tasks.increment(id, { count: "1" }), TapelineError);
  assert.throws(() => list.edit(() => {}), TapelineError);
  assert.throws(
    () => list.edit(async (on) => void on(list.collection("tasks")).insert({ title: "later" })),
    invalid(/at once/),
  );
  tasks.delete(id);
  assert.throws(() => tasks.delete(id), { code: "conflict", message: /does not exist/ });
});

test("what is edited is a collection of the stream, and what an edit rests on a list of reads", () => {
  for (const on of ["tasks", undefined, {}, db.stream("other").collection("tasks")]) {
    assert.throws(
      () => list.edit((edits) => void edits(on as never).insert({})),
      invalid(/list\.collection/),
      String(on),
    );
  }
  for (const unchanged of [["tasks", "a"], [["tasks"]], [[]]]) {
    const edit = () => list.edit((on) => void on(tasks).upsert("r", { a: 1 }), { unchanged: unchanged as never });
    assert.throws(edit, invalid(/^a read is \[collection, id\]/), String(unchanged));
  }
});

test("what is no position, row or command", () => {
  for (const end of [5, true, ["a"]]) assert.throws(() => positionBetween(end as never, null), invalid(/is text/));
  for (const row of [{ title: "one" }, { id: 5 }, null, "text"]) {
    assert.throws(
      () => tasks.replace([row], { keep: true }),
      invalid(/id of an object is text|plain object/),
      String(row),
    );
  }
  for (const run of [undefined, "run"]) assert.throws(() => db.command("wrong", run as never), invalid(/function/));
});

test("what is no path, member, splice or text", () => {
  const was = { id: "a", where: {}, tags: ["x"], note: "text" };
  tasks.insert(was);
  for (const path of [[], "street", ["street", 3], undefined, null, [null], {}, new Uint8Array([1])]) {
    assert.throws(() => tasks.put("a", "where", path, 1), invalid(/^a path is a list of names, like/), String(path));
  }
  const deep = Array(40).fill("x");
  const wrong = [
    () => tasks.put("a", "where", deep, 1),
    () => tasks.add("a", "x"),
    () => tasks.add("a", null),
    () => tasks.remove("a", ["x"]),
    () => tasks.splice("a", "note"),
    () => tasks.splice("a", "note", null),
    () => tasks.splice("a", "note", [5]),
    () => tasks.splice("a", "note", 0, 1, 5),
    () =>
      tasks.splice("a", "note", [
        [0, 2, "x"],
        [1, 2, "y"],
      ]),
    () => tasks.editText("a", "note", null),
    () => tasks.editText("a", "note", 5),
  ];
  for (const use of wrong) assert.throws(use, invalid(/^(?!.*CBOR)/), String(use));
  assert.deepEqual({ ...tasks.get("a") }, was);
});

test("queries that are none", () => {
  const queries = [
    { where: { a: { foo: 1 } } },
    { where: { a: undefined } },
    { where: { a: { in: 5 } } },
    { where: { or: {} } },
    { where: 5 },
    { orderBy: 5 },
    { limit: -1 },
    { limit: 1.5 },
    { orderby: "a" },
    null,
    "tasks",
    ["state"],
  ];
  for (const query of queries) {
    assert.throws(() => tasks.all(query), TapelineError, JSON.stringify(query));
    assert.throws(() => tasks.watch(query, () => {}), TapelineError, JSON.stringify(query));
  }
  assert.throws(() => tasks.all({ sort: "a" }), invalid(/has no "sort"; it has collection, where, orderBy/));
});

test("an id to watch that is none", () => {
  for (const id of [5, null, { prefix: "a" }]) {
    assert.throws(() => tasks.watchOne(id, () => {}), invalid(/the id of an object is text/), String(id));
  }
});

test("listeners that are none", () => {
  const listening = [
    () => tasks.watch({}),
    () => tasks.watchOne("a"),
    () => list.onStatus(undefined as never),
    () => list.onNotice(5 as never),
    () => list.presence.watch(null as never),
    () => db.onConnection({} as never),
  ];
  for (const use of listening) assert.throws(use, invalid(/a listener is a function/), String(use));
});

test("who listens twice and stops once hears on", async () => {
  let heard = 0;
  const listener = () => heard++;
  const [one, other] = [list.onStatus(listener), list.onStatus(listener)];
  one();
  tasks.insert({ title: "heard" });
  await list.stored();
  assert.ok(heard > 0);
  other();
  const [here, there] = [list.presence.watch(listener), list.presence.watch(listener)];
  here();
  heard = 0;
  await Promise.resolve();
  assert.equal(heard, 1);
  there();
});

test("options that are none", async () => {
  const wrong = [undefined, {}, { name: "" }, { name: "a", server: "example.org" }, { name: "a", server: "ftp://x" }];
  for (const options of wrong) {
    await assert.rejects(Tapeline.open({ ...options } as never), TapelineError, JSON.stringify(options));
  }
  await assert.rejects(Tapeline.open({ ...NOWHERE, name: 5 as never }), TapelineError);
  await assert.rejects(Tapeline.open({ name: "a", server: 5 as never }), invalid(/^name the server: .* not "5"/));
});

test("an address may be a URL, and its scheme in capitals", async () => {
  for (const server of [new URL("wss://127.0.0.1:9"), "HTTPS://127.0.0.1:9"]) {
    await (await Tapeline.open({ name: "a", server: server as string })).close();
  }
});

test("tokens and checks that are none", async () => {
  await assert.rejects(Tapeline.open({ ...NOWHERE, name: "a", token: "ey" as never }), invalid(/^token is a function/));
  for (const checks of ["[collections]", Promise.resolve({})]) {
    await assert.rejects(Tapeline.open({ ...NOWHERE, name: "a", checks: checks as never }), invalid(/await checks\(/));
  }
});

test("an address that is none is said, and ends nothing", async () => {
  for (const server of ["ws://[no", "ws://127.0.0.1:99999"]) {
    const lost = await Tapeline.open({ name: "a", server });
    const { connection } = await statusUntil(lost.stream("a"), (status) => status.connection.state === "waiting");
    assert.match(connection.why ?? "", /URL/);
    await lost.close();
  }
});

test("presence that is too large, or cannot travel", () => {
  assert.throws(() => list.presence.set("x".repeat(5_000)), invalid(/larger than 4 KB/));
  assert.throws(() => list.presence.set(Number.NaN), invalid(/^the presence is NaN/));
});

test("use after close", async () => {
  const gone = await Tapeline.open({ ...NOWHERE, name: "gone" });
  const stream = gone.stream("list");
  const things = stream.collection<{ a: number }>("things");
  const id = things.insert({ a: 1 });
  const synced = assert.rejects(stream.synced(), { code: "closed" });
  let told = 0;
  const stop = things.watch({}, () => void told++);
  const over = gone.close();
  const closed = {
    name: "TapelineError",
    code: "closed",
    message: /it was closed: open it again with Tapeline\.open\(\)/,
  };
  assert.throws(() => things.insert({ a: 2 }), closed);
  await over;
  await synced;
  await gone.close();
  // What was closed must not be mistaken for what is opened next.
  const next = await Tapeline.open({ ...NOWHERE, name: "gone" });
  next.stream("other").collection("things").insert({ id, a: 3 });
  const before = told;
  for (const use of [
    () => gone.stream("list"),
    () => gone.goOffline(),
    () => things.get(id),
    () => things.all(),
    () => things.count(),
    () => things.update(id, { a: 2 }),
    () => things.watch({}, () => {}),
    () => stream.edit((on) => void on(things).insert({ a: 1 })),
    () => stream.presence.set(1),
    () => stream.undo(),
  ]) {
    assert.throws(use, closed, String(use));
  }
  await assert.rejects(stream.stored(), closed);
  await assert.rejects(stream.synced(), closed);
  assert.equal(stream.status().connection.state, "closed");
  assert.equal(gone.connection.state, "closed");
  stop();
  assert.equal(told, before);
  assert.deepEqual([stream.canUndo, stream.canRedo], [false, false]);
  await next.close();
});

test("a directory that is in use, and one that cannot be made", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tapeline-wrong-"));
  const storage = { directory };
  const first = await Tapeline.open({ ...NOWHERE, name: "app", storage });
  await assert.rejects(Tapeline.open({ ...NOWHERE, name: "app", storage }), {
    code: "storage",
    message: /in use by process/,
  });
  await first.close();
  await (await Tapeline.open({ ...NOWHERE, name: "app", storage })).close();
  await rm(directory, { recursive: true });
  await assert.rejects(Tapeline.open({ ...NOWHERE, name: "app", storage: { directory: "/dev/null/x" } }), {
    code: "storage",
    message: /ENOTDIR.*: name a directory/,
  });
});

test("where the device cannot be read, nobody waits for ever, and no edit is taken that would be lost", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tapeline-wrong-"));
  const open = () => Tapeline.open({ ...NOWHERE, name: "app", storage: { directory } });
  const first = await open();
  first.stream("list").collection("tasks").insert({ id: "a" });
  await first.close();
  const [app] = await readdir(directory);
  await writeFile(join(directory, app!, "list.tape"), "this is no tape");
  const again = await open();
  const stream = again.stream("list");
  const unreadable = { name: "TapelineError", code: "storage", message: /list\.tape/ };
  await assert.rejects(stream.stored(), unreadable);
  await assert.rejects(stream.synced(), unreadable);
  assert.throws(() => stream.collection("tasks").insert({ id: "b" }), unreadable);
  assert.match(again.connection.why ?? "", unreadable.message);
  await again.close();
  await rm(directory, { recursive: true });
});

test("transports and storages that are none", async () => {
  const open = (options: object) => Tapeline.open({ ...NOWHERE, name: "app", ...options });
  await assert.rejects(open({ transport: "pigeon" }), invalid(/^a transport is one of auto, websocket, sse/));
  for (const storage of ["disk", 5, {}, null]) await assert.rejects(open({ storage }), invalid(/^storage is "device"/));
});
