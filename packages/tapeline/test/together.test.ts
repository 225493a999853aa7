/** Two clients and a real server: what both do at once comes together, and nobody's work is lost unheard. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Collection, type Notice, Refused, type Stream, Tapeline } from "tapeline";
import { pick, seeded } from "./support/random.js";
import { Server } from "./support/server.js";
import { rowsUntil, statusUntil } from "./support/until.js";

const SCHEMA = `
[collections.tasks.fields]
title = "ask"
owner = "first"
colour = "reject"
`;

interface Task {
  title?: string;
  owner?: string;
  colour?: string;
  done?: boolean;
  note?: string;
  tags?: string[];
  count?: number;
  picture?: Uint8Array;
  place?: { city?: string; street?: { name?: string } };
}

let server: Server;
before(async () => {
  server = await Server.start(SCHEMA);
});
after(() => server.end());

/** Two who look at the same stream. */
async function two(name: string) {
  const [ann, ben] = await Promise.all(
    ["ann", "ben"].map(async (who) => new Person(await Tapeline.open({ server: server.url, name: who }), name)),
  );
  return [ann!, ben!] as const;
}

class Person {
  readonly stream: Stream;
  readonly tasks: Collection<Task>;
  readonly notices: Notice[] = [];

  constructor(
    readonly db: Tapeline,
    stream: string,
  ) {
    this.stream = db.stream(stream);
    this.tasks = this.stream.collection<Task>("tasks");
    this.stream.onNotice((notice) => void this.notices.push(notice));
  }

  /** The notices of one kind. */
  told<K extends Notice["kind"]>(kind: K): Extract<Notice, { kind: K }>[] {
    return this.notices.filter((notice): notice is Extract<Notice, { kind: K }> => notice.kind === kind);
  }

  has(id: string, isSo: (task: Task) => boolean = () => true): Promise<unknown> {
    return rowsUntil(this.tasks, { where: { id } }, ([row]) => row !== undefined && isSo(row));
  }
}

/** Both come to know all that both have done, and hold the same. */
async function meet(...people: Person[]): Promise<void> {
  for (const { db } of people) db.goOnline();
  // Twice: what one has sent, the other has yet to hear.
  for (let round = 0; round < 2; round++) for (const { stream } of people) await stream.synced();
  const head = Math.max(...people.map(({ stream }) => stream.status().head));
  for (const { stream } of people) await statusUntil(stream, ({ played }) => played >= head);
  assert.equal(new Set(people.map(({ stream }) => stream.digest())).size, 1, "they hold the same");
}

/** What somebody starts with, known to all; then nobody hears of the others. */
async function apart(task: Task & { id: string }, ...people: Person[]): Promise<void> {
  await people[0]!.stream.synced();
  people[0]!.tasks.insert(task);
  for (const person of people) await person.has(task.id);
  await meet(...people);
  for (const { db } of people) db.goOffline();
}

const close = (...people: Person[]) => Promise.all(people.map(({ db }) => db.close()));

test("two who type at once get one text with all that both wrote, whatever letters they use", async () => {
  const [ann, ben] = await two("text");
  await apart({ id: "t", note: "Hello 🙂 world" }, ann, ben);
  ann.tasks.splice("t", "note", 0, 5, "Hallo 👩‍👩‍👧");
  ben.tasks.splice("t", "note", 9, 5, "wörld\r\n");
  ben.tasks.editText("t", "note", ben.tasks.get("t")!.note!.replace("🙂", "🙃"));
  await meet(ann, ben);
  assert.equal(ann.tasks.get("t")?.note, "Hallo 👩‍👩‍👧 🙃 wörld\r\n");
  assert.equal(ben.tasks.get("t")?.note, ann.tasks.get("t")?.note);
  await close(ann, ben);
});

