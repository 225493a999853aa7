/** What goes wrong: one class, a code for programs, words with the fix for people. */

import type { Objection } from "./checking.js";

/** Kinds of errors. */
export type ErrorCode =
  /** A name, value, query or option is none; the message says what to write instead. Or what an edit makes of an object is
   * not valid by the app's schema: the message is the reason, for people. */
  | "invalid"
  /** The edit does not fit what is shown: the object exists already, or is gone. */
  | "conflict"
  /** Nothing of the stream may be read, as the server said. */
  | "denied"
  /** It was closed. */
  | "closed"
  /** Another version of the app, in another tab, has taken over: reload the page. */
  | "outdated"
  /** Too much waits to be sent or stored. */
  | "full"
  /** The device's storage cannot be used. */
  | "storage";

/** Thrown for wrong use and for what cannot be done. */
export class TapelineError extends Error {
  override readonly name = "TapelineError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    /** Whether the same may succeed later. */
    readonly retryable = false,
    options?: ErrorOptions,
    /** The field of which the app's schema says that it is not valid, where it is one. */
    readonly field?: string,
  ) {
    super(message, options);
  }
}

export function invalid(message: string): TapelineError {
  return new TapelineError("invalid", message);
}

/** What something that was thrown says. */
export function wordsOf(error: unknown): string {
  return (error as Error | undefined)?.message ?? String(error);
}

/** Runs something of the app. Its own mistake is reported as its own, and must not keep others from being told. */
export function reportErrors<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return undefined;
  }
}

/** Runs something of the core, whose errors are words alone. */
export function byCore<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const { message, objection } = error as Error & { objection?: Objection };
    // How what was written is read is of no use to whoever wrote something else.
    const words = message.replace(/^not the expected CBOR: /, "");
    if (objection) throw new TapelineError("invalid", objection.reason, false, { cause: error }, objection.field);
    throw new TapelineError(codeOf(words), words, /connect to the server first$/.test(words), { cause: error });
  }
}

function codeOf(words: string): ErrorCode {
  if (/ exists: | does not exist: /.test(words)) return "conflict";
  if (/wait to be sent/.test(words)) return "full";
  return /^it was closed/.test(words) ? "closed" : "invalid";
}
