/** Parts of streams, with a real server: what is watched, held or loaded is there, and nothing else. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Collection, type Held, type Options, type Query, type Row, type Stream, Tapeline } from "tapeline";
import { pick, seeded } from "./support/random.js";
import { Server } from "./support/server.js";
import { rowsUntil, statusUntil } from "./support/until.js";

interface Issue {
  title: string;
  column: string;
  at: number;
  text?: string | null;
  by?: string;
}

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.end());

/** Somebody who holds all of a stream, with so many issues: every third is done. */
async function whole(
  name: string,
  count: number,
): Promise<{ db: Tapeline; issues: Collection<Issue>; stream: Stream }> {
  const db = await Tapeline.open({ server: server.url, name: "whole" });
  const stream = db.stream(name);
  const issues = stream.collection<Issue>("issues");
  stream.edit((on) => {
    for (let at = 0; at < count; at++) on(issues).insert(issue(at));
  });
  await stream.synced();
  return { db, issues, stream };
}

function issue(at: number): Issue & { id: string } {
  return { id: id(at), title: `Issue ${at}`, column: at % 3 === 0 ? "done" : "open", at, text: `All of ${at}` };
}

const id = (at: number) => `i${String(at).padStart(3, "0")}`;

async function part(name: string, options: Partial<Options> = {}) {
  const db = await Tapeline.open({ server: server.url, name: "part", ...options });
  const stream = db.part(name);
  return { db, stream, issues: stream.collection<Issue>("issues") };
}

const places = (rows: readonly Row<Issue>[]) => rows.map(({ at }) => at);

test("what is watched comes, what enters it comes, and what leaves it or is watched no more goes", async () => {
  const all = await whole("watched", 9);
  const some = await part("watched");
  let shown: readonly Row<Issue>[] = [];
  const stop = some.issues.watch({ where: { column: "done" }, orderBy: "at" }, (rows) => {
    shown = rows;
  });
  await statusUntil(some.stream, () => shown.length > 0);
  assert.deepEqual(places(shown), [0, 3, 6]);
  assert.equal(some.issues.count(), 3, "nothing else is here");
  all.issues.update(id(1), { column: "done" });
  all.issues.update(id(6), { column: "open" });
  await rowsUntil(some.issues, { where: { column: "done" }, orderBy: "at" }, (rows) => places(rows).join() === "0,1,3");
  assert.equal(some.issues.get(id(6)), undefined);
  stop();
  await rowsUntil(some.issues, { where: { id: "another" } }, () => some.issues.count() === 0);
  await Promise.all([all.db.close(), some.db.close()]);
});

test("a watcher of what is not there hears so once the server has said it", async () => {
  const all = await whole("nothing", 3);
  const some = await part("nothing");
  const rows = await rowsUntil(some.issues, { where: { column: "later" } }, () => true);
  assert.deepEqual([rows.length, some.stream.status().open], [0, true]);
  await Promise.all([all.db.close(), some.db.close()]);
});

test("a window holds the newest, then older ones, and lets go of them", async () => {
  const all = await whole("window", 20);
  const { db, stream, issues } = await part("window");
  const newest = issues.hold({ orderBy: "-at", limit: 5 });
  assert.equal(newest.isReady, false);
  await newest.ready();
  assert.deepEqual(places(newest.rows()), [19, 18, 17, 16, 15]);
  newest.more(8);
  assert.equal(newest.isReady, false);
  await newest.ready();
  assert.deepEqual(places(newest.rows()), [19, 18, 17, 16, 15, 14, 13, 12]);
  assert.equal(issues.count(), 8);
  all.issues.insert(issue(20));
  await statusUntil(stream, () => issues.get(id(20)) !== undefined);
  assert.deepEqual(places(newest.rows()).at(-1), 13);
  newest.release();
  newest.release();
  assert.equal(issues.count(), 0);
  await Promise.all([all.db.close(), db.close()]);
});

test("an object is loaded when it is asked for, once for all who ask", async () => {
  const all = await whole("load", 9);
  const { db, issues } = await part("load");
  const asked = await Promise.all([issues.load(id(4)), issues.load(id(4)), issues.load("another")]);
  assert.deepEqual(
    asked.map((row) => row?.text),
    ["All of 4", "All of 4", undefined],
  );
  assert.deepEqual(places(await issues.load({ where: { column: "done" }, orderBy: "at" })), [0, 3, 6]);
  assert.equal(issues.count(), 4);
  await Promise.all([all.db.close(), db.close()]);
});

