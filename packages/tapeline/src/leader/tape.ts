/** One stream where the leader is: its replica, what of it is on the device, and who is told of it. */

import * as core from "../core.js";
import { random16 } from "../ids.js";
import { COMPACT_BYTES, COMPACT_SHARE, STORAGE_PAUSE } from "../limits.js";
import type { ReplicaStatus } from "../status.js";
import { NoStorage, type Store, type StoreRecord, Superseded } from "../store/store.js";
import { decode } from "../values.js";

export class Tape {
  readonly replica: core.Replica;
  loaded = false;
  /** Tabs that mirror it, beside the leader's own. */
  readonly others = new Set<string>();
  /** What was last told of its status, as the core wrote it. */
  toldStatus = "";
  status: ReplicaStatus | undefined;
  private bytesOfWhole = 0;
  private bytesSince = 0;
  private trouble: NoStorage | undefined;
  private retryAt = 0;

  constructor(
    readonly name: string,
    readonly channel: number,
    private readonly store: Store | undefined,
    private readonly events: { superseded(): void; changed(tape: Tape): void },
    noStorage: NoStorage | undefined,
  ) {
    this.trouble = noStorage;
    this.replica = new core.Replica(name, random16(), store !== undefined);
  }

  /** Reads what is on the device. `some`: called when the first of it can be shown. */
  async load(some: () => void): Promise<void> {
    let first = true;
    await this.store?.load(this.name, (parts) => {
      for (const part of parts) {
        this.bytesOfWhole += part.length;
        this.replica.restore(part);
      }
      if (first) some();
      first = false;
    });
    this.replica.restored();
    this.loaded = true;
  }

  /** Has the device keep what is to be kept. `flush`: though something is being written. */
  keep(flush: boolean): void {
    if (!this.store) return;
    this.compact();
    for (let record = this.replica.pollRecord(flush); record; record = flush ? this.replica.pollRecord(true) : undefined) {
      void this.write(decode(record));
    }
  }

  /** Where its edits are kept. */
  get storage(): { storage: ReplicaStatus["storage"]; storageWhy?: string } {
    if (this.trouble) return { storage: this.trouble.kind, storageWhy: this.trouble.message };
    return { storage: this.store ? "device" : "memory" };
  }

  free(): void {
    this.replica.free();
  }

  private async write(record: StoreRecord): Promise<void> {
    try {
      await this.store!.write(this.name, record);
      this.written(record);
    } catch (error) {
      if (error instanceof Superseded) return this.events.superseded();
      this.goOnInMemory(error instanceof NoStorage ? error : new NoStorage("missing", String(error)));
    }
    this.events.changed(this);
  }

  private written(record: StoreRecord): void {
    const bytes = record.parts.reduce((sum, part) => sum + part.length, 0);
    if (record.whole) {
      this.bytesOfWhole = bytes;
      this.bytesSince = 0;
    } else this.bytesSince += bytes;
    this.trouble = undefined;
    this.replica.stored(record.number);
  }

  /** Small records add up: now and then all of it is written anew. */
  private compact(): void {
    if (this.bytesSince < Math.max(COMPACT_BYTES, this.bytesOfWhole * COMPACT_SHARE)) return;
    this.bytesSince = 0;
    this.replica.storeWhole();
  }

  /** The device fails: the app goes on all the same, says so, and tries again later. */
  private goOnInMemory(trouble: NoStorage): void {
    this.trouble = trouble;
    this.replica.keep(false);
    const now = Date.now();
    if (now < this.retryAt) return;
    this.retryAt = now + STORAGE_PAUSE;
    const timer = setTimeout(() => {
      this.retryAt = 0;
      this.replica.keep(true);
      this.events.changed(this);
    }, STORAGE_PAUSE);
    (timer as { unref?: () => void }).unref?.();
  }
}
