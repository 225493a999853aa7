/** Offline: what was done is there after a reload and in a browser opened again, and arrives once, in order. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { Page } from "playwright-core";
import { assertRecorded, ids, insert, Lab, openIn, shows, stored, story, synced } from "../support/browser.js";
import { Line } from "../support/proxy.js";

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

story("edits survive a reload offline and the browser's end; online again all arrive once, in order", async () => {
  const name = "offline";
  const directory = await mkdtemp(join(tmpdir(), "tapeline-browser-"));
  const line = await Line.to(lab.server.url);
  let browser = await Lab.browserIn(directory);
  let page = await lab.open(browser, { name, server: line.url });
  await insert(page, 0, 10);
  await synced(page);

  line.break();
  await insert(page, 10, 500);
  await page.evaluate(() => {
    tasks.update("00000", { done: true });
    tasks.delete("00001");
    tasks.increment("00002", { count: 5 });
  });
  await stored(page);
  await page.reload();
  await openIn(page, { name, server: line.url });
  await shows(page, 499);
  assert.equal((await page.evaluate(() => list.status())).pending, 493);
  await insert(page, 500, 510);
  await stored(page);
  await browser.close();

  browser = await Lab.browserIn(directory);
  page = await lab.open(browser, { name, server: line.url });
  await shows(page, 509);
  const [first, third] = await page.evaluate(() => [tasks.get("00000"), tasks.get("00002")]);
  assert.equal(first?.done, true);
  assert.equal(third?.count, 5);
  await insert(page, 510, 512);

  line.mend();
  await synced(page);
  await assertRecorded(lab.server, name, { "": ids(0, 512) });
  const other = await lab.open(await lab.newBrowser(), { name });
  await shows(other, 511);
  const digests = await Promise.all([page, other].map((each) => each.evaluate(() => list.digest())));
  assert.deepEqual(digests, Array(2).fill(await lab.server.digest(name)));
  await browser.close();
  line.end();
  await rm(directory, { recursive: true, maxRetries: 5 });
});

story("a reload in the middle of everything loses and doubles nothing", async () => {
  const name = "reload";
  const browser = await lab.newBrowser();
  const page = await lab.open(browser, { name });
  for (let round = 0; round < 8; round++) {
    // An edit of which nobody was told, as nobody leads yet, would be lost.
    await stored(page);
    await insert(page, round * 100, round * 100 + 100);
    if (round % 2) await page.evaluate(() => until(() => list.status().pending < 100));
    await page.reload();
    await openIn(page, { name, server: lab.server.url });
  }
  await shows(page, 800);
  await synced(page);
  await assertRecorded(lab.server, name, { "": ids(0, 800) });
  await browser.close();
});

story("a large list is there again after a reload without a network, and was written as few records", async () => {
  const name = "large";
  const browser = await lab.newBrowser();
  const page = await lab.open(browser, { name });
  await page.evaluate(() => {
    for (let part = 0; part < 10; part++) {
      list.edit((on) => {
        for (let n = 0; n < 2_000; n++)
          on(tasks).insert({ title: `Task ${part} ${n}, which takes some words`, count: n });
      });
    }
  });
  await synced(page);
  // Edits of one object again and again must not pile up on the device.
  for (let round = 0; round < 40; round++) {
    await page.evaluate((round) => {
      for (const { id } of tasks.all({ where: { count: { lt: 50 } } })) tasks.update(id, { by: `round ${round}` });
    }, round);
    await stored(page);
  }
  await synced(page);
  await page.reload();
  await openIn(page, { name, server: "ws://127.0.0.1:9" });
  await shows(page, 20_000);
  assert.equal(await page.evaluate(() => tasks.count({ by: "round 39" })), 500);
  const { records, bytes } = await onDevice(page, name);
  console.log(`20,000 objects on the device: ${records} records, ${(bytes / 1e6).toFixed(1)} MB`);
  assert.ok(records < 500, `${records} records`);
  await browser.close();
});

story("what many short visits leave on the device does not pile up", async () => {
  const name = "visits";
  const browser = await lab.newBrowser();
  const page = await lab.visit(browser);
  for (let visit = 0; visit < 40; visit++) {
    await openIn(page, { name, server: "ws://127.0.0.1:9" });
    await page.evaluate((visit) => {
      tasks.upsert("note", { title: String(visit % 10).repeat(16_000) });
      return db.close();
    }, visit);
  }
  const { bytes } = await onDevice(page, name);
  assert.ok(bytes < 400_000, `${bytes} bytes`);
  await browser.close();
});

/** What an app has on the device. */
function onDevice(page: Page, name: string): Promise<{ records: number; bytes: number }> {
  return page.evaluate(async (name) => {
    const opening = indexedDB.open(`tapeline:${name}:`);
    await until(() => opening.readyState === "done");
    const all = opening.result.transaction("records").objectStore("records").getAll();
    await until(() => all.readyState === "done");
    const sizes = (all.result as Uint8Array[]).map((part) => part.length);
    return { records: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  }, name);
}
