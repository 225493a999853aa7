/**
 * Who leads: the tab that holds a Web Lock. The others wait for it, so that the next one leads as soon as it is free,
 * whether it was given back or its tab is gone.
 */

export interface Term {
  /** Gives the lead back. */
  resign(): void;
}

export class Election {
  private term: Term | undefined;
  private waiting: AbortController | undefined;

  constructor(
    private readonly name: string,
    private readonly events: {
      /** This tab leads from now on. */
      elected(): void;
      /** Another tab took the lead away: this one must not touch the store any more. */
      deposed(): void;
    },
  ) {}

  /** Waits for the lead. */
  stand(): void {
    if (this.waiting || this.term) return;
    const waiting = new AbortController();
    this.waiting = waiting;
    void this.request({ signal: waiting.signal });
  }

  /** Takes the lead from a tab that does not answer. */
  steal(): void {
    this.waiting?.abort();
    this.waiting = undefined;
    void this.request({ steal: true });
  }

  /** Gives the lead back, or no longer waits for it. */
  resign(): void {
    this.waiting?.abort();
    this.waiting = undefined;
    this.term?.resign();
    this.term = undefined;
  }

  private async request(options: LockOptions): Promise<void> {
    let led = false;
    try {
      await navigator.locks.request(this.name, options, () => {
        this.waiting = undefined;
        led = true;
        const held = new Promise<void>((resign) => {
          this.term = { resign };
        });
        this.events.elected();
        return held;
      });
    } catch {
      if (!led) return;
      this.term = undefined;
      this.events.deposed();
    }
  }
}
