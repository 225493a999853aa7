/** Ids sort in the order they were made, whatever the clock does. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, newId, random16, toHex } from "../src/ids.js";

test("ids are UUIDs of version 7, each another, in order", () => {
  const ids = Array.from({ length: 20_000 }, () => newId());
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
});

test("a clock that is set back does not put later ids before earlier ones", () => {
  const now = Date.now();
  const ids = [now, now + 60_000, now, now - 60_000, now + 1].map((at) => newId(at));
  assert.deepEqual([...ids].sort(), ids);
});

test("bytes and their text", () => {
  const bytes = random16();
  assert.deepEqual(fromHex(toHex(bytes)), bytes);
});
