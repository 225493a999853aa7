/** One lamp, two people. */

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

const lamp = (person: Person, on: boolean) => person.page.locator(`.lamp[aria-checked="${on}"]`).waitFor();

test("a lamp switched in one browser lights in another, and both see who is there", async () => {
  const ana = await Person.open(browser, `${demo.url}/lightswitch/`);
  const ben = await Person.open(browser, `${demo.url}/lightswitch/`);
  await Promise.all([ana.inStep(), ben.inStep()]);
  await ana.page.locator(".lamp").click();
  await lamp(ana, true);
  await lamp(ben, true);
  await ben.page.locator(".lamp").press(" ");
  await lamp(ana, false);
  await ben.page.locator(".lamp").blur();
  await ben.page.keyboard.press(" ");
  await lamp(ana, true);

  for (const { page } of [ana, ben]) await page.locator("#people").filter({ hasText: "2" }).waitFor();
  await ben.page
    .locator("#recorded")
    .filter({ hasText: /^\d+\.\d ms$/ })
    .waitFor();
  await ben.leave();
  await ana.page.locator("#people").filter({ hasText: "1" }).waitFor();

  assert.deepEqual([...ana.troubles, ...ben.troubles], []);
  await ana.leave();
});

test("the tape tells of events, of acknowledgements, and of what was made offline", async () => {
  const ana = await Person.open(browser, `${demo.url}/lightswitch/`);
  const ben = await Person.open(browser, `${demo.url}/lightswitch/`);
  const tape = (words: RegExp) => ana.page.locator(".tape li").filter({ hasText: words }).first().waitFor();
  await Promise.all([ana.inStep(), ben.inStep()]);

  await ben.page.locator(".lamp").click();
  await tape(/upsert lamps\/lamp on = true/);
  await ana.switchOffline();
  await ana.stands("Offline");
  await ana.page.locator(".lamp").click();
  await ana.stands("Offline: 1 edit waiting");
  await ben.page.locator(".lamp").click();
  await ana.switchOffline();
  await ana.inStep();
  await tape(/ack your edit/);
  await tape(/this device/);
  await tape(/rebased/);
  await Promise.all([ana.leave(), ben.leave()]);
});
