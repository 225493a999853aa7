/** A line to the server that can be cut. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class Line {
  private readonly sockets = new Set<Socket>();
  private open = true;
  /** Bytes that came from the server. */
  heard = 0;

  private constructor(private readonly server: ReturnType<typeof createServer>) {}

  /** A line to the server at a WebSocket's address. */
  static async to(address: string): Promise<Line> {
    const { hostname, port } = new URL(address);
    const server = createServer((near) => line.carry(near, connect(Number(port), hostname)));
    const line = new Line(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return line;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Cuts whatever is on the line. What was said last may have arrived, or not. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** Whoever is on the line hears nothing any more, and is not told. Those who call from now on are let through. */
  hush(): void {
    for (const socket of this.sockets) {
      socket.unpipe();
      socket.resume();
    }
  }

  /** Cuts it, and lets nobody through until it is mended. */
  break(): void {
    this.open = false;
    this.cut();
  }

  mend(): void {
    this.open = true;
  }

  end(): void {
    this.server.close();
    this.cut();
  }

  private carry(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(socket);
      socket.setNoDelay();
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        this.sockets.delete(socket);
        other.destroy();
      });
    }
    if (!this.open) near.resetAndDestroy();
    far.on("data", (bytes) => {
      this.heard += bytes.length;
    });
    near.pipe(far).pipe(near);
  }
}
