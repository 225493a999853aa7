/** What an issue is, and how it is found. */

import type { Notice, Where } from "tapeline";
import type { Report } from "../shared/reports.js";

/** What its card shows. */
export interface Issue {
  title: string;
  state: State;
  label: string;
  assignee: string;
  /** Where it is in its column: between any two positions there is room for another. */
  position: string;
  /** What it is found by, in small letters. */
  words: string;
}

/** What is said of an issue, under the same id: apart, so that it comes when the issue is opened. */
export interface Description {
  /** Many may type in it at once. */
  text: string;
}

export const states = { backlog: "Backlog", progress: "In progress", review: "In review", done: "Done" } as const;
export type State = keyof typeof states;
export const order = Object.keys(states) as State[];

/** The issues of a column in which every one of the words stands. */
export function matching(state: State, words: string): Where<Issue> {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return { state, and: wanted.map((word) => ({ words: { contains: word } })) };
}

/** What giving an issue another title sets. */
export function named(id: string, { label, assignee }: Issue, title: string): Partial<Issue> {
  return { title, words: `${id} ${title} ${label} ${assignee}`.toLowerCase() };
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
