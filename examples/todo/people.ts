/** Who is who on this list: everybody who changes it says a name, so that a conflict can be told in names. */

import { useQuery } from "@tapeline/react";
import { useCallback, useState } from "react";
import type { On, Stream } from "tapeline";
import { madeUpName } from "../shared/names.js";
import type { Person } from "./task.js";

const KEY = "todo: name";

export interface People {
  /** What this device's person is called. */
  readonly name: string;
  rename(name: string): void;
  /** What somebody is called, by id. */
  nameOf(id: string | undefined): string;
  /** Says the own name with an edit, where it is not known to others yet. */
  introduce(on: On): void;
}

export function usePeople(list: Stream | undefined): People {
  const people = list?.collection<Person>("people");
  const known = useQuery(people);
  const [name, setName] = useState(() => localStorage.getItem(KEY) ?? madeUpName());

  const rename = useCallback(
    (next: string) => {
      if (!next || next === name) return;
      setName(next);
      localStorage.setItem(KEY, next);
      if (list?.client && people?.get(list.client)) people.update(list.client, { name: next });
    },
    [list, people, name],
  );
  const introduce = useCallback(
    (on: On) => {
      localStorage.setItem(KEY, name);
      if (list?.client && people && !people.get(list.client)) on(people).upsert(list.client, { name });
    },
    [list, people, name],
  );
  const nameOf = (id: string | undefined) => {
    if (id && id === list?.client) return "You";
    return known.find((person) => person.id === id)?.name ?? "somebody";
  };
  return { name, rename, nameOf, introduce };
}
