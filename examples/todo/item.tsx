/** One task. It renders again only when it changed itself. */

import { type KeyboardEvent, memo, type PointerEvent } from "react";
import type { Row } from "tapeline";
import { Icon } from "../shared/icon.js";
import { Remove } from "../shared/remove.js";
import { Title } from "../shared/title.js";
import { Ask, type Choice } from "./ask.js";
import { type Colour, colours, type Task } from "./task.js";

interface Props {
  task: Row<Task>;
  place: number;
  /** It was changed here, and the server has not yet said that it has it. */
  pending: boolean;
  /** Titles that were given at once. */
  choices: readonly Choice[] | undefined;
  change(id: string, fields: Partial<Task>): void;
  keep(id: string, title: string, by: string | undefined): void;
  remove(id: string): void;
  grab(event: PointerEvent<HTMLElement>, id: string): void;
  move(id: string, to: number): void;
}

export const Item = memo(function Item({ task, place, pending, choices, change, keep, remove, grab, move }: Props) {
  const { id, title, completed, colour } = task;
  const moveByKey = (event: KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move(id, place + step);
  };
  return (
    <li className="task" data-id={id} data-completed={completed} data-pending={pending || undefined}>
      <button
        className="handle"
        type="button"
        aria-label={`Move ${title}: drag, or press up or down`}
        onPointerDown={(event) => grab(event, id)}
        onKeyDown={moveByKey}
      >
        <svg viewBox="0 0 12 20" fill="currentColor" aria-hidden="true">
          {[4, 10, 16].map((y) => (
            <path key={y} d={`M2 ${y}h.01M10 ${y}h.01`} stroke="currentColor" strokeWidth="3" strokeLinecap="round" />
          ))}
        </svg>
      </button>
      <input
        className="check"
        type="checkbox"
        aria-label={`${title} is done`}
        checked={completed}
        onChange={(event) => change(id, { completed: event.target.checked })}
      />
      <Title title={title} save={(title) => change(id, { title })} />
      {pending && (
        <span className="mark" title="Not yet on the server" role="img" aria-label="Not yet on the server">
          <Icon>
            <circle cx="8" cy="8" r="6" />
            <path d="M8 4.8V8l2.2 1.5" />
          </Icon>
        </span>
      )}
      <select
        className="colour"
        aria-label={`Colour of ${title}`}
        data-colour={colour}
        value={colour}
        onChange={(event) => change(id, { colour: event.target.value as Colour })}
      >
        {colours.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <Remove label={`Delete ${title}`} remove={() => remove(id)} />
      {choices && <Ask choices={choices} keep={({ title, by }) => keep(id, title, by)} />}
    </li>
  );
});
