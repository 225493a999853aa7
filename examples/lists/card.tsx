/** One list: its items, and who may do what with it. */

import { useQuery } from "@tapeline/react";
import type { FormEvent } from "react";
import type { Collection, Row, Stream } from "tapeline";
import { Entry } from "../shared/entry.js";
import { Remove } from "../shared/remove.js";
import { type Item, type List, type Role, remove, roleOf, share } from "./list.js";

interface Props {
  readonly me: string;
  readonly list: Row<List>;
  readonly stream: Stream;
  readonly items: Collection<Item>;
}

const IN_WORDS: Record<Role, string> = { owner: "yours", member: "may change it", viewer: "may look", none: "" };

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
        <h2 dir="auto">{list.name}</h2>
        <p className="muted">{role === "owner" ? IN_WORDS[role] : `of ${list.owner}: you ${IN_WORDS[role]}`}</p>
        {role === "owner" && <Remove label={`Delete the list ${list.name}`} remove={() => remove(stream, list.id)} />}
      </header>
      <ul className="items">
        {rows.map((item) => (
          <li key={item.id}>
            <label>
              <input
                type="checkbox"
                checked={item.done}
                disabled={!mayEdit}
                onChange={(event) => items.update(item.id, { done: event.target.checked })}
              />
              <span dir="auto">{item.title}</span>
            </label>
            {mayEdit && <Remove label={`Delete ${item.title}`} remove={() => items.delete(item.id)} />}
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
    ...list.members.map((name) => ({ name, may: IN_WORDS.member })),
    ...list.viewers.map((name) => ({ name, may: IN_WORDS.viewer })),
  ];
  return (
    <footer>
      {people.length > 0 && (
        <ul className="people">
          {people.map(({ name, may }) => (
            <li key={name} className="chip">
              <span>
                {name} {may}
              </span>
              <Remove
                label={`Share ${list.name} with ${name} no more`}
                remove={() => share(stream, list.id, name, "none")}
              />
            </li>
          ))}
        </ul>
      )}
      <form onSubmit={give}>
        <input
          name="name"
          className="field"
          aria-label={`Share ${list.name} with`}
          placeholder="Share with"
          maxLength={40}
          autoComplete="off"
        />
        <select name="role" className="field" aria-label="What they may do">
          <option value="member">{IN_WORDS.member}</option>
          <option value="viewer">{IN_WORDS.viewer}</option>
        </select>
        <button type="submit" className="button">
          Share
        </button>
      </form>
    </footer>
  );
}
