/** From messages to frames, in their order: as they are, or out of DEFLATE where the server thought it worth that. */

import { wordsOf } from "../errors.js";
import { FRAME_BYTES } from "../limits.js";

/** What says that a frame follows in DEFLATE: no frame begins so. */
const MARK = 0;
const FORMAT = "deflate-raw";

/** Whether there is what inflates: the server is told so. */
export function canInflate(): boolean {
  try {
    return Boolean(new DecompressionStream(FORMAT));
  } catch {
    return false;
  }
}

/** The frames of one socket. */
export class Inflating {
  /** The last one that waits: those behind it wait for it. */
  #last: Promise<void> | undefined;

  readonly #frame: (bytes: Uint8Array) => unknown;
  readonly #broken: (why: string) => unknown;

  constructor(frame: (bytes: Uint8Array) => unknown, broken: (why: string) => unknown) {
    this.#frame = frame;
    this.#broken = broken;
  }

  take(message: Uint8Array): void {
    const isDeflated = message[0] === MARK;
    if (!isDeflated && !this.#last) return void this.#frame(message);
    const mine = this.#tell(isDeflated ? inflate(message.subarray(1)) : message, this.#last);
    this.#last = mine;
    void mine.then(() => {
      if (this.#last === mine) this.#last = undefined;
    });
  }

  async #tell(frame: Promise<Uint8Array> | Uint8Array, before: Promise<void> | undefined): Promise<void> {
    try {
      const [bytes] = await Promise.all([frame, before]);
      this.#frame(bytes);
    } catch (error) {
      this.#broken(`the server said something that cannot be inflated: ${wordsOf(error)}`);
    }
  }
}

/** Inflates a frame, unless it is larger than one may be: little can come that would take much. */
async function inflate(deflated: Uint8Array): Promise<Uint8Array> {
  const inflated = new Blob([deflated as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream(FORMAT));
  const reader = inflated.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    bytes += read.value.length;
    if (bytes > FRAME_BYTES) throw new Error("it is too large");
    parts.push(read.value);
  }
  const frame = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
