/**
 * The device in Node: one file a stream, to which records are appended; a directory belongs to one process at a time.
 *
 * ```text
 * file   = "TAPELINE" version:u8 record*
 * record = bytes:u32 crc32:u32 (bytes:u32 part)*        numbers little-endian; the checksum is over what follows it
 * ```
 *
 * A record that was cut off by a crash ends the file; it is cut away. One that is damaged before the end is an error.
 */

import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { TapelineError, wordsOf } from "../errors.js";
import { LOCK_PAUSE, LOCK_TURN } from "../limits.js";
import { VERSION } from "../versions.js";
import { NewerStore, NoStorage, type Store, type StoreRecord } from "./store.js";

const MAGIC = Buffer.from("TAPELINE");
const HEADER = MAGIC.length + 1;

/** The directories this process uses. */
const taken = new Set<string>();

interface OpenTape {
  readonly file: FileHandle;
  /** Where the next record begins. What is behind it, of a record that could not be written, is written over. */
  end: number;
}

export class FileStore implements Store {
  readonly #tapes = new Map<string, OpenTape>();
  /** What is read and written of each stream, one after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<FileStore> {
    const path = resolve(directory);
    await mkdir(path, { recursive: true }).catch((error) => {
      const fix = "name a directory that this process may make, or write to";
      throw new TapelineError("storage", `${wordsOf(error)}: ${fix}`, false, { cause: error });
    });
    await take(path);
    return new FileStore(path);
  }

  load(stream: string, page: (parts: Uint8Array[]) => void): Promise<number> {
    return this.#inTurn(stream, () => this.#loadNow(stream, page));
  }

  write(stream: string, record: StoreRecord): Promise<void> {
    return this.#inTurn(stream, () => this.#writeNow(stream, record)).catch((error) =>
      Promise.reject(asNoStorage(error)),
    );
  }

  /** Lets go of the directory, which another one may take then: nothing of this one goes on. */
  async close(): Promise<void> {
    await Promise.all(this.#turns.values());
    await Promise.all([...this.#tapes.values()].map(({ file }) => file.close()));
    // Somebody may have removed all of the directory before.
    await rm(lockOf(this.#directory), { force: true });
    taken.delete(this.#directory);
  }

  #inTurn<T>(stream: string, run: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(stream) ?? Promise.resolve()).then(run);
    this.#turns.set(
      stream,
      turn.then(
        () => {},
        () => {},
      ),
    );
    return turn;
  }

  async #loadNow(stream: string, page: (parts: Uint8Array[]) => void): Promise<number> {
    const path = this.#path(stream);
    const bytes = await readFile(path).catch((error) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    const { end, whole } = bytes && bytes.length >= HEADER ? read(bytes, path, page) : { end: 0, whole: 0 };
    const file = await open(path, end ? "r+" : "w+");
    if (end) await file.truncate(end);
    else await writeAll(file, header(), 0);
    this.#tapes.set(stream, { file, end: end || HEADER });
    return end - whole;
  }

  async #writeNow(stream: string, record: StoreRecord): Promise<void> {
    const tape = this.#tapes.get(stream);
    if (!tape) throw new Error(`the records of ${stream} were not read`);
    const bytes = encode(record.parts);
    if (record.whole) return this.#replace(stream, tape.file, bytes);
    await writeAll(tape.file, bytes, tape.end);
    if (record.urgent) await tape.file.datasync();
    tape.end += bytes.length;
  }

  /** Writes a new file beside the old one and puts it in its place. */
  async #replace(stream: string, old: FileHandle, bytes: Buffer): Promise<void> {
    const path = this.#path(stream);
    const file = await open(`${path}.new`, "w+");
    try {
      await writeAll(file, Buffer.concat([header(), bytes]), 0);
      await file.datasync();
      await rename(`${path}.new`, path);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#tapes.set(stream, { file, end: HEADER + bytes.length });
    await syncDirectory(this.#directory);
    await old.close();
  }

  #path(stream: string): string {
    return join(this.#directory, `${fileName(stream)}.tape`);
  }
}

/** A name of which every file system keeps each letter, and tells them apart. */
function fileName(stream: string): string {
  const escaped = (byte: string) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`;
  const name = Buffer.from(stream)
    .toString("latin1")
    .replace(/[^a-z0-9._-]/g, escaped);
  return name.length < 200 ? name : createHash("sha256").update(stream).digest("hex");
}

function header(): Buffer {
  return Buffer.concat([MAGIC, Buffer.from([VERSION])]);
}

function encode(parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts.flatMap((part) => [uint32(part.length), part]));
  return Buffer.concat([uint32(content.length), uint32(crc32(content)), content]);
}

/** One call may write less than all. */
async function writeAll(file: FileHandle, bytes: Buffer, place: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, place + written);
    written += bytesWritten;
  }
}

/** A new name in a directory is lost with the power unless the directory is synced, where systems can do that. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => {});
  await directory?.close();
}

function asNoStorage(error: NodeJS.ErrnoException): NoStorage {
  const full = error.code === "ENOSPC" || error.code === "EDQUOT";
  return new NoStorage(full ? "full" : "missing", error.message, { cause: error });
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** Reads all records. Answers where they end, and where the first one does, which is whole. */
function read(bytes: Buffer, path: string, page: (parts: Uint8Array[]) => void): { end: number; whole: number } {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(path, "it is not a tape");
  if (bytes[MAGIC.length]! > VERSION) throw new NewerStore(`${path} is of a newer version of this program`);
  let at = HEADER;
  let whole = 0;
  while (at + 8 <= bytes.length) {
    const content = bytes.subarray(at + 8, at + 8 + bytes.readUInt32LE(at));
    const end = at + 8 + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    if (crc32(content) !== bytes.readUInt32LE(at + 4)) {
      if (end === bytes.length) break;
      throw damaged(path, `the record at byte ${at} does not match its checksum`);
    }
    page(partsOf(content));
    at = end;
    whole ||= end;
  }
  return { end: at, whole: whole || at };
}

function partsOf(content: Buffer): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 4 <= content.length; ) {
    const end = at + 4 + content.readUInt32LE(at);
    parts.push(content.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

function damaged(path: string, why: string): TapelineError {
  return new TapelineError("storage", `${path} is damaged: ${why}. Keep a copy, and open another directory`);
}

function lockOf(directory: string): string {
  return join(directory, "lock");
}

/** Takes the directory for one client of this process. */
async function take(directory: string): Promise<void> {
  if (taken.has(directory)) throw inUse(directory, process.pid);
  taken.add(directory);
  try {
    await lock(directory);
  } catch (error) {
    taken.delete(directory);
    throw error;
  }
}

/** Takes it for this process. A lock whose process is gone is taken over. */
async function lock(directory: string): Promise<void> {
  const path = lockOf(directory);
  try {
    await writeFile(path, String(process.pid), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const holder = Number(await readFile(path, "utf8").catch(() => ""));
    // After a restart another process may have had this one's number.
    if (holder !== process.pid && isRunning(holder)) throw inUse(directory, holder);
    // Whoever has just made it has yet to write in it.
    if (!holder && (await isNew(path))) await pause();
    else await removeStale(path, holder);
    return lock(directory);
  }
}

function inUse(directory: string, holder: number): TapelineError {
  const words = `${lockOf(directory)}: the directory is in use by process ${holder}; close that client, or open another directory`;
  return new TapelineError("storage", words, true);
}

/** Removes the lock of a process that is gone; of several that want to, one does, and none removes what another has taken. */
async function removeStale(path: string, holder: number): Promise<void> {
  const turn = `${path}.turn`;
  try {
    await writeFile(turn, "", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // Where it is old, whoever had the turn was killed meanwhile.
    if (!(await isNew(turn))) await unlink(turn).catch(() => {});
    return pause();
  }
  const now = Number(await readFile(path, "utf8").catch(() => ""));
  if (now === holder) await unlink(path).catch(() => {});
  await unlink(turn);
}

/** Whether a file has come to be so lately that whoever made it may be at it. */
async function isNew(path: string): Promise<boolean> {
  const made = await stat(path).catch(() => undefined);
  return made !== undefined && Date.now() - made.mtimeMs < LOCK_TURN;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE));
}

function isRunning(process_: number): boolean {
  if (!process_) return false;
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
