/** What the tabs hold of one stream that is open in part, and who has yet to hear that all of it is here. */

import type { Replica } from "../core.js";
import { wordsOf } from "../errors.js";
import type { Holding } from "../held.js";

interface Hold {
  readonly tab: string;
  readonly hold: number;
  readonly query: Uint8Array;
  /** What the core knows it as, once the device was read. */
  number: number | undefined;
  told: boolean;
}

export class HeldByTabs {
  readonly #all = new Map<string, Hold>();
  /** Those for which there was no room. */
  readonly #waiting = new Set<Hold>();
  #replica: Replica | undefined;

  /** The device was read. */
  begin(replica: Replica): void {
    this.#replica = replica;
    for (const hold of this.#all.values()) this.#subscribe(hold);
  }

  /** A tab says what it holds. */
  take(tab: string, holding: Holding): void {
    const key = `${tab} ${holding.hold}`;
    if (holding.kind === "release") return this.#release(key);
    if (this.#all.has(key)) return;
    const hold: Hold = { tab, hold: holding.hold, query: holding.query, number: undefined, told: false };
    this.#all.set(key, hold);
    if (holding.kind === "more") hold.number = this.#takeOver(`${tab} ${holding.instead}`);
    if (holding.kind === "hold" || hold.number === undefined) this.#subscribe(hold);
    else this.#replica!.wantMore(hold.number, holding.limit);
  }

  /** A tab is gone. */
  leave(tab: string): void {
    for (const [key, hold] of [...this.#all]) if (hold.tab === tab) this.#release(key);
  }

  /** Asks for those that wait, as far as there is room by now. */
  askAgain(): void {
    for (const hold of this.#waiting) if (!this.#subscribe(hold)) return;
  }

  /** Which have become ready since this was last asked, by tab. */
  pollReady(): Map<string, number[]> {
    const ready = new Map<string, number[]>();
    for (const hold of this.#all.values()) {
      if (hold.told || hold.number === undefined || !this.#replica!.isReady(hold.number)) continue;
      hold.told = true;
      ready.set(hold.tab, [...(ready.get(hold.tab) ?? []), hold.hold]);
    }
    return ready;
  }

  /** Where there are too many, it waits until there is room. Answers whether there is. */
  #subscribe(hold: Hold): boolean {
    try {
      hold.number = this.#replica?.subscribe(hold.query);
      this.#waiting.delete(hold);
      return true;
    } catch (error) {
      if (this.#waiting.size === 0) console.warn(`tapeline: ${wordsOf(error)}`);
      this.#waiting.add(hold);
      return false;
    }
  }

  #takeOver(key: string): number | undefined {
    const hold = this.#all.get(key);
    this.#all.delete(key);
    if (hold) this.#waiting.delete(hold);
    return hold?.number;
  }

  #release(key: string): void {
    const number = this.#takeOver(key);
    if (number !== undefined) this.#replica!.unsubscribe(number);
  }
}
