/**
 * What a column has on this device: its first cards, and more as one comes near to the last of them.
 *
 * A window of the first so many grows. Once it is as long as a window may be, what it found becomes a range, from one
 * position to another, and a window behind it goes on:
 *
 * ```text
 *   range: 1,000 cards │ range: 1,000 cards │ window: the next 1,000 │ what nobody has looked at
 * ```
 */

import { useMemo, useSyncExternalStore } from "react";
import type { Collection, Row, Held as Window } from "tapeline";
import { type Issue, matching, type State } from "./issue.js";

/** Cards that come at once. */
const SOME = 50;
/** Cards of the longest window. */
const MOST = 1000;

/** The cards of a column that are here, the first ones of it. */
export interface Held {
  readonly rows: readonly Row<Issue>[];
  /** There are no others. */
  readonly isWhole: boolean;
  /** The server was asked for others, and they have yet to come. */
  readonly isComing: boolean;
}

const NOTHING: Held = { rows: [], isWhole: false, isComing: false };
const nothing = () => NOTHING;
const never = () => () => {};

/** Answers what is held of the issues in which these words stand, and how to say up to which card one looks. */
export function useHeldCards(
  issues: Collection<Issue> | undefined,
  state: State,
  words: string,
): [Held, (last: number) => void] {
  const all = useMemo(() => issues && new Cards(issues, state, ""), [issues, state]);
  const found = useMemo(() => (words && issues ? new Cards(issues, state, words) : undefined), [issues, state, words]);
  // While it is filtered, the column as it was stays.
  const held = useCards(all);
  const heldOfFound = useCards(found);
  const cards = found ?? all;
  return [found ? heldOfFound : held, useMemo(() => (last) => cards?.look(last), [cards])];
}

function useCards(cards: Cards | undefined): Held {
  return useSyncExternalStore(cards?.subscribe ?? never, cards?.held ?? nothing);
}

/** The cards of a column, for as long as anybody looks at them. */
class Cards {
  private readonly listeners = new Set<() => void>();
  /** Ranges, and a window behind them. */
  private pieces: Piece[] = [];
  private now: Held | undefined;

  constructor(
    private readonly issues: Collection<Issue>,
    private readonly state: State,
    private readonly words: string,
  ) {}

  readonly held = (): Held => {
    const isReady = this.pieces.every((piece) => piece.isReady);
    this.now ??= {
      rows: this.pieces.flatMap(({ rows }) => rows),
      isWhole: isReady && this.pieces.at(-1)?.isFull === false,
      isComing: !isReady,
    };
    return this.now;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.pieces.length === 0) {
      this.pieces = [this.piece({ limit: SOME })];
      this.now = undefined;
    }
    return () => {
      this.listeners.delete(listener);
      // Strict mode looks again at once.
      queueMicrotask(() => this.rest());
    };
  };

  /** Somebody looks at cards up to this one: where the last that are here are near, more are asked for. */
  look(last: number): void {
    const { rows, isWhole, isComing } = this.held();
    const window = this.pieces.at(-1);
    if (!window?.limit || isWhole || isComing || last < rows.length - window.limit / 2) return;
    // Twice as many: who scrolls far asks seldom.
    if (window.limit < MOST) window.grow(Math.min(MOST, window.limit * 2));
    else this.goOn(window, rows.at(-1)?.position);
    this.changed();
  }

  private goOn(window: Piece, end: string | undefined): void {
    if (end === undefined) return;
    this.pieces.splice(-1, 1, this.piece({ ge: window.from, lt: end }), this.piece({ ge: end, limit: MOST }));
    window.end();
  }

  private piece(bounds: Bounds): Piece {
    return new Piece(this.issues, matching(this.state, this.words), bounds, () => this.changed());
  }

  private changed(): void {
    this.now = undefined;
    for (const listener of [...this.listeners]) listener();
  }

  private rest(): void {
    if (this.listeners.size > 0) return;
    for (const piece of this.pieces.splice(0)) piece.end();
    this.now = undefined;
  }
}

/** Positions from one on and up to another, and how many of these at most. */
interface Bounds {
  readonly ge?: string | undefined;
  readonly lt?: string;
  readonly limit?: number;
}

/** What one query finds, held and kept live. */
class Piece {
  rows: readonly Row<Issue>[] = [];
  isReady = false;
  /** It has found as many as it wanted, so there may be others behind. */
  isFull = false;
  limit: number | undefined;
  private readonly window: Window<Issue>;
  private stop: () => void;

  constructor(
    private readonly issues: Collection<Issue>,
    private readonly where: ReturnType<typeof matching>,
    private readonly bounds: Bounds,
    private readonly changed: () => void,
  ) {
    this.limit = bounds.limit;
    this.rows = issues.all(this.query());
    this.window = issues.hold(this.query());
    this.stop = this.watch();
  }

  get from(): string | undefined {
    return this.bounds.ge;
  }

  grow(limit: number): void {
    this.limit = limit;
    this.isReady = this.isFull = false;
    this.window.more(limit);
    const stop = this.stop;
    this.stop = this.watch();
    stop();
  }

  end(): void {
    this.stop();
    this.window.release();
  }

  private query() {
    const { ge, lt } = this.bounds;
    const position = { ...(ge === undefined ? {} : { ge }), ...(lt === undefined ? {} : { lt }) };
    const where = ge === undefined && lt === undefined ? this.where : { ...this.where, position };
    return { where, orderBy: "position", limit: this.limit } as const;
  }

  private watch(): () => void {
    const { limit } = this;
    const stop = this.issues.watch(this.query(), (rows) => this.hear(rows, this.isReady));
    this.window.ready().then(
      () => this.limit === limit && this.hear(this.window.rows(), true),
      // It was let go of before.
      () => {},
    );
    return stop;
  }

  private hear(rows: readonly Row<Issue>[], isReady: boolean): void {
    this.rows = rows;
    this.isReady = isReady;
    this.isFull ||= isReady && rows.length === this.limit;
    this.changed();
  }
}

/** The last place that a card can be put at. What stands behind the last that is held is not known, so it stays before that. */
export function lastPlace(held: Held | undefined, id: string): number {
  if (!held) return 0;
  const others = held.rows.filter((issue) => issue.id !== id).length;
  return Math.max(0, held.isWhole ? others : others - 1);
}
