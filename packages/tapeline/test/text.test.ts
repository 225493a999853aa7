/** Texts are counted as JavaScript counts them, and travel as Unicode characters. */

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Tapeline } from "tapeline";
import { inCharacters, type Splice, spliceBetween } from "../src/text.js";
import { pick, seeded } from "./support/random.js";

const db = await Tapeline.open({ server: "ws://127.0.0.1:9", name: "text" });
db.goOffline();
after(() => db.close());
const notes = db.stream("notes").collection<{ text?: string; bytes?: Uint8Array }>("notes");

test("offsets in code units become offsets in characters", () => {
  assert.deepEqual(inCharacters("a🙂b🙂c", [[3, 3, "x"]]), [[2, 2, "x"]]);
  const two: Splice[] = [
    [0, 1, ""],
    [4, 2, "é"],
  ];
  assert.deepEqual(inCharacters("a🙂b🙂c", two), [
    [0, 1, ""],
    [3, 1, "é"],
  ]);
  assert.throws(() => inCharacters("a🙂b", [[2, 0, "x"]]), /2 is inside of a character/);
  assert.throws(() => inCharacters("a🙂b", [[0, 2, "x"]]), /2 is inside of a character/);
  assert.throws(() => inCharacters("a🙂b", [[5, 0, "x"]]), /5 is past the end/);
});

test("a text becomes another by one splice that cuts no character in two", () => {
  assert.equal(spliceBetween("same", "same"), undefined);
  assert.deepEqual(spliceBetween("the color", "the colour"), [8, 0, "u"]);
  assert.deepEqual(spliceBetween("aaa", "aa"), [2, 1, ""]);
  // U+1F600 and U+1F601 have the first half in common, U+1F600 and U+1FA00 the second.
  assert.deepEqual(spliceBetween("\u{1f600}", "\u{1f601}"), [0, 2, "\u{1f601}"]);
  assert.deepEqual(spliceBetween("\u{1f600}", "\u{1fa00}"), [0, 2, "\u{1fa00}"]);
});

test("any text becomes any other", () => {
  const random = seeded("texts");
  const letters = ["a", "b", "\u{1f600}", "\u{1f601}", "\u{1fa00}", "e\u0301", "\r\n"];
  const text = () => Array.from({ length: Math.floor(random() * 6) }, () => pick(random, letters)).join("");
  const id = notes.insert({ text: "" });
  for (let round = 0; round < 500; round++) {
    const [before, wanted] = [text(), text()];
    notes.update(id, { text: before });
    notes.editText(id, "text", wanted);
    assert.equal(notes.get(id)?.text, wanted, `from ${JSON.stringify(before)}`);
  }
});

test("splices of texts and bytes, several at once, and of what the same edit has written", () => {
  const id = notes.insert({ text: "🙂 hello", bytes: Uint8Array.of(1, 2, 3) });
  notes.splice(id, "text", 3, 5, "world");
  assert.equal(notes.get(id)?.text, "🙂 world");
  notes.splice(id, "text", [
    [0, 2, "🙃"],
    [8, 0, "!"],
  ]);
  assert.equal(notes.get(id)?.text, "🙃 world!");
  notes.splice(id, "bytes", 1, 1, Uint8Array.of(9, 9));
  assert.deepEqual(notes.get(id)?.bytes, Uint8Array.of(1, 9, 9, 3));
  db.stream("notes").edit((on) => {
    on(notes).update(id, { text: "🙂🙂" });
    on(notes).splice(id, "text", 2, 2, "é");
    on(notes).splice(id, "text", 3, 0, "!");
  });
  assert.equal(notes.get(id)?.text, "🙂é!");
  const empty = notes.insert({});
  notes.splice(empty, "text", 0, 0, "first");
  notes.editText(empty, "text", "first!");
  assert.equal(notes.get(empty)?.text, "first!");
});

test("splices that are none", () => {
  const id = notes.insert({ text: "🙂" });
  assert.throws(() => notes.splice(id, "text", 1, 0, "x"), { code: "invalid", message: /inside of a character/ });
  assert.throws(() => notes.splice(id, "text", 0, 9, "x"), { code: "invalid", message: /past the end/ });
  assert.throws(() => notes.splice(id, "text", -1, 0, "x"), { code: "invalid" });
  assert.throws(() => notes.splice(id, "text", 0, 0, "\ud800"), { code: "invalid", message: /surrogate/ });
  assert.throws(() => notes.splice("nobody", "text", 0, 0, "x"), { code: "conflict", message: /does not exist/ });
  assert.equal(notes.get(id)?.text, "🙂");
});
