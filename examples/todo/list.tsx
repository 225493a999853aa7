/** The list: everything on the screen is one live query. */

import { useStatus, useStream } from "@tapeline/react";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Row } from "tapeline";
import { Coming } from "../shared/coming.js";
import { Entry } from "../shared/entry.js";
import { useMarks } from "../shared/marks.js";
import { Reports } from "../shared/reports.js";
import { UndoButtons } from "../shared/undo.js";
import { choicesOf } from "./ask.js";
import { Banner } from "./banner.js";
import { Item } from "./item.js";
import { Parked } from "./parked.js";
import { usePeople } from "./people.js";
import { useReorder } from "./reorder.js";
import type { Task } from "./task.js";
import { useTasks } from "./tasks.js";
import { reportOf } from "./words.js";

export function List() {
  const list = useStream("demo/todo");
  const loaded = useStatus(list, (status) => status.loaded);
  const [marked, mark] = useMarks(list, "todo");
  const [said, say] = useState("");
  const people = usePeople(list);
  const { tasks, rows, add, change, keep, remove, clear, move, error } = useTasks(list, people, mark, say);
  const titleOf = useTitles(rows);
  const reorder = useReorder(rows, move);

  /** A row without conflicts gets the same each time. */
  const choices = (task: Row<Task>) => {
    const conflicts = tasks?.conflicts(task) ?? [];
    const choices = conflicts.length > 0 ? choicesOf(task, conflicts, people.nameOf) : [];
    return choices.length > 0 ? choices : undefined;
  };
  const open = rows.filter((row) => !row.completed).length;
  return (
    <>
      <header className="title">
        <h1>To-do</h1>
        <p className="muted">{leftInWords(open)}</p>
        <UndoButtons stream={list} />
      </header>
      <Banner stream={list} />
      {error instanceof Error && (
        <p className="banner" role="alert">
          {error.message}
        </p>
      )}
      <Entry label="New task" placeholder="What is to be done?" button="Add" longest={500} enter={add} />
      {rows.length > 0 && (
        <ul className="tasks card" ref={reorder.list}>
          {rows.map((task, place) => (
            <Item
              key={task.id}
              task={task}
              place={place}
              pending={marked.has(task.id)}
              choices={choices(task)}
              change={change}
              keep={keep}
              remove={remove}
              grab={reorder.grab}
              move={move}
            />
          ))}
        </ul>
      )}
      {loaded && rows.length === 0 && <p className="empty muted">Nothing here yet. Add the first thing above.</p>}
      {open < rows.length && (
        <p className="after">
          <button className="button" type="button" onClick={() => clear()}>
            Delete {rows.length - open} completed
          </button>
        </p>
      )}
      <Parked stream={list} tasks={tasks} titleOf={titleOf} />
      <label className="me muted">
        Others know you as
        <input
          defaultValue={people.name}
          maxLength={40}
          onBlur={(event) => people.rename(event.target.value.trim())}
          onKeyDown={(event) => event.key === "Enter" && !event.nativeEvent.isComposing && event.currentTarget.blur()}
        />
      </label>
      <Coming stream={list} />
      <Reports stream={list} tell={(notice) => reportOf(notice, titleOf, people.nameOf, change)} />
      <p className="unseen" aria-live="polite">
        {said}
      </p>
    </>
  );
}

/** How tasks are called, or were when they were last there. */
function useTitles(rows: readonly Row<Task>[]): (id: string) => string {
  const titles = useRef(new Map<string, string>());
  useEffect(() => {
    for (const { id, title } of rows) titles.current.set(id, title);
  }, [rows]);
  return useCallback((id) => titles.current.get(id) ?? "a task", []);
}

function leftInWords(open: number): string {
  if (open === 0) return "Nothing left";
  return open === 1 ? "One thing left" : `${open} things left`;
}
