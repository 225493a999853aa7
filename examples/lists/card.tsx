/** One list: its items, and who may do what with it. */

import { useQuery } from "@tapeline/react";
import type { FormEvent } from "react";
import type { Collection, Row, Stream } from "tapeline";
import { Entry } from "../shared/entry.js";
import { type Item, type List, type Role, roleOf, share } from "./list.js";

interface Props {
  readonly me: string;
  readonly list: Row<List>;
  readonly stream: Stream;
  readonly items: Collection<Item>;
}

const IN_WORDS: Record<Role, string> = {
  owner: "yours",
  member: "you may change it",
  viewer: "you may look",
  none: "",
};

export function Card({ me, list, stream, items }: Props) {
  const rows = useQuery(items, { where: { list: list.id }, orderBy: "id" });
  const role = roleOf(list, me);
  const mayEdit = role === "owner" || role === "member";
  const add = (title: string) => {
    const { owner, members, viewers } = list;
    items.insert({ list: list.id, title, done: false, owner, members: [...members], viewers: [...viewers] });
  };
  return (
    <section className="card list" aria-label={list.name}>
      <header>
        <h2>{list.name}</h2>
        <p className="muted role">{role === "owner" ? IN_WORDS[role] : `of ${list.owner}: ${IN_WORDS[role]}`}</p>
      </header>
      <ul>
        {rows.map((item) => (
          <li key={item.id}>
            <label>
              <input
                type="checkbox"
                checked={item.done}
                disabled={!mayEdit}
                onChange={(event) => items.update(item.id, { done: event.target.checked })}
              />
              <span>{item.title}</span>
            </label>
          </li>
        ))}
      </ul>
      {mayEdit && (
        <Entry
          label={`New item of ${list.name}`}
          placeholder="Something to get"
          button="Add"
          longest={200}
          enter={add}
        />
      )}
      {role === "owner" && <Sharing list={list} stream={stream} />}
    </section>
  );
}

/** Who else may do what. */
function Sharing({ list, stream }: { list: Row<List>; stream: Stream }) {
  const give = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const [name, role] = ["name", "role"].map((of) => (form.elements.namedItem(of) as HTMLInputElement).value.trim());
    if (name) share(stream, list.id, name, role as Role);
    form.reset();
  };
  const people = [
    ...list.members.map((name) => [name, "may change it"]),
    ...list.viewers.map((name) => [name, "may look"]),
  ];
  return (
    <footer>
      {people.map(([name, may]) => (
        <span key={name} className="chip">
          {name} {may}
          <button
            type="button"
            className="icon"
            aria-label={`Share ${list.name} with ${name} no more`}
            onClick={() => share(stream, list.id, name as string, "none")}
          >
            ×
          </button>
        </span>
      ))}
      <form onSubmit={give}>
        <input
          name="name"
          aria-label={`Share ${list.name} with`}
          placeholder="Share with"
          maxLength={40}
          autoComplete="off"
        />
        <select name="role" aria-label="What they may do">
          <option value="member">may change it</option>
          <option value="viewer">may look</option>
        </select>
        <button type="submit" className="button">
          Share
        </button>
      </form>
    </footer>
  );
}
