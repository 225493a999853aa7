/** The package as it is packed, in every way a page may load it, under a strict policy. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { insert, Lab, shows, story, synced } from "../support/browser.js";

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

for (const [how, path, name] of [
  ["built by Vite", "/vite/", "vite"],
  ["as a plain module", "/plain/", "plain"],
] as const) {
  story(`${how}: a list is edited, sent and seen in another browser`, async () => {
    const [ann, ben] = [await lab.newBrowser(), await lab.newBrowser()];
    const here = await lab.open(ann, { name, path });
    const there = await lab.open(ben, { name, path });
    await insert(here, 0, 3);
    await shows(there, 3);
    await synced(here);
    const status = await here.evaluate(() => list.status());
    assert.equal(status.connection.state, "connected");
    assert.equal(status.storage, "device");
    await Promise.all([ann.close(), ben.close()]);
  });
}

story("in a worker: tasks made there are seen in the page, and the other way round", async () => {
  const browser = await lab.newBrowser();
  const page = await lab.visit(browser, "/plain/");
  const titles = await page.evaluate(async (server) => {
    const url = `/plain/worker.js?${new URLSearchParams({ server, name: "worker" })}`;
    const worker = new Worker(url, { type: "module" });
    let said: string[] | undefined;
    worker.addEventListener("message", ({ data }) => {
      said = data;
    });
    await until(() => said);
    const db = await globalThis.tapeline.Tapeline.open({ server, name: "worker" });
    const list = db.stream("worker");
    const mine = list.collection<{ title: string }>("tasks");
    worker.postMessage({ insert: "of the worker" });
    await until(() => mine.count({ title: "of the worker" }) === 1);
    mine.insert({ title: "of the page" });
    await until(() => said!.includes("of the page"));
    await list.synced();
    // The worker goes, and with it the leader.
    worker.terminate();
    mine.insert({ title: "of the page alone" });
    await until(() => list.status().leader);
    await list.synced();
    return mine.all({ where: { title: { prefix: "of the" } }, orderBy: "title" }).map(({ title }) => title);
  }, lab.server.url);
  assert.deepEqual(titles, ["of the page", "of the page alone", "of the worker"]);
  await browser.close();
});

story("where the core is not found, the error says so", async () => {
  const browser = await lab.newBrowser();
  await browser.route("**/*.wasm", (route) => route.fulfill({ status: 404 }));
  const page = await lab.visit(browser);
  const words = await page.evaluate(
    (server) => tapeline.Tapeline.open({ server, name: "nowhere" }).catch(String) as Promise<string>,
    lab.server.url,
  );
  assert.match(words, /tapeline.*\.wasm answers 404: serve that file beside the script/);
  await browser.close();
});

story("without Web Locks each tab goes on in memory, and says why", async () => {
  const browser = await lab.newBrowser();
  await browser.addInitScript(() => Object.defineProperty(navigator, "locks", { value: undefined }));
  const [one, two] = [await lab.open(browser, { name: "no-locks" }), await lab.open(browser, { name: "no-locks" })];
  await insert(one, 0, 2);
  await shows(two, 2);
  const { storage, storageWhy } = await two.evaluate(() => list.status());
  assert.equal(storage, "missing");
  assert.match(storageWhy!, /no Web Locks: serve it over https/);
  await browser.close();
});
