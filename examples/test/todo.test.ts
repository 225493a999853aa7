/** A list that goes on without a network. */

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Browser } from "playwright-core";
import { Demo, launch, Person } from "./support.js";

let browser: Browser;
let demo: Demo;
before(async () => {
  browser = await launch();
});
beforeEach(async () => {
  await demo?.end();
  demo = await Demo.start();
});
after(async () => {
  await browser.close();
  await demo.end();
});

const open = () => Person.open(browser, `${demo.url}/todo/`);
const titles = ({ page }: Person) =>
  page.locator(".task .text").evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value));

async function add(person: Person, ...tasks: string[]): Promise<void> {
  for (const task of tasks) {
    await person.page.locator("[name=title]").fill(task);
    await person.page.locator("[name=title]").press("Enter");
  }
}

/** Waits until somebody sees just these tasks, in this order. */
async function sees(person: Person, ...tasks: string[]): Promise<void> {
  const seen = (tasks: string[]) => {
    const all = [...document.querySelectorAll<HTMLInputElement>(".task .text")].map((one) => one.value);
    return JSON.stringify(all) === JSON.stringify(tasks);
  };
  await person.page.waitForFunction(seen, tasks).catch(async (error) => {
    throw new Error(`wanted ${tasks}, seen ${await titles(person)}`, { cause: error });
  });
}

test("everything done to a task in one browser shows in another", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  await add(ana, "Milk", "Bread", "Salt");
  await sees(ben, "Milk", "Bread", "Salt");

  await ben.page.locator(".text").nth(1).fill("Rye bread");
  await ben.page.locator(".text").nth(1).press("Enter");
  await ben.page.getByLabel("Milk is done").check();
  await ben.page.getByLabel("Colour of Salt").selectOption("blue");
  await sees(ana, "Milk", "Rye bread", "Salt");
  await ana.page.locator('[data-completed="true"]').waitFor();
  await ana.page.locator('.colour[data-colour="blue"]').waitFor();

  await ana.page.getByLabel("Delete Salt").click();
  await sees(ben, "Milk", "Rye bread");
  await ben.page.getByRole("button", { name: "Delete 1 completed" }).click();
  await sees(ana, "Rye bread");
  assert.deepEqual([...ana.troubles, ...ben.troubles], []);
});

test("tasks are put in order by keyboard and by mouse", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  await add(ana, "one", "two", "three", "four");
  await sees(ben, "one", "two", "three", "four");

  await ana.page.locator(".handle").nth(3).press("ArrowUp");
  await sees(ben, "one", "two", "four", "three");
  const focused = await ana.page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  assert.match(focused ?? "", /^Move four/);

  const handle = await ana.page.locator(".handle").nth(2).boundingBox();
  const first = await ana.page.locator(".task").nth(0).boundingBox();
  assert(handle && first);
  await ana.page.mouse.move(handle.x + 8, handle.y + 20);
  await ana.page.mouse.down();
  await ana.page.mouse.move(handle.x + 8, first.y + 6, { steps: 8 });
  await ana.page.mouse.up();
  await sees(ana, "four", "one", "two", "three");
  await sees(ben, "four", "one", "two", "three");
});

test("what is done offline is kept through a reload, and arrives once, in order", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  await add(ana, "before");
  await sees(ben, "before");
  await ana.hasPages();

  await demo.kill();
  await ana.stands(/No server|Connecting/);
  await ana.context.setOffline(true);
  await add(ana, "first", "second");
  await ana.page.getByText("kept on this device").waitFor();
  assert.equal(await ana.page.locator(".task .mark").count(), 2);

  await ana.page.reload();
  await sees(ana, "before", "first", "second");
  assert.equal(await ana.page.locator(".task .mark").count(), 2);

  await demo.restart();
  await ana.context.setOffline(false);
  await ana.inStep();
  await sees(ben, "before", "first", "second");
  await ana.page.locator(".task .mark").first().waitFor({ state: "detached" });
});

test("an edit the server refuses is parked with the reason, until somebody decides", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  await add(ana, "one", "two");
  await sees(ben, "one", "two");
  await ben.switchOffline();
  await ben.stands("Offline");
  await ben.page.getByLabel("one is done").check();
  await ben.page.getByLabel("two is done").check();
  // Nobody who could bring back what was there is left: to the server, Ben changes what never was.
  await ana.leave();
  await demo.loseAll();
  await ben.switchOffline();

  const parked = ben.page.locator(".parked li");
  await parked.nth(1).waitFor();
  await sees(ben);
  await parked.nth(0).getByRole("button", { name: "Try again" }).click();
  await ben.page.getByRole("alert").waitFor();
  await parked.nth(0).getByRole("button", { name: "Discard" }).click();
  await parked.nth(1).waitFor({ state: "detached" });
  await parked.nth(0).getByRole("button", { name: "Discard" }).click();
  await parked.nth(0).waitFor({ state: "detached" });
});
