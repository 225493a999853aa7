/** One stream in one tab: its mirror, who watches it, and what the leader says of it. */

import { Mirror } from "./core.js";
import { byCore, invalid, reportErrors, TapelineError } from "./errors.js";
import { Holds } from "./held.js";
import { type Notice, type Parked, readNotice, readParked } from "./notices.js";
import type { View } from "./ops.js";
import { Presence } from "./presence.js";
import { type ReplicaStatus, type Status, UNKNOWN } from "./status.js";
import type { Tab } from "./tab.js";
import type { FromLeader, Standing } from "./tabs/messages.js";
import { decode, encode } from "./values.js";
import { type Listener, Watch } from "./watch.js";

/** Somebody who waits until something is true. Where it cannot come true, asking throws. */
interface Waiting {
  readonly until: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Whether somebody waits on. */
function waits({ until, resolve, reject }: Waiting): boolean {
  try {
    if (!until()) return true;
    resolve();
  } catch (error) {
    reject(error);
  }
  return false;
}

type Said = Exclude<FromLeader, { kind: "leading" | "connection" }>;

export class TabStream implements View {
  readonly mirror: Mirror;
  readonly presence: Presence;
  readonly holds: Holds;
  readonly noticeListeners = new Set<(notice: Notice) => void>();
  readonly statusListeners = new Set<(status: Status) => void>();
  readonly #watches = new Map<number, Watch<{ id: string }>>();
  #waiting: Waiting[] = [];
  #standing: Standing | undefined;
  #replicaStatus: ReplicaStatus | undefined;
  #parkedEdits: Parked | undefined;
  #known: Status | undefined;
  #statusTold = false;
  #edited = false;
  /** Edits that make a draft, 1, or publish one, -1, and that the leader may not have taken. */
  #drafted: (readonly [edit: number, drafts: number])[] = [];
  /** How many have begun to group edits, and have yet to end. */
  #groups = 0;

  readonly #tab: Tab;

  constructor(
    readonly name: string,
    tab: Tab,
    /** What is held of it is enough. */
    public part: boolean,
  ) {
    this.#tab = tab;
    this.mirror = new Mirror(tab.id, name, tab.options.checks);
    this.presence = new Presence(tab.name.slice(0, 16), (state) => tab.present(name, state));
    this.holds = new Holds((holding) => {
      tab.hold(name, holding);
      tab.schedule();
    });
  }

  /** Makes an edit of ops. It shows at once; watchers are told in the next microtask. */
  edit(ops: Uint8Array, draft = false): void {
    this.#commit(() => this.mirror.edit(ops, Date.now(), draft), draft ? 1 : 0);
  }

  /** Makes an edit with what it depends on, or how it came about: `[ops, [read, …], command | null]`. */
  editWith(edit: Uint8Array, now: number): void {
    this.#commit(() => this.mirror.editWith(edit, now));
  }

  /** A draft, `[collection, id]`, becomes an object like others. */
  publish(key: Uint8Array): void {
    this.#commit(() => this.mirror.publish(key, Date.now()), -1);
  }

  /** Takes this tab's last edit back, or makes it again. `false`: there is nothing to do. */
  step(redo: boolean, forced: boolean): boolean {
    return this.#commit(() => this.mirror.step(redo, forced, Date.now()));
  }

