/**
 * The leader: it owns the replicas, the device's store and the line to the server, and tells all tabs what to show.
 *
 * In a browser it lives in one of the tabs, in Node in the only one there is. Whatever happens to a stream (an edit, a
 * frame, a record written), `settle` does what follows from it: frames to send, records to write, mirrors to tell.
 */

import * as core from "../core.js";
import { random16 } from "../ids.js";
import type { Connection, Notice, ReplicaStatus } from "../status.js";
import type { NoStorage, Store } from "../store/store.js";
import type { FromLeader, ToLeader } from "../tabs/messages.js";
import { decode } from "../values.js";
import { type Dial, LineToServer } from "./connection.js";
import { Tape } from "./tape.js";

/** The tab a leader lives in. */
export interface Home {
  readonly id: Uint8Array;
  /** The tab's own mirror of a stream, where it has one. */
  mirrorOf(stream: string): core.Mirror | undefined;
  /** Says something to the other tabs. */
  say(message: FromLeader): void;
  /** The same that others are told, for the tab itself; its mirror has heard of changes already. */
  hear(message: FromLeader): void;
  /** Another leader has the store now. */
  superseded(): void;
  /** What is on the device cannot be read. */
  failed(error: unknown): void;
}

export interface LeaderOptions {
  readonly server: string;
  readonly token: (() => Promise<string>) | undefined;
  readonly dial: Dial;
  /** `undefined`: kept in memory; `noStorage`: because the device cannot be used. */
  readonly store: Store | undefined;
  readonly noStorage: NoStorage | undefined;
  readonly offline: boolean;
}

