/** A list that goes on without a network. */

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { barriers, Demo, launch, Person } from "./support.js";

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

const open = (options?: BrowserContextOptions) => Person.open(browser, `${demo.url}/todo/`, options);
const titles = ({ page }: Person) =>
  page.locator(".task .name").evaluateAll((all) => all.map((one) => (one as HTMLTextAreaElement).value));

async function add(person: Person, ...tasks: string[]): Promise<void> {
  for (const task of tasks) {
    await person.page.locator("[name=text]").fill(task);
    await person.page.locator("[name=text]").press("Enter");
  }
}

/** Waits until somebody sees just these tasks, in this order. */
async function sees(person: Person, ...tasks: string[]): Promise<void> {
  const seen = (tasks: string[]) => {
    const all = [...document.querySelectorAll<HTMLTextAreaElement>(".task .name")].map((one) => one.value);
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

  await ben.page.locator(".name").nth(1).fill("Rye bread");
  await ben.page.locator(".name").nth(1).press("Enter");
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

  const first = await ana.page.locator(".task").nth(0).boundingBox();
  await drag(ana, 2, (first?.y ?? 0) + 6);
  // Its row is shifted with the next frame.
  await ana.page.waitForFunction(() => document.querySelectorAll<HTMLElement>(".task")[0]?.style.translate);
  await ana.page.mouse.up();
  await sees(ana, "four", "one", "two", "three");
  await sees(ben, "four", "one", "two", "three");
});

/** Takes hold of a row, and moves over to another, or beyond. */
async function drag({ page }: Person, from: number, y: number): Promise<void> {
  const handle = await page.locator(".handle").nth(from).boundingBox();
  assert(handle);
  await page.mouse.move(handle.x + 8, handle.y + 20);
  await page.mouse.down();
  await page.mouse.move(handle.x + 8, y, { steps: 8 });
}

test("a row that is dragged is put back by Escape, and takes the page along where the list is longer", async () => {
  const ana = await open();
  await add(ana, "one", "two", "three");
  await drag(ana, 0, 2000);
  await ana.page.locator(".dragged").waitFor();
  await ana.page.keyboard.press("Escape");
  await ana.page.mouse.up();
  await ana.page.locator(".dragged").waitFor({ state: "detached" });
  await sees(ana, "one", "two", "three");

  const rest = Array.from({ length: 30 }, (_, number) => `task ${number}`);
  await add(ana, ...rest);
  await ana.page.evaluate(() => scrollTo(0, 0));
  await drag(ana, 0, (ana.page.viewportSize()?.height ?? 0) - 10);
  await ana.page.waitForFunction(() => scrollY > 1200);
  await ana.page.mouse.up();
  await ana.page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>(".task .name")?.value === "two");
  assert((await titles(ana)).indexOf("one") > 20);
  assert.deepEqual(ana.troubles, []);
});

test("one task is deleted by a double click, and the keyboard goes on with the next", async () => {
  const ana = await open();
  await add(ana, "one", "two", "three", "four");
  await ana.page.getByLabel("Delete two").dblclick();
  await sees(ana, "one", "three", "four");
  await ana.page.getByLabel("Delete three").press("Enter");
  await ana.page.locator('[aria-label="Delete four"]:focus').waitFor();
  await ana.page.keyboard.press("Enter");
  await ana.page.locator('[aria-label="Delete one"]:focus').waitFor();
  await sees(ana, "one");
});

