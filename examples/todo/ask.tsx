/** Two people gave a task a title, and neither had seen the other's: whoever sees it decides. */

import type { Conflict, Row } from "tapeline";
import type { People } from "./people.js";
import type { Task } from "./task.js";

/** One of the titles, and whose it is. */
export interface Choice {
  readonly title: string;
  readonly by: string | undefined;
  readonly who: string;
}

/** All titles that a task has at once, one's own first; none where there is nothing to decide. */
export function choicesOf(task: Row<Task>, conflicts: readonly Conflict[], nameOf: People["nameOf"]): Choice[] {
  const others = conflicts.filter(({ field, value }) => field === "title" && value !== task.title);
  if (others.length === 0) return [];
  const choices = [
    { title: task.title, by: task.by },
    ...others.map(({ value, client }) => ({ title: String(value), by: client })),
  ].map((choice) => ({ ...choice, who: nameOf(choice.by) }));
  return choices.sort((one, other) => Number(other.who === "You") - Number(one.who === "You"));
}

export function Ask({ choices, keep }: { choices: readonly Choice[]; keep(choice: Choice): void }) {
  return (
    <fieldset className="ask">
      <legend>{question(choices)}</legend>
      {choices.map((choice) => (
        <button key={`${choice.by} ${choice.title}`} type="button" className="button" onClick={() => keep(choice)}>
          {choice.title}
        </button>
      ))}
    </fieldset>
  );
}

function question(choices: readonly Choice[]): string {
  const [first, ...rest] = choices.map(({ who, title }) => `${who} wrote “${title}”`);
  const all = rest.length === 1 ? `${first} while ${rest[0]}` : `At the same time ${[first, ...rest].join(", ")}`;
  return `${all[0]?.toUpperCase()}${all.slice(1)}: keep which?`;
}
