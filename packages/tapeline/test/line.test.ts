/** When the line to the server is tried again, with a clock and a network of the test's own. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, mock, test } from "node:test";
import { type Dial, LineToServer } from "../src/leader/connection.js";
import { start } from "../src/module.js";
import { Writer } from "../src/values.js";

before(() => start(() => readFile(new URL("./tapeline.wasm", import.meta.resolve("tapeline")))));

test("after each attempt that fails there is another, though time passes between two looks at the clock", async () => {
  let now = 0;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => (now += 0.3));
  let attempts = 0;
  const dial: Dial = (_, { gone }) => {
    attempts++;
    queueMicrotask(() => gone("nobody is there"));
    return { bufferedAmount: 0, send: () => {}, close: () => {} };
  };
  const nothing = () => {};
  const events = { frame: nothing, turned: nothing, changed: nothing, room: nothing };
  const line = new LineToServer("ws://nowhere", undefined, 0, dial, events);

  let last = { attempts, at: now };
  while (now < 3_600_000) {
    // Timers come a little early, as the clocks of a browser have it.
    mock.timers.tick(10);
    now += 9;
    await Promise.resolve();
    if (attempts > last.attempts) last = { attempts, at: now };
    assert.ok(now - last.at <= 16_000, `nothing was tried for ${now - last.at} ms after attempt ${attempts}`);
  }
  assert.ok(attempts > 200, `${attempts} attempts in an hour`);
  line.close();
  mock.reset();
  mock.timers.reset();
});

test("an address that cannot be dialled is said, and dialled again", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  mock.method(performance, "now", () => now);
  let attempts = 0;
  const dial: Dial = () => {
    attempts++;
    throw new Error("a safe page must not go there");
  };
  const nothing = () => {};
  const events = { frame: nothing, turned: nothing, changed: nothing, room: nothing };
  const line = new LineToServer("ws://nowhere", undefined, 0, dial, events);
  for (; attempts < 3; now += 100) mock.timers.tick(100);
  const { state, why } = line.connection;
  assert.deepEqual([state, why], ["waiting", "a safe page must not go there"]);
  line.close();
  mock.reset();
  mock.timers.reset();
});

test("a newer token that cannot be had at once is asked for again, and nothing is interrupted meanwhile", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let now = 0;
  mock.method(performance, "now", () => now);
  const welcome = new Writer().map(6).uint(0).uint(17).uint(2).uint(1).uint(3).text("a server").uint(4).uint(40_000);
  const frame = welcome
    .uint(5)
    .uint(1 << 22)
    .uint(6)
    .uint(10_000)
    .finish();
  let [said, asked] = [0, 0];
  const dial: Dial = (_, events) => {
    queueMicrotask(() => events.open());
    const send = () => {
      if (++said === 1) queueMicrotask(() => events.frame(frame));
    };
    return { bufferedAmount: 0, send, close: () => assert.fail("it was closed") };
  };
  const token = async () => {
    if (++asked === 2) throw new Error("not now");
    return "a token";
  };
  const nothing = () => {};
  const line = new LineToServer("ws://here", token, 0, dial, {
    frame: nothing,
    turned: nothing,
    changed: nothing,
    room: nothing,
  });
  for (; asked < 3; now += 100) {
    mock.timers.tick(100);
    for (let turn = 0; turn < 9; turn++) await Promise.resolve();
    assert.ok(now < 10_000, `the token is over, and was asked for ${asked} times`);
    assert.ok(asked < 2 || line.connection.state === "connected", JSON.stringify(line.connection));
  }
  assert.deepEqual([said, asked], [2, 3]);
  mock.reset();
  mock.timers.reset();
});