  /** Has all edits that are made meanwhile be one step; a group within another is a part of it. */
  group<T>(make: () => T): T {
    this.#tab.check();
    if (this.#groups++ === 0) this.mirror.group(true);
    const end = () => void (--this.#groups === 0 && this.mirror.group(false));
    let made: T;
    try {
      made = make();
    } catch (error) {
      end();
      throw error;
    }
    if (made instanceof Promise) made.then(end, end);
    else end();
    return made;
  }

  #commit<T>(make: () => T, drafts = 0): T {
    this.#tab.checkEdit();
    const made = byCore(make);
    if (drafts) this.#drafted.push([this.mirror.lastEdit(), drafts]);
    this.#edited = true;
    this.statusChanged();
    this.#tab.schedule();
    return made;
  }

  /** Whether there are edits the leader may not have been given. */
  takeEdited(): boolean {
    const edited = this.#edited;
    this.#edited = false;
    return edited;
  }

  /** Of a part, what is watched is held. */
  watch<Row extends { id: string }>(query: Uint8Array, listener: Listener<Row>): () => void {
    this.#tab.check();
    const held = this.part ? this.hold(query) : undefined;
    const handle = byCore(() => this.mirror.watch(query));
    const watch = new Watch(handle, listener, held);
    this.#watches.set(handle, watch as unknown as Watch<{ id: string }>);
    this.#tab.schedule();
    return () => {
      if (!this.#watches.delete(handle)) return;
      this.mirror.unwatch(handle);
      // What is watched instead within the same turn, and finds the same, need not come again.
      if (held !== undefined) queueMicrotask(() => this.holds.release(held));
    };
  }

  /** Holds what a query finds, until it is released. */
  hold(query: Uint8Array): number {
    this.#checkHold(query);
    return this.holds.begin(query);
  }

  /** Holds what a query finds, until other things have been loaded. */
  load(query: Uint8Array): number {
    this.#checkHold(query);
    return this.holds.load(query);
  }

  /** Resolves once all of what is held has come; its number may become another meanwhile. */
  async untilHeld(hold: () => number): Promise<void> {
    this.#tab.check();
    return this.#until(() => {
      this.#checkReadable();
      if (!this.holds.has(hold())) throw invalid("it was released: hold it until all of it has come");
      return this.holds.isReady(hold());
    });
  }

  #checkReadable(): void {
    const { denied } = this.#replica;
    if (denied !== undefined) throw new TapelineError("denied", denied, true);
  }

