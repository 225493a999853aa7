/** What an issue is, and how it is found. */

import type { Notice, Row } from "tapeline";
import type { Report } from "../shared/reports.js";

export interface Issue {
  title: string;
  /** Many may type in it at once. */
  description?: string;
  state: State;
  label: string;
  assignee: string;
  /** Where it is in its column: between any two positions there is room for another. */
  position: string;
}

export const states = { backlog: "Backlog", progress: "In progress", review: "In review", done: "Done" } as const;
export type State = keyof typeof states;
export const order = Object.keys(states) as State[];

/** Rows never change, so what is searched of each is made once. */
const texts = new WeakMap<Row<Issue>, string>();

function textOf(issue: Row<Issue>): string {
  let text = texts.get(issue);
  if (text === undefined) {
    text = `${issue.id} ${issue.title} ${issue.label} ${issue.assignee}`.toLowerCase();
    texts.set(issue, text);
  }
  return text;
}

/** The issues in which every one of the words stands. */
export function matching(issues: readonly Row<Issue>[], words: string): readonly Row<Issue>[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return issues;
  return issues.filter((issue) => wanted.every((word) => textOf(issue).includes(word)));
}

/** A hue for a word, the same everywhere. */
export function hueOf(word: string): number {
  let hue = 7;
  for (const letter of word) hue = (hue * 31 + letter.charCodeAt(0)) % 360;
  return hue;
}

/** What a person is told of a notice: that somebody else has moved or named an issue otherwise meanwhile. */
export function reportOf(notice: Notice): Report | undefined {
  if (notice.kind !== "overwritten") return undefined;
  const { id, fields } = notice;
  if (typeof fields.title === "string") return { words: `${id} has another title now. Yours was: “${fields.title}”.` };
  const state = states[fields.state as State];
  return state && { words: `${id} was moved by somebody else too. You had put it into ${state}.` };
}
