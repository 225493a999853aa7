/** What the compiler promises to apps: checked with the types of the tests, and never run. */

import type { Collection, Command, Conflict, Members, Notice, ParkedEdit, Row, Stream, Tapeline } from "tapeline";
import type { Collections } from "../../../crates/cli/tests/types/schema.ts";

interface Task {
  title: string;
  count?: number;
  big: bigint | null;
  tags: readonly string[];
  where: { city: string };
  picture: Uint8Array;
  state: "open" | "done";
}

declare const db: Tapeline;
declare const stream: Stream;
const tasks = stream.collection<Task>("tasks");
const loose = stream.collection("loose");

const typed = db.stream<Collections>("typed");
type Fields<C> = C extends Collection<infer F> ? F : never;

/** Whether two types are the very same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <_ extends true>() => {};

export function edits(): void {
  tasks.update("t", { title: "one", state: "done" });
  // @ts-expect-error: no such state
  tasks.update("t", { state: "lost" });
  // @ts-expect-error: no such field
  tasks.update("t", { titel: "one" });

  tasks.increment("t", { count: 1, big: 2n });
  // @ts-expect-error: a text does not count
  tasks.increment("t", { title: 1 });

  tasks.add("t", { tags: ["one", "two"] });
  tasks.remove("t", { tags: "one" });
  // @ts-expect-error: its members are texts
  tasks.add("t", { tags: 1 });
  // @ts-expect-error: a text has no members
  tasks.add("t", { title: "one" });
  is<Same<Members<Task>, { readonly tags?: string | readonly string[] }>>();

  tasks.splice("t", "title", 0, 0, "one");
  tasks.splice("t", "picture", [[0, 1, Uint8Array.of(1)]]);
  tasks.editText("t", "title", "one");
  // @ts-expect-error: a number is not spliced
  tasks.splice("t", "count", 0, 0, "one");
  // @ts-expect-error: bytes are no text
  tasks.editText("t", "picture", "one");

  tasks.put("t", "where", ["city"], "Ulm");
  // @ts-expect-error: nothing is within a number
  tasks.put("t", "count", ["city"], "Ulm");

  tasks.resolve("t", "state", "open");
  // @ts-expect-error: not what the field holds
  tasks.resolve("t", "count", "open");

  loose.update("t", { anything: [1, "two", { three: null }] });
  loose.increment("t", { any: 1 });
  loose.add("t", { any: [1, "two"] });
  loose.editText("t", "any", "text");
  // @ts-expect-error: a function cannot travel
  loose.update("t", { run: () => {} });

  stream.edit((on) => {
    on(tasks).add("t", { tags: "one" });
    // @ts-expect-error: no such field
    on(tasks).update("t", { titel: "one" });
    // @ts-expect-error: nothing is read within an edit; a command reads
    on(tasks).get("t");
  });
}

export function commands(): void {
  const book = db.command("book", (tx, { room, seats }: { room: string; seats: number }) => {
    const row = tx.collection<Task>("tasks").get(room);
    is<Same<typeof row, Row<Task> | undefined>>();
    tx.collection<Task>("tasks").increment(room, { count: seats });
  });
  is<Same<typeof book, Command<{ room: string; seats: number }>>>();
  stream.run(book, { room: "blue", seats: 2 });
  // @ts-expect-error: it wants seats
  stream.run(book, { room: "blue" });
  // @ts-expect-error: not of this type
  stream.run(book, { room: "blue", seats: "two" });
}

export function reports(notice: Notice, parked: ParkedEdit, conflict: Conflict): void {
  if (notice.kind === "recorded") is<Same<(typeof notice.lost)[number]["reason"], string>>();
  if (notice.kind === "overwritten") is<Same<typeof notice.client, string>>();
  // @ts-expect-error: not every notice has fields
  notice.fields;
  // @ts-expect-error: it is as it was
  parked.reason = "other";
  is<Same<typeof conflict.value, unknown>>();

  const dragged: Promise<number> = stream.group(async () => 1);
  const made: string = stream.group(() =>
    tasks.draft({ title: "", big: null, tags: [], where: { city: "" }, picture: new Uint8Array(), state: "open" }),
  );
  void [dragged, made];
}

export function madeOfASchema(): void {
  const tasks = typed.collection("tasks");
  tasks.insert({ title: "one", urgent: true, state: "in work", effort: 3, size: 2n, note: [1, null] });
  // @ts-expect-error: it is required
  tasks.insert({ title: "one" });
  // @ts-expect-error: no such state
  tasks.update("t", { state: "lost" });
  tasks.update("t", { state: null, "due-date": "today", picture: Uint8Array.of(1) });
  tasks.add("t", { watchers: "ana" });
  is<Same<Fields<typeof tasks>["type"], 1 | 2 | true | null | undefined>>();
  is<Same<Fields<typeof tasks>["effort"], number | null | undefined>>();
  typed.collection("blog-posts").update("p", { day: 3 });
  typed.collection<Task>("others").increment("t", { count: 1 });
  db.part<Collections>("typed").collection("people").update("ana", { any: 1 });
}
