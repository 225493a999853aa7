/** Lists with accounts: everybody has theirs and what is shared with them, and nothing else. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
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

const signIn = async (name: string) => {
  const person = await Person.open(browser, `${demo.url}/lists/`);
  await person.page.getByLabel("Your name").fill(name);
  await person.page.getByLabel("Your name").press("Enter");
  await person.stands("In step");
  return person;
};

const make = async ({ page }: Person, list: string, ...items: string[]) => {
  await page.getByLabel("New list").fill(list);
  await page.getByLabel("New list").press("Enter");
  for (const item of items) {
    await page.getByLabel(`New item of ${list}`).fill(item);
    await page.getByLabel(`New item of ${list}`).press("Enter");
  }
};

const share = async ({ page }: Person, list: string, name: string, may: string) => {
  const card = page.getByRole("region", { name: list });
  await card.getByLabel(`Share ${list} with`, { exact: true }).fill(name);
  await card.getByLabel("What they may do").selectOption({ label: may });
  await card.getByRole("button", { name: "Share", exact: true }).click();
};

const has = (person: Person, list: string) => person.page.getByRole("region", { name: list });

test("a list is private until it is shared, and who may look cannot change it", async () => {
  const [ana, ben, vera] = await Promise.all([signIn("ana 1"), signIn("ben 1"), signIn("vera 1")]);
  await make(ana, "Weekend", "Bread", "Wine");
  await make(ben, "Ben's own", "Gift for Ana");
  await ana.inStep();
  await ben.page.getByText("Gift for Ana").waitFor();
  assert.equal(await has(ben, "Weekend").count(), 0);
  assert.equal(await has(ana, "Ben's own").count(), 0);
  await share(ana, "Weekend", "ben 1", "may change it");
  await share(ana, "Weekend", "vera 1", "may look");
  await has(ben, "Weekend").getByRole("checkbox", { name: "Bread" }).check();
  await has(vera, "Weekend").locator("input:checked").waitFor();
  await has(ana, "Weekend").locator("input:checked").waitFor();
  assert.equal(await has(vera, "Weekend").getByRole("checkbox", { name: "Wine" }).isDisabled(), true);
  assert.equal(await has(vera, "Weekend").getByLabel("New item of Weekend").count(), 0);
  assert.deepEqual(await barriers(ana.page), []);
  for (const person of [ana, ben, vera]) {
    assert.deepEqual(person.troubles, []);
    await person.leave();
  }
});

test("what may no longer be changed is refused, told in words, and kept until it is seen", async () => {
  const [ana, ben] = await Promise.all([signIn("ana 2"), signIn("ben 2")]);
  await make(ana, "Trip", "Tent");
  await share(ana, "Trip", "ben 2", "may change it");
  await has(ben, "Trip").getByRole("checkbox", { name: "Tent" }).waitFor();
  await ben.inStep();
  await ben.switchOffline();
  await has(ben, "Trip").getByRole("checkbox", { name: "Tent" }).check();
  await share(ana, "Trip", "ben 2", "may look");
  await ana.inStep();
  await ben.switchOffline();
  await ben.page.getByText("You may look at this list, but not change it.").waitFor();
  await has(ben, "Trip").getByText("you may look").waitFor();
  await has(ben, "Trip").locator("input:not(:checked)").waitFor();
  await ben.page.getByRole("button", { name: "Discard" }).click();
  await ben.page.locator(".refused").waitFor({ state: "detached" });
  assert.equal(await has(ana, "Trip").locator("input:checked").count(), 0);
  await Promise.all([ana.leave(), ben.leave()]);
});

test("what is shared no more leaves the device, also of who was away", async () => {
  const [ana, ben] = await Promise.all([signIn("ana 3"), signIn("ben 3")]);
  await make(ana, "Secret", "Ring");
  await make(ana, "Party", "Cake");
  for (const list of ["Secret", "Party"]) await share(ana, list, "ben 3", "may change it");
  await Promise.all([has(ben, "Secret").waitFor(), has(ben, "Party").waitFor()]);
  await ben.inStep();
  await ben.switchOffline();
  await ana.page.getByLabel("Share Secret with ben 3 no more").click();
  await ana.inStep();
  assert.equal(await has(ben, "Secret").count(), 1);
  await ben.switchOffline();
  await has(ben, "Secret").waitFor({ state: "detached" });
  await has(ben, "Party").getByText("Cake").waitFor();
  await Promise.all([ana.leave(), ben.leave()]);
});

test("an item and a whole list are deleted for all, and come back by undo", async () => {
  const [ana, ben] = await Promise.all([signIn("ana 5"), signIn("ben 5")]);
  await make(ana, "Lunch", "Soup", "Bread");
  await share(ana, "Lunch", "ben 5", "may change it");
  await has(ben, "Lunch").getByLabel("Delete Soup").click();
  await has(ana, "Lunch").getByText("Soup").waitFor({ state: "detached" });
  assert.equal(await has(ben, "Lunch").getByLabel("Delete the list Lunch").count(), 0, "it is not Ben's");
  await ana.page.getByLabel("Delete the list Lunch").click();
  await has(ben, "Lunch").waitFor({ state: "detached" });
  await ana.page.getByRole("button", { name: "Undo" }).click();
  await has(ben, "Lunch").getByText("Bread").waitFor();
  assert.deepEqual(await barriers(ben.page), []);
  await Promise.all([ana.leave(), ben.leave()]);
});

test("long words stay within the page", async () => {
  const ana = await signIn("x".repeat(40));
  await ana.page.setViewportSize({ width: 390, height: 844 });
  const long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
  await make(ana, long, long);
  await share(ana, long, "y".repeat(40), "may look");
  await has(ana, long).locator(".chip").waitFor();
  assert.equal(await ana.page.evaluate(() => document.documentElement.scrollWidth), 390);
  const cut = await ana.page
    .locator("h2, .list span, .muted")
    .evaluateAll((all) =>
      all.filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.textContent),
    );
  assert.deepEqual(cut, []);
  await ana.leave();
});

test("who signs in on the same device sees nothing of who was there before", async () => {
  const ana = await signIn("ana 4");
  await make(ana, "Diary", "Today");
  await ana.inStep();
  await ana.page.getByRole("button", { name: "Sign out" }).click();
  await ana.page.getByLabel("Your name").fill("eve 4");
  await ana.page.getByLabel("Your name").press("Enter");
  await ana.stands("In step");
  await ana.page.getByText("No list is yours").waitFor();
  assert.equal(await ana.page.getByText("Today").count(), 0);
  await ana.leave();
});
