/**
 * Values as bytes: just as much CBOR as the core speaks (docs/protocol.cddl).
 *
 * Integers of 64 bits that a number cannot hold are bigints. Everything that cannot travel is refused with its path.
 */

import { noteConflicts } from "./conflicts.js";
import { invalid } from "./errors.js";
import { VALUE_DEPTH } from "./limits.js";
import { decoder, encoder } from "./module.js";

/** What a field may hold. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [name: string]: Value };

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;

/** Bytes of the head of a list that may have any length. */
const LIST_HEAD = 5;

/** Writes CBOR. One of them is used again and again. */
export class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  /** How many bytes were written. */
  length = 0;

  /** A copy of what was written; the next writing begins anew. */
  finish(): Uint8Array {
    const written = this.#bytes.slice(0, this.length);
    this.length = 0;
    return written;
  }

  /** What was written from one place up to another, where it stands: good until something else is written there. */
  written(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, to);
  }

  /** Begins a list of which the length is known later, as all that is written. */
  openList(): this {
    this.length = LIST_HEAD;
    return this;
  }

  /** Says how long it is. */
  closeList(items: number): void {
    this.#bytes[0] = (LIST << 5) | 26;
    this.#view.setUint32(1, items);
  }

  array(items: number): this {
    return this.#head(LIST, items);
  }

  map(entries: number): this {
    return this.#head(MAP, entries);
  }

  uint(number: number): this {
    return this.#head(UNSIGNED, number);
  }

  text(text: string): this {
    // Most texts are short and plain: their length in bytes is known before they are written.
    if (text.length < 256) {
      this.#room(text.length + 9);
      const bytes = this.#bytes;
      const start = this.length;
      let place = start + (text.length < 24 ? 1 : 2);
      let at = 0;
      for (; at < text.length; at++) {
        const code = text.charCodeAt(at);
        if (code > 127) break;
        bytes[place++] = code;
      }
      if (at === text.length) {
        this.#head(TEXT, at).length = place;
        return this;
      }
    }
    const encoded = encoder.encode(text);
    return this.#head(TEXT, encoded.length).raw(encoded);
  }

  /** Text that must be Unicode. `what` it is, for errors. */
  name(text: string, what: string): this {
    if (!text.isWellFormed()) throw invalid(`${what} has half of a surrogate pair: use text.toWellFormed()`);
    return this.text(text);
  }

  blob(bytes: Uint8Array): this {
    return this.#head(BYTES, bytes.length).raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** Writes a value. `path`: what it is, for errors. */
  value(value: unknown, path: string, depth = VALUE_DEPTH): this {
    switch (typeof value) {
      case "string":
        return this.name(value, path);
      case "number":
        return this.#number(value, path);
      case "boolean":
        return this.#byte(value ? 0xf5 : 0xf4);
      case "bigint":
        return this.#bigint(value, path);
      case "object":
        return value === null ? this.#byte(0xf6) : this.#object(value, path, depth);
      case "undefined":
        throw invalid(`${path} is undefined: leave the field out, or set it to null`);
      default:
        throw invalid(`${path} is a ${typeof value}, which cannot travel: store what it stands for`);
    }
  }

  #object(value: object, path: string, depth: number): this {
    if (value instanceof Uint8Array) return this.blob(value);
    if (depth === 0) throw invalid(`${path} nests deeper than ${VALUE_DEPTH} levels, or contains itself: flatten it`);
    if (Array.isArray(value)) {
      this.array(value.length);
      for (let place = 0; place < value.length; place++) this.value(value[place], `${path}[${place}]`, depth - 1);
      return this;
    }
    if (!isPlain(value)) throw invalid(describe(value, path));
    const names = Object.keys(value);
    this.map(names.length);
    for (const name of names) {
      this.name(name, `a name in ${path}`).value(
        (value as Record<string, unknown>)[name],
        `${path}.${name}`,
        depth - 1,
      );
    }
    return this;
  }

  #number(number: number, path: string): this {
    if (!Number.isFinite(number))
      throw invalid(`${path} is ${number}, which cannot travel: set it to null, or leave it out`);
    if (Number.isSafeInteger(number))
      return number < 0 ? this.#head(NEGATIVE, -1 - number) : this.#head(UNSIGNED, number);
    this.#room(9);
    this.#bytes[this.length] = 0xfb;
    this.#view.setFloat64(this.length + 1, number);
    this.length += 9;
    return this;
  }

  #bigint(number: bigint, path: string): this {
    if (BigInt.asIntN(64, number) !== number) throw invalid(`${path} does not fit 64 bits: store it as text`);
    const negative = number < 0n;
    this.#room(9);
    this.#bytes[this.length] = ((negative ? NEGATIVE : UNSIGNED) << 5) | 27;
    this.#view.setBigUint64(this.length + 1, negative ? -1n - number : number);
    this.length += 9;
    return this;
  }

  #byte(byte: number): this {
    this.#room(1);
    this.#bytes[this.length++] = byte;
    return this;
  }

  #head(major: number, argument: number): this {
    this.#room(9);
    const first = major << 5;
    if (argument < 24) {
      this.#bytes[this.length++] = first | argument;
    } else if (argument < 0x100) {
      this.#bytes[this.length++] = first | 24;
      this.#bytes[this.length++] = argument;
    } else if (argument < 0x10000) {
      this.#bytes[this.length] = first | 25;
      this.#view.setUint16(this.length + 1, argument);
      this.length += 3;
    } else if (argument < 0x1_0000_0000) {
      this.#bytes[this.length] = first | 26;
      this.#view.setUint32(this.length + 1, argument);
      this.length += 5;
    } else {
      this.#bytes[this.length] = first | 27;
      this.#view.setBigUint64(this.length + 1, BigInt(argument));
      this.length += 9;
    }
    return this;
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + bytes));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Whether something is an object with no class of its own. It may be of another window. */
export function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