test("what is loaded is all of an object that was edited without, and at once what was made here or is held", async () => {
  const all = await whole("edited", 9);
  const { db, issues } = await part("edited");
  await issues.load(id(3));
  db.goOffline();
  issues.upsert(id(4), { title: "Another title" });
  issues.insert({ ...issue(9), id: "new" });
  const [edited, made, held] = [issues.load(id(4)), issues.load("new"), issues.load(id(3))];
  assert.deepEqual([(await made)?.at, (await held)?.at], [9, 3]);
  db.goOnline();
  const { title, at } = (await edited)!;
  assert.deepEqual([title, at], ["Another title", 4]);
  await Promise.all([all.db.close(), db.close()]);
});

test("what was loaded long ago is let go of, what somebody waits for is not, and who lets go waits no more", async () => {
  const all = await whole("many", 3);
  const { db, issues } = await part("many");
  db.goOffline();
  const asked = Array.from({ length: 300 }, (_, at) => issues.load(id(at)));
  const released = issues.hold({ where: { column: "open" } });
  const waits = released.ready();
  released.release();
  await assert.rejects(waits, /it was released/);
  await assert.rejects(released.ready(), /it was released/);
  db.goOnline();
  const rows = await Promise.all(asked);
  assert.deepEqual(
    rows.map((row) => row?.at).filter((at) => at !== undefined),
    [0, 1, 2],
  );
  await issues.load("another");
  assert.equal(issues.count(), 0, "the first of them went");
  await Promise.all([all.db.close(), db.close()]);
});

test("who waits for what may not be read is told, and gets it once it may be", async () => {
  const closed = '[streams."*"]\nread = "true"\nwrite = "true"\n[streams."secret"]\nread = "false"\n';
  const server = await Server.start(closed);
  const { db, stream, issues } = await part("secret", { server: server.url });
  const window = issues.hold({ limit: 3 });
  const denied = { name: "TapelineError", code: "denied", retryable: true, message: /may be read/ };
  const waiting = [issues.load("a"), issues.load({ limit: 5 }), window.ready(), stream.synced()];
  await Promise.all(waiting.map((wait) => assert.rejects(wait, denied)));
  await assert.rejects(issues.load("a"), denied);
  await stream.stored();

  await server.goBy('[streams."*"]\nread = "true"\nwrite = "true"\n');
  await statusUntil(stream, ({ denied }) => denied === undefined);
  await Promise.all([window.ready(), stream.synced()]);
  assert.equal(await issues.load("a"), undefined);
  await db.close();
  await server.end();
});

test("what is not held can be edited all the same", async () => {
  const all = await whole("unheld", 3);
  const { db, stream, issues } = await part("unheld");
  stream.edit((on) => on(issues).upsert(id(1), { title: "Told" }));
  await stream.synced();
  await rowsUntil(all.issues, { where: { id: id(1) } }, ([row]) => row?.title === "Told");
  assert.equal(all.issues.get(id(1))?.text, "All of 1");
  await Promise.all([all.db.close(), db.close()]);
});

test("what was held is there offline, and refreshed behind what is shown", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tapeline-part-"));
  const [all, name] = [await whole("offline", 9), "offline"];
  const first = await part(name, { storage: { directory } });
  await first.issues.load({ where: { column: "done" } });
  await first.issues.load(id(1));
  await first.stream.stored();
  await first.db.close();
  all.issues.update(id(0), { title: "Meanwhile" });
  await all.stream.synced();

  const again = await part(name, { storage: { directory } });
  again.db.goOffline();
  await statusUntil(again.stream, ({ loaded }) => loaded);
  assert.deepEqual(places(again.issues.all({ orderBy: "at" })), [0, 1, 3, 6]);
  assert.equal(again.issues.get(id(0))?.title, "Issue 0");
  const done = again.issues.hold({ where: { column: "done" } });
  again.db.goOnline();
  await done.ready();
  await rowsUntil(again.issues, { where: { id: id(0) } }, ([row]) => row?.title === "Meanwhile");
  await statusUntil(again.stream, () => again.issues.count() === 3);
  await Promise.all([all.db.close(), again.db.close()]);
  await rm(directory, { recursive: true });
});

