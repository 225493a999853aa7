/** Everything at once: whatever becomes of tabs, lines and the server, all that was done is there once, and whole. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { type Stream, Tapeline, type Transaction } from "tapeline";
import { crash, Lab, leaderOf, openIn, stored, story, synced, type Task } from "../support/browser.js";
import { Line } from "../support/proxy.js";
import { pick, type Random, seeded } from "../support/random.js";
import { statusUntil } from "../support/until.js";

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

const KINDS = ["insert", "count", "type", "run"] as const;
type Edit = { kind: (typeof KINDS)[number]; name: string; place: number };

/** Makes a command known that adds one to what it has read. */
function tellCommand(db: Tapeline): void {
  const next = (tx: Transaction, id: string) => {
    const tasks = tx.collection<Task>("tasks");
    tasks.update(id, { count: (tasks.get(id)?.count ?? 0) + 1 });
  };
  db.command("next", next, { serializable: true });
}

function make(list: Stream, { kind, name, place }: Edit): void {
  const tasks = list.collection<Task>("tasks");
  if (kind === "insert") return void tasks.insert({ id: name, title: name });
  if (kind === "count") return tasks.increment("counted", { count: 1 });
  if (kind === "run") return list.run("next", "run");
  // A word before or behind another, never within one.
  const { title } = tasks.get("text")!;
  const places = [0, ...[...title.matchAll(/>/g)].map(({ index }) => index + 1)];
  tasks.splice("text", "title", places[Math.floor(place * places.length)]!, 0, `<${name}>`);
}

/** A browser of some tabs, on a line of its own. */
class Person {
  readonly tabs: Page[] = [];

  private constructor(
    private readonly browser: BrowserContext,
    readonly line: Line,
  ) {}

  static async start(): Promise<Person> {
    const person = new Person(await lab.newBrowser(), await Line.to(lab.server.url));
    for (let tab = 0; tab < 3; tab++) await person.open();
    return person;
  }

  async open(): Promise<void> {
    const page = await lab.visit(this.browser);
    await this.begin(page);
    this.tabs.push(page);
  }

  async begin(page: Page): Promise<void> {
    await openIn(page, { name: "chaos", server: this.line.url });
    await page.evaluate(`(${tellCommand})(db)`);
    await page.evaluate(() => until(() => tasks.get("text")));
  }

  async end(): Promise<void> {
    await this.browser.close();
    this.line.end();
  }
}

/** What may happen to somebody's tab. All it did is on the device by then: nothing else is promised. */
const FAULTS: Record<string, (person: Person, tab: Page) => unknown> = {
  cut: ({ line }) => line.cut(),
  offline: (_, tab) => tab.evaluate(() => db.goOffline()).then(() => tab.evaluate(() => db.goOnline())),
  reload: (person, tab) => tab.reload().then(() => person.begin(tab)),
  crash: async (person, tab) => {
    person.tabs.splice(person.tabs.indexOf(tab), 1);
    await crash(tab);
    await person.open();
  },
  kill: () => lab.server.kill().then(() => lab.server.restart()),
};

story(
  "tabs of two browsers and a Node client edit at random, while tabs crash and lines and the server break",
  async () => {
    const random = seeded("chaos");
    const db = await Tapeline.open({ name: "chaos", server: lab.server.url });
    const list = db.stream("chaos");
    const tasks = list.collection<Task>("tasks");
    tellCommand(db);
    for (const id of ["counted", "run"]) tasks.insert({ id, title: "", count: 0 });
    tasks.insert({ id: "text", title: "" });
    await list.synced();
    const people = [await Person.start(), await Person.start()];
    const made: Record<Edit["kind"], string[]> = { insert: [], count: [], type: [], run: [] };

    for (let round = 0; round < 40; round++) {
      const tabs = people.flatMap(({ tabs }) => tabs);
      const edits = tabs.map((_, tab) => some(random, `${round}.${tab}`));
      const own = some(random, `${round}.node`);
      for (const { kind, name } of [...edits.flat(), ...own]) made[kind].push(name);
      const typing = tabs.map((tab, place) =>
        tab.evaluate(`for (const edit of ${JSON.stringify(edits[place])}) (${make})(list, edit)`),
      );
      for (const edit of own) make(list, edit);
      await Promise.all(typing);
      if (random() < 0.7) continue;
      const person = pick(random, people);
      await Promise.all(person.tabs.map(stored));
      await FAULTS[pick(random, Object.keys(FAULTS))]!(person, pick(random, person.tabs));
    }

    const tabs = people.flatMap(({ tabs }) => tabs);
    await Promise.all([list.synced(), ...tabs.map(synced)]);
    const head = (await lab.server.events("chaos")).length;
    await statusUntil(list, ({ played }) => played === head);
    await Promise.all(
      tabs.map((tab) => tab.evaluate((head) => until(() => globalThis.list.status().played === head), head)),
    );
    assert.deepEqual(list.parked(), []);
    const named = tasks.all().flatMap(({ id }) => (id.includes(".") ? [id] : []));
    assert.deepEqual(named.sort(), made.insert.sort());
    assert.equal(tasks.get("counted")?.count, made.count.length);
    assert.equal(tasks.get("run")?.count, made.run.length);
    const words = tasks.get("text")!.title.slice(1, -1).split("><");
    assert.deepEqual(words.sort(), made.type.sort());
    for (const tab of tabs) {
      assert.equal(await tab.evaluate(() => JSON.stringify(globalThis.tasks.all())), JSON.stringify(tasks.all()));
    }
    const digest = await lab.server.digest("chaos");
    for (const { tabs } of people) {
      assert.equal(await (await leaderOf(...tabs)).evaluate(() => globalThis.list.digest()), digest);
    }
    await db.close();
    await Promise.all(people.map((person) => person.end()));
  },
);

/** A few edits, each with a name of its own. */
function some(random: Random, by: string): Edit[] {
  return Array.from({ length: Math.floor(random() * 4) }, (_, number) => ({
    kind: pick(random, KINDS),
    name: `${by}.${number}`,
    place: random(),
  }));
}
