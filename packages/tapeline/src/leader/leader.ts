/**
 * The leader: it owns the replicas, the device's store and the line to the server, and tells all tabs what to show.
 *
 * In a browser it lives in one of the tabs, in Node in the only one there is. Whatever happens to a stream (an edit, a
 * frame, a record written), `settle` does what follows from it: frames to send, records to write, mirrors to tell.
 */

import type { Checks } from "../checking.js";
import type { Commands } from "../commands.js";
import type * as core from "../core.js";
import type { Holding } from "../held.js";
import { fromHex, random16 } from "../ids.js";
import type { Connection } from "../status.js";
import type { NoStorage, Store } from "../store/store.js";
import type { FromLeader, ToLeader } from "../tabs/messages.js";
import { decode, type Value } from "../values.js";
import { type Dial, LineToServer } from "./connection.js";
import { Tape } from "./tape.js";

/** What a tab that has gone says of itself. */
const GONE = Uint8Array.of(0xf6);

/** The tab a leader lives in. */
export interface Home {
  readonly id: Uint8Array;
  /** The tab's own mirror of a stream, where it has one. */
  mirrorOf(stream: string): core.Mirror | undefined;
  /** Says something to the other tabs. */
  say(message: FromLeader): void;
  /** The same that others are told, for the tab itself; its mirror has heard of changes already. */
  hear(message: FromLeader): void;
  /** A tab wants to hear of a stream: `leave` is to be called once it is gone. */
  joined(tab: string): void;
  /** Another leader has the store now. */
  superseded(): void;
  /** What is on the device cannot be read. */
  failed(error: unknown): void;
}

export interface LeaderOptions {
  readonly server: string;
  readonly token: (() => Promise<string>) | undefined;
  /** The version that the app was written for; 0 where it says none. */
  readonly schema: number;
  readonly dial: Dial;
  /** What edits are checked by. */
  readonly checks: Checks | undefined;
  /** Those that can be run again. */
  readonly commands: Commands;
  /** `undefined`: kept in memory; `noStorage`: because the device cannot be used. */
  readonly store: Store | undefined;
  readonly noStorage: NoStorage | undefined;
  readonly offline: boolean;
}

export class Leader {
  readonly #tapes = new Map<string, Tape>();
  readonly #channels: Tape[] = [];
  readonly #line: LineToServer;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When to look again for frames that are due. */
  #wakeAt = Number.POSITIVE_INFINITY;
  #closed = false;

  readonly #home: Home;
  readonly #options: LeaderOptions;

