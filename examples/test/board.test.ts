/** Ten thousand issues, of which a device has those that one looks at. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { barriers, Demo, launch, Person } from "./support.js";

let browser: Browser;
let demo: Demo;
before(async () => {
  [browser, demo] = await Promise.all([launch(), Demo.start()]);
});
after(async () => {
  await browser.close();
  await demo.end();
});

const open = () =>
  Person.open(browser, `${demo.url}/board/`, { viewport: { width: 1280, height: 800 }, bypassCSP: true });
const column = (page: Page, state: string) => page.locator(`.column[data-state="${state}"]`);
const first = (page: Page, state: string) => column(page, state).locator('.issue[data-place="0"]');
const cards = (page: Page, state: string) => column(page, state).locator(".cards");
const count = async (page: Page, state: string) => (await column(page, state).locator(".count").textContent()) ?? "";
const onDevice = async (page: Page) => Number((await page.locator(".on-device").textContent())?.replace(/\D/g, ""));

/** Waits until every column has its first cards. */
async function full({ page }: Person): Promise<void> {
  await page.waitForFunction(() => {
    const shown = [...document.querySelectorAll(".count")].map((one) => one.textContent ?? "");
    return shown.length === 4 && shown.every((count) => /^[1-9]/.test(count)) && !document.querySelector(".more");
  });
}

test("of ten thousand issues the first of each column are there, of which only the visible ones are rendered", async () => {
  const ana = await open();
  await full(ana);
  assert.equal(await onDevice(ana.page), 200);
  assert.equal(await count(ana.page, "backlog"), "50+", "nobody here knows how many there are");
  const rendered = await ana.page.locator(".issue").count();
  assert(rendered > 16 && rendered < 100, `${rendered} cards are rendered`);
  assert.equal(await first(ana.page, "backlog").locator("xpath=..").getAttribute("aria-setsize"), "-1");
  assert.deepEqual(ana.troubles, []);
  await ana.leave();
});

test("more come as one scrolls, to the end of the column, in their order", async () => {
  const ana = await open();
  await full(ana);
  const scroll = () => cards(ana.page, "review").evaluate((cards) => cards.scrollTo(0, cards.scrollHeight));
  for (let held = 50; (await count(ana.page, "review")).endsWith("+"); held *= 2) {
    await scroll();
    await ana.page.waitForFunction((held) => {
      const shown = document.querySelector('[data-state="review"] .count')?.textContent ?? "";
      return !shown.endsWith("+") || Number(shown.replace(/\D/g, "")) > held;
    }, held);
  }
  await scroll();
  const all = Number((await count(ana.page, "review")).replace(/\D/g, ""));
  assert(all > 1000, `${all} are in review: more than one window may have`);
  const last = column(ana.page, "review").locator(`.issue[data-place="${all - 1}"]`);
  await last.waitFor();
  assert.equal(await last.locator("xpath=..").getAttribute("aria-setsize"), String(all));
  // The newest are on top.
  const numbers = await column(ana.page, "review")
    .locator(".issue")
    .evaluateAll((all) =>
      all
        .sort((one, other) => Number((one as HTMLElement).dataset.place) - Number((other as HTMLElement).dataset.place))
        .map((one) => Number((one as HTMLElement).dataset.id?.slice(2))),
    );
  assert.deepEqual(
    numbers,
    numbers.toSorted((one, other) => other - one),
  );
  assert.equal(await count(ana.page, "done"), "50+", "nobody has looked at more of them");
  await ana.leave();
});

test("on a phone, a column comes when it comes into sight, also by keys", async () => {
  const ana = await Person.open(browser, `${demo.url}/board/`, { viewport: { width: 390, height: 800 } });
  await first(ana.page, "backlog").waitFor();
  await ana.stands("In step");
  assert.equal(await count(ana.page, "done"), "…");
  assert((await onDevice(ana.page)) <= 100, "two columns are in sight");
  await first(ana.page, "backlog").focus();
  for (const state of ["progress", "review", "done"]) {
    await ana.page.keyboard.press("ArrowRight");
    await column(ana.page, state).locator('.issue[data-place="0"]:focus').waitFor();
  }
  await full(ana);
  assert.equal(await onDevice(ana.page), 200);
  assert.deepEqual(ana.troubles, []);
  await ana.leave();
});

test("the board is filtered as one types, by what the server has", async () => {
  const ana = await open();
  await full(ana);
  await ana.page.locator(".filter").pressSequentially("leaks memory ana");
  await ana.page.waitForFunction(() => {
    const words = [...document.querySelectorAll(".issue")].map((issue) => issue.getAttribute("aria-label") ?? "");
    return words.length > 0 && words.every((text) => /leaks memory/.test(text) && /ana/i.test(text));
  });
  // An old one, which stands deep in its column.
  await ana.page.locator(".filter").fill("t-1234");
  await ana.page.locator('.issue[data-id="T-1234"]').waitFor();
  await ana.page.locator(".filter").fill("");
  await full(ana);
  assert.equal(await count(ana.page, "backlog"), "50+");
  await ana.leave();
});