test("texts that two edit at random, together and apart, end as one", async () => {
  const random = seeded("typing");
  const [ann, ben] = await two("typing");
  await apart({ id: "t", note: "" }, ann, ben);
  for (let round = 0; round < 8; round++) {
    for (const { db, tasks } of [ann, ben]) {
      if (random() < 0.5) db.goOnline();
      else db.goOffline();
      for (let edit = 0; edit < 10; edit++) {
        const letters = [...(tasks.get("t")?.note ?? "")];
        const at = Math.floor(random() * (letters.length + 1));
        letters.splice(at, Math.floor(random() * 3), pick(random, ["a", "🙂", "e\u0301", "\r\n", "word "]));
        tasks.editText("t", "note", letters.join(""));
        await new Promise(setImmediate);
      }
    }
  }
  await meet(ann, ben);
  assert.equal(ann.tasks.get("t")?.note, ben.tasks.get("t")?.note);
  assert.ok(ann.tasks.get("t")?.note?.isWellFormed());
  await close(ann, ben);
});

test("members that two add and remove at once", async () => {
  const [ann, ben] = await two("sets");
  await apart({ id: "t", tags: ["home", "old"] }, ann, ben);
  ann.tasks.add("t", { tags: ["garden", "both"] });
  ann.tasks.remove("t", { tags: "old" });
  ben.tasks.add("t", { tags: ["both", "soon"] });
  ben.tasks.remove("t", { tags: "home" });
  await meet(ann, ben);
  assert.deepEqual([...ann.tasks.get("t")!.tags!].sort(), ["both", "garden", "soon"]);
  await close(ann, ben);
});

test("bytes that two edit at once, and values within values, both stay", async () => {
  const [ann, ben] = await two("bytes");
  await apart({ id: "t", picture: Uint8Array.of(1, 2, 3), place: { city: "Ulm", street: { name: "A" } } }, ann, ben);
  ann.tasks.splice("t", "picture", 0, 1, Uint8Array.of(9, 9));
  ann.tasks.put("t", "place", ["city"], "Bonn");
  ben.tasks.splice("t", "picture", 3, 0, Uint8Array.of(4));
  ben.tasks.put("t", "place", ["street", "name"], "B");
  await meet(ann, ben);
  const { picture, place } = ann.tasks.get("t")!;
  assert.deepEqual([picture, place], [Uint8Array.of(9, 9, 2, 3, 4), { city: "Bonn", street: { name: "B" } }]);
  await close(ann, ben);
});

test("a collection is replaced while somebody types in a text of it: what was typed stays", async () => {
  const [ann, ben] = await two("replaced");
  const note = "All of this stays as it is, but for one word, which is not what it was.";
  await apart({ id: "t", note, done: false }, ann, ben);
  ann.tasks.splice("t", "note", note.length, 0, " So far.");
  const plan = ben.tasks.replace([{ id: "t", note: note.replace("one word", "two words"), done: true }]);
  assert.deepEqual(plan.updates, [{ id: "t", fields: { note: note.replace("one word", "two words"), done: true } }]);
  await meet(ann, ben);
  assert.equal(ann.tasks.get("t")?.note, `${note.replace("one word", "two words")} So far.`);
  await close(ann, ben);
});

test("an edit and a later one that undoes it come to nothing before either was sent", async () => {
  const [ann, ben] = await two("cancelled");
  await ann.stream.synced();
  ann.db.goOffline();
  ann.tasks.delete(ann.tasks.insert({ title: "not after all" }));
  await statusUntil(ann.stream, ({ pending }) => pending === 0);
  ann.db.goOnline();
  await ann.stream.synced();
  assert.ok(ann.told("cancelled").length > 0);
  assert.equal(ann.stream.status().head, 0);
  await close(ann, ben);
});

