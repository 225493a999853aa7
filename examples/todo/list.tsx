/** The list: everything on the screen is one live query. */

import { useStatus, useStream } from "@tapeline/react";
import { type FormEvent, useCallback, useState } from "react";
import { Banner, Parked } from "./banner.js";
import { Item } from "./item.js";
import { useMarks } from "./marks.js";
import { useReorder } from "./reorder.js";
import { useTasks } from "./tasks.js";

export function List() {
  const list = useStream("demo/todo");
  const loaded = useStatus(list, (status) => status.loaded);
  const [marked, mark] = useMarks(list);
  const [said, say] = useState("");
  const { rows, add, change, remove, clear, move, error } = useTasks(list, mark);
  const moveAndSay = useCallback(
    (id: string, to: number) => {
      if (to < 0 || to >= rows.length) return;
      move(id, to);
      say(`Moved to place ${to + 1} of ${rows.length}`);
    },
    [move, rows.length],
  );
  const reorder = useReorder(rows, moveAndSay);

  const open = rows.filter((row) => !row.completed).length;
  return (
    <>
      <header className="title">
        <h1>To-do</h1>
        <p className="muted">{leftInWords(open)}</p>
      </header>
      <Banner stream={list} />
      {error instanceof Error && (
        <p className="banner" role="alert">
          {error.message}
        </p>
      )}
      <NewTask add={add} />
      {rows.length > 0 && (
        <ul className="tasks card" ref={reorder.list}>
          {rows.map((task, place) => (
            <Item
              key={task.id}
              task={task}
              place={place}
              pending={marked.has(task.id)}
              change={change}
              remove={remove}
              grab={reorder.grab}
              move={moveAndSay}
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
      <Parked stream={list} />
      <p className="unseen" aria-live="polite">
        {said}
      </p>
    </>
  );
}

function NewTask({ add }: { add(title: string): void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem("title") as HTMLInputElement;
    const title = field.value.trim();
    if (title) add(title);
    field.value = "";
  };
  return (
    <form className="new card" onSubmit={submit}>
      <input name="title" aria-label="New task" placeholder="What is to be done?" autoComplete="off" maxLength={500} />
      <button className="button main" type="submit">
        Add
      </button>
    </form>
  );
}

function leftInWords(open: number): string {
  if (open === 0) return "Nothing left";
  return open === 1 ? "One thing left" : `${open} things left`;
}
