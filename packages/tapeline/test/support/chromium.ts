/**
 * Chromium without Playwright, which keeps every page visible: here a tab that is not in front is hidden, may be frozen,
 * and its storage may be full. As much of Chromium's own protocol as that takes.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { ARGUMENTS, PROGRAM, type Tab, UNTIL } from "./browser.js";

// biome-ignore lint/suspicious/noExplicitAny: it is whatever Chromium says.
type Said = any;

export class Chromium {
  private asked = 0;
  private readonly answers = new Map<number, (message: Said) => void>();
  private readonly events = new Map<string, () => void>();

  private constructor(
    private readonly process: ChildProcess,
    private readonly socket: WebSocket,
    private readonly directory: string,
  ) {
    socket.on("message", (data) => this.hear(JSON.parse(String(data))));
  }

  static async start(): Promise<Chromium> {
    const directory = await mkdtemp(join(tmpdir(), "tapeline-chromium-"));
    const words = [...ARGUMENTS, "--remote-debugging-port=0", `--user-data-dir=${directory}`, "about:blank"];
    const child = spawn(PROGRAM, words, { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface(child.stderr)) {
      const url = /DevTools listening on (\S+)/.exec(line)?.[1];
      if (!url) continue;
      child.stderr.resume();
      const socket = new WebSocket(url);
      await once(socket, "open");
      return new Chromium(child, socket, directory);
    }
    throw new Error("Chromium did not start");
  }

  /** Opens a tab, in front of all others. */
  async open(url: string): Promise<BareTab> {
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    const tab = new BareTab(this, targetId, sessionId);
    await tab.ask("Page.enable");
    await tab.ask("Page.addScriptToEvaluateOnNewDocument", { source: `(${UNTIL})()` });
    await tab.go(url);
    return tab;
  }

  /** Resolves when something is told of a session. */
  told(event: string, sessionId: string): Promise<void> {
    return new Promise((resolve) => this.events.set(`${sessionId} ${event}`, resolve));
  }

  ask(method: string, params: object = {}, sessionId?: string): Promise<Said> {
    const id = ++this.asked;
    this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    return new Promise((resolve, reject) => {
      this.answers.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result),
      );
    });
  }

  async end(): Promise<void> {
    const gone = once(this.process, "exit");
    await this.ask("Browser.close");
    await gone;
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  private hear(message: Said): void {
    if (message.id) this.answers.get(message.id)?.(message);
    else this.events.get(`${message.sessionId} ${message.method}`)?.();
  }
}

export class BareTab implements Tab {
  constructor(
    private readonly chromium: Chromium,
    private readonly target: string,
    private readonly session: string,
  ) {}

  ask(method: string, params?: object): Promise<Said> {
    return this.chromium.ask(method, params, this.session);
  }

  async evaluate<Result, Argument>(run: (argument: Argument) => Result, argument?: Argument): Promise<Awaited<Result>> {
    const expression = `(${run})(${JSON.stringify(argument) ?? ""})`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async go(url: string): Promise<void> {
    const loaded = this.chromium.told("Page.loadEventFired", this.session);
    await this.ask("Page.navigate", { url });
    await loaded;
  }

  /** Goes back to where it was before. The browser may have kept that page. */
  async back(): Promise<void> {
    const { currentIndex, entries } = await this.ask("Page.getNavigationHistory");
    const there = this.chromium.told("Page.frameNavigated", this.session);
    await this.ask("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1].id });
    await there;
  }

  /** Shows it, and hides the others. */
  async show(): Promise<void> {
    await this.chromium.ask("Target.activateTarget", { targetId: this.target });
    await this.evaluate(() => until(() => document.visibilityState === "visible"));
  }

  freeze(): Promise<void> {
    return this.ask("Page.setWebLifecycleState", { state: "frozen" });
  }

  wake(): Promise<void> {
    return this.ask("Page.setWebLifecycleState", { state: "active" });
  }

  /** How many bytes its origin may keep on the device; as many as there is room for, unless said. */
  quota(bytes?: number): Promise<void> {
    return this.evaluate(() => location.origin).then((origin) =>
      this.ask("Storage.overrideQuotaForOrigin", { origin, ...(bytes === undefined ? {} : { quotaSize: bytes }) }),
    );
  }

  async close(): Promise<void> {
    await this.chromium.ask("Target.closeTarget", { targetId: this.target });
  }
}
