/** Tabs of one app share a replica, a socket and an outbox. Each test is named after what goes wrong with them. */

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import type { Held } from "tapeline";
import {
  assertRecorded,
  crash,
  ids,
  insert,
  inserted,
  Lab,
  leaderOf,
  leads,
  openIn,
  shows,
  stored,
  story,
  synced,
  type Task,
} from "../support/browser.js";
import { Line } from "../support/proxy.js";

declare global {
  var held: Held<Task>[];
}

let lab: Lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab.end());

/** A browser with so many tabs, the leader first. */
async function tabs(name: string, count: number, server = lab.server.url): Promise<[BrowserContext, ...Page[]]> {
  const browser = await lab.newBrowser();
  const pages = [await lab.open(browser, { name, server })];
  await leaderOf(pages[0]!);
  while (pages.length < count) pages.push(await lab.open(browser, { name, server }));
  await Promise.all(pages.map((page) => stored(page)));
  return [browser, ...pages];
}

story("two tabs boot at the same instant: one leads, and what both did at once is there once", async () => {
  const name = "boot";
  const browser = await lab.newBrowser();
  const pages = await Promise.all([lab.visit(browser), lab.visit(browser)]);
  const make = async (page: Page, by: string) => {
    await openIn(page, { name, server: lab.server.url });
    await insert(page, 0, 50, by);
    await synced(page);
  };
  await Promise.all([make(pages[0]!, "a"), make(pages[1]!, "b")]);
  await Promise.all(pages.map((page) => shows(page, 100)));
  assert.deepEqual((await Promise.all(pages.map(leads))).sort(), [false, true]);
  await assertRecorded(lab.server, name, { a: ids(0, 50, "a"), b: ids(0, 50, "b") });
  await browser.close();
});

story("an edit is made in the very moment the app opens, before anybody leads", async () => {
  const name = "early";
  const browser = await lab.newBrowser();
  const page = await lab.visit(browser);
  await page.evaluate(
    async ([name, server]) => {
      const db = await tapeline.Tapeline.open({ name, server });
      const list = db.stream(name);
      const tasks = list.collection<{ title: string }>("tasks");
      tasks.insert({ id: "a00000", title: "early" });
      if (tasks.count() !== 1) throw new Error("it does not show");
      await list.synced();
    },
    [name, lab.server.url] as const,
  );
  await assertRecorded(lab.server, name, { a: ids(0, 1, "a") });
  await browser.close();
});

story("the leader closes mid-push: the next one sends the rest", async () => {
  const name = "closes";
  const [browser, leader, follower] = await tabs(name, 2);
  await insert(follower!, 0, 500, "f");
  await insert(leader!, 0, 500, "l");
  await leader!.evaluate(() => until(() => list.status().pending < 1000));
  await leader!.close();
  await insert(follower!, 500, 600, "f");
  await synced(follower!);
  assert.equal(await leads(follower!), true);
  await shows(follower!, 1100);
  await assertRecorded(lab.server, name, { f: ids(0, 600, "f"), l: ids(0, 500, "l") });
  await browser.close();
});

story("a tab closes right after its edit: the edit is not lost", async () => {
  const name = "hasty";
  const [browser, leader, follower] = await tabs(name, 2);
  await insert(follower!, 0, 20, "f");
  await follower!.close();
  await shows(leader!, 20);
  await insert(leader!, 0, 20, "l");
  await leader!.close();
  const next = await lab.open(browser, { name });
  await shows(next, 40);
  await synced(next);
  await assertRecorded(lab.server, name, { f: ids(0, 20, "f"), l: ids(0, 20, "l") });
  await browser.close();
});

story(
  "the leader is killed mid-commit: what others did is sent once and in order, what it had stored too",
  async () => {
    const name = "killed";
    const [browser, leader, follower, third] = await tabs(name, 3);
    await insert(leader!, 0, 100, "l");
    await stored(leader!);
    await insert(follower!, 0, 300, "f");
    await insert(third!, 0, 300, "t");
    await insert(leader!, 100, 400, "l");
    await crash(leader!);
    await insert(follower!, 300, 400, "f");
    await Promise.all([synced(follower!), synced(third!)]);
    const recorded = (await inserted(lab.server, name)).filter((id) => id.startsWith("l"));
    assert.ok(recorded.length >= 100);
    await assertRecorded(lab.server, name, {
      f: ids(0, 400, "f"),
      t: ids(0, 300, "t"),
      l: ids(0, recorded.length, "l"),
    });
    await Promise.all([follower!, third!].map((page) => shows(page, 700 + recorded.length)));
    await browser.close();
  },
);

