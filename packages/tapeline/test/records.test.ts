/** What the device is given to write. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { Mirror, Replica } from "../src/core.js";
import { random16 } from "../src/ids.js";
import { start } from "../src/module.js";
import { Ops, type View } from "../src/ops.js";
import { decode } from "../src/values.js";

before(() => start(() => readFile(new URL("./tapeline.wasm", import.meta.resolve("tapeline")))));

const nothing: View = { get: () => undefined, all: () => Uint8Array.of(0x80) };

for (const draft of [false, true]) {
  test(`${draft ? "a draft" : "an edit"} is nowhere else: it is to survive a loss of power`, () => {
    const tab = random16();
    const [replica, mirror] = [new Replica("list", random16(), true), new Mirror(tab, "list", undefined)];
    replica.restored(undefined);
    const ops = new Ops(nothing);
    ops.insert("tasks", { title: "one" });
    mirror.edit(ops.finish(), 0, draft);
    replica.takeFrom(tab, mirror);
    assert.equal(decode(replica.pollRecord(false)!).urgent, true);
  });
}
