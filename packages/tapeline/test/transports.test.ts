/** Where WebSockets are blocked: the same over Server-Sent Events and POSTs, found by itself. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { Tapeline } from "tapeline";
import { Server } from "./support/server.js";
import { rowsUntil } from "./support/until.js";

interface Task {
  title: string;
}

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server.end());

/** Lets plain HTTP through, and answers each wish for a WebSocket with a refusal. */
async function blocking(): Promise<{ proxy: HttpServer; url: string; refused: () => number }> {
  let refused = 0;
  const { hostname, port } = new URL(server.url);
  const proxy = createServer((asked, answer) => {
    const { method, headers, url: path } = asked;
    const onward = request({ hostname, port, method, headers, path }, (said) => {
      answer.writeHead(said.statusCode!, said.headers);
      said.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  });
  proxy.on("upgrade", (_, socket) => {
    refused++;
    socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { proxy, url: `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`, refused: () => refused };
}

test("two clients that may not use WebSockets converge, offline edits included", async () => {
  const options = { server: server.url, name: "events", transport: "sse" } as const;
  const [ann, ben] = [await Tapeline.open(options), await Tapeline.open(options)];
  const [here, there] = [ann, ben].map((db) => db.stream("events").collection<Task>("tasks"));
  const arrived = rowsUntil(there!, {}, (rows) => rows.length === 2_001);
  here!.insert({ title: "milk" });
  await ann.stream("events").synced();
  ann.goOffline();
  for (let place = 0; place < 2_000; place++) here!.insert({ title: `offline ${place}` });
  ann.goOnline();
  await arrived;
  await Promise.all([ann.stream("events").synced(), ben.stream("events").synced()]);
  assert.equal(ann.stream("events").digest(), ben.stream("events").digest());
  await Promise.all([ann.close(), ben.close()]);
});

test("a client finds the other way by itself", async () => {
  const { proxy, url, refused } = await blocking();
  const db = await Tapeline.open({ server: url, name: "blocked" });
  const stream = db.stream("blocked");
  stream.collection<Task>("tasks").insert({ title: "got through" });
  await stream.synced();
  assert.ok(refused() >= 2, "WebSockets were tried first");
  assert.equal(db.connection.state, "connected");
  await db.close();
  proxy.closeAllConnections();
  proxy.close();
});

test("it comes back to a server that was killed", async () => {
  const db = await Tapeline.open({ server: server.url, name: "killed", transport: "sse" });
  const stream = db.stream("killed");
  const tasks = stream.collection<Task>("tasks");
  tasks.insert({ title: "before" });
  await stream.synced();
  await server.kill();
  tasks.insert({ title: "while it is away" });
  await server.restart();
  await stream.synced();
  assert.equal(stream.digest(), await server.digest("killed"));
  await db.close();
});
