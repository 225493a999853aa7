/**
 * The line to the server: one socket after another for all streams, by the rules of the core's `Link`.
 *
 * A socket that did not hold for long counts as a failed attempt, whatever was said on it: where a server hangs up on
 * everybody, the pauses grow all the same.
 */

import * as core from "../core.js";
import { wordsOf } from "../errors.js";
import { ANSWER, RENEW_AFTER, RENEW_PAUSE, SLEPT, SOCKET_BYTES, TICK, TIMER_MOST } from "../limits.js";
import type { Connection } from "../status.js";
import { decode } from "../values.js";
import { canInflate, Inflating } from "./inflate.js";

const AGENT = "tapeline-js/0.1";
/** Errors with which the server ends the socket. */
const ENDING = ["upgrade_required", "displaced", "unauthorized"];

/** One way of carrying frames: a WebSocket, or what stands in for it. */
export interface Socket {
  readonly bufferedAmount: number;
  send(frame: Uint8Array): void;
  close(): void;
}

export interface SocketEvents {
  open(): void;
  frame(bytes: Uint8Array): void;
  /** It is gone, or could not be had. */
  gone(why: string): void;
}

export type Dial = (server: string, events: SocketEvents) => Socket;

export interface ConnectionEvents {
  /** A frame for the stream with this channel. */
  frame(channel: number, frame: Uint8Array): void;
  /** There is another socket, or none. */
  turned(connected: boolean): void;
  /** The connection stands otherwise than before. */
  changed(): void;
  /** The socket takes frames again. */
  room(): void;
}

export class LineToServer {
  #link = new core.Link(performance.now());
  #socket: Socket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #welcomed = false;
  #trouble: { why: string; retryAt: Date } | undefined;
  #refused: string | undefined;
  #ticked = Date.now();
  #suspectedAt: number | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  offline = false;

  readonly #server: string;
  readonly #token: (() => Promise<string>) | undefined;
  readonly #schema: number;
  readonly #dial: Dial;
  readonly #events: ConnectionEvents;

  constructor(
    server: string,
    token: (() => Promise<string>) | undefined,
    schema: number,
    dial: Dial,
    events: ConnectionEvents,
  ) {
    this.#server = server;
    this.#token = token;
    this.#schema = schema;
    this.#dial = dial;
    this.#events = events;
    this.#timer = setTimeout(this.#tick, 0);
  }

  get connected(): boolean {
    return this.#welcomed;
  }

  /** Whether the socket takes more frames now. */
  get hasRoom(): boolean {
    return this.#socket !== undefined && this.#welcomed && this.#socket.bufferedAmount < SOCKET_BYTES;
  }

  get connection(): Connection {
    if (this.#closed) return { state: "closed" };
    if (this.offline) return { state: "offline", why: "the app was told to stay offline" };
    if (this.#refused) return { state: "upgrade_required", why: this.#refused };
    if (this.#welcomed) return { state: "connected" };
    if (this.#trouble && !this.#socket) return { state: "waiting", ...this.#trouble };
    return { state: "connecting" };
  }

  send(frame: Uint8Array): void {
    this.#socket?.send(frame);
  }

  /** There is reason to believe that the server can be reached now. */
  nudge(): void {
    this.#link.nudge(performance.now());
    this.#suspect();
    this.#tick();
  }

  setOffline(offline: boolean): void {
    if (this.offline === offline) return;
    this.offline = offline;
    if (offline) this.#drop();
    else this.#startAnew();
    this.#tick();
    this.#events.changed();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#link.free();
  }

  /** Does what is due, and comes back when something will be. */
  #tick = (): void => {
    if (this.#closed) return;
    this.#noticeSleep();
    const next = this.offline || this.#refused ? TICK : this.#steer();
    if (this.#socket && this.#welcomed) this.#events.room();
    this.#tickIn(next);
  };

  #tickIn(pause: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(this.#tick, pause);
  }

  /** Does what the link says, which it says once. Answers how long there is nothing to do. */
  #steer(): number {
    const suspectedAt = this.#suspectedAt;
    if (suspectedAt !== undefined && performance.now() - suspectedAt > ANSWER) {
      this.#lost("the server did not answer when it was asked for a sign of life");
    }
    const next = this.#link.poll(performance.now());
    if (next >= 0) return Math.min(Math.max(next - performance.now(), 1), TICK);
    if (next === -1) this.#connect();
    else if (next === -2) this.send(core.ping());
    else this.#lost("the server has not answered for long");
    return 0;
  }

  /** A timer that comes late: the machine slept, or the page is in the background, where timers are slow. */
  #noticeSleep(): void {
    const late = Date.now() - this.#ticked > SLEPT;
    this.#ticked = Date.now();
    if (!late) return;
    this.#link.nudge(performance.now());
    this.#suspect();
  }

  /** The socket may be dead without a word: a sign of life is asked for at once, and soon expected. */
  #suspect(): void {
    if (!this.#welcomed || this.#suspectedAt !== undefined) return;
    this.#suspectedAt = performance.now();
    this.send(core.ping());
  }

  #connect(): void {
    const mine: { socket?: Socket } = {};
    const current = () => this.#socket === mine.socket && mine.socket !== undefined;
    const lost = (why: string) => current() && this.#lost(why);
    const inflating = new Inflating((frame) => current() && this.#read(frame), lost);
    try {
      this.#socket = mine.socket = this.#dial(this.#server, {
        open: () => current() && this.#greet(mine.socket!),
        frame: (bytes) => current() && inflating.take(bytes),
        gone: lost,
      });
    } catch (error) {
      // There is no such address, or a safe page may not go to one that is not.
      return this.#lost(wordsOf(error));
    }
    this.#events.changed();
  }

