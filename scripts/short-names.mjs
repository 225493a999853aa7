// Gives the functions that the core exports short names, those that say what they belong to, like `replica_take`. What calls
// them is bundled with the same ones: they are written down as esbuild reads them (see `bundle` in lib.sh).
//
// short-names.mjs MODULE NAMES
import { readFileSync, writeFileSync } from "node:fs";
import { number, readNumber, sized } from "./module-numbers.mjs";

const EXPORTS = 7;

const [file, names] = process.argv.slice(2);
const module = readFileSync(file);
const short = {};
const sections = [module.subarray(0, 8)];
for (let at = 8; at < module.length; ) {
  const [bytes, start] = readNumber(module, at + 1);
  const end = start + bytes;
  sections.push(module[at] === EXPORTS ? renamed(start) : module.subarray(at, end));
  at = end;
}
writeFileSync(file, Buffer.concat(sections));
writeFileSync(names, JSON.stringify(short, null, 2));

/** The section of exports, each a name, a kind and a number. */
function renamed(start) {
  const [count, first] = readNumber(module, start);
  const exports = [number(count)];
  for (let at = first, left = count; left > 0; left--) {
    const [length, from] = readNumber(module, at);
    const name = module.toString("utf8", from, from + length);
    if (/^(link|mirror|replica)_/.test(name)) short[name] = `_${Object.keys(short).length.toString(36)}`;
    at = readNumber(module, from + length + 1)[1];
    exports.push(sized(Buffer.from(short[name] ?? name)), module.subarray(from + length, at));
  }
  return Buffer.concat([Buffer.from([EXPORTS]), sized(Buffer.concat(exports))]);
}
