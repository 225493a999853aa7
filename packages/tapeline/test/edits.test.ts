/** Edits of every kind, without any server: sets, nested values, drafts, undo, replacing, commands. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { positionBetween, Refused, Tapeline } from "tapeline";

interface Task {
  title: string;
  done?: boolean;
  tags?: string[];
  where?: { city?: string; street?: { name: string } };
  note?: string | null;
}

const db = await Tapeline.open({ server: "ws://127.0.0.1:9", name: "edits" });
db.goOffline();
after(() => db.close());

let streams = 0;
async function newTasks() {
  const stream = db.stream(`tasks/${++streams}`);
  // Before that nobody knows what exists.
  await stream.stored();
  return { stream, tasks: stream.collection<Task>("tasks") };
}

test("sets and nested values", async () => {
  const { stream, tasks } = await newTasks();
  const id = tasks.insert({ title: "one", tags: ["a"] });
  tasks.add(id, { tags: "b" });
  tasks.add(id, { tags: ["b", "c"] });
  tasks.remove(id, { tags: "a" });
  assert.deepEqual(tasks.get(id)?.tags, ["b", "c"]);
  tasks.put(id, "where", ["city"], "Ulm");
  tasks.put(id, "where", ["street", "name"], "Hirschstraße");
  assert.deepEqual(tasks.get(id)?.where, { city: "Ulm", street: { name: "Hirschstraße" } });
  tasks.put(id, "where", ["street"], undefined);
  assert.deepEqual(tasks.get(id)?.where, { city: "Ulm" });
  stream.edit((on) => {
    on(tasks).add(id, { tags: "d" });
    on(tasks).put(id, "where", ["city"], "Bonn");
    on(tasks).editText(id, "title", "one!");
  });
  assert.deepEqual({ ...tasks.get(id) }, { id, title: "one!", tags: ["b", "c", "d"], where: { city: "Bonn" } });
});

test("an edit has what could be made, and nothing once it is made", async () => {
  const { stream, tasks } = await newTasks();
  const kept: { insert(fields: Task): string }[] = [];
  stream.edit((on) => {
    kept.push(on(tasks));
    on(tasks).insert({ title: "one" });
    assert.throws(() => on(tasks).insert({ title: "half", where: { city: undefined as never } }), { code: "invalid" });
    on(tasks).insert({ title: "two" });
  });
  assert.deepEqual(
    tasks.all().map(({ title }) => title),
    ["one", "two"],
  );
  assert.throws(() => kept[0]?.insert({ title: "late" }), { code: "invalid", message: /is made/ });
});

test("positions sort between their neighbours", () => {
  const middle = positionBetween(null, undefined);
  const [before, after] = [positionBetween(null, middle), positionBetween(middle, null)];
  assert.ok(before < middle && middle < after);
  assert.notEqual(positionBetween(before, middle), positionBetween(before, middle));
  assert.throws(() => positionBetween(after, before), { code: "invalid", message: /wrong way round/ });
});

test("undo and redo, in steps and in groups", async () => {
  const { stream, tasks } = await newTasks();
  assert.equal(stream.canUndo || stream.canRedo || stream.undo() || stream.redo(), false);
  const id = tasks.insert({ title: "one", done: false });
  stream.group(() => {
    tasks.update(id, { title: "two" });
    tasks.update(id, { done: true });
  });
  assert.ok(stream.undo());
  assert.equal(tasks.get(id)?.title, "one");
  assert.equal(tasks.get(id)?.done, false);
  assert.ok(stream.canUndo && stream.canRedo);
  assert.ok(stream.redo());
  assert.equal(tasks.get(id)?.title, "two");
  assert.ok(stream.undo() && stream.undo());
  assert.equal(tasks.get(id), undefined);
  assert.equal(stream.undo(), false);
});

test("a group lasts as long as the promise it answers, and one within another is a part of it", async () => {
  const { stream, tasks } = await newTasks();
  const id = tasks.insert({ title: "", done: false });
  let end = () => {};
  const typing = stream.group(() => new Promise<void>((resolve) => (end = resolve)));
  for (const text of ["o", "on", "one"]) {
    tasks.editText(id, "title", text);
    await new Promise(setImmediate);
  }
  stream.group(() => tasks.update(id, { done: true }));
  tasks.editText(id, "title", "one!");
  end();
  await typing;
  tasks.editText(id, "title", "one!?");
  assert.ok(stream.undo());
  assert.equal(tasks.get(id)?.title, "one!");
  assert.ok(stream.undo());
  assert.deepEqual({ ...tasks.get(id) }, { id, title: "", done: false });
  assert.throws(() =>
    stream.group(() => {
      tasks.update(id, { done: true });
      throw new Error("mine");
    }),
  );
  tasks.update(id, { note: "apart" });
  assert.ok(stream.undo());
  assert.equal(tasks.get(id)?.done, true);
});

test("a draft shows and counts as one until it is published", async () => {
  const { stream, tasks } = await newTasks();
  const count = () => [stream.status().drafts, stream.status().pending];
  const id = tasks.draft({ title: "not yet" });
  assert.deepEqual(count(), [1, 0], "at once");
  tasks.update(id, { done: true });
  await stream.stored();
  assert.deepEqual({ ...tasks.get(id) }, { id, title: "not yet", done: true });
  assert.deepEqual(count(), [1, 0]);
  tasks.publish(id);
  assert.deepEqual(count(), [0, 1], "at once");
  assert.throws(() => tasks.publish(id), { code: "conflict" }, "it is published");
  await stream.stored();
  assert.deepEqual(count(), [0, 1]);
  for (const none of [id, "nobody"]) assert.throws(() => tasks.publish(none), { code: "conflict" });
  assert.deepEqual(count(), [0, 1]);
  const [one, other] = [tasks.draft({ title: "one" }), tasks.draft({ title: "other" })];
  tasks.publish(one);
  assert.deepEqual(count(), [1, 2]);
  tasks.publish(other);
  assert.deepEqual(count(), [0, 3]);
});

test("a draft that is taken away and brought back is one again", async () => {
  const { stream, tasks } = await newTasks();
  const draft = tasks.draft({ title: "secret" });
  const other = tasks.insert({ title: "open" });
  await stream.stored();
  stream.group(() => {
    tasks.delete(draft);
    tasks.delete(other);
  });
  await stream.stored();
  assert.deepEqual([stream.status().drafts, stream.status().pending], [0, 0]);
  assert.ok(stream.undo());
  await stream.stored();
  assert.deepEqual([tasks.count(), stream.status().drafts, stream.status().pending], [2, 1, 1]);
  const made = tasks.draft({ title: "made, taken back, made again" });
  assert.ok(stream.undo());
  assert.equal(tasks.get(made), undefined);
  assert.ok(stream.redo());
  await stream.stored();
  assert.deepEqual([tasks.count(), stream.status().drafts, stream.status().pending], [3, 2, 1]);
});

test("what was made before the device was read is not made again", () => {
  const tasks = db.stream("early").collection<Task>("tasks");
  const id = tasks.insert({ title: "one" });
  assert.throws(() => tasks.insert({ id, title: "two" }), { code: "conflict", message: /exists/ });
  tasks.update("perhaps", { title: "there" });
  tasks.delete(id);
  tasks.insert({ id, title: "three" });
  assert.equal(tasks.get(id)?.title, "three");
});

test("replacing touches only what differs, and a second time nothing", async () => {
  const { stream, tasks } = await newTasks();
  const long = "All of this stays as it is, but for one word, which is not what it was.";
  tasks.insert({ id: "same", title: "same", tags: ["a"], where: { city: "Ulm" } });
  tasks.insert({ id: "text", title: long, note: "gone" });
  tasks.insert({ id: "old", title: "old" });
  const wanted = [
    { id: "same", title: "same", where: { city: "Ulm" }, tags: ["a"], note: null },
    { id: "text", title: long.replace("one word", "two words") },
    { id: "new", title: "new" },
  ];
  const plan = tasks.planReplace(wanted);
  assert.deepEqual([plan.inserts.map(({ id }) => id), plan.deletes, plan.unchanged], [["new"], ["old"], 1]);
  assert.deepEqual(plan.updates, [{ id: "text", fields: { title: wanted[1]!.title, note: null } }]);
  assert.deepEqual(tasks.planReplace(wanted, { keep: true }).deletes, []);
  const { pending } = stream.status();
  assert.deepEqual(tasks.replace(wanted), plan);
  assert.equal(stream.status().pending, pending + 1);
  assert.equal(tasks.get("text")?.title, wanted[1]!.title);
  assert.deepEqual(
    tasks.all().map(({ id }) => id),
    ["new", "same", "text"],
  );
  assert.equal(tasks.replace(wanted).unchanged, 3);
  assert.equal(stream.status().pending, pending + 1);
  assert.throws(() => tasks.replace([wanted[0]!, wanted[0]!]), { code: "invalid", message: /wanted twice/ });
});

test("a command reads what is shown and what it has done, or refuses, and then nothing has changed", async () => {
  const { stream, tasks } = await newTasks();
  const finish = db.command("finish", (tx, { ids }: { ids: string[] }) => {
    const all = tx.collection<Task>("tasks");
    for (const id of ids) {
      if (!all.get(id)) throw new Refused(`there is no ${id}`);
      all.update(id, { done: true });
      all.editText(id, "title", `${all.get(id)?.title}!`);
    }
    if (all.all().every(({ done }) => done)) all.insert({ title: "All is done", note: `${tx.now} ${tx.random()}` });
  });
  tasks.insert({ id: "a", title: "a🙂" });
  tasks.insert({ id: "b", title: "b" });
  stream.run(finish, { ids: ["a"] });
  assert.equal(tasks.get("a")?.title, "a🙂!");
  assert.throws(() => stream.run(finish, { ids: ["b", "c"] }), new Refused("there is no c"));
  assert.equal(tasks.get("b")?.done, undefined);
  stream.run("finish", { ids: ["b"] });
  const done = tasks.all().find(({ title }) => title === "All is done");
  assert.match(done?.id ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]/);
  assert.match(done?.note ?? "", /^\d{13} 0\.\d+$/);
  stream.undo();
  assert.equal(tasks.get("b")?.title, "b");
});

test("commands that are none", () => {
  const stream = db.stream("wrong");
  assert.throws(() => stream.run("nobody's", {}), { code: "invalid", message: /call db\.command\("nobody's", …\)/ });
  db.command("once", () => {});
  assert.throws(() => db.command("once", () => {}), { code: "invalid", message: /there already/ });
  db.command("later", async () => {});
  assert.throws(() => stream.run("later", {}), { code: "invalid", message: /at once/ });
  const broken = db.command("broken", () => {
    throw new TypeError("mine");
  });
  assert.throws(() => stream.run(broken, undefined), new TypeError("mine"));
  const all = db.command("all", (tx) => void tx.collection("tasks").all(), { serializable: true });
  assert.throws(() => stream.run(all, null), { code: "invalid", message: /reads objects by their ids/ });
  assert.throws(() => stream.run(broken, () => {}), { code: "invalid", message: /the arguments is a function/ });
});

test("an op that cannot be made leaves nothing in an edit, whoever catches its error", async () => {
  const { stream, tasks } = await newTasks();
  for (const id of ["a", "b"]) tasks.insert({ id, title: "one" } as Task & { id: string });
  const wrong = { title: "two", note: new Date() as unknown as string };
  const attempts = [
    () => tasks.update("a", wrong),
    () => stream.edit((on) => on(tasks).update("a", wrong)),
    () => stream.edit((on) => on(tasks).insert(wrong)),
  ];
  for (const attempt of attempts) assert.throws(attempt, { code: "invalid" });
  stream.edit((on) => {
    assert.throws(() => on(tasks).update("a", wrong), { code: "invalid" });
    assert.throws(() => on(tasks).insert({ title: "three", tags: [new Date() as unknown as string] }));
    on(tasks).delete("b");
  });
  assert.deepEqual([...tasks.all()], [{ id: "a", title: "one" }]);
  const command = db.command(`caught ${stream.name}`, (tx) => {
    assert.throws(() => tx.collection<Task>("tasks").update("a", wrong));
    tx.collection<Task>("tasks").upsert("c", { title: "of the command" });
  });
  stream.run(command, null);
  assert.deepEqual(
    [...tasks.all()].map(({ title }) => title),
    ["one", "of the command"],
  );
});

test("an edit is made of collections of its stream, and is over when it is made", async () => {
  const { stream, tasks } = await newTasks();
  const other = await newTasks();
  assert.throws(() => stream.edit((on) => on(other.tasks).insert({ title: "elsewhere" })), {
    code: "invalid",
    message: new RegExp(`a collection of ${stream.name}`),
  });
  let late: ReturnType<Parameters<Parameters<typeof stream.edit>[0]>[0]> | undefined;
  stream.edit((on) => {
    late = on(tasks) as unknown as typeof late;
    on(tasks).insert({ title: "in time" });
  });
  assert.throws(() => late!.insert({ title: "late" } as never), { code: "invalid", message: /this edit is made/ });
  assert.deepEqual([tasks.count(), other.tasks.count()], [1, 0]);
});
