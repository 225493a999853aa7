/** Chromium with the packed package in its pages, and what tests say in them. */

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

const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

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
  test(name, { timeout: 40_000 }, run);
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
    await page.addInitScript(() => {
      globalThis.until = async (isSo) => {
        while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 4));
      };
    });
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
export async function openIn(page: Page, { name, server, storage }: OpenOptions): Promise<void> {
  const options = { name, server, ...(storage ? { storage } : {}) };
  await page.evaluate(async (options) => {
    await until(() => globalThis.tapeline);
    globalThis.db = await tapeline.Tapeline.open(options);
    globalThis.list = db.stream(options.name);
    globalThis.tasks = list.collection("tasks");
  }, options);
}

/** Makes tasks in a page, in one go: titles from one number to another. */
export function insert(page: Page, from: number, to: number, by = ""): Promise<void> {
  return page.evaluate(
    ([from, to, by]) => {
      for (let n = from; n < to; n++) tasks.insert({ id: `${by}${String(n).padStart(5, "0")}`, title: String(n), by });
    },
    [from, to, by] as const,
  );
}

/** Resolves once a page shows so many tasks. */
export function shows(page: Page, count: number): Promise<void> {
  return page.evaluate((count) => until(() => tasks.count() === count), count);
}

export const synced = (page: Page) => page.evaluate(() => list.synced());
export const stored = (page: Page) => page.evaluate(() => list.stored());
export const leads = (page: Page) => page.evaluate(() => list.status().leader);

/** Resolves with the page that leads, once one of them does. */
export async function leaderOf(...pages: Page[]): Promise<Page> {
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

export const ids = (from: number, to: number, by = "") =>
  Array.from({ length: to - from }, (_, n) => `${by}${String(from + n).padStart(5, "0")}`);
