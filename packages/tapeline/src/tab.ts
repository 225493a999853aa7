/**
 * One tab of an app: a mirror of each stream it uses, and the way to whoever leads.
 *
 * The leader may live in this tab (in Node it always does): then it is called. Otherwise it is spoken to over a channel
 * that all tabs hear. Where nobody leads yet, edits stay in their mirrors and go to the next leader. Whatever happens,
 * `flush` follows once in the same microtask: edits to the leader, changes to the app.
 */

import type { Mirror } from "./core.js";
import { TapelineError } from "./errors.js";
import { random16, toHex } from "./ids.js";
import { Leader, type LeaderOptions } from "./leader/leader.js";
import { LEADER_SILENCE } from "./limits.js";
import type { Connection } from "./status.js";
import { NewerStore, NoStorage, type Store } from "./store/store.js";
import { TabStream } from "./tab-stream.js";
import { Election } from "./tabs/election.js";
import type { FromLeader, Message, ToLeader } from "./tabs/messages.js";
import { VERSION } from "./versions.js";

/** What differs between a browser and Node. */
export interface Platform {
  /** Opens the device's store for the leader. */
  openStore(): Promise<Store | undefined>;
  /** The name all tabs of the app share; `undefined` where there is only this one. */
  readonly shared: string | undefined;
}

export type TabOptions = Omit<LeaderOptions, "store" | "noStorage" | "offline"> & { platform: Platform };

const OUTDATED = "a newer version of this app is open in another tab: reload this page";

export class Tab {
  readonly id = random16();
  readonly name = toHex(this.id);
  readonly streams = new Map<string, TabStream>();
  readonly connectionListeners = new Set<(connection: Connection) => void>();
  connection: Connection = { state: "connecting" };
  offline = false;
  private leader: Leader | undefined;
  private store: Store | undefined;
  private readonly channel: BroadcastChannel | undefined;
  private readonly election: Election | undefined;
  /** Whether another tab is known to lead. */
  private following = false;
  private outdated = false;
  private closed = false;
  private scheduled = false;
  /** When somebody who leads was first left without an answer. */
  private askedAt: number | undefined;
  private patience: ReturnType<typeof setInterval> | undefined;
  private terms = 0;

  constructor(private readonly options: TabOptions) {
    const { shared } = options.platform;
    if (shared === undefined) {
      void this.lead();
      return;
    }
    this.channel = new BroadcastChannel(shared);
    this.channel.onmessage = ({ data }) => this.heard(data as Message);
    this.election = new Election(shared, { elected: () => void this.lead(), deposed: () => this.stepDown() });
    this.listenToPage();
    this.election.stand();
    this.patience = setInterval(() => this.doubt(), LEADER_SILENCE / 5);
  }

  get leads(): boolean {
    return this.leader !== undefined;
  }

  stream(name: string): TabStream {
    this.check();
    const known = this.streams.get(name);
    if (known) return known;
    const stream = new TabStream(name, this);
    this.streams.set(name, stream);
    if (this.leader) this.begin(this.leader, stream);
    else this.say({ kind: "join", tab: this.name, stream: name });
    return stream;
  }

  /** Throws where edits cannot be taken any more. */
  check(): void {
    if (this.closed) throw new TapelineError("closed", "it was closed: open it again with Tapeline.open()");
  }

  checkEdit(): void {
    this.check();
    if (this.outdated) throw new TapelineError("outdated", OUTDATED);
  }

  /** Has everything that follows from what just happened done, once, before anything else. */
  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  discard(stream: string, edit: number): void {
    if (this.leader) this.leader.discard(stream, edit);
    else this.say({ kind: "discard", stream, edit });
  }

  setOffline(offline: boolean): void {
    this.offline = offline;
    if (this.leader) this.leader.setOffline(offline);
    else this.say({ kind: "offline", offline });
  }

  digest(stream: string): string | undefined {
    return this.leader?.digest(stream);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.flush();
    await Promise.all([...this.streams.values()].map((stream) => (this.leader ? stream.stored() : undefined)));
    this.closed = true;
    clearInterval(this.patience);
    this.say({ kind: "leave", tab: this.name });
    await this.stepDown();
    this.election?.resign();
    this.channel?.close();
    for (const stream of this.streams.values()) stream.close();
    this.setConnection({ state: "closed" });
  }

  // What follows from an edit, a message, or a word of the leader.

  private flush(): void {
    if (this.closed) return;
    for (const stream of this.streams.values()) {
      if (stream.takeEdited()) this.handOver(stream);
    }
    for (const stream of this.streams.values()) stream.tellListeners();
  }

  /** Gives the leader what it has not been given. */
  private handOver(stream: TabStream): void {
    if (this.leader) return this.leader.takeOwn(stream.name);
    if (!this.following) return;
    for (let bytes = stream.mirror.pollCommit(); bytes; bytes = stream.mirror.pollCommit()) {
      this.say({ kind: "edit", tab: this.name, stream: stream.name, bytes });
    }
  }

  private say(message: ToLeader | FromLeader): void {
    this.channel?.postMessage({ ...message, version: VERSION } satisfies Message);
  }