  #checkHold(query: Uint8Array): void {
    if (!this.part) throw invalid("all of the stream is held: to hold a part of it, open it with db.part()");
    // A query that is none is told at once.
    this.find(query);
  }

  /** Takes what the leader says of this stream. The own leader's mirror has heard of changes already. */
  hear(said: Said, own: boolean): void {
    switch (said.kind) {
      case "view":
        for (const page of said.pages) this.mirror.hear(page);
        return this.#stands(said.standing);
      case "changes":
        if (!own && said.bytes) this.mirror.hear(said.bytes);
        return this.#stands(said.standing);
      case "notice":
        return this.#tellNotice(said.bytes);
      case "peers":
        return this.presence.hear(said.peers);
      case "held":
        return this.holds.hear(said.holds);
    }
  }

  statusChanged(): void {
    this.#known = undefined;
    this.#statusTold = false;
  }

  /** Tells whoever listens what has changed. */
  tellListeners(): void {
    this.#tellWatches();
    this.#tellStatus();
    this.#waiting = this.#waiting.filter(waits);
  }

  status(): Status {
    this.#known ??= this.#makeStatus();
    return this.#known;
  }

  get parked(): Parked {
    this.#parkedEdits ??= this.#standing ? readParked(this.#standing.parked) : { edits: [], ops: new Map() };
    return this.#parkedEdits;
  }

  /** The id under which the device's copy of the stream sends; empty before it is known. */
  get client(): string {
    return this.#replica.client;
  }

  /** Whether all edits made so far are on the device. */
  isStored(): boolean {
    return this.mirror.storedThrough() >= this.mirror.lastEdit();
  }

  /** Resolves once all edits made so far are on the device. */
  async stored(): Promise<void> {
    this.#tab.check();
    return this.untilStored();
  }

  /** The same, also while it is being closed. */
  untilStored(): Promise<void> {
    const last = this.mirror.lastEdit();
    return this.#until(() => this.mirror.storedThrough() >= last && this.mirror.isComplete());
  }

  /** Resolves once all edits made so far are recorded by the server, and all it had is played. */
  async synced(): Promise<void> {
    this.#tab.check();
    const last = this.mirror.lastEdit();
    return this.#until(() => {
      this.#checkReadable();
      return this.mirror.takenThrough() >= last && this.#replica.caughtUp && this.#replica.pending === 0;
    });
  }

  get(collection: string, id: string, ops?: Uint8Array): Uint8Array | undefined {
    this.#tab.check();
    return byCore(() =>
      ops ? this.mirror.getAfter(encode([collection, id], "the id"), ops) : this.mirror.get(collection, id),
    );
  }

  all(collection: string): Uint8Array {
    return this.find(encode({ collection, where: null, orderBy: null, limit: null }, "the query"));
  }

  find(query: Uint8Array): Uint8Array {
    this.#tab.check();
    return byCore(() => this.mirror.find(query));
  }

  /** Ends. Its last status stays. */
  close(error: TapelineError): void {
    this.#known = this.#makeStatus();
    this.#watches.clear();
    // A group that is still open ends with it.
    this.#groups = Number.POSITIVE_INFINITY;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.mirror.free();
  }

  #until(until: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const isSo = () => {
        if (until()) return true;
        if (this.#tab.over) throw this.#tab.over;
        return false;
      };
      const waiting = { until: isSo, resolve, reject };
      if (!waits(waiting)) return;
      this.#waiting.push(waiting);
      this.#tab.schedule();
    });
  }

  get #replica(): ReplicaStatus {
    if (!this.#standing) return UNKNOWN;
    this.#replicaStatus ??= { ...(decode(this.#standing.status) as ReplicaStatus), ...this.#standing.storage };
    return this.#replicaStatus;
  }

  #stands(standing: Standing | undefined): void {
    this.statusChanged();
    if (!standing) return;
    this.#standing = standing;
    this.#replicaStatus = undefined;
    this.#parkedEdits = undefined;
  }

  #tellNotice(bytes: Uint8Array): void {
    if (this.noticeListeners.size === 0) return;
    const notice = readNotice(bytes, () => this.parked.edits);
    for (const listener of [...this.noticeListeners]) reportErrors(() => listener(notice));
  }

  #tellStatus(): void {
    if (this.#statusTold) return;
    this.#statusTold = true;
    if (this.statusListeners.size === 0) return;
    const status = this.status();
    for (const listener of [...this.statusListeners]) reportErrors(() => listener(status));
  }

  #tellWatches(): void {
    for (let handle = this.mirror.pollChanged(); handle !== undefined; handle = this.mirror.pollChanged()) {
      const watch = this.#watches.get(handle);
      const moved = watch && this.mirror.look(handle);
      if (!watch || !moved) continue;
      const change = watch.take(moved);
      // Before all is known, an empty answer says nothing.
      if (watch.told || watch.rows.length > 0) watch.tell(change);
    }
    if (!this.mirror.isComplete()) return;
    // What listeners begin to watch meanwhile is told next time.
    for (const watch of [...this.#watches.values()]) {
      const isReady = watch.held === undefined || this.holds.isReady(watch.held);
      if (!watch.told && isReady && this.#watches.has(watch.handle))
        watch.tell({ added: [], changed: [], removed: [] });
    }
  }

  #makeStatus(): Status {
    const replica = this.#replica;
    const { oldestPending, agreedAt, storageWhy, filling, denied } = replica;
    const taken = this.mirror.takenThrough();
    this.#drafted = this.#drafted.filter(([edit]) => edit > taken);
    let { pending, drafts } = replica;
    pending += this.mirror.lastEdit() - taken;
    for (const [, more] of this.#drafted) {
      drafts += more;
      // What makes a draft is sent to nobody.
      if (more > 0) pending--;
    }
    return {
      connection: this.#tab.connection,
      loaded: this.mirror.isComplete(),
      open: replica.open,
      ...(denied === undefined ? {} : { denied }),
      played: replica.played,
      head: replica.head,
      behind: replica.behind,
      ...(filling ? { filling: { objects: filling[0], of: filling[1], bytes: filling[2] } } : {}),
      pending,
      ...(oldestPending === undefined ? {} : { oldestPending: new Date(oldestPending) }),
      parked: replica.parked,
      drafts,
      stored: this.isStored() && replica.stored && storageWhy === undefined,
      storage: replica.storage,
      ...(storageWhy === undefined ? {} : { storageWhy }),
      leader: this.#tab.leads,
      ...(agreedAt === undefined ? {} : { agreedAt: new Date(agreedAt) }),
      diverged: replica.diverged,
    };
  }
}