export class Leader {
  private readonly tapes = new Map<string, Tape>();
  private readonly channels: Tape[] = [];
  private readonly line: LineToServer;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    private readonly home: Home,
    private readonly options: LeaderOptions,
  ) {
    this.line = new LineToServer(options.server, options.token, options.dial, {
      frame: (channel, frame) => this.receive(channel, frame),
      presence: () => {},
      turned: (connected) => this.turned(connected),
      changed: () => this.tellConnection(),
      room: () => this.send(),
    });
    this.line.setOffline(options.offline);
  }

  get connection(): Connection {
    return this.line.connection;
  }

  get offline(): boolean {
    return this.line.offline;
  }

  nudge(): void {
    this.line.nudge();
  }

  /** Keeps a stream from now on. */
  open(stream: string): Tape {
    const known = this.tapes.get(stream);
    if (known) return known;
    const events = { superseded: () => this.home.superseded(), changed: (tape: Tape) => this.settle(tape) };
    const tape = new Tape(stream, this.channels.length, this.options.store, events, this.options.noStorage);
    this.tapes.set(stream, tape);
    this.channels.push(tape);
    tape.load(() => this.tell(tape)).then(
      () => !this.closed && this.loaded(tape),
      (error) => this.home.failed(error),
    );
    return tape;
  }

  /** Takes the edits of the tab it lives in. */
  takeOwn(stream: string): void {
    const tape = this.open(stream);
    const mirror = this.home.mirrorOf(stream);
    if (!tape.loaded || !mirror) return;
    tape.replica.takeFrom(this.home.id, mirror);
    this.settle(tape);
  }

  /** Takes what another tab says. */
  take(message: ToLeader, tab: Uint8Array): void {
    switch (message.kind) {
      case "join":
        return this.join(message.tab, this.open(message.stream));
      case "edit": {
        const tape = this.open(message.stream);
        // What comes before the device was read is sent again when the tab has joined.
        if (!tape.loaded) return;
        tape.replica.take(tab, message.bytes);
        return this.settle(tape);
      }
      case "discard":
        return this.discard(message.stream, message.edit);
      case "offline":
        return this.setOffline(message.offline);
      case "leave":
        for (const tape of this.tapes.values()) tape.others.delete(message.tab);
    }
  }

  discard(stream: string, edit: number): void {
    const tape = this.open(stream);
    if (tape.loaded && tape.replica.discard(edit)) this.settle(tape);
  }

  setOffline(offline: boolean): void {
    this.line.setOffline(offline);
  }

  digest(stream: string): string {
    return this.open(stream).replica.digest();
  }

  /** Writes what can still be written. The page may end right after. */
  flush(): void {
    for (const tape of this.tapes.values()) if (tape.loaded) tape.keep(true);
  }

  /** Ends. Nothing more is written, sent or told. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.line.close();
    for (const tape of this.tapes.values()) tape.free();
  }

  private loaded(tape: Tape): void {
    const mirror = this.home.mirrorOf(tape.name);
    if (mirror) {
      tape.replica.takeFrom(this.home.id, mirror);
      tape.replica.viewTo(mirror);
    }
    for (const tab of tape.others) this.show(tab, tape);
    if (this.line.connected) tape.replica.connected(tape.channel);
    this.settle(tape);
  }

  private join(tab: string, tape: Tape): void {
    tape.others.add(tab);
    if (tape.loaded) this.show(tab, tape);
    this.home.say({ kind: "connection", connection: this.connection, offline: this.offline });
  }

  private show(tab: string, tape: Tape): void {
    this.home.say({ kind: "view", to: tab, stream: tape.name, pages: tape.replica.view() });
    tape.toldStatus = "";
    this.tellStatus(tape);
  }

  private turned(connected: boolean): void {
    for (const tape of this.tapes.values()) {
      if (!tape.loaded) continue;
      if (connected) tape.replica.connected(tape.channel);
      else tape.replica.disconnected();
      this.settle(tape);
    }
  }

  private receive(channel: number, frame: Uint8Array): void {
    const tape = this.channels[channel];
    if (!tape?.loaded) return;
    tape.replica.receive(frame, Date.now(), random16());
    this.settle(tape);
  }

  /** Does what follows from whatever happened to a stream. */
  private settle(tape: Tape): void {
    if (this.closed || !tape.loaded) return;
    tape.keep(false);
    this.sendOf(tape);
    this.tell(tape);
    for (let notice = tape.replica.pollNotice(); notice; notice = tape.replica.pollNotice()) {
      this.tellAll({ kind: "notice", stream: tape.name, notice: decode(notice) as Notice });
    }
    this.tellStatus(tape);
  }

  private send(): void {
    for (const tape of this.tapes.values()) if (tape.loaded) this.sendOf(tape);
  }

  private sendOf(tape: Tape): void {
    while (this.line.hasRoom) {
      const frame = tape.replica.pollFrame(Date.now());
      if (!frame) break;
      this.line.send(frame);
    }
    const timeout = tape.replica.pollTimeout();
    if (timeout !== undefined) this.comeBack(timeout - Date.now());
  }

  private comeBack(pause: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => !this.closed && this.send(), Math.max(1, pause));
  }

  /** Tells all mirrors what changed. */
  private tell(tape: Tape): void {
    const mirror = this.home.mirrorOf(tape.name);
    const others = tape.others.size > 0 && tape.loaded;
    const bytes = mirror ? tape.replica.changesTo(mirror, others) : tape.replica.changes();
    if (!bytes) return;
    const message = { kind: "changes", stream: tape.name, bytes } as const;
    if (others) this.home.say(message);
    this.home.hear(message);
  }

  private tellStatus(tape: Tape): void {
    const bytes = tape.replica.status();
    const { storage, storageWhy } = tape.storage;
    const told = `${String.fromCharCode(...bytes)}${storage}${storageWhy}`;
    if (told === tape.toldStatus) return;
    tape.toldStatus = told;
    tape.status = { ...(decode(bytes) as ReplicaStatus), storage, ...(storageWhy ? { storageWhy } : {}) };
    this.tellAll({ kind: "status", stream: tape.name, status: tape.status, parked: tape.replica.parked() });
  }

  private tellConnection(): void {
    if (!this.closed) this.tellAll({ kind: "connection", connection: this.connection, offline: this.offline });
  }

  private tellAll(message: FromLeader): void {
    this.home.say(message);
    this.home.hear(message);
  }
}
