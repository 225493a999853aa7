/** A real `tapeline demo`, a real browser, and the people who use it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const switches =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: switches.split(" ") });
}

/** A running demonstration, on a directory and an address of its own. */
export class Demo {
  private readonly data = mkdtempSync(join(tmpdir(), "tapeline-demo-"));
  private process: ChildProcess | undefined;
  /** Where it is; the same after it was started again. */
  url = "";

  static async start(): Promise<Demo> {
    const demo = new Demo();
    await demo.start("127.0.0.1:0");
    return demo;
  }

  /** Starts it again where it was. */
  restart(): Promise<void> {
    return this.start(new URL(this.url).host);
  }

  /** Kills it, as a power cut would. */
  async kill(): Promise<void> {
    this.process?.kill("SIGKILL");
    if (this.process) await once(this.process, "exit");
    this.process = undefined;
  }

  /** Kills it and starts it again on an empty directory, as after a disk was lost. */
  async loseAll(): Promise<void> {
    await this.kill();
    rmSync(this.data, { recursive: true });
    await this.restart();
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.data, { recursive: true });
  }

  private async start(listen: string): Promise<void> {
    const { TAPELINE = "target/debug/tapeline" } = process.env;
    const started = spawn(TAPELINE, ["demo", "--listen", listen, "--data", this.data], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process = started;
    for await (const line of createInterface(started.stdout)) {
      const url = /http:\S+/.exec(line)?.[0];
      if (!url) continue;
      this.url = url;
      return;
    }
    throw new Error("the demonstration ended before it said where it is");
  }
}

/** A person with a browser of their own: nothing is shared with others but the server. */
export class Person {
  readonly troubles: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on("pageerror", (error) => this.troubles.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !/ERR_CONNECTION_REFUSED|ERR_INTERNET|Failed to load/.test(message.text())) {
        this.troubles.push(message.text());
      }
    });
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext(options);
    const person = new Person(context, await context.newPage());
    await person.page.goto(url);
    return person;
  }

  /** How the panel says the app stands. */
  stands(words: string | RegExp): Promise<void> {
    return this.page.locator(".stands").filter({ hasText: words }).waitFor();
  }

  /** Waits until all is recorded and played. */
  async inStep(): Promise<void> {
    await this.stands("In step");
    await this.page.locator('dd[data-of="pending"]').filter({ hasText: /^0$/ }).waitFor();
  }

  switchOffline(): Promise<void> {
    return this.page.locator(".toggle").click();
  }

  /** Waits until the service worker has all pages. */
  async hasPages(): Promise<void> {
    await this.page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 20));
    });
  }

  leave(): Promise<void> {
    return this.context.close();
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Axe {
  run(of: Document): Promise<{ violations: { id: string; help: string; nodes: { html: string }[] }[] }>;
}

/** What is wrong for people who cannot see, point or tell colours, as far as a program can say. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  // What is still fading in has not got its colours yet.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run(document);
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" | ")}`);
  });
}