test("who asks for all of a stream that is open in part gets all of it", async () => {
  const all = await whole("both", 9);
  const { db, stream, issues } = await part("both");
  const done = issues.hold({ where: { column: "done" } });
  await done.ready();
  issues.update(id(0), { title: "Mine" });
  assert.equal(db.stream("both"), stream);
  await rowsUntil(issues, {}, (rows) => rows.length === 9);
  await stream.synced();
  assert.equal(stream.digest(), await server.digest("both"));
  assert.equal(issues.get(id(0))?.title, "Mine");
  assert.throws(() => issues.hold({}), /db\.part\(\)/);
  await assert.rejects(issues.load(id(1)), /db\.part\(\)/);
  await Promise.all([all.db.close(), db.close()]);
});

test("who asks for a part, and for all of it before that is open, gets all of it", async () => {
  const { db, stream } = await part("turns");
  await stream.synced();
  for (let turn = 0; turn < 40; turn++) {
    const name = `turns/${turn}`;
    db.part(name);
    for (let pause = 0; pause < turn % 10; pause++) await Promise.resolve();
    await db.stream(name).synced();
  }
  await db.close();
});

test("a window that is longer than one may be is refused at once", async () => {
  const { db, issues } = await part("long");
  const long = { orderBy: "at", limit: 1_001 } as const;
  assert.throws(() => issues.hold(long), /1,000 or fewer/);
  assert.throws(() => issues.watch(long, () => {}), /1,000 or fewer/);
  await assert.rejects(issues.load(long), /1,000 or fewer/);
  const window = issues.hold({ orderBy: "at", limit: 1_000 });
  assert.throws(() => window.more(1_001), /1,000 or fewer/);
  await window.ready();
  const all = db.stream("all-of-it");
  all.collection<Issue>("issues").watch(long, () => {})();
  await all.synced();
  await db.close();
});

interface Comment {
  issue: string | null;
  readers: readonly string[];
  open: boolean;
}

test("what the rows of a query refer to is held with them, and nothing else", async () => {
  const random = seeded("related");
  const all = await whole("related", 10);
  const some = await part("related");
  const [theirs, mine] = [all.stream.collection<Comment>("comments"), some.stream.collection<Comment>("comments")];
  const comment = (): Comment => ({
    issue: random() < 0.2 ? null : id(Math.floor(random() * 12)),
    readers: [id(100), id(Math.floor(random() * 10))],
    open: random() < 0.6,
  });
  const held = mine.hold({ where: { open: true }, with: { issue: "issues" } });
  const newest = mine.hold({ orderBy: "-id", limit: 2, with: { readers: "issues" } });
  for (let round = 0; round < 80; round++) {
    const turn = random();
    if (turn < 0.1) some.db.goOffline();
    else if (turn < 0.2) some.db.goOnline();
    else if (turn < 0.3) all.issues.increment(id(Math.floor(random() * 10)), { at: 100 });
    else (turn < 0.8 ? theirs : mine).upsert(`c${Math.floor(random() * 8)}`, comment());
    if (turn > 0.7) await some.stream.stored();
  }
  some.db.goOnline();
  const inStep = async () => {
    await some.stream.synced();
    await all.stream.synced();
    await statusUntil(some.stream, ({ played }) => played >= all.stream.status().head);
    await Promise.all([held.ready(), newest.ready()]);
  };
  await inStep();
  const wanted = () => {
    const ids = [...held.rows().map(({ issue }) => issue), ...newest.rows().flatMap(({ readers }) => readers)];
    return [...new Set(ids)].filter((of) => of !== null && all.issues.get(of)).sort();
  };
  // What was asked for before it has come by then.
  await some.issues.load("another");
  assert.deepEqual(
    some.issues.all(),
    wanted().map((of) => all.issues.get(of!)),
  );
  const [first] = held.rows();
  theirs.update(first!.id, { issue: id(9), open: true });
  all.issues.update(id(9), { title: "Asked about" });
  await rowsUntil(some.issues, { where: { id: id(9) } }, ([row]) => row?.title === "Asked about");
  newest.release();
  held.release();
  await rowsUntil(some.issues, { where: { id: "nothing" } }, () => some.issues.count() === 0);
  assert.throws(
    () => mine.hold({ with: { issue: 3 as unknown as string } }),
    /with is a map of fields to the collections/,
  );
  await Promise.all([all.db.close(), some.db.close()]);
});