test("a value that lost stands on the object with who wrote it, until somebody decides", async () => {
  const [ann, ben] = await two("ask");
  await apart({ id: "t", title: "Milk" }, ann, ben);
  ann.tasks.update("t", { title: "Oat milk" });
  ben.tasks.update("t", { title: "Soy milk" });
  ann.db.goOnline();
  await ann.stream.synced();
  await meet(ann, ben);
  assert.equal(ben.tasks.get("t")?.title, "Oat milk");
  const row = ann.tasks.get("t")!;
  const [conflict, ...others] = ann.tasks.conflicts(row);
  assert.equal(others.length, 0);
  assert.deepEqual(conflict, { field: "title", value: "Soy milk", at: conflict!.at, client: ben.stream.client });
  assert.ok(Math.abs(Date.now() - conflict!.at.getTime()) < 60_000);
  assert.equal(ann.tasks.conflicts(row), ann.tasks.conflicts(row), "the same list each time");
  const [lost] = ben.told("recorded").flatMap(({ lost }) => lost);
  const op = { op: "update", collection: "tasks", id: "t", set: { title: "Soy milk" } };
  assert.deepEqual(lost, { ...op, reason: "conflict" });

  const settled = rowsUntil(ann.tasks, { where: { title: "Soy milk" } }, ([row]) => row !== undefined);
  ben.tasks.resolve("t", "title", "Soy milk");
  assert.deepEqual(ben.tasks.conflicts("t"), []);
  const [after] = await settled;
  assert.deepEqual(ann.tasks.conflicts(after!), []);
  await close(ann, ben);
});

test("who came second, and who was written over, is told with what was theirs", async () => {
  const [ann, ben] = await two("told");
  await apart({ id: "t", owner: "nobody", done: false }, ann, ben);
  ann.tasks.update("t", { owner: "ann", done: true });
  ben.tasks.update("t", { owner: "ben", done: false });
  ann.db.goOnline();
  await ann.stream.synced();
  await meet(ann, ben);
  assert.deepEqual({ ...ann.tasks.get("t") }, { id: "t", owner: "ann", done: false });
  const [lost] = ben.told("recorded").flatMap(({ lost }) => lost);
  assert.deepEqual(lost, { op: "update", collection: "tasks", id: "t", set: { owner: "ben" }, reason: "first" });
  const [{ kind, collection, id, fields, client }] = ann.told("overwritten") as [
    Extract<Notice, { kind: "overwritten" }>,
  ];
  const by = ben.stream.client;
  assert.deepEqual({ kind, collection, id, fields, client }, { ...op("t"), fields: { done: true }, client: by });
  await close(ann, ben);
});

const op = (id: string) => ({ kind: "overwritten", collection: "tasks", id });

test("an edit that rests on what has changed is refused, and made otherwise", async () => {
  const [ann, ben] = await two("unchanged");
  await apart({ id: "t", done: false, count: 1 }, ann, ben);
  ann.tasks.increment("t", { count: 1 });
  ben.stream.edit((on) => on(ben.tasks).update("t", { done: true }), { unchanged: [["tasks", "t", "count"]] });
  ann.db.goOnline();
  await ann.stream.synced();
  ben.db.goOnline();
  await statusUntil(ben.stream, ({ parked }) => parked === 1);
  const [parked] = ben.stream.parked();
  assert.equal(parked!.code, "stale");
  assert.deepEqual(parked!.current, { count: 2, done: false });
  assert.equal(ben.told("refused")[0]!.parked, parked);
  assert.equal(ben.tasks.get("t")?.done, false);
  assert.equal(
    ben.stream.retryAs(parked!.edit, (on) => on(ben.tasks).update("t", { note: "two" })),
    true,
  );
  assert.equal(
    ben.stream.retryAs(parked!.edit, () => {}),
    false,
  );
  await statusUntil(ben.stream, ({ parked }) => parked === 0);
  await ann.has("t", ({ note }) => note === "two");
  await close(ann, ben);
});

interface Room {
  guests: { id: string; name: string; at: number; luck: number }[];
}

