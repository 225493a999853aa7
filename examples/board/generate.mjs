/**
 * Makes the board's ten thousand issues out of a recording: two years of changes to the files of a real repository.
 *
 * The same recording gives the same issues, to the letter. They are written as the body of one request that records them;
 * it names its client and numbers, so that sending it again records nothing twice.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const ISSUES = 10_000;
const OPS_AN_EVENT = 500;
/** When the recording ends, milliseconds since the epoch. */
const AT = 1_787_291_352_000;
const CLIENT = "00000000000000000000TAPE00";

const recording = new URL("../../fixtures/history-linear.ndjson.gz", import.meta.url);
const out = new URL("../dist/seed/board.json.gz", import.meta.url);

const people = ["Ana", "Ben", "Chidi", "Dara", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kemi", "Lior"];

/** What people say of a change to a file, by what kind of file it is. `$` is the file. */
const sayings = {
  test: [
    "$ fails now and then",
    "Cover the empty case in $",
    "$ takes too long",
    "Split $ by concern",
    "$ depends on the clock",
  ],
  docs: ["$ is out of date", "Explain errors in $", "Add an example to $", "Broken links in $", "Proofread $"],
  style: ["$ in dark mode", "$ overflows on small screens", "Contrast in $ is too low", "Unify spacing in $"],
  view: [
    "$ flickers when it opens",
    "Keyboard access to $",
    "$ renders twice on load",
    "$ jumps while scrolling",
    "Empty state for $",
    "$ does not keep its focus",
    "Announce changes in $ to screen readers",
  ],
  code: [
    "Speed up $",
    "$ leaks memory after a reconnect",
    "Handle timeouts in $",
    "$ swallows an error",
    "Make $ cancellable",
    "Types of $ are too loose",
    "Retry in $ has no upper bound",
    "$ races with shutdown",
    "Log less in $",
    "Simplify $",
  ],
  other: ["Update $", "Clean up $", "Pin versions in $", "$ breaks on Windows"],
};

const verbs = { insert: "Add $", delete: "Remove $", move: "Move $" };

function kindOf(path) {
  if (/test|spec/i.test(path)) return "test";
  if (/\.(md|mdx|txt)$/.test(path)) return "docs";
  if (/\.(css|scss|svg)$/.test(path)) return "style";
  if (/\.(tsx|jsx|vue|html)$/.test(path)) return "view";
  return /\.(ts|js|mjs|ex|exs|rs|go|py|sh)$/.test(path) ? "code" : "other";
}

/** What the file is called in a sentence. */
function nameOf(path) {
  const name = basename(path).replace(/\.(test|spec)?\.?\w+$/, "") || basename(path);
  return /^(index|main|mod|readme|package|mix|init)$/i.test(name)
    ? `${basename(dirname(path))}/${basename(path)}`
    : name;
}

/** The part of the repository it is about. */
function labelOf(path) {
  const [top, second] = path.split("/");
  if (second === undefined) return "repository";
  return top === "packages" || top === "examples" ? second : top;
}

/** A number that looks random, and is the same each time. */
function hash(text) {
  let number = 2166136261;
  for (const letter of text) number = Math.imul(number ^ letter.charCodeAt(0), 16777619);
  number = Math.imul(number ^ (number >>> 15), 2246822507);
  return (number ^ (number >>> 13)) >>> 0;
}

const pick = (list, seed) => list[hash(seed) % list.length];

function* changes() {
  const lines = gunzipSync(readFileSync(recording)).toString().trim().split("\n");
  const paths = new Map();
  for (const line of lines) {
    for (const op of JSON.parse(line).ops) {
      const known = paths.get(op.id);
      const path = op.set?.path ?? known;
      const verb = op.insert ? "insert" : op.delete ? "delete" : known && known !== path ? "move" : "update";
      paths.set(op.id, path);
      if (path && !path.startsWith(".changeset")) yield { path, verb, seed: `${op.id} ${line.length} ${op.set?.blob}` };
    }
  }
}

function titleOf({ path, verb, seed }) {
  const plain = verbs[verb] && hash(`${seed} plain`) % 3 === 0;
  return (plain ? verbs[verb] : pick(sayings[kindOf(path)], seed)).replace("$", nameOf(path));
}

/** The older an issue is, the surer it is done. */
function stateOf(age, seed) {
  const luck = (hash(`${seed} state`) % 1000) / 1000;
  if (luck < age * 0.85) return "done";
  return pick(["backlog", "backlog", "backlog", "progress", "review"], `${seed} open`);
}

function issues() {
  const all = new Map();
  for (const change of changes()) {
    const title = titleOf(change);
    const key = `${title} ${labelOf(change.path)}`;
    if (!all.has(key)) all.set(key, { title, change });
  }
  const chosen = [...all.values()].filter(
    (_, place) => Math.floor((place * ISSUES) / all.size) !== Math.floor(((place - 1) * ISSUES) / all.size),
  );
  if (chosen.length !== ISSUES) throw new Error(`the recording has only ${chosen.length} issues in it`);
  return chosen.map(({ title, change: { path, seed } }, place) => ({
    id: `T-${place + 1}`,
    title,
    state: stateOf(1 - place / ISSUES, seed),
    label: labelOf(path),
    assignee: pick(people, `${seed} who`),
  }));
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A position made of four digits, as `positionBetween` reads them: this share of the way from the first to the last. */
function position(share) {
  let left = share;
  const digits = Array.from({ length: 4 }, () => {
    left *= DIGITS.length;
    const digit = Math.floor(left);
    left -= digit;
    return DIGITS[digit];
  });
  return `${digits.join("")}V`;
}

/** The newest stand on top of their column, and there is room for more at both ends. */
function withPositions(issues) {
  const columns = new Map();
  for (const issue of issues) columns.set(issue.state, [...(columns.get(issue.state) ?? []), issue]);
  for (const column of columns.values()) {
    column.reverse().forEach((issue, place) => {
      issue.position = position(0.25 + place / column.length / 2);
    });
  }
  return issues;
}

const ops = withPositions(issues()).map(({ id, ...set }) => ({ insert: "issues", id, set }));
const events = [];
for (let from = 0; from < ops.length; from += OPS_AN_EVENT)
  events.push({ base: 0, at: AT, ops: ops.slice(from, from + OPS_AN_EVENT) });
mkdirSync(new URL(".", out), { recursive: true });
writeFileSync(out, gzipSync(JSON.stringify({ client: CLIENT, n: 1, events }), { level: 9 }));
