// Names the functions of a WebAssembly module so that their names sort by likeness: after each comes the one that is most
// like the code before it, since what is repeated compresses best where it is near.
//
// order-functions.mjs MODULE NAMED, then wasm-opt --reorder-functions-by-name
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { number, readNumber, sized } from "./module-numbers.mjs";

const CUSTOM_SECTION = 0;
const IMPORTS = 2;
const CODE = 10;
const FUNCTION_NAMES = 1;

/** Which pieces are compared, and how much code each function is compared with, in bytes: what compresses best is taken. */
const TRIES = [
  { piece: 6, near: 4000 },
  { piece: 6, near: 6000 },
  { piece: 5, near: 3000 },
  { piece: 5, near: 4000 },
];

const [from, to] = process.argv.slice(2);
const module = readFileSync(from);
const { imports, bodies } = readSections();
const orders = TRIES.map(byLikeness).map((order) => ({ order, bytes: compressed(order) }));
const best = orders.reduce((best, other) => (other.bytes < best.bytes ? other : best));
writeFileSync(to, Buffer.concat([module, nameSection(best.order)]));

function readSections() {
  let [imports, bodies] = [0, []];
  for (let at = 8; at < module.length; ) {
    const [bytes, start] = readNumber(module, at + 1);
    const [count, first] = readNumber(module, start);
    // Memory and tables are the module's own: what it imports are functions.
    if (module[at] === IMPORTS) imports = count;
    if (module[at] === CODE) bodies = readBodies(count, first);
    at = start + bytes;
  }
  return { imports, bodies };
}

function readBodies(count, at) {
  return Array.from({ length: count }, () => {
    const [bytes, start] = readNumber(module, at);
    at = start + bytes;
    return module.subarray(start, at);
  });
}

/** The places of functions, each followed by the one that is most like those before it. */
function byLikeness({ piece, near }) {
  const pieces = bodies.map((body) => piecesOf(body, piece));
  const having = new Map();
  pieces.forEach((set, place) => {
    for (const piece of set) having.has(piece) ? having.get(piece).push(place) : having.set(piece, [place]);
  });
  const left = new Set(bodies.keys());
  const order = [];
  while (left.size > 0) {
    const shared = new Uint32Array(bodies.length);
    for (const piece of piecesBefore()) for (const place of having.get(piece)) shared[place]++;
    const likeness = (place) => shared[place] / Math.sqrt(bodies[place].length);
    const next = [...left].reduce((best, place) => (likeness(place) > likeness(best) ? place : best));
    left.delete(next);
    order.push(next);
  }
  return order;

  function piecesBefore() {
    const before = new Set();
    for (let at = order.length - 1, bytes = 0; at >= 0 && bytes <= near; at--) {
      for (const piece of pieces[order[at]]) before.add(piece);
      bytes += bodies[order[at]].length;
    }
    return before;
  }
}

/** The pieces of a function, of so many bytes, as numbers, each once. */
function piecesOf(body, bytes) {
  const count = Math.max(0, body.length - bytes + 1);
  return new Set(Array.from({ length: count }, (_, at) => body.readUIntBE(at, bytes)));
}

/** How many bytes the code takes in an order, compressed. */
function compressed(order) {
  return gzipSync(Buffer.concat(order.map((place) => bodies[place])), { level: 9 }).length;
}

function nameSection(order) {
  const places = order.map((function_, place) => [function_, place]).sort(([a], [b]) => a - b);
  const names = places.map(([function_, place]) => [number(imports + function_), text(String(place).padStart(6, "0"))]);
  const functionNames = Buffer.concat([number(names.length), ...names.flat()]);
  const section = [text("name"), Buffer.from([FUNCTION_NAMES]), sized(functionNames)];
  return Buffer.concat([Buffer.from([CUSTOM_SECTION]), sized(Buffer.concat(section))]);
}

function text(text) {
  return sized(Buffer.from(text));
}
