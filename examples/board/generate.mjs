/**
 * Makes what the board's issues are about out of a recording: two years of changes to the files of a real repository.
 *
 * The same recording gives the same ten thousand titles, to the letter. `tapeline demo` makes the issues of them.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const ISSUES = 10_000;

const recording = new URL("../../fixtures/history-linear.ndjson.gz", import.meta.url);
const out = new URL("../dist/seed/board.json.gz", import.meta.url);

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
  return chosen.map(({ title, change: { path } }) => ({ title, label: labelOf(path), path }));
}

mkdirSync(new URL(".", out), { recursive: true });
writeFileSync(out, gzipSync(JSON.stringify(issues()), { level: 9 }));
