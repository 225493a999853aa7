/** Ids: random ones, and UUIDs that sort by when they were made. */

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const pool = new Uint8Array(2048);
let used = pool.length;

/** 16 random bytes. */
export function random16(): Uint8Array {
  if (used + 16 > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += 16;
  return pool.slice(used - 16, used);
}

let last = 0;
let sequence = 0;

/** A new id: a UUID of version 7 (RFC 9562). Those made in one place sort in the order they were made. */
export function newId(now = Date.now()): string {
  const bytes = random16();
  sequence = now > last ? bytes[7]! : sequence + 1;
  if (sequence > 0xfff) {
    sequence = 0;
    last++;
  }
  last = Math.max(last, now);
  return uuid(last, sequence, bytes);
}

/** A UUID of version 7: a time in milliseconds, 12 bits that sort within it, then chance. */
export function uuid(time: number, sequence: number, bytes: Uint8Array): string {
  for (let place = 5, left = time; place >= 0; place--, left = Math.floor(left / 256)) bytes[place] = left % 256;
  bytes[6] = 0x70 | (sequence >> 8);
  bytes[7] = sequence;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return uuidText(bytes);
}

/** The 16 bytes of a UUID as text. */
export function uuidText(bytes: Uint8Array): string {
  let text = "";
  for (let place = 0; place < 16; place++) {
    text += hex[bytes[place]!];
    if (place === 3 || place === 5 || place === 7 || place === 9) text += "-";
  }
  return text;
}

/** Bytes as text, for keys of maps. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hex[byte];
  return text;
}

const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** The 16 bytes of the id of a client as it is written everywhere: 26 digits of 5 bits (those of a ULID). */
export function clientText(bytes: Uint8Array): string {
  let text = "";
  for (let left = BigInt(`0x${toHex(bytes)}`); text.length < 26; left >>= 5n) text = digits[Number(left & 31n)] + text;
  return text;
}

/** The bytes again. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16));
}