story("leader after leader is killed while two others edit without a pause", async () => {
  const name = "massacre";
  const [browser, ...pages] = await tabs(name, 5);
  const made: Record<string, number> = { a: 0, b: 0 };
  const [a, b, ...others] = pages.reverse() as [Page, Page, ...Page[]];
  for (const victim of others.reverse()) {
    await victim.evaluate(() => until(() => list.status().leader));
    for (const [by, page] of [
      ["a", a],
      ["b", b],
    ] as const) {
      await insert(page, made[by]!, made[by]! + 200, by);
      made[by]! += 200;
    }
    await crash(victim);
  }
  await Promise.all([synced(a), synced(b)]);
  await Promise.all([a, b].map((page) => shows(page, made.a! + made.b!)));
  await assertRecorded(lab.server, name, { a: ids(0, made.a!, "a"), b: ids(0, made.b!, "b") });
  await browser.close();
});

story(
  "the leader hangs without a word: a tab that is looked at takes the lead, and the old one is kept out",
  async () => {
    const name = "hangs";
    const [browser, leader, follower] = await tabs(name, 2);
    const hanging = leader!.evaluate(() => {
      tasks.insert({ id: "l00000", title: "before it hangs" });
      const end = performance.now() + 8_000;
      while (performance.now() < end);
      tasks.insert({ id: "l00001", title: "after it hung" });
    });
    await insert(follower!, 0, 20, "f");
    await synced(follower!);
    assert.equal(await leads(follower!), true);
    await hanging;
    await synced(leader!);
    assert.deepEqual(await Promise.all([leads(leader!), leads(follower!)]), [false, true]);
    await Promise.all([leader!, follower!].map((page) => shows(page, 22)));
    await assertRecorded(lab.server, name, { f: ids(0, 20, "f"), l: ids(0, 2, "l") });
    await browser.close();
  },
);

story("the lead is taken away: the tab waits for it, and goes on when it has it again", async () => {
  const name = "stolen";
  const [browser, page] = await tabs(name, 1);
  await page!.evaluate(async (name) => {
    let release = () => {};
    const lock = `tapeline:${name}:`;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    void navigator.locks.request(lock, { steal: true }, () => held);
    await until(() => !list.status().leader);
    tasks.insert({ id: "a00000", title: "nobody leads" });
    if (tasks.count() !== 1) throw new Error("it does not show");
    release();
    await list.synced();
  }, name);
  assert.equal(await leads(page!), true);
  await assertRecorded(lab.server, name, { a: ids(0, 1, "a") });
  await browser.close();
});

story("another leader has the store: the one before writes nothing more to it", async () => {
  const name = "fenced";
  const [browser, page] = await tabs(name, 1);
  const keys = await page!.evaluate(async (name) => {
    const request = indexedDB.open(`tapeline:${name}:`);
    await until(() => request.readyState === "done");
    const transaction = request.result.transaction("leaders", "readwrite");
    const leaders = transaction.objectStore("leaders");
    const epochs = leaders.getAllKeys();
    await until(() => epochs.readyState === "done");
    const newer = request.result.transaction("leaders", "readwrite").objectStore("leaders");
    for (const later of [1, 2, 3]) newer.put(1, Math.max(...(epochs.result as number[])) + later);
    await until(() => newer.transaction.mode);
    // It may lead again in no time.
    let lost = false;
    list.onStatus(({ leader }) => {
      lost ||= !leader;
    });
    tasks.insert({ id: "a00000", title: "by a leader of the past" });
    await until(() => lost);
    await list.stored();
    const after = request.result.transaction("leaders").objectStore("leaders").getAllKeys();
    await until(() => after.readyState === "done");
    return { before: epochs.result as number[], after: after.result as number[] };
  }, name);
  assert.ok(Math.max(...keys.after) > Math.max(...keys.before) + 3, "it has claimed the store anew");
  await synced(page!);
  await assertRecorded(lab.server, name, { a: ids(0, 1, "a") });
  await browser.close();
});

story("1,000 edits in a burst in one tab are 1,000 in the other", async () => {
  const name = "burst";
  const [browser, leader, follower] = await tabs(name, 2);
  await insert(follower!, 0, 1_000, "f");
  await shows(leader!, 1_000);
  await insert(leader!, 0, 1_000, "l");
  await shows(follower!, 2_000);
  await Promise.all([synced(leader!), synced(follower!)]);
  await assertRecorded(lab.server, name, { f: ids(0, 1_000, "f"), l: ids(0, 1_000, "l") });
  await browser.close();
});

story("synced() in a tab that follows waits for the server", async () => {
  const name = "waits";
  const line = await Line.to(lab.server.url);
  const [browser, leader, follower] = await tabs(name, 2, line.url);
  await synced(leader!);
  for (let round = 0; round < 20; round++) {
    await insert(follower!, round, round + 1, "f");
    await synced(follower!);
    assert.equal((await inserted(lab.server, name)).length, round + 1);
  }
  line.end();
  await browser.close();
});

