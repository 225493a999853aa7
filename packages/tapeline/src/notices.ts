/**
 * What became of edits: those that were refused and wait for a decision, and what an app may want to tell the person.
 *
 * Splices in them count Unicode characters: the text that they were made for is not there any more.
 */

import { clientText, uuidText } from "./ids.js";
import { PARTS, type Part } from "./ops.js";
import { decode, Reader, type Value } from "./values.js";

/** One op of an edit: what was to be done to an object. */
export type EditOp = {
  readonly op: "insert" | "update" | "upsert" | "delete";
  readonly collection: string;
  readonly id: string;
} & {
  /** By field: a value, an amount, members, `[offset, delete, insert]` each, `[path, value]` each. */
  readonly [P in Part]?: Readonly<Record<string, P extends "set" | "inc" ? Value : readonly Value[]>>;
};

/** An edit the server refused, or a command that refuses now. It is kept until it is made again or discarded. */
export interface ParkedEdit {
  readonly edit: number;
  readonly at: Date;
  readonly code: string;
  readonly reason: string;
  /** The field that the reason is about, where it is about one. */
  readonly field?: string;
  /** What the server had, where it said so. */
  readonly current?: Value;
  /** What was to be done. */
  readonly ops: readonly EditOp[];
  /** The command that made it, where one did. */
  readonly command?: { readonly name: string; readonly args: Value };
}

/** Something an app may want to tell the person. */
export type Notice =
  /** An edit is on the log; what of it did not take effect, and why. */
  | { readonly kind: "recorded"; readonly edit: number; readonly seq: number; readonly lost: readonly LostOp[] }
  /** An edit was refused; `parked`: its content, while it is parked. */
  | {
      readonly kind: "refused";
      readonly edit: number;
      readonly code: string;
      readonly reason: string;
      readonly parked?: ParkedEdit;
    }
  /** An edit and a later one came to nothing before either was sent. */
  | { readonly kind: "cancelled"; readonly edit: number }
  /** Somebody who had not seen it has written over what was one's own: these fields, as they were. */
  | {
      readonly kind: "overwritten";
      readonly seq: number;
      readonly collection: string;
      readonly id: string;
      readonly fields: Readonly<Record<string, Value>>;
      /** Who did: the device's copy of the stream, as in `stream.client`, and the subject, where the server knows. */
      readonly client: string;
      readonly actor?: string;
    }
  /** This device's copy of the stream goes on under another id. */
  | { readonly kind: "new_identity" }
  /** The server's log is not the one that was played: all is played anew, and what is pending is sent again. */
  | { readonly kind: "started_over"; readonly reason: string }
  /** The objects were not what the server has: they are fetched anew. */
  | { readonly kind: "diverged"; readonly seq: number }
  /** The log says what this version does not know: nothing is played or sent before the app is updated. */
  | { readonly kind: "outdated"; readonly seq: number };

/** An op that did not take effect: the object is `gone`, the field's `first` value stays, it is a `conflict`, … */
export type LostOp = EditOp & {
  readonly reason: string;
};

/** Edits that are parked, with their ops as bytes, to be made again. */
export interface Parked {
  readonly edits: readonly ParkedEdit[];
  readonly ops: ReadonlyMap<number, Uint8Array>;
}

/** Reads `[[edit, at, refusal, ops, command | null], …]`. */
export function readParked(bytes: Uint8Array): Parked {
  const reader = new Reader(bytes);
  const ops = new Map<number, Uint8Array>();
  const edits: ParkedEdit[] = [];
  for (let left = reader.size(); left > 0; left--) {
    reader.size();
    const [edit, at, refusal, raw, command] = [
      reader.size(),
      reader.size(),
      reader.value(),
      reader.raw(),
      reader.value(),
    ];
    ops.set(edit, raw);
    edits.push({
      edit,
      at: new Date(at),
      code: refusal[0],
      reason: refusal[1] ?? "",
      ...(refusal[3] === undefined ? {} : { current: refusal[3] }),
      ...(refusal[5] === undefined ? {} : { field: refusal[5] }),
      ops: decode(raw).map(editOp),
      ...(command && { command: { name: command[0], args: command[1] } }),
    });
  }
  return { edits, ops };
}

/** Reads a notice, as it is told at the top of the core's `codec::cbor::local`. */
export function readNotice(bytes: Uint8Array, parked: () => readonly ParkedEdit[]): Notice {
  const [kind, ...parts] = decode(bytes);
  const [first, second, third, client, actor] = parts;
  switch (kind) {
    case 0: {
      // biome-ignore lint/suspicious/noExplicitAny: it is as the core wrote it.
      const lost = third.map(([op, reason]: any) => ({ ...editOp(op), reason }));
      return { kind: "recorded", edit: first, seq: second, lost };
    }
    case 1: {
      const content = parked().find(({ edit }) => edit === first);
      const refused = { kind: "refused", edit: first, code: second[0], reason: second[1] ?? "" } as const;
      return content ? { ...refused, parked: content } : refused;
    }
    case 2:
      return { kind: "cancelled", edit: first };
    case 3: {
      const [collection, id] = second;
      const what = { seq: first, collection, id: textOf(id), fields: third, client: clientText(client) };
      return { kind: "overwritten", ...what, ...(actor === null ? {} : { actor }) };
    }
    case 4:
      return { kind: "new_identity" };
    case 5:
      return { kind: "started_over", reason: first };
    default:
      return { kind: kind === 6 ? "diverged" : "outdated", seq: first };
  }
}

const KINDS = ["insert", "update", "upsert", "delete"] as const;

// biome-ignore lint/suspicious/noExplicitAny: it is as the core wrote it.
function editOp([kind, collection, id, parts]: any): EditOp {
  const named = PARTS.flatMap((part, number) => (parts?.[number] ? [[part, parts[number]]] : []));
  return { op: KINDS[kind as 0]!, collection, id: textOf(id), ...Object.fromEntries(named) };
}

/** UUIDs travel as 16 bytes. */
function textOf(id: string | Uint8Array): string {
  return typeof id === "string" ? id : uuidText(id);
}
