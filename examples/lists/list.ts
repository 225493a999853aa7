/**
 * Lists and their items, as they stand on the stream. An item says for itself who may see and change it: that is what the
 * server goes by (examples/schema.toml).
 */

import type { Stream } from "tapeline";

/** Who may do what with a list, and with each of its items. */
interface Shared {
  /** Whose it is. */
  owner: string;
  /** Who may change it, too. */
  members: string[];
  /** Who may look. */
  viewers: string[];
}

export interface List extends Shared {
  name: string;
}

export interface Item extends Shared {
  list: string;
  title: string;
  done: boolean;
}

export type Role = "owner" | "member" | "viewer" | "none";

export function roleOf(list: Shared, name: string): Role {
  if (list.owner === name) return "owner";
  if (list.members.includes(name)) return "member";
  return list.viewers.includes(name) ? "viewer" : "none";
}

/** Gives somebody another role. The list and all of its items change together, or not at all. */
export function share(stream: Stream, id: string, name: string, role: Role): void {
  const [lists, items] = [stream.collection<List>("lists"), stream.collection<Item>("items")];
  const list = lists.get(id);
  if (!list || list.owner === name) return;
  const without = (names: readonly string[]) => names.filter((other) => other !== name);
  const shared = {
    members: role === "member" ? [...without(list.members), name] : without(list.members),
    viewers: role === "viewer" ? [...without(list.viewers), name] : without(list.viewers),
  };
  stream.edit((on) => {
    on(lists).update(id, shared);
    for (const item of items.all({ where: { list: id } })) on(items).update(item.id, shared);
  });
}

/** Deletes a list with all of its items. */
export function remove(stream: Stream, id: string): void {
  const [lists, items] = [stream.collection<List>("lists"), stream.collection<Item>("items")];
  stream.edit((on) => {
    for (const item of items.all({ where: { list: id } })) on(items).delete(item.id);
    on(lists).delete(id);
  });
}
