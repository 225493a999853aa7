/** The list: everything on the screen is one live query, every change one line. */

import { useMutation, useQuery, useStatus, useStream } from "@tapeline/react";
import { generateKeyBetween } from "fractional-indexing";
import { type FormEvent, useCallback, useState } from "react";
import { Banner, Parked } from "./banner.js";
import { Item } from "./item.js";
import { useMarks } from "./marks.js";
import { useReorder } from "./reorder.js";
import { byPosition, type Task } from "./task.js";

export function List() {
  const list = useStream("demo/todo");
  const tasks = list?.collection<Task>("tasks");
  const rows = useQuery(tasks, byPosition);
  const loaded = useStatus(list, (status) => status.loaded);
  const [marked, mark] = useMarks(list);
  const [said, say] = useState("");

  const add = useMutation((title: string) => {
    const last = rows.at(-1)?.position ?? null;
    mark(tasks?.insert({ title, completed: false, colour: "none", position: generateKeyBetween(last, null) }));
  });
  const change = useMutation((id: string, fields: Partial<Task>) => {
    mark(id);
    tasks?.update(id, fields);
  });
  const remove = useMutation((id: string) => tasks?.delete(id));
  const clear = useMutation(() =>
    list?.edit((on) => {
      for (const row of rows) if (row.completed && tasks) on(tasks).delete(row.id);
    }),
  );

  /** A row gets a position between its new neighbours: one small edit, whatever the length of the list. */
  const move = useCallback(
    (id: string, to: number) => {
      const others = rows.filter((row) => row.id !== id);
      const place = Math.max(0, Math.min(to, others.length));
      const between = [others[place - 1]?.position ?? null, others[place]?.position ?? null] as const;
      change.run(id, { position: generateKeyBetween(...between) });
      say(`Moved to place ${place + 1} of ${rows.length}`);
    },
    [rows, change.run],
  );
  const reorder = useReorder(rows, move);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem("title") as HTMLInputElement;
    const title = field.value.trim();
    if (title) add.run(title);
    field.value = "";
  };

  const open = rows.filter((row) => !row.completed).length;
  const error = add.error ?? change.error ?? remove.error ?? clear.error;
  return (
    <>
      <header className="title">
        <h1>To-do</h1>
        <p className="muted">{open === 1 ? "One thing left" : `${open || "Nothing"} ${open ? "things " : ""}left`}</p>
      </header>
      <Banner stream={list} />
      {error instanceof Error && (
        <p className="banner" role="alert">
          {error.message}
        </p>
      )}
      <form className="new card" onSubmit={submit}>
        <input
          name="title"
          aria-label="New task"
          placeholder="What is to be done?"
          autoComplete="off"
          maxLength={500}
        />
        <button className="button main" type="submit">
          Add
        </button>
      </form>
      {rows.length > 0 && (
        <ul className="tasks card" ref={reorder.list}>
          {rows.map((task, place) => (
            <Item
              key={task.id}
              task={task}
              place={place}
              pending={marked.has(task.id)}
              change={change.run}
              remove={remove.run}
              grab={reorder.grab}
              move={move}
            />
          ))}
        </ul>
      )}
      {loaded && rows.length === 0 && <p className="empty muted">Nothing here yet. Add the first thing above.</p>}
      {open < rows.length && (
        <p className="after">
          <button className="button" type="button" onClick={() => clear.run()}>
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
