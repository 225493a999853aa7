/** Chromium with the packed package in its pages, and what tests say in them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import type { Collection, Stream, Tapeline } from "tapeline";
import { Server } from "./server.js";
import { Site } from "./site.js";

export interface Task {
  title: string;
  by?: string;
  done?: boolean;
  count?: number;
}

/** What there is in a page once `open` was called. */
declare global {
  var tapeline: typeof import("tapeline");
  var db: Tapeline;
  var list: Stream;
  var tasks: Collection<Task>;
  /** Resolves once something is so. */
  var until: (isSo: () => unknown) => Promise<void>;
}

export const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const LAUNCH = { executablePath: PROGRAM, args: ARGUMENTS };

/** A page, as far as most of what tests say concerns it. */
export interface Tab {
  evaluate<Result, Argument>(run: (argument: Argument) => Result, argument?: Argument): Promise<Awaited<Result>>;
}

/** Run in each page before anything else. */
export function UNTIL(): void {
  globalThis.until = async (isSo) => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 4));
  };
}

export interface OpenOptions {
  /** The app. Tabs of one share everything. */
  name: string;
  server: string;
  storage?: "device" | "memory";
  /** Where the page is: the one that Vite built, unless said. */
  path?: string;
}

/** One of them must not keep all others from being run. */
export function story(name: string, run: () => Promise<void>): void {
  test(name, { timeout: 150_000 }, run);
}

/** A server, a site and a browser, for the tests of one file. */
export class Lab {
  private constructor(
    readonly server: Server,
    readonly site: Site,
    private readonly browser: Awaited<ReturnType<typeof chromium.launch>>,
  ) {}

  static async start(): Promise<Lab> {
    return new Lab(await Server.start(), await Site.start(), await chromium.launch(LAUNCH));
  }

  /** A browser of its own: with nothing on the device. */
  newBrowser(): Promise<BrowserContext> {
    return this.browser.newContext();
  }

  /** A browser that keeps what is on the device in a directory. */
  static browserIn(directory: string): Promise<BrowserContext> {
    return chromium.launchPersistentContext(directory, LAUNCH);
  }

  /** A tab with the app open in it. */
  async open(browser: BrowserContext, options: Partial<OpenOptions> & { name: string }): Promise<Page> {
    const page = await this.visit(browser, options.path);
    await openIn(page, { server: this.server.url, ...options });
    return page;
  }

  /** A tab with the package in it, which has yet to be used. */
  async visit(browser: BrowserContext, path = "/vite/"): Promise<Page> {
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.error("page:", error));
    page.on("console", (message) => message.type() === "error" && console.error("console:", message.text()));
    await page.addInitScript(UNTIL);
    await page.goto(this.site.origin + path);
    return page;
  }

  async end(): Promise<void> {
    await this.browser.close();
    await this.site.end();
    await this.server.end();
  }
}

/** Opens the app in a page that has the package: `db`, a stream with the app's name as `list`, the `tasks` on it. */
export async function openIn(page: Tab, { name, server, storage }: OpenOptions): Promise<void> {
  const options = { name, server, ...(storage ? { storage } : {}) };
  await page.evaluate(async (options) => {
    await until(() => globalThis.tapeline);
    globalThis.db = await tapeline.Tapeline.open(options);
    globalThis.list = db.stream(options.name);
    globalThis.tasks = list.collection("tasks");
  }, options);
}

/** Ends a page as a browser does that has no memory left. */
export async function crash(page: Page): Promise<void> {
  const gone = new Promise((resolve) => page.once("crash", resolve));
  const session = await page.context().newCDPSession(page);
  session.send("Page.crash").catch(() => {});
  await gone;
}

/** Makes tasks in a page, in one go: titles from one number to another. */
export function insert(page: Tab, from: number, to: number, by = ""): Promise<void> {
  return page.evaluate(
    ([from, to, by]) => {
      for (let n = from; n < to; n++) tasks.insert({ id: `${by}${String(n).padStart(5, "0")}`, title: String(n), by });
    },
    [from, to, by] as [number, number, string],
  );
}

/** Resolves once a page shows so many tasks. */
export function shows(page: Tab, count: number): Promise<void> {
  return page.evaluate((count) => until(() => tasks.count() === count), count);
}

export const synced = (page: Tab) => page.evaluate(() => list.synced());
export const stored = (page: Tab) => page.evaluate(() => list.stored());
export const leads = (page: Tab) => page.evaluate(() => list.status().leader);

/** Resolves with the page that leads, once one of them does. */
export async function leaderOf<Page extends Tab>(...pages: Page[]): Promise<Page> {
  const until = pages.map((page) => page.evaluate(() => globalThis.until(() => list.status().leader)).then(() => page));
  for (const each of until) each.catch(() => {});
  return Promise.any(until);
}

/** The ids of what was inserted on a stream, in the order the server has them. */
export async function inserted(server: Server, stream: string): Promise<string[]> {
  // Its first event makes a stream.
  const events = await server.events(stream).catch((error) => (error.code === 4 ? [] : Promise.reject(error)));
  return events.flatMap(({ ops }) => ops.filter((op) => op.insert).map(({ id }) => id));
}

/** Each tab's own edits were recorded once, and in the order they were made. */
export async function assertRecorded(server: Server, stream: string, made: Record<string, readonly string[]>) {
  const recorded = await inserted(server, stream);
  for (const [by, expected] of Object.entries(made)) {
    const own = recorded.filter((id) => id.startsWith(by));
    const first = expected.findIndex((id, place) => own[place] !== id);
    const found = `${own.length} of ${expected.length} by ${by}; first wrong: ${own.slice(first, first + 3)} for ${expected[first]}`;
    assert.ok(first < 0 && own.length === expected.length, found);
  }
  assert.equal(recorded.length, Object.values(made).flat().length);
}

export const ids = (from: number, to: number, by = "") =>
  Array.from({ length: to - from }, (_, n) => `${by}${String(from + n).padStart(5, "0")}`);
