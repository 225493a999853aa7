/** What people mean, across the tabs of one browser: commands, undo, drafts and refused work, whichever tab leads. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { Lab, leaderOf, stored, story, synced } from "../support/browser.js";

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

/** A browser with two tabs, of which the first leads, and a task that both show. */
async function two(name: string): Promise<[BrowserContext, leader: Page, follower: Page]> {
  const browser = await lab.newBrowser();
  const leader = await lab.open(browser, { name });
  await leaderOf(leader);
  const follower = await lab.open(browser, { name });
  for (const page of [leader, follower]) await page.evaluate(CLAIM);
  await leader.evaluate(() => tasks.insert({ id: "seat", title: "seat" }));
  await synced(leader);
  await follower.evaluate(() => until(() => tasks.get("seat")));
  return [browser, leader, follower];
}

/** A seat is one person's. */
function CLAIM(): void {
  db.command(
    "claim",
    (tx, { by }: { by: string }) => {
      const seats = tx.collection<{ by?: string }>("tasks");
      const taken = seats.get("seat")?.by;
      if (taken) throw new tapeline.Refused(`${taken} has it`);
      seats.update("seat", { by });
    },
    { serializable: true },
  );
}

const parkedIn = (page: Page) => page.evaluate(() => list.parked().map(({ code, reason }) => `${code}: ${reason}`));

story("a command of one tab is run again by the one that leads, refuses, and any tab decides", async () => {
  const [browser, leader, follower] = await two("claims");
  await follower.evaluate(() => {
    db.goOffline();
    list.run("claim", { by: "us" });
  });
  await stored(follower);
  assert.equal(await leader.evaluate(() => until(() => tasks.get("seat")?.by === "us")), undefined);
  await lab.server.command("update", "claims", "tasks", "seat", '{"by":"them"}');
  await follower.evaluate(() => db.goOnline());
  for (const page of [leader, follower]) {
    await page.evaluate(() => until(() => list.status().parked === 1 && tasks.get("seat")?.by === "them"));
    assert.deepEqual(await parkedIn(page), ["failed: them has it"]);
  }
  await lab.server.command("update", "claims", "tasks", "seat", '{"by":null}');
  await leader.evaluate(() => until(() => tasks.get("seat")?.by === null));
  assert.equal(await leader.evaluate(() => list.retry(list.parked()[0]!.edit)), true);
  await follower.evaluate(() => until(() => list.status().parked === 0 && tasks.get("seat")?.by === "us"));
  await synced(leader);
  await browser.close();
});

story("a tab that ran a command and closed: the one that leads next runs it again", async () => {
  const [browser, leader, follower] = await two("closed");
  await leader.evaluate(() => {
    db.goOffline();
    list.run("claim", { by: "us" });
  });
  await stored(leader);
  await lab.server.command("update", "closed", "tasks", "seat", '{"by":"them"}');
  await leader.close();
  await leaderOf(follower);
  await follower.evaluate(() => db.goOnline());
  await follower.evaluate(() => until(() => list.status().parked === 1));
  assert.deepEqual(await parkedIn(follower), ["failed: them has it"]);
  await browser.close();
});

story("each tab takes back what it did itself", async () => {
  const [browser, leader, follower] = await two("undo");
  await follower.evaluate(() => tasks.update("seat", { title: "by the follower" }));
  await leader.evaluate(() => until(() => tasks.get("seat")?.title === "by the follower"));
  await leader.evaluate(() => tasks.insert({ id: "other", title: "by the leader" }));
  await follower.evaluate(() => until(() => tasks.get("other")));
  assert.equal(await follower.evaluate(() => list.undo()), true);
  await leader.evaluate(() => until(() => tasks.get("seat")?.title === "seat"));
  assert.equal(await follower.evaluate(() => list.canUndo), false);
  assert.equal(await leader.evaluate(() => list.undo()), true);
  await follower.evaluate(() => until(() => !tasks.get("other")));
  assert.equal(await follower.evaluate(() => list.redo()), true);
  await leader.evaluate(() => until(() => tasks.get("seat")?.title === "by the follower"));
  await browser.close();
});

story("a draft shows in all tabs, outlives them, and leaves when one of them says so", async () => {
  const [browser, leader, follower] = await two("drafts");
  await follower.evaluate(() => tasks.draft({ id: "draft", title: "not yet" }));
  await leader.evaluate(() => until(() => tasks.get("draft")));
  await leader.evaluate(() => tasks.update("draft", { title: "almost" }));
  await Promise.all([stored(leader), synced(follower)]);
  assert.equal((await lab.server.events("drafts")).length, 1);
  await Promise.all([leader.close(), follower.close()]);
  const later = await lab.open(browser, { name: "drafts" });
  await later.evaluate(() => until(() => tasks.get("draft")?.title === "almost" && list.status().drafts === 1));
  await later.evaluate(() => tasks.publish("draft"));
  await synced(later);
  const [, published] = await lab.server.events("drafts");
  assert.deepEqual(published!.ops, [{ insert: "tasks", id: "draft", set: { title: "almost" } }]);
  await browser.close();
});

story("what was lost, and by whom it was written over, is told in every tab", async () => {
  const [browser, leader, follower] = await two("told");
  for (const page of [leader, follower])
    await page.evaluate(() => {
      const told: string[] = [];
      Object.assign(globalThis, { told });
      list.onNotice((notice) => {
        if (notice.kind === "overwritten") told.push(`${notice.fields.title} by ${notice.client.length}`);
        if (notice.kind === "recorded") told.push(...notice.lost.map(({ reason, set }) => `${reason} ${set?.title}`));
      });
    });
  await follower.evaluate(() => {
    db.goOffline();
    tasks.update("seat", { title: "ours" });
  });
  await stored(follower);
  await lab.server.command("delete", "told", "tasks", "seat");
  await follower.evaluate(() => db.goOnline());
  for (const page of [leader, follower]) {
    await page.evaluate(() => until(() => (globalThis as unknown as { told: string[] }).told.length > 0));
    assert.deepEqual(await page.evaluate(() => (globalThis as unknown as { told: string[] }).told), ["gone ours"]);
  }
  await browser.close();
});