  #greet(socket: Socket): void {
    this.#link.connected(performance.now());
    void this.#show(socket);
  }

  /** Shows the server a token, where there is one: the app's newest. */
  async #show(socket: Socket): Promise<void> {
    try {
      const token = await this.#token?.();
      if (this.#socket === socket) socket.send(core.hello(AGENT, token, canInflate(), this.#schema));
    } catch (error) {
      if (this.#socket !== socket) return;
      // The one that was shown before is good for a while yet.
      if (this.#welcomed) this.#renew(socket, 0);
      else this.#lost(`no token: ${wordsOf(error)}`);
    }
  }

  /** Shows it the app's newest token after a pause, which is not too short. */
  #renew(socket: Socket, pause: number): void {
    this.#renewal = setTimeout(() => void this.#show(socket), Math.min(Math.max(pause, RENEW_PAUSE), TIMER_MOST));
  }

  #read(frame: Uint8Array): void {
    try {
      this.#heard(frame);
    } catch (error) {
      this.#lost(`the server said something that is not understood: ${wordsOf(error)}`);
    }
  }

  #heard(frame: Uint8Array): void {
    this.#link.heard(performance.now());
    this.#suspectedAt = undefined;
    const about = decode(core.about(frame));
    switch (about.kind) {
      case "welcome":
        return this.#welcome(about.expiresIn);
      case "error":
        return this.#complain(about, frame);
      case "stream":
        return this.#events.frame(about.channel, frame);
    }
  }

  /** The server says welcome, also when it was shown a newer token. */
  #welcome(expiresIn: number | undefined): void {
    clearTimeout(this.#renewal);
    const socket = this.#socket;
    if (expiresIn !== undefined && socket && this.#token) this.#renew(socket, expiresIn * RENEW_AFTER);
    if (this.#welcomed) return;
    this.#welcomed = true;
    this.#events.turned(true);
    this.#events.changed();
  }

  #complain(error: { channel?: number; code: string; message: string }, frame: Uint8Array): void {
    if (error.code === "upgrade_required") this.#refused = error.message;
    // Before the welcome, `later` says that the server is not ready for this app.
    if (ENDING.includes(error.code) || (error.channel === undefined && !this.#welcomed))
      return this.#lost(error.message);
    if (error.channel !== undefined) this.#events.frame(error.channel, frame);
  }

  #lost(why: string): void {
    const now = performance.now();
    this.#drop();
    this.#link.lost(now, Math.random());
    this.#trouble = { why, retryAt: new Date(Date.now() + Math.max(0, this.#link.poll(now) - now)) };
    this.#events.changed();
    this.#tickIn(0);
  }

  #drop(): void {
    const [socket, welcomed] = [this.#socket, this.#welcomed];
    this.#socket = undefined;
    this.#welcomed = false;
    this.#suspectedAt = undefined;
    clearTimeout(this.#renewal);
    socket?.close();
    if (welcomed) this.#events.turned(false);
  }

  #startAnew(): void {
    this.#link.free();
    this.#link = new core.Link(performance.now());
    this.#trouble = undefined;
    this.#refused = undefined;
  }
}
