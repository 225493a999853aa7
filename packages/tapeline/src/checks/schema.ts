/** A schema that says what is valid: the other side of `crates/wasm-checks`, a module beside the core's. */

import type { Checks } from "../checking.js";

interface Exports {
  readonly memory: WebAssembly.Memory;
  input(bytes: number): number;
  output(): number;
  /** Answers 0, or the length of what is wrong. */
  read(): number;
  /** Answers the length of a field's name, a zero, and the reason; 0 where nothing stands against it. */
  check(schema: number): number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Makes checks of schemas' texts, by a module that is loaded when the first of them is wanted. */
export function checksBy(load: () => Promise<WebAssembly.Exports>): (schema: string) => Promise<Checks> {
  let loading: Promise<Exports> | undefined;
  let known = 0;
  return async (schema) => {
    if (typeof schema !== "string") throw new TypeError("a schema is the text of the file that the server has");
    loading ??= load() as Promise<unknown> as Promise<Exports>;
    const exports = await loading.catch((error) => {
      loading = undefined;
      throw error;
    });
    put(exports, encoder.encode(schema));
    const wrong = exports.read();
    if (wrong > 0) throw new Error(`the schema is wrong in ${taken(exports, wrong)}`);
    const place = known++;
    return {
      check(change) {
        put(exports, change);
        const length = exports.check(place);
        if (length === 0) return undefined;
        const [field = "", ...reason] = taken(exports, length).split("\0");
        return { field: field || undefined, reason: reason.join("\0") };
      },
    };
  };
}

function put(exports: Exports, bytes: Uint8Array): void {
  const place = exports.input(bytes.length);
  new Uint8Array(exports.memory.buffer).set(bytes, place);
}

function taken(exports: Exports, length: number): string {
  return decoder.decode(new Uint8Array(exports.memory.buffer, exports.output(), length));
}
