/** A real `tapeline serve`: started on a free port, killed, started again where it was. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const PROGRAM = process.env.TAPELINE ?? "target/debug/tapeline";

export class Server {
  private process: ChildProcess | undefined;
  private port = 0;

  private constructor(private readonly data: string) {}

  /** `schema`: how concurrent edits meet, in TOML. */
  static async start(schema = ""): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), "tapeline-server-")));
    await writeFile(server.schema, schema);
    await server.restart();
    return server;
  }

  private get schema(): string {
    return `${this.data}.toml`;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Starts it again, on the port it had. */
  async restart(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const child = spawn(PROGRAM, ["serve", "--data", this.data, "--listen", listen, "--schema", this.schema], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process = child;
    for await (const line of createInterface(child.stdout!)) {
      const port = /listening on \S+:(\d+)/.exec(line)?.[1];
      if (port) {
        this.port = Number(port);
        child.stdout!.resume();
        return;
      }
    }
    throw new Error("the server did not start");
  }

  /** Has it go by another schema: starts it again. */
  async goBy(schema: string): Promise<void> {
    await this.kill();
    await writeFile(this.schema, schema);
    await this.restart();
  }

  /** Ends it as a power cut does. */
  async kill(): Promise<void> {
    if (!this.process) return;
    const gone = once(this.process, "exit");
    this.process.kill("SIGKILL");
    this.process = undefined;
    await gone;
  }

  async end(): Promise<void> {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
    await rm(this.schema, { force: true });
  }

  /** Runs a command of the native client. Answers what it prints, line by line, each as JSON. */
  async command<T>(...words: string[]): Promise<T[]> {
    const { stdout } = await promisify(execFile)(PROGRAM, [...words, "--server", this.url, "--json"], {
      maxBuffer: 1 << 28,
    });
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  /** The events on a stream, in order. */
  events(stream: string): Promise<Recorded[]> {
    return this.command<Recorded>("tail", stream);
  }

  /** The digest of all objects of a stream. */
  async digest(stream: string): Promise<string> {
    const [status] = await this.command<{ digest: string }>("status", stream);
    return status!.digest;
  }
}

/** An event as the server shows it, as far as tests look. */
export interface Recorded {
  readonly seq: number;
  readonly client: string;
  readonly n: number;
  readonly ops: readonly { insert?: string; update?: string; id: string; set?: Record<string, unknown> }[];
}
