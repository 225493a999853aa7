/** What goes wrong: one class, a code for programs, words with the fix for people. */

/** Kinds of errors. */
export type ErrorCode =
  /** A name, value, query or option is none; the message says what to write instead. */
  | "invalid"
  /** The edit does not fit what is shown: the object exists already, or is gone. */
  | "conflict"
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
  ) {
    super(message, options);
  }
}

export function invalid(message: string): TapelineError {
  return new TapelineError("invalid", message);
}

/** Runs something of the app. Its own mistake is reported as its own, and must not keep others from being told. */
export function reportErrors(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Runs something of the core, whose errors are words alone. */
export function byCore<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new TapelineError(codeOf(words), words, /connect to the server first$/.test(words), { cause: error });
  }
}

function codeOf(words: string): ErrorCode {
  if (/ exists: | does not exist: /.test(words)) return "conflict";
  if (/wait to be sent/.test(words)) return "full";
  return /^it was closed/.test(words) ? "closed" : "invalid";
}
