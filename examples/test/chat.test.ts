/** The room: a long one, of which only what is looked at is on the device. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { Demo, launch, Person } from "./support.js";

let browser: Browser;
let demo: Demo;
before(async () => {
  [browser, demo] = await Promise.all([launch(), Demo.start()]);
});
after(async () => {
  await browser.close();
  await demo.end();
});

const enter = async () => {
  const person = await Person.open(browser, `${demo.url}/chat/`);
  await person.page.locator(".message").first().waitFor();
  return person;
};

const say = async ({ page }: Person, text: string) => {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByLabel("Message", { exact: true }).press("Enter");
};

test("the newest messages are there at once, older ones as one scrolls", async () => {
  const ana = await enter();
  await ana.stands("In step");
  assert.equal(await ana.page.locator(".message").count(), 50);
  const newest = await ana.page.locator(".message .text").last().textContent();
  for (let page = 2; page <= 4; page++) {
    await ana.page.locator(".message").first().scrollIntoViewIfNeeded();
    await ana.page.waitForFunction((count) => document.querySelectorAll(".message").length >= count, page * 50);
  }
  assert.equal(await ana.page.locator(".message .text").last().textContent(), newest);
  const times = await ana.page
    .locator(".message time")
    .evaluateAll((all) => all.map((time) => time.getAttribute("datetime")!));
  assert.deepEqual(times, [...times].sort());
  assert.deepEqual(ana.troubles, []);
  await ana.leave();
});

test("a message is delivered, and read by who sees it", async () => {
  const [ana, ben] = [await enter(), await enter()];
  await say(ana, "Is anybody here?");
  await ben.page.locator(".message").filter({ hasText: "Is anybody here?" }).waitFor();
  const mine = ana.page.locator(".message.mine").filter({ hasText: "Is anybody here?" });
  await mine.filter({ hasText: "Delivered" }).waitFor();
  await mine.filter({ hasText: /Read by \w+/ }).waitFor();
  await Promise.all([ana.leave(), ben.leave()]);
});

test("what is said without a network waits on the device, through a reload, and arrives", async () => {
  const [ana, ben] = [await enter(), await enter()];
  await ana.stands("In step");
  await ana.switchOffline();
  await say(ana, "From the tunnel");
  const mine = ana.page.locator(".message.mine").filter({ hasText: "From the tunnel" });
  await mine.filter({ hasText: "On this device" }).waitFor();
  await ana.page.reload();
  await mine.waitFor();
  assert.equal(await ana.page.locator(".message").count(), 50, "what was held is there");
  // A reload ends the stay away from the network.
  await mine.filter({ hasText: "Delivered" }).waitFor();
  await ben.page.locator(".message").filter({ hasText: "From the tunnel" }).waitFor();
  await Promise.all([ana.leave(), ben.leave()]);
});

test("who has the same name is somebody else, and what one says is in sight", async () => {
  const ana = await enter();
  await ana.stands("In step");
  await ana.page.locator(".room").evaluate((room) => room.scrollTo(0, -2000));
  await say(ana, "From the one");
  const hers = ana.page.locator(".message").filter({ hasText: "From the one" });
  await hers.and(ana.page.locator(".mine")).waitFor();
  assert.equal(await ana.page.locator(".room").evaluate((room) => room.scrollTop), 0);

  const ben = await enter();
  await ben.page.evaluate(
    (name) => {
      localStorage.setItem("chat: me", JSON.stringify({ ...JSON.parse(localStorage["chat: me"]), name }));
    },
    await hers.locator("strong").textContent(),
  );
  await ben.page.reload();
  await ben.page.locator(".message:not(.mine)").filter({ hasText: "From the one" }).waitFor();
  await say(ben, "From the other");
  await ana.page.locator(".message:not(.mine)").filter({ hasText: "From the other" }).waitFor();
  await ana.page.locator('[aria-live="polite"]').filter({ hasText: "From the other" }).waitFor({ state: "attached" });
  await Promise.all([ana.leave(), ben.leave()]);
});
