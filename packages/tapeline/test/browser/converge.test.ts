/** Browsers, Node and native clients on one list: whatever is cut, killed or restarted, they end the same. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Page } from "playwright-core";
import { Tapeline } from "tapeline";
import { assertRecorded, ids, insert, Lab, leaderOf, shows, story, synced, type Task } from "../support/browser.js";
import { Line } from "../support/proxy.js";
import { pick, type Random, seeded } from "../support/random.js";
import { statusUntil } from "../support/until.js";

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

const IDS = Array.from({ length: 20 }, (_, n) => `t${n}`);

/** One of the things that people do to a list, as it is known where they are. */
type Step = { id: string; what: number; title: string };

function anyStep(random: Random, by: string, round: number): Step {
  return { id: pick(random, IDS), what: random(), title: `${by} ${round}` };
}

/** Works on whatever is called `tasks` there. */
function take(
  tasks: Pick<typeof globalThis.tasks, "get" | "upsert" | "increment" | "delete" | "update">,
  step: Step,
): void {
  const { id, what, title } = step;
  if (!tasks.get(id)) tasks.upsert(id, { title });
  else if (what < 0.4) tasks.update(id, { title, done: what < 0.2 });
  else if (what < 0.7) tasks.increment(id, { count: 1 });
  else if (what < 0.85) tasks.upsert(id, { by: title });
  else tasks.delete(id);
}

story(
  "two browsers, a Node client and a native one converge through random edits, their lines cut at random",
  async () => {
    const name = "converge";
    const random = seeded(name);
    const lines = await Promise.all([0, 1, 2].map(() => Line.to(lab.server.url)));
    const [ann, ben] = [await lab.newBrowser(), await lab.newBrowser()];
    // Ann has two tabs.
    const pages = [
      await lab.open(ann, { name, server: lines[0]!.url }),
      await lab.open(ann, { name, server: lines[0]!.url }),
      await lab.open(ben, { name, server: lines[1]!.url }),
    ];
    const node = await Tapeline.open({ name, server: lines[2]!.url });
    const list = node.stream(name);
    const tasks = list.collection<Task>("tasks");

    for (let round = 0; round < 120; round++) {
      const who = Math.floor(random() * 8);
      const step = anyStep(random, String(who), round);
      if (who < 6) await pages[who >> 1]!.evaluate(`(${take})(tasks, ${JSON.stringify(step)})`);
      else if (who < 7) take(tasks, step);
      else await lab.server.command("upsert", name, "tasks", step.id, JSON.stringify({ title: step.title }));
      if (random() < 0.1) pick(random, lines).cut();
    }

    await Promise.all([list.synced(), ...pages.map((page) => page.evaluate(() => globalThis.list.synced()))]);
    const [{ head }] = (await lab.server.command<{ head: number }>("status", name)) as [{ head: number }];
    await statusUntil(list, ({ played }) => played === head);
    const playedAll = (page: Page) =>
      page.evaluate((head) => until(() => globalThis.list.status().played === head), head);
    await Promise.all(pages.map(playedAll));

    const digest = await lab.server.digest(name);
    assert.equal(list.digest(), digest);
    const leader = await leaderOf(pages[0]!, pages[1]!);
    assert.equal(await leader.evaluate(() => globalThis.list.digest()), digest);
    assert.equal(await pages[2]!.evaluate(() => globalThis.list.digest()), digest);
    const rows = JSON.stringify(tasks.all());
    for (const page of pages) assert.equal(await page.evaluate(() => JSON.stringify(globalThis.tasks.all())), rows);
    await node.close();
    await Promise.all([ann.close(), ben.close()]);
    for (const line of lines) line.end();
  },
);

story("the server is killed and restarted under 20 open pages: none needs a reload", async () => {
  const name = "twenty";
  const browsers = await Promise.all([0, 1, 2, 3].map(() => lab.newBrowser()));
  const pages: Page[] = [];
  for (let n = 0; n < 20; n++) pages.push(await lab.open(browsers[n % 4]!, { name }));
  let expected = 0;
  for (let round = 0; round < 2; round++) {
    const edit = (page: Page, n: number, when: string) =>
      page.evaluate((id) => void tasks.insert({ id, title: id }), `${round} ${when} ${n}`);
    await Promise.all(pages.map((page, n) => edit(page, n, "before")));
    await lab.server.kill();
    await Promise.all(pages.map((page, n) => edit(page, n, "while")));
    await lab.server.restart();
    expected += 40;
    await Promise.all(pages.map((page) => shows(page, expected)));
    await Promise.all(pages.map((page) => page.evaluate(() => list.synced())));
  }
  assert.equal((await lab.server.events(name)).length, expected);
  await Promise.all(browsers.map((browser) => browser.close()));
});

story("the line falls silent without a word: it is noticed when the network is back", async () => {
  const name = "silent";
  const line = await Line.to(lab.server.url);
  const browser = await lab.newBrowser();
  const page = await lab.open(browser, { name, server: line.url });
  await synced(page);
  line.hush();
  await insert(page, 0, 5);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await synced(page);
  await assertRecorded(lab.server, name, { "": ids(0, 5) });
  await browser.close();
  line.end();
});

story("where WebSockets are blocked, the app finds another way by itself, and goes on under it", async () => {
  const name = "blocked";
  const [ann, ben] = [await lab.newBrowser(), await lab.newBrowser()];
  await ann.addInitScript(() => {
    const Blocked = class extends WebSocket {
      constructor() {
        super("ws://127.0.0.1:9");
      }
    };
    Object.assign(globalThis, { WebSocket: Blocked });
  });
  const [here, there] = [await lab.open(ann, { name }), await lab.open(ben, { name })];
  await insert(here, 0, 500, "a");
  await insert(there, 0, 500, "b");
  await Promise.all([shows(here, 1_000), shows(there, 1_000)]);
  await Promise.all([synced(here), synced(there)]);
  await lab.server.kill();
  await insert(here, 500, 510, "a");
  await lab.server.restart();
  await synced(here);
  await assertRecorded(lab.server, name, { a: ids(0, 510, "a"), b: ids(0, 500, "b") });
  await Promise.all([ann.close(), ben.close()]);
});
