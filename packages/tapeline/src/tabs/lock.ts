/**
 * A Web Lock, of which one tab has each at a time. Others that wait have it as soon as it is free, whether it was given
 * back or its tab is gone.
 */

export class Lock {
  /** Gives it back, where this tab has it. */
  #giveBack: (() => void) | undefined;
  #waiting: AbortController | undefined;

  readonly #name: string;
  readonly #got: () => void;
  readonly #lost: () => void;

  /** `got`: this tab has it from now on. `lost`: another tab took it away. */
  constructor(name: string, got: () => void, lost = () => {}) {
    this.#name = name;
    this.#got = got;
    this.#lost = lost;
  }

  /** Whether this tab has it. */
  get isHeld(): boolean {
    return this.#giveBack !== undefined;
  }

  /** Waits for it. */
  wait(): void {
    if (this.#waiting || this.isHeld) return;
    this.#waiting = new AbortController();
    void this.#request({ signal: this.#waiting.signal });
  }

  /** Takes it from a tab that does not answer. */
  steal(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
    void this.#request({ steal: true });
  }

  /** Gives it back, or no longer waits for it. */
  release(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
    this.#giveBack?.();
    this.#giveBack = undefined;
  }

  async #request(options: LockOptions): Promise<void> {
    let mine: (() => void) | undefined;
    try {
      await navigator.locks.request(this.#name, options, () => {
        // It was given up in the very moment it was granted.
        if (options.signal?.aborted) return undefined;
        this.#waiting = undefined;
        const held = new Promise<void>((giveBack) => {
          mine = giveBack;
        });
        this.#giveBack = mine;
        this.#got();
        return held;
      });
    } catch {
      if (!mine || this.#giveBack !== mine) return;
      this.#giveBack = undefined;
      this.#lost();
    }
  }
}