test("parts that come and go at random, on lines that are cut, are what their queries find", async () => {
  const random = seeded("parts");
  const all = await whole("random", 60);
  const some = await part("random");
  const columns = ["open", "done", "later"];
  const hold = (query: Query<Issue>) => ({ query, held: some.issues.hold(query) });
  const held = [hold({ where: { column: "done" } })];
  for (let round = 0; round < 40; round++) {
    const at = Math.floor(random() * 60);
    const turn = random();
    const { id: _, ...fields } = issue(at);
    if (turn < 0.4) all.issues.upsert(id(at), { ...fields, column: pick(random, columns) });
    else if (turn < 0.5 && all.issues.get(id(at))) all.issues.delete(id(at));
    else if (turn < 0.6) held.push(hold({ where: { column: pick(random, columns) } }));
    else if (turn < 0.7) held.push(hold({ orderBy: "-at", limit: 1 + Math.floor(random() * 10) }));
    else if (turn < 0.8 && held.length > 1) held.splice(Math.floor(random() * held.length), 1)[0]!.held.release();
    else if (turn < 0.9) some.db.goOffline();
    else some.db.goOnline();
  }
  some.db.goOnline();
  await all.stream.synced();
  await Promise.all(held.map(({ held }) => held.ready()));
  await statusUntil(some.stream, ({ played, behind }) => behind === 0 && played >= all.stream.status().head);
  for (const { query, held: found } of held) assert.deepEqual(found.rows(), all.issues.all(query));
  const wanted = new Set(held.flatMap((one) => one.held.rows().map((row) => row.id)));
  assert.deepEqual(new Set(some.issues.all().map((row) => row.id)), wanted);
  await Promise.all([all.db.close(), some.db.close()]);
});

test("queries for which there is no room wait for it, and so do those whose rows refer to what there is none for", async () => {
  const random = seeded("crowded");
  const all = await whole("crowded", 200);
  const people = all.stream.collection("people");
  all.stream.edit((on) => {
    for (let at = 0; at < 200; at++) on(all.issues).update(id(at), { by: `p${at % 40}` });
    for (let at = 0; at < 40; at++) on(people).insert({ id: `p${at}` });
  });
  await all.stream.synced();
  const { db, stream, issues } = await part("crowded");
  const mine = stream.collection("people");
  const held: { at: number; by: boolean; query: Held<Issue> }[] = [];
  const release = () => held.splice(Math.floor(random() * held.length), 1)[0]!.query.release();
  // What rows refer to is a query more, of one person each.
  const room = () => {
    const queries = new Set(held.map(({ at, by }) => `${at} ${by}`));
    return queries.size + new Set(held.filter(({ by }) => by).map(({ at }) => at % 40)).size;
  };
  for (let round = 0; round < 4; round++) {
    while (held.length < 1_000) {
      const by = random() < 0.1;
      const at = Math.floor(random() * (by ? 200 : 4_000));
      const query = issues.hold({ where: { at }, ...(by ? { with: { by: "people" } } : {}) });
      held.push({ at, by, query });
      if (random() < 0.01) await stream.synced();
      if (random() < 0.03) release();
    }
    const window = held.find(({ at }) => at < 200)!.query;
    assert.throws(() => window.more(-1), { code: "invalid" });
    assert.throws(() => issues.hold({ where: { at: -1 } }), /at most 1000 queries/);
    const most = 1_000 - Math.floor(random() * 100);
    while (room() > most) release();
    await Promise.all(held.map(({ query }) => query.ready()));
    for (const { at, by, query } of held) {
      assert.equal(query.rows().length, at < 200 ? 1 : 0);
      assert.ok(!by || mine.get(`p${at % 40}`), `who ${at} is by`);
    }
  }
  await Promise.all([all.db.close(), db.close()]);
});
