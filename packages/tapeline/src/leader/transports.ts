/**
 * Ways of carrying frames to the server: a WebSocket, or, where those are blocked, Server-Sent Events with POSTs
 * (docs/protocol.md, "Where WebSockets are blocked").
 */

import { wordsOf } from "../errors.js";
import { POST_BYTES, POST_PAUSE, POST_TRIES, SSE_HELD } from "../limits.js";
import type { Dial, Socket, SocketEvents } from "./connection.js";

const SUBPROTOCOL = "tapeline.v1.cbor";

/** How frames are to be carried: as it turns out to be possible, or by one way alone. */
export const TRANSPORTS = ["auto", "websocket", "sse"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** The way that was asked for. */
export function dialBy(transport: Transport, socket: typeof WebSocket): Dial {
  if (transport === "websocket") return dialWebSocket(socket);
  return transport === "sse" ? dialEvents : dialEither(dialWebSocket(socket), dialEvents);
}

/** A WebSocket; after two in a row on which nothing was heard, the other way once; what works is kept for a while. */
export function dialEither(first: Dial, second: Dial): Dial {
  let failures = 0;
  let worksSince: number | undefined;
  return (server, events) => {
    const other = worksSince !== undefined || failures >= 2;
    let heard = false;
    const frame = (bytes: Uint8Array) => {
      if (!heard) {
        heard = true;
        failures = 0;
        worksSince = other ? (worksSince ?? performance.now()) : undefined;
      }
      events.frame(bytes);
    };
    const gone = (why: string) => {
      if (!heard) failures = other ? 0 : failures + 1;
      if (!heard || performance.now() - (worksSince ?? 0) > SSE_HELD) worksSince = undefined;
      events.gone(why);
    };
    return (other ? second : first)(server, { open: events.open, frame, gone });
  };
}

/** Carries frames over a WebSocket. */
export function dialWebSocket(WebSocketHere: typeof WebSocket): Dial {
  return (server, events) => {
    const socket = new WebSocketHere(`${server.replace(/\/$/, "")}/v1/sync`, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => events.open();
    socket.onmessage = (message) => events.frame(new Uint8Array(message.data));
    socket.onclose = (event) => events.gone(event.reason || `the connection was closed (${event.code})`);
    socket.onerror = () => {};
    return {
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send: (frame) => socket.send(frame as Uint8Array<ArrayBuffer>),
      close: () => socket.close(),
    };
  };
}

/** Carries frames over Server-Sent Events and POSTs. */
export const dialEvents: Dial = (server, events) =>
  new EventsSocket(server.replace(/^ws/, "http").replace(/\/$/, ""), events);

class EventsSocket implements Socket {
  bufferedAmount = 0;
  readonly #ending = new AbortController();
  readonly #address: string;
  #session = "";
  #number = 0;
  #waiting: Uint8Array[] = [];
  #posting = false;
  #over = false;

  readonly #events: SocketEvents;

  constructor(server: string, events: SocketEvents) {
    this.#events = events;
    this.#address = `${server}/v1/sync`;
    this.#listen().catch((error) => this.#gone(wordsOf(error)));
  }

  send(frame: Uint8Array): void {
    this.#waiting.push(frame);
    this.bufferedAmount += frame.length;
    if (!this.#posting) void this.#post();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#session) {
      fetch(`${this.#address}/${this.#session}/goodbye`, { method: "POST", keepalive: true }).catch(() => {});
    }
    this.#ending.abort();
  }

  #gone(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#ending.abort();
    this.#events.gone(why);
  }

  async #listen(): Promise<void> {
    const headers = { accept: "text/event-stream" };
    const { signal } = this.#ending;
    const answer = await fetch(`${this.#address}?protocol=${SUBPROTOCOL}`, { headers, signal, cache: "no-store" });
    if (!answer.ok || !answer.body) return this.#gone(`the server answered ${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const said = (rest + read.value).split("\n\n");
      rest = said.pop()!;
      for (const event of said) if (!this.#over) this.#take(event);
    }
    this.#gone("the connection was closed");
  }

  #take(event: string): void {
    let kind = "message";
    let data = "";
    for (const line of event.split("\n")) {
      if (line.startsWith("event:")) kind = line.slice(6).trim();
      if (line.startsWith("data:")) data += line.slice(5).trim();
    }
    if (kind === "goodbye") return this.#gone(data);
    if (kind === "session") {
      this.#session = data;
      return this.#events.open();
    }
    if (data) this.#events.frame(Uint8Array.from(atob(data), (character) => character.charCodeAt(0)));
  }

  /** Says what waits, one request after the other: what comes meanwhile goes together into the next. */
  async #post(): Promise<void> {
    this.#posting = true;
    while (this.#waiting.length > 0 && !this.#over) {
      const body = this.#nextBody();
      const why = await this.#deliver(++this.#number, body);
      // Where the server has ended the session, its answer says why: that is heard rather.
      if (why) return void setTimeout(() => this.#gone(why), POST_PAUSE);
    }
    this.#posting = false;
  }

  #nextBody(): Uint8Array<ArrayBuffer> {
    let [count, bytes] = [0, 0];
    while (count < this.#waiting.length && (count === 0 || bytes + this.#waiting[count]!.length < POST_BYTES)) {
      bytes += 4 + this.#waiting[count++]!.length;
    }
    const body = new Uint8Array(bytes);
    let at = 0;
    for (const frame of this.#waiting.splice(0, count)) {
      new DataView(body.buffer).setUint32(at, frame.length);
      body.set(frame, at + 4);
      at += 4 + frame.length;
      this.bufferedAmount -= frame.length;
    }
    return body;
  }

  /** Delivers a body once, however often that takes. Answers why it cannot be. */
  async #deliver(number: number, body: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
    let why = "";
    for (let tries = 0; tries < POST_TRIES && !this.#over; tries++) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, POST_PAUSE));
      try {
        const address = `${this.#address}/${this.#session}/${number}`;
        const { status } = await fetch(address, { method: "POST", body, signal: this.#ending.signal });
        if (status === 204) return undefined;
        why = `the server answered ${status}`;
        if (status !== 503) return why;
      } catch (error) {
        why = wordsOf(error);
      }
    }
    return why;
  }
}
