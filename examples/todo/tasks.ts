/** What can be done with the list: each a small edit that shows at once. */

import { useMutation, useQuery } from "@tapeline/react";
import { generateKeyBetween } from "fractional-indexing";
import { useCallback } from "react";
import type { Stream } from "tapeline";
import type { Task } from "./task.js";

export function useTasks(list: Stream | undefined, mark: (id: string | undefined) => void) {
  const tasks = list?.collection<Task>("tasks");
  const rows = useQuery(tasks, { orderBy: "position" });

  const add = useMutation((title: string) => {
    const position = generateKeyBetween(rows.at(-1)?.position ?? null, null);
    mark(tasks?.insert({ title, completed: false, colour: "none", position }));
  });
  const change = useMutation((id: string, fields: Partial<Task>) => {
    tasks?.update(id, fields);
    mark(id);
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
      const before = others[to - 1]?.position ?? null;
      change.run(id, { position: generateKeyBetween(before, others[to]?.position ?? null) });
    },
    [rows, change.run],
  );

  const error = add.error ?? change.error ?? remove.error ?? clear.error;
  return { rows, add: add.run, change: change.run, remove: remove.run, clear: clear.run, move, error };
}
