/** What can be done with the list: each a small edit that shows at once. */

import { useMutation, useQuery } from "@tapeline/react";
import { useCallback } from "react";
import { type On, positionBetween, type Stream } from "tapeline";
import type { People } from "./people.js";
import type { Task } from "./task.js";

export function useTasks(
  list: Stream | undefined,
  { introduce }: People,
  mark: (id: string | undefined) => void,
  say: (words: string) => void,
) {
  const tasks = list?.collection<Task>("tasks");
  const rows = useQuery(tasks, { orderBy: "position" });

  const { run: edit, error } = useMutation((make: (on: On) => string | undefined) =>
    list?.edit((on) => {
      introduce(on);
      mark(make(on));
    }),
  );
  const mine = useCallback(() => (list?.client ? { by: list.client } : {}), [list]);
  const add = (title: string) =>
    edit((on) => {
      const position = positionBetween(rows.at(-1)?.position, null);
      return tasks && on(tasks).insert({ title, ...mine(), completed: false, colour: "none", position });
    });
  /** Who writes a title answers for it. */
  const change = useCallback(
    (id: string, fields: Partial<Task>) =>
      edit((on) => {
        if (tasks) on(tasks).update(id, fields.title === undefined ? fields : { ...fields, ...mine() });
        return id;
      }),
    [edit, tasks, mine],
  );
  /** Of titles that were written at once, one is kept, and whose it is. */
  const keep = useCallback(
    (id: string, title: string, by: string | undefined) =>
      edit((on) => {
        if (!tasks) return;
        on(tasks).resolve(id, "title", title);
        if (by) on(tasks).update(id, { by });
        return id;
      }),
    [edit, tasks],
  );
  const remove = useCallback(
    (id: string) =>
      edit((on) => {
        if (tasks) on(tasks).delete(id);
        return undefined;
      }),
    [edit, tasks],
  );
  const clear = () =>
    edit((on) => {
      for (const row of rows) if (row.completed && tasks) on(tasks).delete(row.id);
      return undefined;
    });

  /** A row gets a position between its new neighbours: one small edit, whatever the length of the list. */
  const move = useCallback(
    (id: string, to: number) => {
      const others = (tasks?.all({ orderBy: "position" }) ?? []).filter((row) => row.id !== id);
      if (to < 0 || to > others.length) return;
      change(id, { position: positionBetween(others[to - 1]?.position, others[to]?.position) });
      say(`Moved to place ${to + 1} of ${others.length + 1}`);
    },
    [tasks, change, say],
  );
  return { tasks, rows, add, change, keep, remove, clear, move, error };
}