  private heard(message: Message): void {
    if (message.version > VERSION) return this.becomeOutdated();
    if ("tab" in message && this.leader) return this.leader.take(message, fromHex(message.tab));
    switch (message.kind) {
      case "discard":
      case "offline":
        return this.leader?.take(message, this.id);
      case "leading":
        return this.follow();
      case "view":
      case "changes":
      case "status":
      case "connection":
      case "notice":
      case "peers":
        if (!this.leader) this.hear(message);
    }
  }

  /** Takes what a leader says, the own one or another. */
  private hear(message: FromLeader): void {
    this.askedAt = undefined;
    if (!this.leader) this.following = true;
    switch (message.kind) {
      case "leading":
        return;
      case "connection":
        this.offline = message.offline;
        return this.setConnection(message.connection);
      case "view":
        if (message.to !== this.name) return;
    }
    const stream = this.streams.get(message.stream);
    if (!stream) return;
    try {
      stream.hear(message, this.leader !== undefined);
    } catch {
      // It is of another version, which the next message will say.
    }
    this.schedule();
  }

  private setConnection(connection: Connection): void {
    this.connection = this.outdated ? { state: "outdated", why: OUTDATED } : connection;
    for (const listener of [...this.connectionListeners]) listener(this.connection);
    for (const stream of this.streams.values()) stream.statusChanged();
    if (!this.closed) this.schedule();
  }

  // Who leads.

  private async lead(): Promise<void> {
    const term = ++this.terms;
    const opened = await this.openStore();
    if (this.closed || this.outdated || term !== this.terms) return void opened.store?.close();
    this.store = opened.store;
    const { platform: _, ...options } = this.options;
    this.following = false;
    this.leader = new Leader(
      {
        id: this.id,
        mirrorOf: (stream) => this.streams.get(stream)?.mirror,
        say: (message) => this.say(message),
        hear: (message) => this.hear(message),
        superseded: () => this.stepDown(),
        failed: (error) => this.failed(error),
      },
      { ...options, ...opened, offline: this.offline },
    );
    this.say({ kind: "leading" });
    for (const stream of this.streams.values()) this.begin(this.leader, stream);
    this.setConnection(this.leader.connection);
  }

  private async openStore(): Promise<{ store: Store | undefined; noStorage: NoStorage | undefined }> {
    try {
      const store = await this.options.platform.openStore();
      return { store, noStorage: undefined };
    } catch (error) {
      if (error instanceof NewerStore) this.becomeOutdated();
      if (error instanceof TapelineError) throw error;
      const noStorage = error instanceof NoStorage ? error : new NoStorage("missing", String(error));
      return { store: undefined, noStorage };
    }
  }

  private begin(leader: Leader, stream: TabStream): void {
    stream.mirror.sendAgain();
    const tape = leader.open(stream.name);
    if (!tape.loaded) return;
    leader.takeOwn(stream.name);
    tape.replica.viewTo(stream.mirror);
    if (tape.status) {
      this.hear({ kind: "status", stream: stream.name, status: tape.status, parked: tape.replica.parked() });
    }
    this.schedule();
  }

  /** Another tab leads from now on: it is told what this one has, and asked for what there is. */
  private follow(): void {
    if (this.leader) return;
    this.following = true;
    for (const stream of this.streams.values()) {
      stream.mirror.sendAgain();
      this.say({ kind: "join", tab: this.name, stream: stream.name });
      this.handOver(stream);
    }
  }

  /** Leads no longer. */
  private async stepDown(flush = false): Promise<void> {
    const { leader, store } = this;
    this.terms++;
    this.leader = undefined;
    this.store = undefined;
    if (flush) leader?.flush();
    leader?.close();
    await store?.close();
  }

  private failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    void this.stepDown();
    this.setConnection({ state: "closed", why });
  }

  private becomeOutdated(): void {
    if (this.outdated) return;
    this.outdated = true;
    void this.stepDown(true);
    this.election?.resign();
    clearInterval(this.patience);
    this.setConnection({ state: "outdated", why: OUTDATED });
  }

  /** A visible tab whose leader leaves it without an answer for long takes the lead. */
  private doubt(): void {
    const waits = !this.leader && [...this.streams.values()].some((stream) => stream.waits());
    if (!waits || document.visibilityState !== "visible") {
      this.askedAt = undefined;
      return;
    }
    this.askedAt ??= performance.now();
    if (performance.now() - this.askedAt < LEADER_SILENCE) return;
    this.askedAt = undefined;
    this.election?.steal();
  }

  // The page.

  private listenToPage(): void {
    if (typeof document === "undefined") {
      addEventListener("online", () => this.leader?.nudge());
      return;
    }
    addEventListener("online", () => this.leader?.nudge());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.leader?.nudge();
      // It may never be shown again, nor told so.
      else this.leader?.flush();
    });
    document.addEventListener("freeze", () => this.pause());
    document.addEventListener("resume", () => this.resume());
    addEventListener("pagehide", () => this.pause());
    addEventListener("pageshow", (event) => event.persisted && this.resume());
  }

  /** The page is about to be frozen or closed: somebody else must lead. */
  private pause(): void {
    this.flush();
    void this.stepDown(true);
    this.election?.resign();
  }

  /** The page goes on: whatever was said meanwhile was not heard. */
  private resume(): void {
    if (this.closed || this.outdated) return;
    this.follow();
    this.election?.stand();
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, place) => Number.parseInt(text.slice(place * 2, place * 2 + 2), 16));
}

export type { Mirror };
