/** Values as bytes: what goes in comes out, whatever it is; what cannot travel is refused with its place and a way out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, Reader, type Value } from "../src/values.js";
import { pick, type Random, seeded } from "./support/random.js";

const hex = (value: unknown) => Buffer.from(encode(value, "it")).toString("hex");

test("values have the bytes that the protocol says", () => {
  const expected: [unknown, string][] = [
    [0, "00"],
    [23, "17"],
    [24, "1818"],
    [255, "18ff"],
    [256, "190100"],
    [65_536, "1a00010000"],
    [2 ** 32, "1b0000000100000000"],
    [-1, "20"],
    [-256, "38ff"],
    [-(2 ** 53 - 1), "3b001ffffffffffffe"],
    [-0, "00"],
    [1.0, "01"],
    [1.5, "fb3ff8000000000000"],
    [2n ** 63n - 1n, "1b7fffffffffffffff"],
    [-(2n ** 63n), "3b7fffffffffffffff"],
    [null, "f6"],
    [true, "f5"],
    [false, "f4"],
    ["", "60"],
    ["ä", "62c3a4"],
    [new Uint8Array([1, 2]), "420102"],
    [[1, [2]], "82018102"],
    [{ a: 1 }, "a1616101"],
  ];
  for (const [value, bytes] of expected) assert.equal(hex(value), bytes, String(value));
});

test("any value comes back as it was", () => {
  const random = seeded("values");
  for (let round = 0; round < 2_000; round++) {
    const value = anyValue(random, 4);
    assert.deepEqual(decode(encode(value, "it")), value);
  }
});

test("many values come back as they were, with texts across any piece of what is read", () => {
  const random = seeded("many values");
  for (let round = 0; round < 20; round++) {
    const text = () => anyText(random).repeat(Math.floor(random() * 20)) + "plain ".repeat(Math.floor(random() * 9));
    const values = Array.from({ length: 2_000 }, () => [text(), anyValue(random, 2)]);
    assert.deepEqual(decode(encode(values, "it")), values);
  }
});

test("a field called __proto__ is a field like others", () => {
  const fields = JSON.parse('{"__proto__": {"admin": true}}');
  const back = decode(encode(fields, "it"));
  assert.deepEqual(Object.keys(back), ["__proto__"]);
  assert.equal(back.admin, undefined);
});

test("a row has the id of its object, whatever fields it has", () => {
  const row = new Reader(encode(["mine", { id: "another's", title: "spam" }], "it")).row();
  assert.deepEqual({ ...(row as object) }, { id: "mine", title: "spam" });
});

test("bytes that were read do not hold on to what they were read from", () => {
  const bytes = encode({ blob: new Uint8Array([7]) }, "it");
  const { blob } = decode(bytes);
  bytes.fill(0);
  assert.deepEqual([...blob], [7]);
});

test("what cannot travel is refused, with where it stands and what to do", () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const deep = Array.from({ length: 33 }).reduce((inside) => [inside], 0);
  const refused: [unknown, RegExp][] = [
    [undefined, /^f is undefined: leave the field out, or set it to null/],
    [() => 0, /^f is a function, which cannot travel/],
    [Symbol("s"), /^f is a symbol, which cannot travel/],
    [Number.NaN, /^f is NaN, which cannot travel: set it to null/],
    [Number.POSITIVE_INFINITY, /^f is Infinity/],
    [new Date(), /^f is a Date.*getTime\(\)/],
    [new Map(), /^f is a Map/],
    [new (class Cart {})(), /^f is a Cart/],
    [new Float32Array(1), /^f is a Float32Array/],
    [{ a: [1, { b: Number.NaN }] }, /^f\.a\[1\]\.b is NaN/],
    [new Array(2), /^f\[0\] is undefined/],
    ["\ud800", /surrogate/],
    [{ "\udfff": 1 }, /surrogate/],
    [2n ** 63n, /^f does not fit 64 bits: store it as text/],
    [circle, /nests deeper than 32 levels, or contains itself/],
    [deep, /nests deeper than 32 levels/],
  ];
  for (const [value, words] of refused) {
    assert.throws(() => encode(value, "f"), { name: "TapelineError", code: "invalid", message: words });
  }
});

test("32 levels are not too deep", () => {
  const deep = Array.from({ length: 32 }).reduce((inside) => [inside], 0);
  assert.deepEqual(decode(encode(deep, "it")), deep);
});

function anyValue(random: Random, depth: number): Value {
  const size = Math.floor(random() * 5);
  const kinds: (() => Value)[] = [
    () => null,
    () => random() < 0.5,
    () => Math.floor((random() - 0.5) * 2 ** Math.floor(random() * 54)),
    () => (random() - 0.5) * 10 ** Math.floor(random() * 300) + 0.5,
    () => BigInt.asIntN(64, BigInt(Math.floor(random() * 2 ** 53)) * 2_049n + 2n ** 53n),
    () => anyText(random),
    () => Uint8Array.from({ length: size * 20 }, () => random() * 256),
    () => Array.from({ length: size }, () => anyValue(random, depth - 1)),
    () => Object.fromEntries(Array.from({ length: size }, () => [anyText(random), anyValue(random, depth - 1)])),
  ];
  const value = pick(random, depth > 0 ? kinds : kinds.slice(0, 6))();
  // Whole numbers that a number holds exactly are numbers.
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  return Object.is(value, -0) ? 0 : value;
}

function anyText(random: Random): string {
  const alphabet = ["a", "Z", "0", " ", "é", "€", "𝄞", "\u0000", "\u007f", "\u0080", "title", "x".repeat(30)];
  return Array.from({ length: Math.floor(random() * 6) }, () => pick(random, alphabet)).join("");
}
