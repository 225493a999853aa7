/** Names and functions, as an app gives them. What is none is refused where it is said, not where it would be missed. */

import { invalid } from "./errors.js";
import { COLLECTION_BYTES, STREAM_BYTES } from "./limits.js";
import { encoder } from "./module.js";

/** Checks the name of a stream: parts joined by slashes. */
export function checkStream(name: string): void {
  if (isText(name, STREAM_BYTES) && /^[^\s\p{Cc}/]+(\/[^\s\p{Cc}/]+)*$/u.test(name)) return;
  const rule = `up to ${STREAM_BYTES} bytes, parts joined by slashes, no white space, like lists/groceries`;
  throw invalid(`${show(name)} is no name for a stream: ${rule}`);
}

export function checkCollection(name: string): void {
  if (isText(name, COLLECTION_BYTES) && /^\P{Cc}+$/u.test(name)) return;
  throw invalid(`${show(name)} is no name for a collection: up to ${COLLECTION_BYTES} bytes of text, like tasks`);
}

export function checkId(id: string): void {
  if (typeof id === "string" && id.isWellFormed()) return;
  throw invalid(`the id of an object is text, well-formed Unicode, not ${show(id)}`);
}

export function checkFunction(given: unknown, what = "a listener"): void {
  if (typeof given !== "function") throw invalid(`${what} is a function`);
}

function isText(name: unknown, bytes: number): boolean {
  return typeof name === "string" && name.isWellFormed() && encoder.encode(name).length <= bytes;
}

function show(name: unknown): string {
  const text = JSON.stringify(name) ?? String(name);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
