/**
 * One tab of an app: a mirror of each stream it uses, and the way to whoever leads.
 *
 * The leader may live in this tab (in Node it always does): then it is called. Otherwise it is spoken to over a channel
 * that all tabs hear. Where nobody leads yet, edits stay in their mirrors and go to the next leader. Whatever happens,
 * `flush` follows once in the same microtask: edits to the leader, changes to the app.
 */

import { Commands } from "./commands.js";
import { reportErrors, TapelineError, wordsOf } from "./errors.js";
import type { Holding } from "./held.js";
import { random16, toHex } from "./ids.js";
import { Leader, type LeaderOptions } from "./leader/leader.js";
import { CLOSING, LEADER_SILENCE } from "./limits.js";
import type { Connection } from "./status.js";
import { NewerStore, NoStorage, type Store } from "./store/store.js";
import { TabStream } from "./tab-stream.js";
import { Lock } from "./tabs/lock.js";
import type { FromLeader, Message, ToLeader } from "./tabs/messages.js";
import { isVisible, listenToPage } from "./tabs/page.js";
import { VERSION } from "./versions.js";

/** What differs between a browser and Node. */
export interface Platform {
  /** Opens the device's store for the leader. */
  openStore(): Promise<Store | undefined>;
  /** The name all tabs of the app share; `undefined` where there is only this one. */
  readonly shared: string | undefined;
}

export type TabOptions = Omit<LeaderOptions, "store" | "noStorage" | "offline" | "commands"> & { platform: Platform };

const OUTDATED = "a newer version of this app is open in another tab: reload this page";

export class Tab {
  readonly id = random16();
  readonly name = toHex(this.id);
  readonly commands = new Commands();
  readonly streams = new Map<string, TabStream>();
  readonly connectionListeners = new Set<(connection: Connection) => void>();
  connection: Connection = { state: "connecting" };
  /** Where no other tab can lead: resolves once this one does, or cannot. */
  readonly alone: Promise<void> | undefined;
  /** Why nothing is taken, led or sent here any more, though it was not closed. */
  over: TapelineError | undefined;
  #offline = false;
  #leader: Leader | undefined;
  #store: Store | undefined;
  #channel: BroadcastChannel | undefined;
  /** Whoever has it leads. */
  #lead: Lock | undefined;
  /** This tab's own: it has it for as long as others can speak to it. */
  #life: Lock | undefined;
  /** Those of the tabs that are led. */
  readonly #followers = new Map<string, Lock>();
  /** The newest term that was heard of. */
  #term = 0;
  /** The term of the leader that is followed; 0: none is known. */
  #following = 0;
  /** When that leader was last heard, and when that was last asked. */
  #heardAt = 0;
  #lookedAt = 0;
  #patience: ReturnType<typeof setInterval> | undefined;
  #stopListening: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #scheduled = false;
  /** How often this tab began to lead, or ceased to. */
  #turns = 0;

  constructor(readonly options: TabOptions) {
    const { shared } = options.platform;
    if (shared === undefined) this.alone = this.#takeLead();
    else this.#meetOthers(shared);
  }

  get leads(): boolean {
    return this.#leader !== undefined;
  }

