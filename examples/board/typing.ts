/**
 * A text area in which many people type at once.
 *
 * What is typed goes out as small splices, never as the whole text. What others type is put in where it belongs, and the
 * own caret stays between the letters between which it was.
 */

import { type Collection, type Splice, type Stream, spliceBetween } from "tapeline";
import { stepOf } from "../shared/undo.js";
import type { Description } from "./issue.js";

/** After a pause of this length, milliseconds, what is typed is undone apart from what was typed before. */
const PAUSE = 800;

/** Called with the text, and the splice that it became this one by: for the carets of others. */
type Changed = (text: string, splice: Splice | undefined) => void;

export class Typing {
  /** What the area showed when it last agreed with the text. */
  private shown = "";
  private composing = false;
  private stepping = false;
  private endStep: (() => void) | undefined;
  private pause: ReturnType<typeof setTimeout> | undefined;
  private readonly off = new AbortController();

  constructor(
    private readonly area: HTMLTextAreaElement,
    private readonly stream: Stream,
    private readonly texts: Collection<Description>,
    private readonly id: string,
    private readonly changed: Changed,
  ) {
    const { signal } = this.off;
    this.show();
    signal.addEventListener(
      "abort",
      texts.watchOne(id, () => this.show()),
    );
    area.addEventListener("input", () => this.send(), { signal });
    area.addEventListener("compositionstart", () => (this.composing = true), { signal });
    area.addEventListener("compositionend", () => this.composed(), { signal });
    for (const leaves of ["blur", "pointerdown"]) area.addEventListener(leaves, () => this.endGroup(), { signal });
    area.addEventListener("keydown", (event) => this.press(event), { signal });
    area.addEventListener("beforeinput", (event) => this.step(event, asked[event.inputType]), { signal });
  }

  /** Stops. */
  end(): void {
    this.endGroup();
    this.off.abort();
  }

  private get text(): string {
    return inArea(this.texts.get(this.id)?.text ?? "");
  }

  /** Shows what the text is now. Letters that are still being composed are left alone. */
  private show(): void {
    const { area, text } = this;
    const splice = spliceBetween(area.value, text);
    if (this.composing) return;
    this.shown = text;
    if (splice) {
      const { selectionStart, selectionEnd, selectionDirection } = area;
      const [from, to] = [selectionStart, selectionEnd].map((offset) => moved(offset, splice, area.value));
      area.value = text;
      const end = splice[0] + splice[2].length;
      if (this.stepping) area.setSelectionRange(end, end);
      else if (document.activeElement === area) area.setSelectionRange(from!, to!, selectionDirection);
    }
    this.changed(text, splice);
  }

  /** Sends what was typed, moved past what came while letters were composed. */
  private send(): void {
    const typed = this.composing ? undefined : typedIn(this.area, this.shown);
    if (!typed) return;
    this.beginGroup();
    this.prepare();
    const theirs = spliceBetween(this.shown, this.text);
    const [offset, remove, insert] = typed;
    const place = (offset: number) => (theirs ? moved(offset, theirs, this.shown) : offset);
    const from = place(offset);
    this.texts.splice(this.id, "text", from, Math.max(0, place(offset + remove) - from), insert);
    this.shown = this.area.value;
    this.changed(this.shown, typed);
    if (theirs) this.show();
  }

  /** There is a text to type in, with the line ends that the area has. */
  private prepare(): void {
    const { text } = this.texts.get(this.id) ?? {};
    if (text === undefined) this.texts.upsert(this.id, {});
    else if (text.includes("\r")) this.texts.editText(this.id, "text", inArea(text));
  }

  private composed(): void {
    this.composing = false;
    this.send();
    this.show();
  }

  private press(event: KeyboardEvent): void {
    if (/^(Arrow|Home|End|Page)/.test(event.key)) this.endGroup();
    this.step(event, stepOf(event));
  }

  /** Undoes or redoes, as an edit that others see. */
  private step(event: Event, way: "undo" | "redo" | undefined): void {
    if (!way) return;
    event.preventDefault();
    this.endGroup();
    this.stepping = this.stream[way]();
    this.show();
    this.stepping = false;
  }

  /** What is typed in one place without a pause is one thing to undo. */
  private beginGroup(): void {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.endGroup(), PAUSE);
    if (!this.endStep) void this.stream.group(() => new Promise<void>((end) => (this.endStep = end)));
  }

  private endGroup(): void {
    clearTimeout(this.pause);
    this.endStep?.();
    this.endStep = undefined;
  }
}

/** A text as an area shows it, which knows one kind of line end: others are replaced by it with the first edit. */
function inArea(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** How a browser asks for undo and redo other than by keys. */
const asked: Record<string, "undo" | "redo"> = { historyUndo: "undo", historyRedo: "redo" };

/** What was typed into an area. Of equal letters in a row, the caret says which is new. */
function typedIn({ value, selectionEnd }: HTMLTextAreaElement, before: string): Splice | undefined {
  const rest = value.slice(selectionEnd);
  if (!before.endsWith(rest)) return spliceBetween(before, value);
  return spliceBetween(before.slice(0, before.length - rest.length), value.slice(0, selectionEnd));
}

/** Letters before a caret by which its place is found again. */
const NEAR = 16;

/** Where an offset in a text is after a splice. What is inserted right there comes after it. */
export function moved(offset: number, [at, remove, insert]: Splice, before: string): number {
  if (offset <= at) return offset;
  if (offset >= at + remove) return offset + insert.length - remove;
  // Several edits came as one: the letters before it may still be there.
  const near = before.slice(Math.max(at, offset - NEAR), offset);
  const found = (insert as string).indexOf(near);
  return at + (found < 0 ? Math.min(offset - at, insert.length) : found + near.length);
}
