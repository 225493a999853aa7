/** Edits and what became of them, in words. */

import type { EditOp, LostOp, Notice } from "tapeline";
import type { Report } from "../shared/reports.js";

type Fields = Readonly<Record<string, unknown>>;

const words: Record<string, (value: unknown) => string> = {
  title: (title) => `title “${title}”`,
  completed: (completed) => (completed ? "done" : "not done"),
  colour: (colour) => (colour === "none" ? "no colour" : `colour ${colour}`),
  position: () => "its place in the list",
};

/** What is said of some fields of a task; nothing of those that people do not see. */
export function fieldsInWords(fields: Fields = {}): string {
  const said = Object.entries(fields).flatMap(([name, value]) => words[name]?.(value) ?? []);
  return said.join(", ");
}

/** What an op was to do; `title`: how the task is called. */
export function opInWords({ op, set }: EditOp, title: string): string {
  if (op === "delete") return `Delete “${title}”`;
  if (op === "insert") return `Add “${set?.title}”`;
  return `“${title}”: ${fieldsInWords(set)}`;
}

/** What a person is told of a notice: of what was lost, and of what others have written over. */
export function reportOf(
  notice: Notice,
  titleOf: (id: string) => string,
  nameOf: (id: string) => string,
  putBack: (id: string, fields: Fields) => void,
): Report | undefined {
  if (notice.kind === "recorded") {
    const lost = notice.lost.flatMap((op) => lostInWords(op, titleOf(op.id)) ?? []);
    return lost.length > 0 ? { words: lost.join(" ") } : undefined;
  }
  if (notice.kind === "started_over")
    return { words: "The server’s list is another one now. What waited here is sent again." };
  if (notice.kind !== "overwritten" || notice.collection !== "tasks") return undefined;
  const { id, client, fields } = notice;
  const said = fieldsInWords(fields);
  if (!said) return undefined;
  const who = nameOf(client);
  return {
    words: `“${titleOf(id)}”: ${who} wrote over what you had: ${said}.`,
    undo: () => putBack(id, fields),
  };
}

/** A conflict is not lost: it stands on the task, and is asked about there. */
function lostInWords({ collection, reason, op, set }: LostOp, title: string): string | undefined {
  const said = fieldsInWords(set);
  if (collection !== "tasks" || reason === "conflict" || op === "delete" || !said) return undefined;
  if (reason === "gone") return `“${title}” was deleted by somebody else before your change came: ${said}.`;
  return `“${title}”: somebody else was first. Yours was: ${said}.`;
}
