/**
 * The device in a browser: an append log of records in IndexedDB, a handful of entries however many objects there are.
 *
 * ```text
 * records  [stream, number] -> one part of a record; numbers of those written since a whole one are past SINCE
 * leaders  epoch -> 1           one for each term; the leader of the newest may write
 * ```
 *
 * A leader that was frozen or stolen from must not write any more. Each transaction therefore begins by claiming the
 * epoch after its own: where a newer leader has it already, that fails, and the transaction with it. No answer has to be
 * waited for in between, so that a page that is being closed can still commit.
 */

import { wordsOf } from "../errors.js";
import { RECORDS_AT_ONCE } from "../limits.js";
import { VERSION } from "../versions.js";
import { NewerStore, NoStorage, type Store, type StoreRecord, Superseded } from "./store.js";

const RECORDS = "records";
const LEADERS = "leaders";
const SINCE = 2 ** 32;
/** So many later terms a leader that does not know that its time is over may sleep through, and still be kept out. */
const FENCED = 1_000;

export class IndexedDbStore implements Store {
  /** The number of the last part of each stream, or `SINCE`. */
  readonly #last = new Map<string, number>();

  readonly #database: IDBDatabase;
  readonly #epoch: number;

  private constructor(database: IDBDatabase, epoch: number) {
    this.#database = database;
    this.#epoch = epoch;
  }

  /** Opens the store of an app, or makes it, and takes it over from any earlier leader. */
  static async open(name: string): Promise<IndexedDbStore> {
    if (typeof indexedDB === "undefined") throw new NoStorage("missing", "there is no IndexedDB here");
    const opening = indexedDB.open(name, VERSION);
    opening.onupgradeneeded = () => {
      const { result: made } = opening;
      // A newer version has what an older one made, and adds to it.
      for (const store of [RECORDS, LEADERS]) if (!made.objectStoreNames.contains(store)) made.createObjectStore(store);
    };
    const database = await done(opening).catch((error) => {
      if (nameOf(error) === "VersionError") throw new NewerStore("the device's data is of a newer version of this app");
      throw asNoStorage(error);
    });
    // A newer version of the app wants to upgrade it, and another tab leads by now.
    database.onversionchange = () => database.close();
    return new IndexedDbStore(database, await claim(database));
  }

  async load(stream: string, page: (parts: Uint8Array[]) => void): Promise<number> {
    let since = 0;
    // Little at first, so that something of a large list shows early.
    let most = 1;
    let read = await this.#read(stream, 0, most);
    while (read.parts.length > 0) {
      most = Math.min(most * 4, RECORDS_AT_ONCE);
      // The device reads on while these are taken in.
      const next = this.#read(stream, read.last, most);
      page(read.parts);
      since += read.since;
      read = await next;
    }
    this.#last.set(stream, Math.max(read.last, SINCE));
    return since;
  }

  /** Reads the next parts, the number of the last one that was read by then, and the bytes of those past `SINCE`. */
  async #read(stream: string, after: number, most: number) {
    const records = this.#database.transaction(RECORDS).objectStore(RECORDS);
    const range = IDBKeyRange.bound([stream, after], [stream, Number.MAX_SAFE_INTEGER], true);
    const [keys, parts] = (await Promise.all([
      done(records.getAllKeys(range, most)),
      done(records.getAll(range, most)),
    ])) as [[string, number][], Uint8Array[]];
    const since = parts.reduce((sum, part, at) => sum + (keys[at]![1] > SINCE ? part.length : 0), 0);
    return { parts, last: keys.at(-1)?.[1] ?? after, since };
  }

  async write(stream: string, record: StoreRecord): Promise<void> {
    try {
      const durability = record.urgent ? "strict" : "relaxed";
      const transaction = this.#database.transaction([RECORDS, LEADERS], "readwrite", { durability });
      const leaders = transaction.objectStore(LEADERS);
      leaders.add(1, this.#epoch + 1);
      leaders.delete(this.#epoch + 1);
      const records = transaction.objectStore(RECORDS);
      if (record.whole) records.delete(IDBKeyRange.bound([stream, 0], [stream, Number.MAX_SAFE_INTEGER]));
      const last = this.#last.get(stream) ?? SINCE;
      let number = record.whole ? 0 : last;
      for (const part of record.parts) records.put(part, [stream, ++number]);
      // Where this fails, what is there stays, and is not to be written over.
      this.#last.set(stream, Math.max(last, number));
      transaction.commit();
      await finished(transaction);
    } catch (error) {
      if (nameOf(error) === "ConstraintError") throw new Superseded("another tab has taken the store over");
      throw asNoStorage(error);
    }
  }

  async close(): Promise<void> {
    this.#database.close();
  }
}

/** Makes this leader the newest. */
async function claim(database: IDBDatabase): Promise<number> {
  const transaction = database.transaction(LEADERS, "readwrite");
  const leaders = transaction.objectStore(LEADERS);
  const epochs = (await done(leaders.getAllKeys())) as number[];
  const epoch = Math.max(0, ...epochs) + 1;
  // Leaders of as many terms ago are gone.
  leaders.delete(IDBKeyRange.upperBound(epoch - FENCED));
  leaders.put(1, epoch);
  await finished(transaction);
  return epoch;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function nameOf(error: unknown): string {
  return error instanceof DOMException ? error.name : "";
}

function asNoStorage(error: unknown): NoStorage {
  if (error instanceof NoStorage) return error;
  // Chromium has no words of its own for it.
  if (nameOf(error) === "QuotaExceededError")
    return new NoStorage("full", "the device has no room left", { cause: error });
  return new NoStorage("missing", wordsOf(error), { cause: error });
}