function describe(value: object, path: string): string {
  if (value instanceof Date)
    return `${path} is a Date, which cannot travel: store value.getTime() or value.toISOString()`;
  const kind = value.constructor?.name ?? "something else";
  return `${path} is a ${kind}, which cannot travel: store plain objects, arrays, text, numbers, true, false, null, bigints or Uint8Array`;
}

/** Encodes one value. `what` it is, for errors. */
export function encode(value: unknown, what: string): Uint8Array {
  return new Writer().value(value, what).finish();
}

/** Every byte is a character. */
const latin = new TextDecoder("latin1");
/** Bytes that are made text at once. Whoever keeps one text of them keeps them all. */
const BLOCK = 16 << 10;

/** Reads CBOR that the core wrote. */
export class Reader {
  #at = 0;
  #block = "";
  #blockStart = 0;
  #wide: DataView | undefined;

  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** For what takes more than one byte. */
  get #view(): DataView {
    this.#wide ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    return this.#wide;
  }

  /** The number of items of the array, entries of the map, or the number itself, that comes next. */
  size(): number {
    return this.#length(this.#bytes[this.#at++]!);
  }

  /** Any number of numbers. */
  sizes(): number[] {
    const sizes = new Array<number>(this.size());
    for (let place = 0; place < sizes.length; place++) sizes[place] = this.size();
    return sizes;
  }

  // biome-ignore lint/suspicious/noExplicitAny: whoever asks knows what stands there.
  value(): any {
    const first = this.#bytes[this.#at++]!;
    switch (first >> 5) {
      case UNSIGNED:
        return this.#argument(first & 31);
      case NEGATIVE: {
        const number = this.#argument(first & 31);
        return typeof number === "bigint" ? -1n - number : -1 - number;
      }
      case BYTES:
        return this.#blob(this.#length(first));
      case TEXT:
        if ((first & 31) > COMMON) return this.#characters(this.#length(first));
        this.#at--;
        return this.#common(texts);
      case LIST: {
        const list = new Array(this.#length(first));
        for (let place = 0; place < list.length; place++) list[place] = this.value();
        return list;
      }
      case MAP:
        return this.#entries({}, this.#length(first));
      default:
        return this.#simple(first);
    }
  }

  /** What comes next, as the bytes it is. */
  raw(): Uint8Array {
    const from = this.#at;
    this.value();
    return this.#bytes.slice(from, this.#at);
  }

  /** A row: `[id, {field: value}, conflicts?]` as `{id, field: value}`. */
  row<T>(): T {
    const parts = this.size();
    const id = this.value();
    const fields = this.#entries({ id }, this.size());
    // Others may have given it a field of that name.
    fields.id = id;
    const row = Object.freeze(fields);
    if (parts > 2) noteConflicts(row, this.value());
    return row as T;
  }

  /** Any number of rows. */
  rows<T>(): T[] {
    const rows = new Array<T>(this.size());
    for (let place = 0; place < rows.length; place++) rows[place] = this.row();
    return rows;
  }

  #entries(into: Record<string, unknown>, count: number): Record<string, unknown> {
    for (; count > 0; count--) {
      // Names are text; the parts of what is structured have small numbers.
      const name = this.#bytes[this.#at]! >> 5 === TEXT ? this.#common(names) : String(this.size());
      const value = this.value();
      if (name === "__proto__") Object.defineProperty(into, name, { value, enumerable: true });
      else into[name] = value;
    }
    return into;
  }

  /** A text like those that come again and again, which are made once. `texts`: some of them. */
  #common(texts: (string | undefined)[]): string {
    const length = this.#length(this.#bytes[this.#at++]!);
    const bytes = this.#bytes;
    const at = this.#at;
    const slot = (length * 31 + bytes[at]! * 7 + bytes[at + length - 1]! + bytes[at + (length >> 1)]! * 3) & 255;
    const known = texts[slot];
    if (known !== undefined && known.length === length) {
      let same = 0;
      while (same < length && known.charCodeAt(same) === bytes[at + same]) same++;
      if (same === length) {
        this.#at += length;
        return known;
      }
    }
    const text = this.#characters(length);
    if (length > 0 && text.length === length) texts[slot] = text;
    return text;
  }

  #blob(length: number): Uint8Array {
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  /** Most texts are short and plain; what is fastest was measured. */
  #characters(length: number): string {
    const bytes = this.#bytes;
    const at = this.#at;
    const end = at + length;
    this.#at = end;
    let plain = length < 64;
    for (let place = at; plain && place < end; place++) plain = bytes[place]! < 128;
    if (!plain) return decoder.decode(bytes.subarray(at, end));
    if (length > 12 && bytes.length > BLOCK) return this.#plainText(at, end);
    if (length > 12) return String.fromCharCode.apply(null, bytes.subarray(at, end) as unknown as number[]);
    let text = "";
    for (let place = at; place < end; place++) text += String.fromCharCode(bytes[place]!);
    return text;
  }

  /** A plain text of much that is read: a piece of many bytes that are made text at once. */
  #plainText(at: number, end: number): string {
    if (end > this.#blockStart + this.#block.length) {
      this.#blockStart = at;
      this.#block = latin.decode(this.#bytes.subarray(at, at + BLOCK));
    }
    return this.#block.substring(at - this.#blockStart, end - this.#blockStart);
  }

  #simple(first: number): unknown {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xfb:
        this.#at += 8;
        return this.#view.getFloat64(this.#at - 8);
      default:
        return null;
    }
  }

  #length(first: number): number {
    const small = first & 31;
    return small < 24 ? small : Number(this.#argument(small));
  }

  #argument(small: number): number | bigint {
    switch (small) {
      case 24:
        return this.#bytes[this.#at++]!;
      case 25:
        this.#at += 2;
        return this.#view.getUint16(this.#at - 2);
      case 26:
        this.#at += 4;
        return this.#view.getUint32(this.#at - 4);
      case 27: {
        this.#at += 8;
        const number = this.#view.getBigUint64(this.#at - 8);
        return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
      }
      default:
        return small;
    }
  }
}

/** Values of at most so many bytes are often the same: states, names of people, colours. */
const COMMON = 12;
const texts: (string | undefined)[] = new Array(256);
const names: (string | undefined)[] = new Array(256);

/** Reads one value that the core wrote. */
// biome-ignore lint/suspicious/noExplicitAny: whoever asks knows what stands there.
export function decode(bytes: Uint8Array): any {
  return new Reader(bytes).value();
}
