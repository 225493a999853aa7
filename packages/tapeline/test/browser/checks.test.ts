/** Edits are checked in the tab that makes them, by a module that those pages load which want it, and no others. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import type { Transaction } from "tapeline";
import { Lab, leaderOf, stored, story } from "../support/browser.js";

const SCHEMA = `
[collections.tasks.fields]
title = { type = "text", required = true, pattern = "[a-z ]+" }
count = { max = 9 }

[[collections.tasks.checks]]
holds = "!has(new.done) || !new.done || has(new.by)"
message = "Somebody did it."
field = "by"
`;

declare global {
  /** "tapeline/checks", loaded where it is wanted. */
  var loadChecks: () => Promise<typeof import("tapeline/checks")>;
  /** What is said of an edit that is not taken. */
  var told: (edit: () => unknown) => [code?: string, field?: string | undefined, message?: string];
}

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

/** A tab that checks its edits. */
async function open(browser: BrowserContext, name: string, path = "/vite/"): Promise<Page> {
  const page = await lab.visit(browser, path);
  await page.evaluate(
    async ([server, name, schema]) => {
      await until(() => globalThis.tapeline);
      const { checks } = await loadChecks();
      globalThis.db = await tapeline.Tapeline.open({ server, name, checks: await checks(schema) });
      globalThis.list = db.stream(name);
      globalThis.tasks = list.collection("tasks");
      const count = (tx: Transaction, by: number) => {
        const all = tx.collection<{ count: number }>("tasks");
        all.update("t", { count: all.get("t")!.count + by });
      };
      db.command("count", count, { serializable: true });
      globalThis.told = (edit) => {
        try {
          edit();
          return [];
        } catch (error) {
          const { code, field, message } = error as InstanceType<typeof tapeline.TapelineError>;
          return [code, field, message];
        }
      };
    },
    [lab.server.url, name, SCHEMA] as const,
  );
  return page;
}

for (const [how, path, name] of [
  ["built by Vite", "/vite/", "vite"],
  ["as a plain module", "/plain/", "plain"],
] as const) {
  story(`${how}: what is not valid is an error of the call, with a network or without`, async () => {
    const browser = await lab.newBrowser();
    const page = await open(browser, `checks-${name}`, path);
    for (const offline of [false, true]) {
      await page.evaluate((offline) => (offline ? db.goOffline() : undefined), offline);
      const missing = await page.evaluate(() => told(() => tasks.insert({ id: "t" } as never)));
      assert.deepEqual(missing, ["invalid", "title", "tasks/t, field title: it must be there"]);
      const ugly = await page.evaluate(() => told(() => tasks.insert({ title: "LOUD" })));
      assert.deepEqual(ugly.slice(0, 2), ["invalid", "title"]);
      const unmet = await page.evaluate(() => told(() => tasks.insert({ title: "quiet", done: true })));
      assert.deepEqual(unmet, ["invalid", "by", "Somebody did it."]);
    }
    assert.deepEqual(await page.evaluate(() => told(() => tasks.insert({ id: "t", title: "quiet" }))), []);
    await stored(page);
    const { pending, parked } = await page.evaluate(() => list.status());
    assert.deepEqual([pending, parked, await page.evaluate(() => tasks.count())], [1, 0, 1]);
    await browser.close();
  });
}

story("each tab checks its edits, and drafts of all tabs may be anything until they are published", async () => {
  const browser = await lab.newBrowser();
  const leader = await open(browser, "checks-tabs");
  await leaderOf(leader);
  const follower = await open(browser, "checks-tabs");
  await leader.evaluate(() => tasks.draft({ id: "d", title: "NOT YET", count: 99 }));
  await follower.evaluate(() => until(() => tasks.get("d")));
  assert.deepEqual(await follower.evaluate(() => told(() => tasks.update("d", { count: 98 }))), []);
  const early = await follower.evaluate(() => told(() => tasks.publish("d")));
  assert.deepEqual(early.slice(0, 2), ["invalid", "count"]);
  await follower.evaluate(() => tasks.update("d", { title: "now", count: 1 }));
  assert.deepEqual(await follower.evaluate(() => told(() => tasks.publish("d"))), []);
  await leader.evaluate(() => until(() => list.status().drafts === 0 && tasks.get("d")?.title === "now"));
  for (const page of [leader, follower]) {
    const large = await page.evaluate(() => told(() => tasks.increment("d", { count: 9 })));
    assert.deepEqual(large, ["invalid", "count", "tasks/d, field count: it must be at most 9"]);
  }
  await browser.close();
});

story("a command that the leader runs again to what is not valid is parked as failed", async () => {
  const browser = await lab.newBrowser();
  const leader = await open(browser, "checks-again");
  await leaderOf(leader);
  const follower = await open(browser, "checks-again");
  await leader.evaluate(() => tasks.insert({ id: "t", title: "some", count: 0 }));
  await leader.evaluate(() => list.synced());
  await follower.evaluate(() => until(() => tasks.get("t")));
  await follower.evaluate(() => {
    db.goOffline();
    list.run("count", 8);
  });
  await stored(follower);
  await lab.server.command("update", "checks-again", "tasks", "t", '{"count":5}');
  await follower.evaluate(() => db.goOnline());
  for (const page of [leader, follower]) {
    await page.evaluate(() => until(() => list.status().parked === 1 && tasks.get("t")?.count === 5));
    const parked = await page.evaluate(() => list.parked().map(({ code, reason }) => [code, reason]));
    assert.deepEqual(parked, [["failed", "tasks/t, field count: it must be at most 9"]]);
  }
  await browser.close();
});

story("a page that does not want checks never loads them", async () => {
  const browser = await lab.newBrowser();
  const loaded: string[] = [];
  browser.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await lab.open(browser, { name: "unchecked" });
  assert.ok(loaded.some((path) => path.endsWith(".wasm")));
  assert.deepEqual(
    loaded.filter((path) => path.includes("checks")),
    [],
  );
  await browser.close();
});
