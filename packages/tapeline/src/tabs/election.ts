/**
 * Who leads: the tab that holds a Web Lock. The others wait for it, so that the next one leads as soon as it is free,
 * whether it was given back or its tab is gone.
 */

export interface ElectionEvents {
  /** This tab leads from now on. */
  elected(): void;
  /** Another tab took the lead away: this one must not touch the store any more. */
  deposed(): void;
}

export class Election {
  /** Gives the lead back, where this tab has it. */
  #giveBack: (() => void) | undefined;
  #waiting: AbortController | undefined;

  readonly #name: string;
  readonly #events: ElectionEvents;

  constructor(name: string, events: ElectionEvents) {
    this.#name = name;
    this.#events = events;
  }

  /** Whether this tab has the lead. */
  get won(): boolean {
    return this.#giveBack !== undefined;
  }

  /** Waits for the lead. */
  stand(): void {
    if (this.#waiting || this.won) return;
    this.#waiting = new AbortController();
    void this.#request({ signal: this.#waiting.signal });
  }

  /** Takes the lead from a tab that does not answer. */
  steal(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
    void this.#request({ steal: true });
  }

  /** Gives the lead back, or no longer waits for it. */
  resign(): void {
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
        this.#events.elected();
        return held;
      });
    } catch {
      if (!mine || this.#giveBack !== mine) return;
      this.#giveBack = undefined;
      this.#events.deposed();
    }
  }
}