story("a newer version opens beside an older one: the older steps aside and loses nothing", async () => {
  const name = "versions";
  const line = await Line.to(lab.server.url);
  line.break();
  const [browser, leader, follower] = await tabs(name, 2, line.url);
  await insert(leader!, 0, 30, "l");
  await insert(follower!, 0, 30, "f");
  const newer = await lab.open(browser, { name, server: line.url, path: "/plain/newer.html" });
  await shows(newer, 60);
  assert.equal(await leads(newer), true);
  for (const page of [leader!, follower!]) {
    const said = await page.evaluate(async () => {
      await until(() => db.connection.state === "outdated");
      const { code, message } = (() => {
        try {
          tasks.insert({ title: "too late" });
        } catch (error) {
          return error as InstanceType<typeof tapeline.TapelineError>;
        }
        throw new Error("it was taken");
      })();
      return { code, message, count: tasks.count(), why: list.status().connection.why };
    });
    assert.deepEqual(said, {
      code: "outdated",
      message: "a newer version of this app is open in another tab: reload this page",
      count: 60,
      why: "a newer version of this app is open in another tab: reload this page",
    });
  }
  const older = await lab.open(browser, { name, server: line.url });
  await older.evaluate(() => until(() => db.connection.state === "outdated"));
  line.mend();
  await synced(newer);
  await assertRecorded(lab.server, name, { l: ids(0, 30, "l"), f: ids(0, 30, "f") });
  line.end();
  await browser.close();
});

story("an older version finds the store of a newer one, with nobody there: it leaves it as it is", async () => {
  const name = "left-behind";
  const browser = await lab.newBrowser();
  const path = "/plain/newer.html";
  const newer = await lab.open(browser, { name, path, server: "ws://127.0.0.1:9" });
  await insert(newer, 0, 10);
  await stored(newer);
  await newer.close();
  const older = await lab.open(browser, { name });
  await older.evaluate(() => until(() => db.connection.state === "outdated"));
  await older.close();
  const again = await lab.open(browser, { name, path });
  await shows(again, 10);
  await synced(again);
  await assertRecorded(lab.server, name, { "": ids(0, 10) });
  await browser.close();
});

story("offline holds for all tabs, also under the next leader", async () => {
  const name = "offline-tabs";
  const [browser, leader, follower, third] = await tabs(name, 3);
  await follower!.evaluate(() => db.goOffline());
  const offline = (page: Page) => page.evaluate(() => until(() => db.connection.state === "offline"));
  await Promise.all([leader!, follower!, third!].map(offline));
  await leader!.close();
  await Promise.all([follower!, third!].map(offline));
  await insert(third!, 0, 5, "t");
  await stored(third!);
  assert.deepEqual(await inserted(lab.server, name), []);
  await third!.evaluate(() => db.goOnline());
  await synced(third!);
  await assertRecorded(lab.server, name, { t: ids(0, 5, "t") });
  await browser.close();
});

story("closed in one tab, the app goes on in the others", async () => {
  const name = "one-closes";
  const [browser, leader, follower] = await tabs(name, 2);
  await insert(leader!, 0, 10, "l");
  await leader!.evaluate(() => db.close());
  await insert(follower!, 0, 10, "f");
  await synced(follower!);
  await assertRecorded(lab.server, name, { l: ids(0, 10, "l"), f: ids(0, 10, "f") });
  await browser.close();
});

story("who is present is one peer a tab, whoever leads", async () => {
  const name = "presence";
  const [browser, leader, follower] = await tabs(name, 2);
  const elsewhere = await lab.newBrowser();
  const other = await lab.open(elsewhere, { name });
  const sees = (page: Page, names: string[]) =>
    page.evaluate(
      (names) => until(() => JSON.stringify([...list.presence.peers().values()].sort()) === JSON.stringify(names)),
      names,
    );
  for (const [page, who] of [
    [leader!, "ann 1"],
    [follower!, "ann 2"],
    [other, "ben"],
  ] as const) {
    await page.evaluate((who) => {
      list.presence.watch(() => {});
      list.presence.set(who);
    }, who);
  }
  await Promise.all([
    sees(leader!, ["ann 2", "ben"]),
    sees(follower!, ["ann 1", "ben"]),
    sees(other, ["ann 1", "ann 2"]),
  ]);
  await leader!.close();
  await Promise.all([sees(follower!, ["ben"]), sees(other, ["ann 2"])]);
  await Promise.all([browser.close(), elsewhere.close()]);
});

