/** Apps of several versions at one server: who is too old is told, who is ahead waits, and both keep what they have. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Options, Tapeline } from "tapeline";
import { Server } from "./support/server.js";
import { rowsUntil, statusUntil } from "./support/until.js";

interface Task {
  title: string;
  done?: boolean;
  completed?: boolean;
}

for (const transport of ["websocket", "sse"] as const) {
  test(`an app that is too old is told, and sends what it kept once it is upgraded (by ${transport})`, async () => {
    const server = await Server.start("version = 3\noldest = 2");
    const directory = await mkdtemp(join(tmpdir(), "tapeline-app-"));
    const open = (options: Partial<Options>) =>
      Tapeline.open({ server: server.url, name: "app", transport, storage: { directory }, ...options });
    const old = await open({ schema: 1 });
    const list = old.stream("list");
    list.collection<Task>("tasks").insert({ id: "t", title: "kept" });
    const { connection } = await statusUntil(list, (status) => status.connection.state === "upgrade_required");
    assert.match(connection.why!, /version 1 of its schema.*upgrade the app/);
    await list.stored();
    await old.close();

    const upgraded = await open({ schema: 2 });
    await upgraded.stream("list").synced();
    assert.equal(upgraded.stream("list").status().pending, 0);
    assert.deepEqual(
      (await server.events("list")).map(({ ops }) => ops[0]?.id),
      ["t"],
    );
    await upgraded.close();
    await server.end();
    await rm(directory, { recursive: true });
  });

  test(`an app that is ahead waits for the server (by ${transport})`, async () => {
    const server = await Server.start("version = 1");
    const db = await Tapeline.open({ server: server.url, name: "app", transport, storage: "memory", schema: 2 });
    const list = db.stream("list");
    list.collection<Task>("tasks").insert({ id: "t", title: "early" });
    const { connection } = await statusUntil(list, (status) => status.connection.state === "waiting");
    assert.match(connection.why!, /the server is to be upgraded/);
    await server.goBy("version = 2\n[collections.tasks.fields]\ncompleted = { was = 'done' }");
    await list.synced();
    // What an older app says under the old name is here under the new one.
    const older = await Tapeline.open({ server: server.url, name: "older", transport, storage: "memory", schema: 1 });
    const arrived = rowsUntil(list.collection<Task>("tasks"), { where: { id: "o" } }, (rows) => rows.length === 1);
    older.stream("list").collection<Task>("tasks").insert({ id: "o", title: "old", done: true });
    const [task] = await arrived;
    assert.equal(task!.completed, true);
    await Promise.all([db.close(), older.close()]);
    await server.end();
  });
}

test("a version is a number from 1 on", async () => {
  for (const schema of [0, 1.5, -1, Number.NaN]) {
    await assert.rejects(Tapeline.open({ server: "ws://127.0.0.1:1", name: "app", schema }), /from 1 on/);
  }
});