test("the third guest finds the room full: the command is run again, refuses, and waits for a decision", async () => {
  const people = [...(await two("rooms")), ...(await two("rooms"))];
  const [first, , third, fourth] = people as [Person, Person, Person, Person];
  await close(fourth);
  people.pop();
  for (const { db } of people) {
    db.command(
      "enter",
      (tx, { name }: { name: string }) => {
        const rooms = tx.collection<Room>("rooms");
        const { guests = [] } = rooms.get("blue") ?? {};
        if (guests.length >= 2) throw new Refused("blue is full");
        const guest = { id: tx.id(), name, at: tx.now, luck: tx.random() };
        // The clock goes on while it runs: its time is that of its beginning also when it is run again.
        while (Date.now() === tx.now);
        rooms.update("blue", { guests: [...guests, guest] });
      },
      { serializable: true },
    );
  }
  const roomsOf = ({ stream }: Person) => stream.collection<Room>("rooms");
  const guestsOf = (person: Person) => roomsOf(person).get("blue")!.guests;
  roomsOf(first).insert({ id: "blue", guests: [] } as Room);
  await meet(...people);
  for (const { db } of people) db.goOffline();
  const entered = people.map((person, place) => {
    person.stream.run("enter", { name: `guest ${place}` });
    return guestsOf(person)[0]!;
  });
  for (const { db, stream } of people) {
    db.goOnline();
    await stream.synced();
  }
  await statusUntil(third.stream, ({ parked }) => parked === 1);
  await meet(...people);
  // Each is the very guest of the first run: id, time and chance too.
  assert.deepEqual(guestsOf(third), entered.slice(0, 2));
  const [parked] = third.stream.parked();
  assert.deepEqual(
    [parked!.code, parked!.reason, parked!.command],
    ["failed", "blue is full", { name: "enter", args: { name: "guest 2" } }],
  );
  assert.throws(() => third.stream.retry(parked!.edit), new Refused("blue is full"));
  roomsOf(first).update("blue", { guests: guestsOf(first).slice(1) });
  await rowsUntil(roomsOf(third), {}, ([room]) => room?.guests.length === 1);
  assert.equal(third.stream.retry(parked!.edit), true);
  await meet(...people);
  assert.deepEqual(
    guestsOf(first).map(({ name }) => name),
    ["guest 1", "guest 2"],
  );
  await close(...people);
});

test("a command that breaks when it is run again is parked as a bug, reported as one, and blocks nothing", async () => {
  const [ann, ben] = await two("bugs");
  await apart({ id: "t", count: 1 }, ann, ben);
  for (const { db } of [ann, ben]) {
    db.command(
      "halve",
      (tx, _: null) => {
        const { count = 0 } = tx.collection<Task>("tasks").get("t")!;
        if (count > 1) throw new TypeError("nobody thought of that");
        tx.collection<Task>("tasks").update("t", { note: "halved" });
      },
      { serializable: true },
    );
  }
  const mistakes: string[] = [];
  const others = process.rawListeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => void mistakes.push(error.message));
  ben.stream.run("halve", null);
  ben.tasks.update("t", { done: true });
  ann.tasks.increment("t", { count: 1 });
  ann.db.goOnline();
  await ann.stream.synced();
  await meet(ann, ben);
  process.removeAllListeners("uncaughtException");
  for (const other of others) process.on("uncaughtException", other as () => void);
  const [parked] = ben.stream.parked();
  assert.deepEqual([parked!.code, parked!.reason], ["bug", "nobody thought of that"]);
  assert.deepEqual(mistakes, ["nobody thought of that"]);
  assert.deepEqual({ ...ann.tasks.get("t") }, { id: "t", count: 2, done: true });
  await close(ann, ben);
});

test("undo takes back what was one's own, and leaves what others have done since", async () => {
  const [ann, ben] = await two("undo");
  await apart({ id: "t", owner: "nobody", done: false, count: 1, note: "one two" }, ann, ben);
  ann.stream.group(() => {
    ann.tasks.update("t", { owner: "ann", done: true });
    ann.tasks.increment("t", { count: 10 });
    ann.tasks.splice("t", "note", 0, 3, "1");
  });
  ben.tasks.update("t", { tags: ["ben's"] });
  ben.tasks.increment("t", { count: 5 });
  ben.tasks.splice("t", "note", 4, 3, "2");
  await meet(ann, ben);
  ben.tasks.update("t", { owner: "ben" });
  await ann.has("t", ({ owner }) => owner === "ben");
  assert.ok(ann.stream.undo());
  await meet(ann, ben);
  const shown = { id: "t", owner: "ben", done: false, count: 6, note: "one 2", tags: ["ben's"] };
  assert.deepEqual({ ...ben.tasks.get("t") }, shown);
  assert.ok(ann.stream.redo());
  await meet(ann, ben);
  assert.deepEqual({ ...ben.tasks.get("t") }, { ...shown, done: true, count: 16, note: "1 2" });
  ann.tasks.update("t", { owner: "ann again" });
  await ben.has("t", ({ owner }) => owner === "ann again");
  ben.tasks.update("t", { owner: "ben again" });
  await ann.has("t", ({ owner }) => owner === "ben again");
  assert.ok(ann.stream.undo({ force: true }));
  assert.equal(ann.tasks.get("t")?.owner, "ben");
  await close(ann, ben);
});