  /** `part`: what it holds of the stream is enough; not so once all of it was asked for. */
  stream(name: string, part: boolean): TabStream {
    this.check();
    const known = this.streams.get(name);
    if (known && (part || !known.part)) return known;
    const stream = known ?? new TabStream(name, this, part);
    stream.part = part;
    this.streams.set(name, stream);
    if (this.#leader) this.#begin(this.#leader, stream);
    else this.#join(stream);
    return stream;
  }

  /** Throws where it was closed. */
  check(): void {
    if (this.#closing) throw closedError();
  }

  /** Throws where edits cannot be taken any more. */
  checkEdit(): void {
    this.check();
    if (this.over) throw this.over;
  }

  /** Has everything that follows from what just happened done, once, before anything else. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  discard(stream: string, edit: number): void {
    if (this.#leader) this.#leader.discard(stream, edit);
    else this.#ask({ kind: "discard", stream, edit });
  }

  hold(stream: string, holding: Holding): void {
    if (this.#leader) this.#leader.hold(stream, this.name, holding);
    else this.#ask({ kind: "holding", tab: this.name, stream, holding });
  }

  present(stream: string, state: Uint8Array): void {
    this.check();
    if (this.#leader) this.#leader.present(stream, this.name, state);
    else this.#ask({ kind: "presence", tab: this.name, stream, state });
  }

  setOffline(offline: boolean): void {
    this.#offline = offline;
    if (this.#leader) this.#leader.setOffline(offline);
    else this.#ask({ kind: "offline", offline });
  }

  digest(stream: string): string | undefined {
    return this.#leader?.digest(stream);
  }

  /** Ends, once all edits are on the device, or cannot get there in time. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    this.#flush();
    await this.#untilStored();
    this.#closed = true;
    clearInterval(this.#patience);
    this.#stopListening?.();
    const over = this.#stepDown(true);
    this.#setConnection({ state: "closed" });
    for (const stream of this.streams.values()) stream.close(closedError());
    await over;
    this.#lead?.release();
    this.#depart();
  }

  async #untilStored(): Promise<void> {
    const unstored = [...this.streams.values()].filter((stream) => !stream.isStored());
    if (this.over) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const enough = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSING);
    });
    await Promise.race([enough, Promise.all(unstored.map((stream) => stream.untilStored()))]);
    clearTimeout(timer);
  }

  // What follows from an edit, a message, or a word of the leader.

  #flush(): void {
    if (this.#closed) return;
    for (const stream of this.streams.values()) {
      if (stream.takeEdited()) this.#handOver(stream);
    }
    for (const stream of this.streams.values()) stream.tellListeners();
  }

  /** Gives the leader what it has not been given. */
  #handOver(stream: TabStream): void {
    if (this.#leader) return this.#leader.takeOwn(stream.name);
    if (!this.#following) return;
    for (let bytes = stream.mirror.pollCommit(); bytes; bytes = stream.mirror.pollCommit()) {
      this.#ask({ kind: "edit", tab: this.name, stream: stream.name, bytes });
    }
  }

  #ask(asked: ToLeader): void {
    this.#channel?.postMessage({ version: VERSION, term: this.#following, asked } satisfies Message);
  }

  #say(said: FromLeader): void {
    this.#channel?.postMessage({ version: VERSION, term: this.#term, said } satisfies Message);
  }

  #heard(message: Message): void {
    if (message.version > VERSION) return this.#meetNewer(message);
    if ("said" in message) return this.#listenTo(message.term, message.said);
    if (this.#leader && (message.asked.kind !== "edit" || message.term === this.#term))
      this.#leader.take(message.asked);
  }

  /** A leader of another tab says something. */
  #listenTo(term: number, said: FromLeader): void {
    // Its time is over, which it has yet to notice.
    if (term < this.#term) return;
    if (this.#leader) this.#deposed();
    this.#heardAt = performance.now();
    if (term !== this.#following) this.#follow(term, said.kind === "leading");
    this.#hear(said);
  }

  /** Takes what a leader says, the own one or another. */
  #hear(said: FromLeader): void {
    if (said.kind === "leading") return;
    if (said.kind === "connection") {
      this.#offline = said.offline;
      return this.#setConnection(said.connection);
    }
    const stream = this.streams.get(said.stream);
    if (!stream || ("to" in said && said.to !== this.name)) return;
    stream.hear(said, this.#leader !== undefined);
    this.schedule();
  }

  #setConnection(connection: Connection): void {
    if (!this.over) this.connection = connection;
    for (const stream of this.streams.values()) stream.statusChanged();
    for (const listener of [...this.connectionListeners]) reportErrors(() => listener(this.connection));
    if (!this.#closed) this.schedule();
  }

  // Who leads.

  #meetOthers(shared: string): void {
    this.#lead = new Lock(
      shared,
      () => void this.#takeLead(),
      () => this.#deposed(),
    );
    this.#life = new Lock(lifeOf(shared, this.name), () => this.#arrive(shared));
    this.#stopListening = listenToPage({
      nudge: () => this.#leader?.nudge(),
      hidden: () => this.#leader?.flush(),
      pause: () => this.#pause(),
      resume: () => this.#closed || this.#life?.wait(),
    });
    this.#patience = setInterval(() => this.#doubt(), LEADER_SILENCE / 5);
    this.#life.wait();
  }

  async #takeLead(): Promise<void> {
    const turn = ++this.#turns;
    const opened = await this.#openStore();
    if (turn !== this.#turns || this.#closed || !opened) return void opened?.store?.close();
    this.#store = opened.store;
    this.#following = 0;
    this.#term = Math.max(Date.now(), this.#term + 1);
    const { platform: _, ...options } = this.options;
    this.#leader = new Leader(
      {
        id: this.id,
        mirrorOf: (stream) => this.streams.get(stream)?.mirror,
        say: (said) => this.#say(said),
        hear: (said) => this.#hear(said),
        joined: (tab) => this.#watchOver(tab),
        superseded: () => this.#deposed(),
        failed: (error) => this.#failed(error),
      },
      { ...options, ...opened, offline: this.#offline, commands: this.commands },
    );
    this.#say({ kind: "leading" });
    for (const stream of this.streams.values()) this.#begin(this.#leader, stream);
    this.#setConnection(this.#leader.connection);
  }

  /** Opens the store, or says why there is none; `undefined` where this tab must not lead. */
  async #openStore(): Promise<Pick<LeaderOptions, "store" | "noStorage"> | undefined> {
    try {
      return { store: await this.options.platform.openStore(), noStorage: undefined };
    } catch (error) {
      if (error instanceof NoStorage) return { store: undefined, noStorage: error };
      if (error instanceof NewerStore) this.#becomeOutdated();
      else this.#failed(error);
      if (this.alone) throw error;
      return undefined;
    }
  }

  #begin(leader: Leader, stream: TabStream): void {
    stream.mirror.sendAgain(false);
    leader.begin(stream.name, stream.part);
    stream.presence.again();
    stream.holds.again();
    this.schedule();
  }

  /** Another tab leads from now on: it is told what this one has, and asked for what there is. */
  #follow(term: number, join: boolean): void {
    const before = this.#following;
    this.#term = this.#following = term;
    // Where none was known, every stream has asked already whoever hears it.
    if (join || before) this.#joinAll();
    for (const stream of this.streams.values()) {
      stream.mirror.sendAgain(true);
      this.#handOver(stream);
      stream.presence.again();
      stream.holds.again();
    }
  }

  #joinAll(): void {
    for (const stream of this.streams.values()) this.#join(stream);
  }

  #join({ name, part }: TabStream): void {
    this.#ask({ kind: "join", tab: this.name, stream: name, part });
  }

  /** Leads no longer. */
  async #stepDown(flush: boolean): Promise<void> {
    const [leader, store] = [this.#leader, this.#store];
    this.#turns++;
    this.#leader = undefined;
    this.#store = undefined;
    for (const follower of this.#followers.values()) follower.release();
    this.#followers.clear();
    if (flush) leader?.flush();
    leader?.close();
    for (const stream of this.streams.values()) stream.statusChanged();
    this.schedule();
    await store?.close();
  }

  /** Another tab has the lead: this one waits for it again. */
  #deposed(): void {
    void this.#stepDown(false);
    this.#lead?.release();
    this.#comeBack();
  }

  #comeBack(): void {
    if (this.#closed || this.over) return;
    this.#following = 0;
    this.#heardAt = this.#lookedAt = performance.now();
    this.#joinAll();
    this.#lead?.wait();
  }

  #failed(error: unknown): void {
    this.#giveUp("closed", new TapelineError("storage", wordsOf(error), false, { cause: error }));
  }

  /** What is not known to be on the device goes to the newer version; what that one says is not understood here. */
  #meetNewer(message: Message): void {
    this.#becomeOutdated();
    if ("said" in message && message.term > this.#following) this.#follow(message.term, false);
  }

  #becomeOutdated(): void {
    this.#giveUp("outdated", new TapelineError("outdated", OUTDATED));
  }

  #giveUp(state: "closed" | "outdated", error: TapelineError): void {
    if (this.over) return;
    this.over = error;
    this.connection = { state, why: error.message };
    void this.#stepDown(state === "outdated");
    this.#lead?.release();
    clearInterval(this.#patience);
    this.#setConnection(this.connection);
  }

  /** A tab that is seen takes the lead from one that does not answer. */
  #doubt(): void {
    const now = performance.now();
    // Where this tab itself did not run, it could hear nobody.
    const slept = now - this.#lookedAt > LEADER_SILENCE / 2;
    this.#lookedAt = now;
    if (slept || this.#leader || this.#lead?.isHeld || !isVisible()) this.#heardAt = now;
    const silence = now - this.#heardAt;
    if (silence > LEADER_SILENCE) {
      this.#heardAt = now;
      this.#lead?.steal();
    } else if (silence > LEADER_SILENCE / 2) this.#ask({ kind: "beat" });
  }

  /** Others hear of this tab from now on, and can tell whether it is still there. */
  #arrive(shared: string): void {
    if (this.#closed) return;
    this.#channel = new BroadcastChannel(shared);
    this.#channel.onmessage = ({ data }) => this.#heard(data as Message);
    this.#comeBack();
  }

  /** A page to which something is said, or that has a lock, is not kept in the browser's history. */
  #depart(): void {
    this.#channel?.close();
    this.#channel = undefined;
    this.#life?.release();
  }

  #pause(): void {
    this.#flush();
    void this.#stepDown(true);
    this.#lead?.release();
    // It may never come back; where it does, it joins again.
    this.#depart();
  }

  /** A tab that is led gives its lock back when it is gone, however that came about. */
  #watchOver(tab: string): void {
    const { shared } = this.options.platform;
    if (shared === undefined || this.#followers.has(tab)) return;
    const gone = () => {
      follower.release();
      this.#followers.delete(tab);
      this.#leader?.leave(tab);
    };
    const follower = new Lock(lifeOf(shared, tab), gone);
    this.#followers.set(tab, follower);
    follower.wait();
  }
}

function lifeOf(shared: string, tab: string): string {
  return `${shared} ${tab}`;
}

function closedError(): TapelineError {
  return new TapelineError("closed", "it was closed: open it again with Tapeline.open()");
}