  constructor(home: Home, options: LeaderOptions) {
    this.#home = home;
    this.#options = options;
    this.#line = new LineToServer(options.server, options.token, options.schema, options.dial, {
      frame: (channel, frame) => this.#receive(channel, frame),
      turned: (connected) => this.#turned(connected),
      changed: () => this.#tellConnection(),
      room: () => this.#send(),
    });
    this.#line.setOffline(options.offline);
  }

  get connection(): Connection {
    return this.#line.connection;
  }

  get offline(): boolean {
    return this.#line.offline;
  }

  nudge(): void {
    this.#line.nudge();
  }

  /** Keeps a stream from now on; `part`: what is held of it is enough. */
  open(stream: string, part = true): Tape {
    const known = this.#tapes.get(stream);
    if (known && !part) known.holdAll();
    if (known) return known;
    const events = { superseded: () => this.#home.superseded(), changed: (tape: Tape) => this.#settle(tape) };
    const tape = new Tape(stream, this.#channels.length, this.#options.store, events, this.#options.noStorage, part);
    this.#tapes.set(stream, tape);
    this.#channels.push(tape);
    tape
      .load(() => this.#tell(tape), this.#options.checks)
      .then(
        (all) => all && !this.#closed && this.#loaded(tape),
        (error) => this.#closed || this.#home.failed(error),
      );
    return tape;
  }

  /** The tab it lives in begins to use a stream. */
  begin(stream: string, part: boolean): void {
    const tape = this.open(stream, part);
    if (!tape.loaded) return;
    this.#showOwn(tape);
    this.#settle(tape);
  }

  /** Takes the edits of the tab it lives in. */
  takeOwn(stream: string): void {
    const tape = this.open(stream);
    const mirror = this.#home.mirrorOf(stream);
    if (!tape.loaded || !mirror) return;
    tape.replica.takeFrom(this.#home.id, mirror);
    this.#settle(tape);
  }

  /** Takes what another tab says. */
  take(message: ToLeader): void {
    switch (message.kind) {
      case "join":
        return this.#join(message.tab, this.open(message.stream, message.part));
      case "holding":
        return this.hold(message.stream, message.tab, message.holding);
      case "edit": {
        const tape = this.open(message.stream);
        tape.take(fromHex(message.tab), message.bytes);
        return this.#settle(tape);
      }
      case "beat":
        return this.#tellConnection();
      case "discard":
        return this.discard(message.stream, message.edit);
      case "offline":
        return this.setOffline(message.offline);
      case "presence":
        return this.present(message.stream, message.tab, message.state);
    }
  }

  /** Another tab is gone. */
  leave(tab: string): void {
    for (const tape of this.#tapes.values()) {
      tape.others.delete(tab);
      tape.held.leave(tab);
      if (tape.present.delete(tab)) this.present(tape.name, tab, GONE);
      else this.#settle(tape);
    }
  }

  discard(stream: string, edit: number): void {
    const tape = this.open(stream);
    if (tape.loaded && tape.replica.discard(edit)) this.#settle(tape);
  }

  /** A tab says something of itself, and wants to hear of others. */
  present(stream: string, tab: string, state: Uint8Array): void {
    const tape = this.open(stream);
    if (state !== GONE) tape.present.set(tab, state);
    // What is said before the device was read is said then.
    if (!tape.loaded) return;
    tape.replica.watchPeers();
    tape.replica.present(fromHex(tab.slice(0, 16)), state);
    this.#settle(tape);
  }

  /** A tab says what it holds of a stream. */
  hold(stream: string, tab: string, holding: Holding): void {
    const tape = this.open(stream);
    tape.held.take(tab, holding);
    this.#settle(tape);
  }

  setOffline(offline: boolean): void {
    this.#line.setOffline(offline);
  }

  digest(stream: string): string {
    return this.open(stream).replica.digest();
  }

  /** Writes what can still be written. The page may end right after. */
  flush(): void {
    for (const tape of this.#tapes.values()) if (tape.loaded) tape.keep(true);
  }

  /** Ends. Nothing more is written, sent or told. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#line.close();
    for (const tape of this.#tapes.values()) tape.free();
  }

  #loaded(tape: Tape): void {
    // What was read is nothing that changed.
    const mirror = this.#home.mirrorOf(tape.name);
    if (mirror) tape.replica.changesTo(mirror, false);
    else tape.replica.changes();
    this.#showOwn(tape);
    tape.takeEarly();
    for (const tab of tape.others) this.#show(tab, tape);
    if (this.#line.connected) tape.replica.connected(tape.channel);
    for (const [tab, state] of tape.present) this.present(tape.name, tab, state);
    this.#settle(tape);
  }

  #join(tab: string, tape: Tape): void {
    this.#tellConnection();
    this.#home.joined(tab);
    tape.others.add(tab);
    if (tape.loaded) this.#show(tab, tape);
  }

  #show(tab: string, tape: Tape): void {
    const { standing } = tape;
    this.#home.say({ kind: "view", to: tab, stream: tape.name, pages: tape.replica.view(), standing });
    if (tape.peers) this.#home.say({ kind: "peers", stream: tape.name, peers: tape.peers });
  }

  #showOwn(tape: Tape): void {
    const mirror = this.#home.mirrorOf(tape.name);
    if (!mirror) return;
    tape.replica.takeFrom(this.#home.id, mirror);
    tape.replica.viewTo(mirror);
    this.#home.hear({ kind: "changes", stream: tape.name, bytes: undefined, standing: tape.standing });
  }

  #turned(connected: boolean): void {
    for (const tape of this.#tapes.values()) {
      if (!tape.loaded) continue;
      if (connected) tape.replica.connected(tape.channel);
      else tape.replica.disconnected();
      this.#settle(tape);
    }
  }

  #receive(channel: number, frame: Uint8Array): void {
    const tape = this.#channels[channel];
    if (!tape?.loaded) return;
    tape.replica.receive(frame, Date.now(), random16());
    this.#settle(tape);
  }

  /** Does what follows from whatever happened to a stream. */
  #settle(tape: Tape): void {
    if (this.#closed || !tape.loaded) return;
    tape.held.askAgain();
    this.#options.commands.runAgain(tape.replica);
    tape.keep(false);
    this.#sendOf(tape);
    this.#tell(tape);
    for (const [to, holds] of tape.held.pollReady()) {
      this.#tellAbout(tape, { kind: "held", to, stream: tape.name, holds });
    }
    for (let notice = tape.replica.pollNotice(); notice; notice = tape.replica.pollNotice()) {
      this.#tellAbout(tape, { kind: "notice", stream: tape.name, bytes: notice });
    }
    const peers = tape.replica.pollPeers();
    if (peers) tape.peers = decode(peers) as Record<string, Value>;
    if (peers) this.#tellAbout(tape, { kind: "peers", stream: tape.name, peers: tape.peers ?? {} });
  }

  #send(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    for (const tape of this.#tapes.values()) if (tape.loaded) this.#sendOf(tape);
  }

  #sendOf(tape: Tape): void {
    while (this.#line.hasRoom) {
      const frame = tape.replica.pollFrame(Date.now());
      if (!frame) break;
      this.#line.send(frame);
    }
    const timeout = tape.replica.pollTimeout();
    if (timeout !== undefined) this.#comeBack(Math.max(timeout, Date.now() + 1));
  }

  #comeBack(at: number): void {
    if (at >= this.#wakeAt) return;
    this.#wakeAt = at;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => !this.#closed && this.#send(), at - Date.now());
  }

  /** Tells all mirrors what changed, and how the stream stands. */
  #tell(tape: Tape): void {
    if (this.#closed) return;
    const mirror = this.#home.mirrorOf(tape.name);
    const others = tape.others.size > 0 && tape.loaded;
    const bytes = mirror ? tape.replica.changesTo(mirror, others) : tape.replica.changes();
    const standing = tape.loaded ? tape.pollStanding() : undefined;
    if (bytes || standing) this.#tellAbout(tape, { kind: "changes", stream: tape.name, bytes, standing });
  }

  #tellAbout(tape: Tape, said: FromLeader): void {
    if (tape.others.size > 0 && tape.loaded) this.#home.say(said);
    this.#home.hear(said);
  }

  #tellConnection(): void {
    if (this.#closed) return;
    const said = { kind: "connection", connection: this.connection, offline: this.offline } as const;
    this.#home.say(said);
    this.#home.hear(said);
  }
}