test("a draft never leaves before it is published, through a restart too", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tapeline-drafts-"));
  const open = () => Tapeline.open({ server: server.url, name: "drafts", storage: { directory } });
  const first = new Person(await open(), "drafts");
  await first.stream.synced();
  const id = first.tasks.draft({ title: "secret" });
  first.tasks.editText(id, "title", "secret plan");
  first.tasks.insert({ title: "not secret" });
  await first.stream.synced();
  await first.stream.stored();
  await first.db.close();
  const events = await server.events("drafts");
  assert.deepEqual(
    events.map(({ ops }) => ops[0]!.set),
    [{ title: "not secret" }],
  );

  const second = new Person(await open(), "drafts");
  await second.stream.synced();
  assert.equal(second.tasks.get(id)?.title, "secret plan");
  assert.equal(second.stream.status().drafts, 1);
  second.tasks.publish(id);
  await second.stream.synced();
  const [, published] = await server.events("drafts");
  assert.deepEqual(published!.ops[0]!.set, { title: "secret plan" });
  await second.db.close();
  await rm(directory, { recursive: true });
});

test("refused work waits through a restart, with its reason, its content and what is there", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tapeline-parked-"));
  const open = () => Tapeline.open({ server: server.url, name: "parked", storage: { directory } });
  const [ann, other] = await two("parked");
  await close(other);
  let ben = new Person(await open(), "parked");
  await apart({ id: "t", colour: "none" }, ann, ben);
  ann.tasks.update("t", { colour: "red" });
  ben.tasks.update("t", { colour: "blue", done: true });
  ann.db.goOnline();
  await ann.stream.synced();
  ben.db.goOnline();
  const { parked } = await statusUntil(ben.stream, ({ parked }) => parked === 1);
  assert.equal(parked, 1);
  await ben.stream.stored();
  await ben.db.close();

  ben = new Person(await open(), "parked");
  await ben.stream.synced();
  const [refused] = ben.stream.parked();
  assert.deepEqual([refused!.code, refused!.current], ["stale", { colour: "red" }]);
  assert.deepEqual(refused!.ops, [{ op: "update", collection: "tasks", id: "t", set: { colour: "blue", done: true } }]);
  assert.equal(ben.stream.retry(refused!.edit), true);
  await meet(ann, ben);
  assert.deepEqual({ ...ann.tasks.get("t") }, { id: "t", colour: "blue", done: true });
  assert.deepEqual(ben.stream.parked(), []);
  await close(ann, ben);
  await rm(directory, { recursive: true });
});

test("ten thousand edits of a hundred objects, made offline, go out as two hundred events at most", async () => {
  const [ann, ben] = await two("many");
  await ann.stream.synced();
  ann.db.goOffline();
  const random = seeded("many");
  for (let n = 0; n < 100; n++) ann.tasks.insert({ id: `t${n}`, title: "", note: "", count: 0, tags: [] });
  for (let edit = 100; edit < 10_000; edit++) {
    const id = `t${Math.floor(random() * 100)}`;
    const edits = [
      () => ann.tasks.update(id, { title: String(edit) }),
      () => ann.tasks.increment(id, { count: 1 }),
      () => ann.tasks.add(id, { tags: String(edit % 7) }),
      () => ann.tasks.splice(id, "note", 0, 0, "🙂"),
    ];
    pick(random, edits)();
    if (edit % 500 === 0) await ann.stream.stored();
  }
  await meet(ann, ben);
  const { length } = await server.events("many");
  assert.ok(length <= 200, `${length} events`);
  assert.deepEqual(ben.tasks.all(), ann.tasks.all());
  await close(ann, ben);
});