test("a title is shown whole, in one's own direction, and not saved by the keys that compose its letters", async () => {
  const ana = await open({ viewport: { width: 390, height: 844 } });
  const long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
  await add(ana, long, "שלום עולם");
  const [first, second] = [ana.page.locator(".task .name").nth(0), ana.page.locator(".task .name").nth(1)];
  assert(
    await first.evaluate((name) => name.scrollWidth <= name.clientWidth && name.scrollHeight <= name.clientHeight),
  );
  assert.equal(await second.evaluate((name) => name.matches(":dir(rtl)")), true);
  await second.focus();
  const press = (key: string) =>
    second.evaluate((name, key) => {
      name.dispatchEvent(new KeyboardEvent("keydown", { key, isComposing: true, bubbles: true, cancelable: true }));
      return document.activeElement === name;
    }, key);
  assert.equal(await press("Enter"), true);
  await second.fill("one\nline");
  await second.press("Enter");
  await sees(ana, long, "one line");
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

/** Ana and Ben, who say so, before the same tasks; then Ben goes offline. */
async function apart(...tasks: string[]): Promise<[ana: Person, ben: Person]> {
  const [ana, ben] = await Promise.all([open({ bypassCSP: true }), open({ bypassCSP: true })]);
  for (const [person, name] of [
    [ana, "Ana"],
    [ben, "Ben"],
  ] as const) {
    await person.page.getByLabel("Others know you as").fill(name);
    await person.page.getByLabel("Others know you as").press("Enter");
  }
  await add(ana, ...tasks.slice(1));
  await sees(ben, ...tasks.slice(1));
  await add(ben, ...tasks.slice(0, 1));
  await sees(ana, ...tasks.slice(1), ...tasks.slice(0, 1));
  await ben.inStep();
  await ben.switchOffline();
  await ben.stands("Offline");
  return [ana, ben];
}

async function retitle({ page }: Person, from: string, to: string): Promise<void> {
  const title = page.locator(`.task:has([aria-label="Delete ${from}"]) .name`);
  await title.fill(to);
  await title.press("Enter");
}

test("of two titles that were given at once a person keeps one, and sees whose they are", async () => {
  const [ana, ben] = await apart("Milk", "Bread");
  await retitle(ana, "Milk", "Oat milk");
  await retitle(ben, "Milk", "Soy milk");
  await ana.inStep();
  await ben.switchOffline();
  await ben.page.getByText("You wrote “Soy milk” while Ana wrote “Oat milk”: keep which?").waitFor();
  await ana.page.getByText("You wrote “Oat milk” while Ben wrote “Soy milk”: keep which?").waitFor();
  assert.deepEqual(await barriers(ana.page), []);
  await ana.page.getByRole("button", { name: "Soy milk", exact: true }).click();
  for (const person of [ana, ben]) {
    await sees(person, "Bread", "Soy milk");
    await person.page.locator(".ask").waitFor({ state: "detached" });
  }
  assert.deepEqual([...ana.troubles, ...ben.troubles], []);
});

test("who was written over hears of it, and puts back what was theirs", async () => {
  const [ana, ben] = await apart("Milk");
  await ana.page.getByLabel("Milk is done").check();
  await ana.inStep();
  await ben.page.getByLabel("Milk is done").check();
  await ben.page.getByLabel("Milk is done").uncheck();
  await ben.switchOffline();
  await ana.page.getByText("“Milk”: Ben wrote over what you had: done.").waitFor();
  await ben.page.locator('.task[data-completed="false"]').waitFor();
  assert.deepEqual(await barriers(ana.page), []);
  await ana.page.getByRole("button", { name: "Put mine back" }).click();
  await ben.page.locator('.task[data-completed="true"]').waitFor();
  await ana.page.locator(".report").waitFor({ state: "detached" });
});

test("who changes what was deleted meanwhile hears what of it is lost", async () => {
  const [ana, ben] = await apart("Milk", "Bread");
  await ana.page.getByLabel("Delete Milk").click();
  await ana.inStep();
  await ben.page.getByLabel("Milk is done").check();
  await ben.switchOffline();
  await ben.page.getByText("“Milk” was deleted by somebody else before your change came: done.").waitFor();
  await sees(ben, "Bread");
  await ben.page.getByRole("button", { name: "Dismiss" }).click();
  await ben.page.locator(".report").waitFor({ state: "detached" });
});

test("a refused colour waits with the reason and what is there now, is changed, and is sent again", async () => {
  const [ana, ben] = await apart("Milk");
  await ana.page.getByLabel("Colour of Milk").selectOption("red");
  await ana.inStep();
  await ben.page.getByLabel("Colour of Milk").selectOption("blue");
  await ben.switchOffline();
  const parked = ben.page.locator(".parked li");
  await parked.getByText("“Milk”: colour blue").waitFor();
  await parked.getByText("Somebody else has changed it meanwhile. There is now: colour red.").waitFor();
  await ben.page.locator('.colour[data-colour="red"]').waitFor();
  assert.deepEqual(await barriers(ben.page), []);
  await parked.getByRole("button", { name: "Change" }).click();
  await parked.getByLabel("Colour").selectOption("violet");
  await parked.getByRole("button", { name: "Send" }).click();
  await parked.waitFor({ state: "detached" });
  await ana.page.locator('.colour[data-colour="violet"]').waitFor();
});

test("undo and redo by keys and buttons take back one's own, and leave what others did", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  const undo = ana.page.getByRole("button", { name: "Undo" });
  assert(await undo.isDisabled());
  await add(ana, "one", "two");
  await sees(ben, "one", "two");
  await add(ben, "three");
  await sees(ana, "one", "two", "three");
  await ana.page.locator("[name=text]").press("Control+z");
  await sees(ben, "one", "three");
  await undo.click();
  await sees(ben, "three");
  assert(await undo.isDisabled());
  await ana.page.locator("[name=text]").press("Control+Shift+z");
  await ana.page.getByRole("button", { name: "Redo" }).click();
  await sees(ben, "one", "two", "three");
  // What is not saved yet is the field's own.
  await ana.page.locator("[name=text]").pressSequentially("fo");
  await ana.page.locator("[name=text]").press("Control+z");
  await sees(ana, "one", "two", "three");
});