test("what is said of an issue comes when it is opened, and stays for when there is no network", async () => {
  const ana = await open();
  await full(ana);
  const opened = first(ana.page, "backlog");
  const said = async () => {
    await opened.click();
    await ana.page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>(".description textarea")?.value);
    const text = await textIn(ana.page);
    await ana.page.getByRole("dialog").press("Escape");
    return text;
  };
  const text = await said();
  assert.match(text, /^It is about \S+\.\n\n\w+ came across it /);
  await ana.switchOffline();
  assert.equal(await said(), text);
  await column(ana.page, "backlog").locator('.issue[data-place="1"]').click();
  await ana.page.getByPlaceholder("This text is on its way").waitFor();
  assert.equal(await area(ana.page).getAttribute("readonly"), "", "what is not here cannot be written over");
  await ana.leave();
});

test("what takes long to come shows a bar, until it is there", async () => {
  const ana = await Person.open(browser, "about:blank", { viewport: { width: 1280, height: 800 } });
  const waiting: (() => void)[] = [];
  let holdsBack = false;
  await ana.page.routeWebSocket(/\/v1\/sync/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      if (holdsBack) waiting.push(() => socket.send(message));
      else socket.send(message);
    });
  });
  await ana.page.goto(`${demo.url}/board/`);
  await full(ana);
  holdsBack = true;
  await cards(ana.page, "done").evaluate((cards) => cards.scrollTo(0, cards.scrollHeight));
  await ana.page.getByRole("progressbar", { name: "On its way" }).waitFor();
  holdsBack = false;
  for (const send of waiting) send();
  await ana.page.getByRole("progressbar").waitFor({ state: "detached" });
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

