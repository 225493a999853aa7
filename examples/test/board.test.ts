/** Ten thousand issues. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
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

const open = () => Person.open(browser, `${demo.url}/board/`, { viewport: { width: 1280, height: 800 } });
const column = (page: Page, state: string) => page.locator(`.column[data-state="${state}"]`);
const first = (page: Page, state: string) => column(page, state).locator('.issue[data-place="0"]');
const counts = (page: Page) =>
  page.locator(".count").evaluateAll((all) => all.map((one) => Number((one.textContent ?? "").replace(/\D/g, ""))));

async function full(person: Person): Promise<void> {
  await person.page.waitForFunction(() => {
    const shown = [...document.querySelectorAll(".count")].map((one) =>
      Number((one.textContent ?? "").replace(/\D/g, "")),
    );
    return shown.length === 4 && shown.reduce((sum, count) => sum + count, 0) === 10_000;
  });
}

test("ten thousand issues are there, of which only the visible ones are rendered", async () => {
  const ana = await open();
  await full(ana);
  const rendered = await ana.page.locator(".issue").count();
  assert(rendered > 16 && rendered < 100, `${rendered} cards are rendered`);

  await column(ana.page, "done")
    .locator(".cards")
    .evaluate((cards) => cards.scrollTo(0, cards.scrollHeight));
  const last = (await counts(ana.page))[3] ?? 0;
  await column(ana.page, "done")
    .locator(`.issue[data-place="${last - 1}"]`)
    .waitFor();
  assert.deepEqual(ana.troubles, []);
  await ana.leave();
});

test("the board is filtered as one types", async () => {
  const ana = await open();
  await full(ana);
  await ana.page.locator(".filter").pressSequentially("leaks memory ana");
  await ana.page.waitForFunction(() => {
    const words = [...document.querySelectorAll(".issue")].map((issue) => issue.getAttribute("aria-label") ?? "");
    return words.length > 0 && words.every((text) => /leaks memory/.test(text) && /ana/i.test(text));
  });
  await ana.page.locator(".filter").fill("");
  await full(ana);
  await ana.leave();
});

test("a card dragged into another column is there for everybody, and so is the pointer that drags", async () => {
  const [ana, ben] = await Promise.all([open(), open()]);
  await Promise.all([full(ana), full(ben)]);
  const card = first(ana.page, "backlog");
  const id = await card.getAttribute("data-id");
  const from = await card.boundingBox();
  const to = await column(ana.page, "review").locator('.issue[data-place="2"]').boundingBox();
  assert(from && to);
  await ana.page.mouse.move(from.x + 40, from.y + 20);
  await ana.page.mouse.down();
  await ana.page.mouse.move(to.x + 40, to.y + 4, { steps: 10 });
  await column(ben.page, "review").locator(".cursor").waitFor();
  await ana.page.mouse.up();
  await column(ben.page, "review").locator(`[data-id="${id}"][data-place="2"]`).waitFor();
  await Promise.all([ana.leave(), ben.leave()]);
});

test("a card is moved by keyboard, keeps the focus, and where it went is said", async () => {
  const ana = await open();
  await full(ana);
  const card = first(ana.page, "backlog");
  const id = await card.getAttribute("data-id");
  await card.focus();
  await ana.page.keyboard.press("Alt+ArrowRight");
  await column(ana.page, "progress").locator(`[data-id="${id}"][data-place="0"]:focus`).waitFor();
  await ana.page.keyboard.press("Alt+ArrowDown");
  await column(ana.page, "progress").locator(`[data-id="${id}"][data-place="1"]:focus`).waitFor();
  await ana.page.getByText(`${id} is in In progress now, at place 2`).waitFor({ state: "attached" });
  await ana.page.keyboard.press("ArrowUp");
  await column(ana.page, "progress").locator('[data-place="0"]:focus').waitFor();
  await ana.leave();
});