story("a tab that is gone is present no more, and holds nothing, though the leader stays", async () => {
  const name = "follower-gone";
  const writer = await lab.open(await lab.newBrowser(), { name });
  await insert(writer, 0, 9, "w");
  await synced(writer);
  const browser = await lab.newBrowser();
  const open = async (id: string) => {
    const page = await lab.visit(browser);
    await page.evaluate(
      async ([name, server, id]) => {
        await until(() => globalThis.tapeline);
        globalThis.db = await tapeline.Tapeline.open({ name, server });
        globalThis.list = db.part(name);
        globalThis.tasks = list.collection("tasks");
        await tasks.hold({ where: { id } }).ready();
        list.presence.set(id);
      },
      [name, lab.server.url, id] as const,
    );
    return page;
  };
  const leader = await open("w00001");
  await leaderOf(leader);
  await writer.evaluate(() => list.presence.watch(() => {}));
  for (const go of [(page: Page) => page.close(), (page: Page) => crash(page)]) {
    const follower = await open("w00002");
    await leader.evaluate(() => until(() => tasks.count() === 2));
    await writer.evaluate(() => until(() => list.presence.peers().size === 2));
    await go(follower);
    await leader.evaluate(() => until(() => tasks.count() === 1));
    await writer.evaluate(() => until(() => [...list.presence.peers().values()].join() === "w00001"));
  }
  assert.equal(await leads(leader), true);
  await browser.close();
});

story("tabs share the room for queries: one waits until another lets go, or is closed", async () => {
  const name = "room";
  const writer = await lab.open(await lab.newBrowser(), { name });
  await insert(writer, 0, 9, "w");
  await synced(writer);
  const browser = await lab.newBrowser();
  const open = async (from: number, to: number) => {
    const page = await lab.visit(browser);
    await page.evaluate(
      async ([name, server, from, to]) => {
        await until(() => globalThis.tapeline);
        globalThis.db = await tapeline.Tapeline.open({ name, server });
        globalThis.list = db.part(name);
        globalThis.tasks = list.collection("tasks");
        // Titles are numbers; the first few say whose they are, and who that is is a query more.
        globalThis.held = Array.from({ length: to - from }, (_, at) => {
          const query = { where: { title: String(from + at) } };
          return tasks.hold(from + at < 3 ? { ...query, with: { by: "people" } } : query);
        });
      },
      [name, lab.server.url, from, to] as const,
    );
    return page;
  };
  const ready = (page: Page) => page.evaluate(() => until(() => held.every((query) => query.isReady)));
  const first = await open(0, 900);
  await leaderOf(first);
  await ready(first);
  const [second, third] = [await open(900, 1000), await open(1000, 1010)];
  for (let turn = 0; turn < 2; turn++) {
    await first.evaluate(() => {
      for (const query of held.splice(0, 5)) query.release();
    });
  }
  await Promise.all([ready(second), ready(third)]);
  const fourth = await open(1010, 1030);
  await second.close();
  await ready(fourth);
  await browser.close();
});

story("the leader closes while another tab holds a part: the next leader holds it on", async () => {
  const name = "parts";
  const browser = await lab.newBrowser();
  const { server } = lab;
  const writer = await lab.open(await lab.newBrowser(), { name, server: server.url });
  await insert(writer, 0, 9, "w");
  await synced(writer);
  const holds = async (page: Page, ids: readonly string[]) => {
    await page.evaluate(
      async ([name, url, ids]) => {
        globalThis.tapeline ??= await import("tapeline");
        globalThis.db ??= await tapeline.Tapeline.open({ name, server: url });
        globalThis.list ??= db.part(name);
        globalThis.tasks ??= list.collection("tasks");
        for (const id of ids) tasks.watchOne(id, () => {});
        await Promise.all(ids.map((id) => tasks.load(id)));
      },
      [name, server.url, ids] as const,
    );
  };
  const [leader, follower] = [await lab.visit(browser), await lab.visit(browser)];
  await holds(leader, ["w00000"]);
  await leader.evaluate(() => until(() => list.status().leader));
  await holds(follower, ["w00001", "w00002"]);
  assert.equal(await follower.evaluate(() => list.status().leader), false);
  assert.equal(await leader.evaluate(() => tasks.count()), 3, "tabs share what they hold");
  await leader.close();
  await follower.evaluate(() => until(() => list.status().leader));
  await follower.evaluate(() => tasks.insert({ id: "f00000", title: "f" }));
  await synced(follower);
  await writer.evaluate(() => tasks.update("w00002", { done: true }));
  await follower.evaluate(() => until(() => tasks.get("w00002")?.done));
  await holds(follower, ["w00003"]);
  await follower.evaluate(() => until(() => tasks.count() === 3));
  await browser.close();
});
