/** One stream where the leader is: its replica, what of it is on the device, and who is told of it. */

import type { Checks } from "../checking.js";
import * as core from "../core.js";
import { random16 } from "../ids.js";
import { COMPACT_BYTES, COMPACT_SHARE, STORAGE_PAUSE } from "../limits.js";
import { NoStorage, type Store, type StoreRecord, Superseded } from "../store/store.js";
import type { Standing, Storage } from "../tabs/messages.js";
import { decode, type Value } from "../values.js";
import { HeldByTabs } from "./held-by-tabs.js";

export class Tape {
  readonly replica: core.Replica;
  loaded = false;
  /** Tabs that mirror it, beside the leader's own. */
  readonly others = new Set<string>();
  /** What tabs say of themselves, encoded. */
  readonly present = new Map<string, Uint8Array>();
  /** Who is there, as it was last told. */
  peers: Record<string, Value> | undefined;
  /** How it stood when that was last asked. */
  standing: Standing | undefined;
  /** Whether all tabs want a part of it alone. */
  part: boolean;
  readonly held = new HeldByTabs();
  /** Edits of other tabs that came before the device was read. */
  #early: [tab: Uint8Array, edit: Uint8Array][] = [];
  #bytesOfWhole = 0;
  #bytesSince = 0;
  #trouble: NoStorage | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #freed = false;

  readonly #store: Store | undefined;
  readonly #events: { superseded(): void; changed(tape: Tape): void };

  constructor(
    readonly name: string,
    readonly channel: number,
    store: Store | undefined,
    events: { superseded(): void; changed(tape: Tape): void },
    noStorage: NoStorage | undefined,
    part: boolean,
  ) {
    this.#store = store;
    this.#events = events;
    this.part = part;
    this.#trouble = noStorage;
    this.replica = new core.Replica(name, random16(), store !== undefined);
  }

  /**
   * Reads what is on the device. `some`: called when the first of it can be shown. `checks`: of commands that are run again.
   * `false`: it was freed meanwhile.
   */
  async load(some: () => void, checks: Checks | undefined): Promise<boolean> {
    let first = true;
    const since = await this.#store?.load(this.name, (parts) => {
      if (this.#freed) return;
      for (const part of parts) {
        this.#bytesOfWhole += part.length;
        this.replica.restore(part);
      }
      if (first) some();
      first = false;
    });
    if (this.#freed) return false;
    this.#bytesSince = since ?? 0;
    this.#bytesOfWhole -= this.#bytesSince;
    this.replica.restored(checks);
    this.replica.hold(this.part);
    this.held.begin(this.replica);
    this.loaded = true;
    return true;
  }

  /** A tab wants all of it. */
  holdAll(): void {
    if (!this.part) return;
    this.part = false;
    if (this.loaded) this.replica.hold(false);
  }

  /** Takes an edit of another tab. */
  take(tab: Uint8Array, edit: Uint8Array): void {
    if (this.loaded) this.replica.take(tab, edit);
    else this.#early.push([tab, edit]);
  }

  /** Takes those that came too early. */
  takeEarly(): void {
    for (const [tab, edit] of this.#early.splice(0)) this.replica.take(tab, edit);
  }

  /** How it stands, where that has changed since this was last asked. */
  pollStanding(): Standing | undefined {
    const status = this.replica.status();
    const [storage, stood] = [this.#storage, this.standing];
    const same = stood?.storage.storage === storage.storage && stood.storage.storageWhy === storage.storageWhy;
    if (same && isSame(stood.status, status)) return undefined;
    this.standing = { status: status.slice(), storage, parked: this.replica.parked() };
    return this.standing;
  }

  /** Has the device keep what is to be kept. `flush`: though something is being written. */
  keep(flush: boolean): void {
    if (!this.#store) return;
    this.#compact();
    for (
      let record = this.replica.pollRecord(flush);
      record;
      record = flush ? this.replica.pollRecord(true) : undefined
    ) {
      void this.#write(decode(record));
    }
  }

  /** Where its edits are kept. */
  get #storage(): Storage {
    if (this.#trouble) return { storage: this.#trouble.kind, storageWhy: this.#trouble.message };
    return { storage: this.#store ? "device" : "memory" };
  }

  free(): void {
    this.#freed = true;
    clearTimeout(this.#retry);
    this.replica.free();
  }

  async #write(record: StoreRecord): Promise<void> {
    const trouble = await this.#store!.write(this.name, record).catch((error: unknown) => error);
    if (this.#freed) return;
    if (trouble instanceof Superseded) return this.#events.superseded();
    if (trouble === undefined) this.#written(record);
    else this.#goOnInMemory(trouble instanceof NoStorage ? trouble : new NoStorage("missing", String(trouble)));
    this.#events.changed(this);
  }

  #written(record: StoreRecord): void {
    const bytes = record.parts.reduce((sum, part) => sum + part.length, 0);
    if (record.whole) {
      this.#bytesOfWhole = bytes;
      this.#bytesSince = 0;
    } else this.#bytesSince += bytes;
    this.#trouble = undefined;
    this.replica.stored(record.number);
  }

  /** Small records add up: now and then all of it is written anew. */
  #compact(): void {
    if (this.#bytesSince < Math.max(COMPACT_BYTES, this.#bytesOfWhole * COMPACT_SHARE)) return;
    this.#bytesSince = 0;
    this.replica.storeWhole();
  }

  /** The device fails: the app goes on all the same, says so, and tries again later. */
  #goOnInMemory(trouble: NoStorage): void {
    this.#trouble = trouble;
    this.replica.keep(false);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.replica.keep(true);
      this.#events.changed(this);
    }, STORAGE_PAUSE);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let place = 0; place < a.length; place++) if (a[place] !== b[place]) return false;
  return true;
}
