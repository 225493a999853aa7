/** Serves the pages that scripts/pack-packages has made, under a policy as strict as it gets. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const ROOT = "target/packed/site";
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self' ws://127.0.0.1:* http://127.0.0.1:*",
].join("; ");
const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

export class Site {
  private constructor(private readonly server: HttpServer) {}

  static async start(): Promise<Site> {
    const server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url!, "http://site").pathname).replace(/\/$/, "/index.html");
      const file = await readFile(join(ROOT, path)).catch(() => undefined);
      response.writeHead(file ? 200 : 404, {
        "content-type": TYPES[extname(path)] ?? "text/plain",
        "content-security-policy": POLICY,
      });
      response.end(file);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
  }
}
