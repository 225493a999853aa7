/** Tabs in the background are hidden, frozen, woken; and the device is full. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import {
  assertRecorded,
  ids,
  insert,
  Lab,
  leaderOf,
  leads,
  openIn,
  shows,
  stored,
  story,
  synced,
} from "../support/browser.js";
import { type BareTab, Chromium } from "../support/chromium.js";

let lab: Lab;
let chromium: Chromium;
before(async () => {
  lab = await Lab.start();
  chromium = await Chromium.start();
});
after(async () => {
  await chromium.end();
  await lab.end();
});

async function open(name: string, server = lab.server.url, quota?: number): Promise<BareTab> {
  const tab = await chromium.open(`${lab.site.origin}/vite/`);
  if (quota) await tab.quota(quota);
  await openIn(tab, { name, server });
  await stored(tab);
  return tab;
}

story(
  "storage quota is hit: the app goes on in memory and says so, and is back on the device when there is room",
  async () => {
    const name = "quota";
    // Chromium remembers for a while how much room there was: it is little from the start, and this is the first test.
    const leader = await open(name, lab.server.url, 100_000);
    await leaderOf(leader);
    const follower = await open(name);
    await insert(leader, 0, 2_000, "l");
    await insert(follower, 0, 2_000, "f");
    for (const tab of [leader, follower]) await tab.evaluate(() => until(() => list.status().storage === "full"));
    assert.equal(await follower.evaluate(() => list.status().storageWhy), "the device has no room left");
    await synced(follower);
    await insert(leader, 2_000, 2_010, "l");
    await synced(leader);
    await leader.quota();
    for (const tab of [leader, follower]) await tab.evaluate(() => until(() => list.status().storage === "device"));
    await Promise.all([stored(leader), stored(follower)]);
    await assertRecorded(lab.server, name, { f: ids(0, 2_000, "f"), l: ids(0, 2_010, "l") });
    await leader.close();
    await follower.close();
    const next = await open(name, "ws://127.0.0.1:9");
    await shows(next, 4_010);
    await next.close();
  },
);

story("the leader is frozen by the browser while others wait: another leads at once", async () => {
  const name = "frozen";
  const leader = await open(name);
  await leaderOf(leader);
  const follower = await open(name);
  await insert(leader, 0, 50, "l");
  await leader.freeze();
  await insert(follower, 0, 50, "f");
  await leaderOf(follower);
  await synced(follower);
  await shows(follower, 100);
  await assertRecorded(lab.server, name, { l: ids(0, 50, "l"), f: ids(0, 50, "f") });
  await Promise.all([leader.close(), follower.close()]);
});

story("a frozen background tab wakes: it shows what happened meanwhile, and its edits arrive", async () => {
  const name = "wakes";
  const tabs = [await open(name), await open(name)] as const;
  for (const [round, sleeper, other] of [
    [0, tabs[0], tabs[1]],
    [1, tabs[1], tabs[0]],
  ] as const) {
    await other.show();
    await sleeper.freeze();
    await insert(other, round * 50, round * 50 + 50, "o");
    await leaderOf(other);
    await synced(other);
    await sleeper.wake();
    await shows(sleeper, round * 51 + 50);
    await insert(sleeper, round, round + 1, "s");
    await synced(sleeper);
    await shows(other, round * 51 + 51);
  }
  await assertRecorded(lab.server, name, { o: ids(0, 100, "o"), s: ids(0, 2, "s") });
  assert.deepEqual((await Promise.all(tabs.map(leads))).sort(), [false, true]);
  await Promise.all(tabs.map((tab) => tab.close()));
});

story("a page that was away in the browser's history comes back and goes on", async () => {
  const name = "history";
  const tab = await open(name);
  await leaderOf(tab);
  await insert(tab, 0, 10);
  await tab.go(`${lab.site.origin}/plain/`);
  const other = await open(name);
  await shows(other, 10);
  await insert(other, 10, 20);
  await synced(other);
  await tab.show();
  await tab.back();
  assert.ok(await tab.evaluate(() => "list" in globalThis), "the browser has kept the page");
  await shows(tab, 20);
  await insert(tab, 20, 21);
  await synced(tab);
  await shows(other, 21);
  await Promise.all([tab.close(), other.close()]);
});