test("a drag that is given up by Escape moves nothing, and opens nothing where the card is let go of", async () => {
  const ana = await open();
  await full(ana);
  const card = first(ana.page, "backlog");
  const [id, box] = [await card.getAttribute("data-id"), await card.boundingBox()];
  assert(box);
  await ana.page.mouse.move(box.x + 40, box.y + 20);
  await ana.page.mouse.down();
  await ana.page.mouse.move(box.x + 60, box.y + 300, { steps: 5 });
  await ana.page.locator(".copy").waitFor();
  await ana.page.keyboard.press("Escape");
  await ana.page.locator(".copy").waitFor({ state: "detached" });
  await ana.page.mouse.move(box.x + 40, box.y + 20);
  await ana.page.mouse.up();
  await ana.page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await ana.page.getByRole("dialog").count(), 0);
  assert.equal(await card.getAttribute("data-id"), id);
  // The next click counts again; what it opens does not have the focus on what undoes something.
  await card.click();
  await ana.page.locator("dialog:focus").waitFor();
  assert.deepEqual(ana.troubles, []);
  await ana.leave();
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

const area = (page: Page) => page.getByLabel("Description");
const textIn = (page: Page) => area(page).evaluate((area) => (area as HTMLTextAreaElement).value);
const caretIn = (page: Page) => area(page).evaluate((area) => (area as HTMLTextAreaElement).selectionStart);

/** Waits until the text is this one. */
async function reads({ page }: Person, text: string): Promise<void> {
  const seen = (text: string) => document.querySelector<HTMLTextAreaElement>(".description textarea")?.value === text;
  await page.waitForFunction(seen, text).catch(async (error) => {
    throw new Error(`wanted ${JSON.stringify(text)}, seen ${JSON.stringify(await textIn(page))}`, { cause: error });
  });
}

/** Waits until somebody sees the only other caret behind just these letters. */
async function seesCaretBehind({ page }: Person, letters: string): Promise<void> {
  const seen = (letters: string) => {
    const carets = document.querySelectorAll(".caret");
    let before = "";
    for (let node = carets[0]?.previousSibling; node; node = node.previousSibling) before = node.textContent + before;
    return carets.length === 1 && before === letters;
  };
  await page.waitForFunction(seen, letters).catch(async (error) => {
    throw new Error(`the others' carets: ${await page.locator(".carets").innerHTML()}`, { cause: error });
  });
}

/** Two who have opened the same card: one by a click, the other by a key. */
async function together(place: number): Promise<[ana: Person, ben: Person]> {
  const [ana, ben] = await Promise.all([open(), open()]);
  await Promise.all([full(ana), full(ben)]);
  const card = (page: Page) => column(page, "backlog").locator(`.issue[data-place="${place}"]`);
  await card(ana.page).click();
  await card(ben.page).focus();
  await ben.page.keyboard.press("Enter");
  for (const { page } of [ana, ben]) await page.locator(".description textarea:not([readonly])").click();
  await area(ana.page).fill("");
  await reads(ben, "");
  return [ana, ben];
}

test("two who type in a description at once get what both typed, and their carets stay where they were", async () => {
  const [ana, ben] = await together(1);
  await area(ana.page).pressSequentially("The quick fox");
  await reads(ben, "The quick fox");
  await seesCaretBehind(ben, "The quick fox");
  assert.deepEqual(await barriers(ben.page), []);
  await area(ana.page).press("Home");
  await area(ben.page).press("End");
  await Promise.all([
    area(ana.page).pressSequentially("Look 🙂: ", { delay: 15 }),
    area(ben.page).pressSequentially(" jumps\nover", { delay: 12 }),
  ]);
  const whole = "Look 🙂: The quick fox jumps\nover";
  await Promise.all([reads(ana, whole), reads(ben, whole)]);
  assert.equal(await caretIn(ana.page), "Look 🙂: ".length);
  assert.equal(await caretIn(ben.page), whole.length);
  await seesCaretBehind(ana, whole);
  await seesCaretBehind(ben, "Look 🙂: ");

  // Undo takes back what Ana typed last, and nothing of Ben's.
  await area(ana.page).press("Control+z");
  await reads(ben, "The quick fox jumps\nover");
  await area(ana.page).press("Control+y");
  await reads(ben, whole);

  await ana.page.getByRole("dialog").press("Escape");
  await ben.page.locator(".caret").waitFor({ state: "detached" });
  assert.deepEqual([...ana.troubles, ...ben.troubles], []);
  await Promise.all([ana.leave(), ben.leave()]);
});

test("two who type at the very same place, again and again, end with the same text", async () => {
  const [ana, ben] = await together(2);
  await Promise.all([
    area(ana.page).pressSequentially("aaaa bbbb cccc ", { delay: 7 }),
    area(ben.page).pressSequentially("1111_2222_3333_", { delay: 8 }),
  ]);
  await Promise.all(
    [ana, ben].map(({ page }) =>
      page.waitForFunction(
        () => document.querySelector<HTMLTextAreaElement>(".description textarea")?.value.length === 30,
      ),
    ),
  );
  const whole = await textIn(ana.page);
  await reads(ben, whole);
  assert.equal(whole.replace(/[\d_]/g, ""), "aaaa bbbb cccc ", "what one typed stays in its order");
  assert.equal(whole.replace(/[a-c ]/g, ""), "1111_2222_3333_", "what the other typed too");
  await Promise.all([ana.leave(), ben.leave()]);
});

test("letters that are being composed are not torn apart by what others type", async () => {
  const [ana, ben] = await together(3);
  const keyboard = await ana.context.newCDPSession(ana.page);
  await area(ben.page).pressSequentially("ab");
  await reads(ana, "ab");
  await area(ana.page).press("End");
  await keyboard.send("Input.imeSetComposition", { text: "ひ", selectionStart: 1, selectionEnd: 1 });
  await area(ben.page).press("Home");
  await area(ben.page).pressSequentially("> ");
  await ben.stands("In step");
  assert.equal(await textIn(ana.page), "abひ");
  await keyboard.send("Input.insertText", { text: "火" });
  await Promise.all([reads(ana, "> ab火"), reads(ben, "> ab火")]);
  assert.equal(await caretIn(ana.page), 5);
  await Promise.all([ana.leave(), ben.leave()]);
});

test("an issue of which nothing is said yet gets a text by who types first", async () => {
  const set = {
    title: "New",
    state: "backlog",
    label: "new",
    assignee: "Ana",
    position: "0V",
    words: "n-1 new new ana",
  };
  const body = JSON.stringify({ ops: [{ insert: "issues", id: "N-1", set }] });
  await fetch(`${demo.url}/v1/streams/demo%2Fboard/events`, { method: "POST", body });
  const [ana, ben] = await Promise.all([open(), open()]);
  for (const { page } of [ana, ben]) {
    await page.locator('[data-id="N-1"]').click();
    await page.locator(".description textarea:not([readonly])").waitFor();
  }
  await area(ana.page).pressSequentially("Hello");
  await reads(ben, "Hello");
  await area(ben.page).press("End");
  await area(ben.page).pressSequentially("!");
  await reads(ana, "Hello!");
  await area(ana.page).press("Control+z");
  await Promise.all([reads(ana, "!"), reads(ben, "!")]);
  assert.deepEqual([...ana.troubles, ...ben.troubles], []);
  await Promise.all([ana.leave(), ben.leave()]);
});

test("a move is taken back by keys", async () => {
  const ana = await open();
  await full(ana);
  const card = first(ana.page, "review");
  const id = await card.getAttribute("data-id");
  await card.focus();
  await ana.page.keyboard.press("Alt+ArrowLeft");
  await column(ana.page, "progress").locator(`[data-id="${id}"]:focus`).waitFor();
  await ana.page.keyboard.press("Control+z");
  await column(ana.page, "review").locator(`[data-id="${id}"][data-place="0"]:focus`).waitFor();
  await ana.page.keyboard.press("Control+Shift+z");
  await column(ana.page, "progress").locator(`[data-id="${id}"]:focus`).waitFor();
  await ana.leave();
});
