/** An app's streams: opened once, shared by all tabs. */

import type { Checks } from "./checking.js";
import type { Command, CommandOptions, Transaction } from "./commands.js";
import { invalid } from "./errors.js";
import type { Dial } from "./leader/connection.js";
import { TRANSPORTS, type Transport } from "./leader/transports.js";
import { listen } from "./listeners.js";
import { checkFunction, checkStream } from "./names.js";
import type { Connection } from "./status.js";
import { Stream, type Untyped } from "./stream.js";
import { type Platform, Tab } from "./tab.js";

export interface Options {
  /** The server's address, like `wss://example.org`. In a browser: where the page came from, unless said. */
  readonly server?: string;
  /** The app's name: what is on the device belongs to it. */
  readonly name: string;
  /** Who is signed in: what is on the device belongs to them. Nobody else sees or sends it. */
  readonly subject?: string;
  /** Who one speaks for, asked for anew for each connection. */
  readonly token?: () => Promise<string>;
  /**
   * The version of the schema that the app was written for: 1, 2, 3, … A server that serves none so old says so in
   * `connection`; one that is older itself is tried again. What is on the device stays, and is sent then.
   */
  readonly schema?: number;
  /** What edits are checked by before they are taken: `await checks(text)` of "tapeline/checks", with the app's schema. */
  readonly checks?: Checks;
  /** How the server is reached: by a WebSocket, or, where those are blocked, by Server-Sent Events and POSTs. */
  readonly transport?: Transport;
  /** Where streams are kept: on the device (the default in a browser), in memory, or, in Node, in a directory. */
  readonly storage?: "device" | "memory" | { readonly directory: string };
}

/** What browsers and Node do differently. */
export interface Environment {
  /** Starts the core. */
  start(): Promise<void>;
  /** The server that is meant where none is named. */
  server(): string | undefined;
  platform(app: string, storage: Options["storage"]): Platform;
  dial(transport: Transport): Dial;
}

let environment: Environment;

/** Called once by the module that knows where it runs, before anything of it is used. */
export function runIn(where: Environment): void {
  environment = where;
}

export class Tapeline {
  readonly #streams = new Map<string, Stream>();

  readonly #tab: Tab;

  private constructor(tab: Tab) {
    this.#tab = tab;
  }

  /** Opens an app's streams. It is usable as soon as this returns, with a network or without. */
  static async open(options: Options): Promise<Tapeline> {
    if (typeof options?.name !== "string" || !options.name)
      throw invalid('an app needs a name: Tapeline.open({ name: "my-app", … })');
    const server = String(options.server ?? environment.server() ?? "");
    if (!/^(ws|http)s?:\/\//i.test(server))
      throw invalid(`name the server: Tapeline.open({ server: "wss://example.org", … }), not "${server}"`);
    const { storage = "memory", transport = "auto", schema = 1 } = options;
    if (!(Number.isInteger(schema) && schema > 0)) throw invalid("a schema version is a whole number from 1 on");
    if (!TRANSPORTS.includes(transport)) throw invalid(`a transport is one of ${TRANSPORTS.join(", ")}`);
    if (options.token) checkFunction(options.token, "token");
    if (options.checks && !options.checks.check) throw invalid('checks is `await checks(text)` of "tapeline/checks"');
    if (storage !== "device" && storage !== "memory" && typeof storage?.directory !== "string")
      throw invalid('storage is "device", "memory" or { directory: "…" }');
    await environment.start();
    const app = [options.name, options.subject ?? ""].map(encodeURIComponent).join(":");
    const tab = new Tab({
      server: server.replace(/^http/i, "ws"),
      token: options.token,
      schema: options.schema ?? 0,
      checks: options.checks,
      dial: environment.dial(transport),
      platform: environment.platform(`tapeline:${app}`, options.storage),
    });
    // Where the device is in use, or damaged, whoever opens it should know.
    await tab.alone;
    return new Tapeline(tab);
  }

  /** A stream, by its name, like `lists/groceries`. The same one each time. */
  stream<Collections extends { [Name in keyof Collections]: object } = Untyped>(name: string): Stream<Collections> {
    return this.#open(name, false);
  }

  /**
   * A part of a stream: of it comes, and stays on the device, what is watched, held or loaded. Where the device has all of
   * the stream, or a tab asks for all of it, all of it is held.
   */
  part<Collections extends { [Name in keyof Collections]: object } = Untyped>(name: string): Stream<Collections> {
    return this.#open(name, true);
  }

  #open<Collections extends { [Name in keyof Collections]: object }>(name: string, part: boolean): Stream<Collections> {
    this.#tab.check();
    checkStream(name);
    const inner = this.#tab.stream(name, part);
    const known = this.#streams.get(name);
    if (known) return known as Stream<Collections>;
    const stream = new Stream<Collections>(inner, this.#tab);
    this.#streams.set(name, stream as Stream);
    return stream;
  }

  /**
   * Makes a command known by its name; `stream.run` runs it. Tell all of them before the first stream is opened: the tab
   * that leads runs those again that other tabs, and earlier visits, have left.
   *
   * ```ts
   * const enter = db.command("enter", (tx, { room, name }: { room: string; name: string }) => {
   *   const rooms = tx.collection<Room>("rooms");
   *   const { guests = [] } = rooms.get(room) ?? {};
   *   if (guests.length >= 2) throw new Refused("the room is full");
   *   rooms.update(room, { guests: [...guests, name] });
   * }, { serializable: true });
   * ```
   */
  command<Args>(name: string, run: (tx: Transaction, args: Args) => void, options: CommandOptions = {}): Command<Args> {
    return this.#tab.commands.add(name, run, options);
  }

  /** How the app stands to its server. */
  get connection(): Connection {
    return this.#tab.connection;
  }

  /** Tells a listener how, whenever that changes. Answers how to stop. */
  onConnection(listener: (connection: Connection) => void): () => void {
    return listen(this.#tab.connectionListeners, listener);
  }

  /** Stays away from the network, in all tabs, until told otherwise. */
  goOffline(): void {
    this.#tab.check();
    this.#tab.setOffline(true);
  }

  /** Goes back to it. */
  goOnline(): void {
    this.#tab.check();
    this.#tab.setOffline(false);
  }

  /** Lets go of everything, once all edits are on the device. */
  close(): Promise<void> {
    return this.#tab.close();
  }
}
