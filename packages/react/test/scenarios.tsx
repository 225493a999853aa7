/** What is tested in a page: each scenario is a story with real components, a real Tapeline and a real server. */

import {
  TapelineProvider,
  type TapelineProviderProps,
  useHeld,
  useMutation,
  useNotices,
  useObject,
  useParked,
  usePart,
  usePresence,
  useQuery,
  useStatus,
  useStream,
  useTapeline,
  useUndo,
} from "@tapeline/react";
import {
  Activity,
  Component,
  memo,
  type ReactNode,
  StrictMode,
  Suspense,
  startTransition,
  useEffect,
  useState,
} from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { Collection, type Row, Tapeline, type TapelineError } from "tapeline";

interface Task {
  title: string;
  done: boolean;
}

/** Has what is late be readable from now on. */
declare const openLate: () => Promise<void>;

let opened = 0;
/** Each scenario has a stream of its own. */
let stream = "lists/0";

const open = (server: string) => Tapeline.open({ server, name: `test ${opened++}`, storage: "memory" });
const tasksOf = (db: Tapeline) => db.stream(stream).collection<Task>("tasks");

function show(tree: ReactNode): { root: Root; place: HTMLElement } {
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  root.render(tree);
  return { root, place };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end)
      throw new Error(`never came true: ${what}; the page says ${document.body.textContent}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function same(what: string, is: unknown, should: unknown): void {
  if (JSON.stringify(is) !== JSON.stringify(should)) {
    throw new Error(`${what}: ${JSON.stringify(is)} and not ${JSON.stringify(should)}`);
  }
}

/** Shows what its children throw. */
class Caught extends Component<{ children: ReactNode }, { error?: TapelineError }> {
  override state: { error?: TapelineError } = {};
  static getDerivedStateFromError = (error: TapelineError) => ({ error });
  override render() {
    const { error } = this.state;
    return error ? `${error.name} ${error.code} ${error.message}` : this.props.children;
  }
}

/** A list that counts how often each part of it is rendered. */
function listThat(counts: Record<string, number>) {
  const count = (part: string) => {
    counts[part] = (counts[part] ?? 0) + 1;
  };
  const Item = memo(({ task }: { task: Row<Task> }) => {
    count(task.id);
    return <li>{task.title}</li>;
  });
  return function List() {
    count("list");
    const rows = useQuery(useStream(stream)?.collection<Task>("tasks"), { where: { done: false }, orderBy: "title" });
    return (
      <ul>
        {rows.map((task) => (
          <Item key={task.id} task={task} />
        ))}
      </ul>
    );
  };
}

/** Counts the watches there are. */
function countWatches(): { now: number; stop(): void } {
  const counted = { now: 0, stop: () => void (Collection.prototype.watch = watch) };
  const { watch } = Collection.prototype;
  Collection.prototype.watch = function (this: Collection<object>, query, listener) {
    counted.now++;
    const stop = watch.call(this, query, listener);
    return () => {
      counted.now--;
      stop();
    };
  };
  return counted;
}

/** Runs one of the scenarios. */
export function run(name: string, server: string): Promise<void> | undefined {
  stream = `lists/${opened + 1}`;
  return scenarios[name]?.(server);
}

export const scenarios: Record<string, (server: string) => Promise<void>> = {
  async "a row that changed renders again, and no other"(server) {
    const db = await open(server);
    const tasks = tasksOf(db);
    const counts: Record<string, number> = {};
    const List = listThat(counts);
    const { root, place } = show(
      <TapelineProvider db={db}>
        <List />
      </TapelineProvider>,
    );
    tasks.insert({ id: "a", title: "Ale", done: false });
    tasks.insert({ id: "b", title: "Bread", done: false });
    await until("both are there", () => place.textContent === "AleBread");
    // What was read to be shown first is watched from the commit on.
    await db.stream(stream).synced();
    same("renderings of each, though it was read to be shown and then watched", [counts.a, counts.b], [1, 1]);
    const before = { ...counts };
    tasks.update("b", { title: "Butter" });
    await until("it changed", () => place.textContent === "AleButter");
    same("renderings of a", counts.a, before.a);
    same("renderings of b", counts.b, (before.b ?? 0) + 1);
    same("renderings of the list", counts.list, (before.list ?? 0) + 1);

    tasks.insert({ id: "c", title: "Cider", done: true });
    db.stream("lists/other").collection<Task>("tasks").insert({ title: "Elsewhere", done: false });
    await db.stream(stream).stored();
    await db.stream(stream).synced();
    same("renderings of a list that nothing concerned", counts.list, (before.list ?? 0) + 1);
    root.unmount();
    await db.close();
  },

  async "of another query, and of a longer window, only what is new renders"(server) {
    const [whole, db] = [await open(server), await open(server)];
    const tasks = tasksOf(whole);
    for (const id of ["a", "b", "c", "d"]) tasks.insert({ id, title: id, done: id === "b" });
    await whole.stream(stream).synced();
    const counts: Record<string, number> = {};
    const Item = memo(({ task }: { task: Row<Task> }) => {
      counts[task.id] = (counts[task.id] ?? 0) + 1;
      return <li>{task.title}</li>;
    });
    const List = ({ limit, done }: { limit: number; done?: boolean }) => {
      const held = usePart(stream)?.collection<Task>("tasks");
      const { rows } = useHeld(held, { orderBy: "id", limit });
      const found = useQuery(held, done === undefined ? { orderBy: "id", limit } : { where: { done }, orderBy: "id" });
      const items = (of: readonly Row<Task>[]) => of.map((task) => <Item key={task.id} task={task} />);
      return [<ul key="held">{items(rows)}</ul>, <ul key="found">{items(found)}</ul>];
    };
    const tree = (list: ReactNode) => <TapelineProvider db={db}>{list}</TapelineProvider>;
    const { root, place } = show(tree(<List limit={2} />));
    await until("two are here", () => place.textContent === "abab");
    await db.part(stream).synced();
    same("renderings", counts, { a: 2, b: 2 });
    root.render(tree(<List limit={4} done={true} />));
    await until("all are here", () => place.textContent === "abcdb");
    await db.part(stream).synced();
    same("renderings with the longer window and the other query", counts, { a: 2, b: 2, c: 1, d: 1 });
    root.unmount();
    await Promise.all([whole.close(), db.close()]);
  },

  async "a row on which a conflict stands renders again, though it has the same fields"(server) {
    const [ana, ben] = await Promise.all([open(server), open(server)]);
    const tasks = tasksOf(ana);
    const id = tasks.insert({ title: "Milk", done: false });
    await ana.stream(stream).synced();
    const Choices = ({ task }: { task: Row<Task> | undefined }) => (
      <i>{[task?.title, ...tasks.conflicts(task ?? id).map(({ value }) => value)].join(" or ")} </i>
    );
    const Both = () => [useQuery(tasks)[0], useObject(tasks, id)].map((task, at) => <Choices key={at} task={task} />);
    const { root, place } = show(<Both />);
    await until("Ben has it", () => tasksOf(ben).get(id) !== undefined);
    ben.goOffline();
    tasksOf(ben).update(id, { title: "Soy milk" });
    tasks.update(id, { title: "Oat milk" });
    await ana.stream(stream).synced();
    ben.goOnline();
    await until("both stand there", () => place.textContent === "Oat milk or Soy milk ".repeat(2));
    root.unmount();
    await Promise.all([ana.close(), ben.close()]);
  },

  async "of a part comes what is asked for, with a placeholder until all of it is here"(server) {
    const [whole, db] = [await open(server), await open(server)];
    const tasks = tasksOf(whole);
    for (const id of ["a", "b", "c"]) tasks.insert({ id, title: id, done: id === "b" });
    await whole.stream(stream).synced();
    const seen: string[] = [];
    const List = () => {
      const { rows, isReady } = useHeld(usePart(stream)?.collection<Task>("tasks"), { where: { done: false } });
      const text = `${rows.map((row) => row.title).join("")}${isReady ? "." : "…"}`;
      seen.push(text);
      return <p>{text}</p>;
    };
    const One = () => <b>{useObject(usePart(stream)?.collection<Task>("tasks"), "b")?.title}</b>;
    const { root, place } = show(
      <StrictMode>
        <TapelineProvider db={db}>
          <List />
          <One />
        </TapelineProvider>
      </StrictMode>,
    );
    await until("all is here", () => place.textContent === "ac.b");
    same("what was shown first", seen[0], "…");
    tasks.update("a", { done: true });
    await until("one left", () => place.textContent === "c.b");
    same("what is held", db.part(stream).collection("tasks").count(), 2);
    root.unmount();
    await until("all is let go of", () => db.part(stream).collection("tasks").count() === 0);
    await Promise.all([whole.close(), db.close()]);
  },

  async "a component that suspends shows once all is here, with what it refers to, and lets go of it"(server) {
    const [whole, db] = [await open(server), await open(server)];
    const tasks = tasksOf(whole);
    const comments = whole.stream(stream).collection<{ task: string }>("comments");
    tasks.insert({ id: "a", title: "Ale", done: false });
    tasks.insert({ id: "b", title: "Bread", done: false });
    comments.insert({ id: "c", task: "b" });
    await whole.stream(stream).synced();
    const seen: string[] = [];
    const Title = ({ id }: { id: string }) => <b>{useObject(usePart(stream)?.collection<Task>("tasks"), id)?.title}</b>;
    const Comments = () => {
      const of = usePart(stream)?.collection<{ task: string }>("comments");
      const { rows, isReady } = useHeld(of, { with: { task: "tasks" } }, { suspend: true });
      seen.push(`${isReady} ${rows.map(({ task }) => db.part(stream).collection<Task>("tasks").get(task)?.title)}`);
      return rows.map(({ id, task }) => <Title key={id} id={task} />);
    };
    const { root, place } = show(
      <StrictMode>
        <TapelineProvider db={db}>
          <Suspense fallback="…">
            <Comments />
          </Suspense>
        </TapelineProvider>
      </StrictMode>,
    );
    await until("it waits", () => place.textContent === "…");
    await until("all is here", () => place.textContent === "Bread");
    same("what was rendered first", seen[0], "true Bread");
    comments.insert({ id: "d", task: "a" });
    await until("another came, and what it refers to", () => place.textContent === "BreadAle");
    same("what is held", db.part(stream).collection("tasks").count(), 2);
    root.unmount();
    await until("all is let go of", () => db.part(stream).collection("comments").count() === 0);
    await until("and what they refer to", () => db.part(stream).collection("tasks").count() === 0);
    await Promise.all([whole.close(), db.close()]);
  },

  async "a component that suspends for what may not be read, or not be held, throws instead"(server) {
    const db = await open(server);
    const Secret = () => (
      <b>{useHeld(usePart(`secret/${stream}`)?.collection("tasks"), {}, { suspend: true }).rows.length}</b>
    );
    const Whole = () => <b>{useHeld(useStream(stream)?.collection("tasks"), {}, { suspend: true }).rows.length}</b>;
    const shown = [Secret, Whole].map((Asks) =>
      show(
        <TapelineProvider db={db}>
          <Caught>
            <Suspense fallback="…">
              <Asks />
            </Suspense>
          </Caught>
        </TapelineProvider>,
      ),
    );
    await until("both are told", () => shown.every(({ place }) => place.textContent?.startsWith("TapelineError ")));
    const [secret, whole] = shown.map(({ place }) => place.textContent ?? "");
    same("the code", secret?.split(" ")[1], "denied");
    same("what helps", whole?.includes("db.part()"), true);
    for (const { root } of shown) root.unmount();
    await db.close();
  },

  async "what may be read only later is ready then"(server) {
    const db = await open(server);
    const Late = () => {
      const { rows, isReady, denied } = useHeld(usePart(`late/${stream}`)?.collection("tasks"));
      return <b>{`${rows.length} ${isReady} ${denied !== undefined}`}</b>;
    };
    const { root, place } = show(
      <TapelineProvider db={db}>
        <Late />
      </TapelineProvider>,
    );
    await until("it is told", () => place.textContent === "0 false true");
    db.part(`late/${stream}`).collection("tasks").insert({ id: "a" });
    await until("what is made here shows", () => place.textContent === "1 false true");
    await openLate();
    await until("all is here", () => place.textContent === "1 true false");
    root.unmount();
    await db.close();
  },

  async "an address or a token that is none is an error of the tree"(server) {
    for (const wrong of [{ server: "example.org" }, { token: "a token" as never }]) {
      const { root, place } = show(
        <Caught>
          <TapelineProvider options={{ server, name: "wrong", ...wrong }} />
        </Caught>,
      );
      await until("it is told", () => /^TapelineError invalid/.test(place.textContent ?? ""));
      root.unmount();
    }
  },

  async "components with the same query share one watch, and leave none behind"(server) {
    const db = await open(server);
    const watches = countWatches();
    const One = () => <p>{useQuery(tasksOf(db), { where: { done: false, title: "x" }, limit: 3 }).length}</p>;
    const Other = () => <p>{useQuery(tasksOf(db), { limit: 3, where: { title: "x", done: false } }).length}</p>;
    const Single = () => <p>{useObject(tasksOf(db), "a")?.title}</p>;
    const { root, place } = show(
      <StrictMode>
        <One />
        <Other />
        <One />
        <Single />
        <Single />
      </StrictMode>,
    );
    await until("they are shown", () => place.children.length === 5 && watches.now > 0);
    await until("each is watched once", () => watches.now === 2);
    tasksOf(db).insert({ id: "a", title: "x", done: false });
    await until("all have it", () => place.textContent === "111xx");
    root.render(<Other />);
    await until("one is left", () => place.children.length === 1 && watches.now === 1);
    same("what is left", place.textContent, "1");
    root.unmount();
    await until("none is left", () => watches.now === 0);
    watches.stop();
    await db.close();
  },

  async "under StrictMode one Tapeline is opened, and closed with the tree"(server) {
    const dbs = new Set<Tapeline>();
    let openings = 0;
    const { open } = Tapeline;
    Tapeline.open = (options) => {
      openings++;
      return open.call(Tapeline, options);
    };
    const App = () => {
      const db = useTapeline();
      const tasks = useStream(stream)?.collection<Task>("tasks");
      const rows = useQuery(tasks);
      useEffect(() => void (db && dbs.add(db)), [db]);
      return (
        <button type="button" onClick={() => tasks?.insert({ title: "new", done: false })}>
          {db ? rows.length : "opening"}
        </button>
      );
    };
    const tree = () => {
      const options = { server, name: "strict", storage: "memory" } as const;
      return (
        <StrictMode>
          <TapelineProvider options={options}>
            <App />
          </TapelineProvider>
        </StrictMode>
      );
    };
    const { root, place } = show(tree());
    await until("it is open", () => place.textContent === "0");
    place.querySelector("button")?.click();
    await until("it has a row", () => place.textContent === "1");
    root.render(tree());
    await new Promise((resolve) => setTimeout(resolve));
    same("openings, of options with the same content", openings, 1);
    root.unmount();
    await until("it is closed", () => [...dbs].every((db) => db.connection.state === "closed"));
    same("Tapelines", dbs.size, 1);
    Tapeline.open = open;
  },

  async "a tree that is hidden is closed, and opens anew when it is shown again"(server) {
    const provided = { options: { server, name: "hidden", storage: "memory" } } satisfies TapelineProviderProps;
    const tree = (mode: "visible" | "hidden") => (
      <StrictMode>
        <Activity mode={mode}>
          <Page {...provided} />
        </Activity>
      </StrictMode>
    );
    const { root, place } = show(tree("visible"));
    const button = () => place.querySelector("button");
    await until("it is open", () => button() !== null);
    root.render(tree("hidden"));
    await until("it is closed", () => button() === null);
    root.render(tree("visible"));
    await until("it is open again", () => button() !== null);
    button()?.click();
    await until("it has a row", () => place.querySelectorAll("li").length === 1);
    root.unmount();
  },

  async "a stream without a name is none, and one that was closed is left without a word"(server) {
    const db = await open(server);
    const App = ({ name }: { name?: string }) => {
      const home = useStream(name);
      const [, say] = usePresence<{ name: string }>(usePart(name));
      useEffect(() => say({ name: "Ana" }), [say]);
      return <p>{useStatus(home)?.connection.state ?? "no stream"}</p>;
    };
    const tree = (name?: string) => (
      <StrictMode>
        <TapelineProvider db={db}>
          <App {...(name && { name })} />
        </TapelineProvider>
      </StrictMode>
    );
    const { root, place } = show(tree());
    await until("it has none", () => place.textContent === "no stream");
    root.render(tree(stream));
    await until("it has one", () => place.textContent === "connected");
    await db.close();
    root.unmount();
  },

  async "a slow rendering shows one state, not two"(server) {
    const db = await open(server);
    const tasks = tasksOf(db);
    const torn: string[] = [];
    let begin = () => {};
    const Slow = memo(({ round }: { round: number }) => {
      const rows = useQuery(tasks);
      const end = performance.now() + 2;
      while (performance.now() < end);
      return <i data-round={round}>{rows.length} </i>;
    });
    const App = () => {
      const [round, setRound] = useState(0);
      begin = () => startTransition(() => setRound((round) => round + 1));
      useEffect(() => {
        const seen = new Set((place.textContent ?? "").trim().split(" "));
        if (seen.size > 1) torn.push([...seen].join());
      });
      return Array.from({ length: 40 }, (_, place) => <Slow key={String(place)} round={round} />);
    };
    const { root, place } = show(<App />);
    await until("it is shown", () => place.children.length === 40);
    for (let round = 1; round <= 5; round++) {
      begin();
      await new Promise((resolve) => setTimeout(resolve, 12));
      tasks.insert({ title: "meanwhile", done: false });
      await until("all have it", () => place.textContent === `${round} `.repeat(40));
      await until("the round is over", () => place.querySelector("i")?.dataset.round === String(round));
    }
    same("renderings of two states", torn, []);
    root.unmount();
    await db.close();
  },

  async "status renders when what was selected of it changes, and only then"(server) {
    const db = await open(server);
    let renderings = 0;
    const Parked = () => {
      renderings++;
      return <p>{useStatus(useStream(stream), (status) => status.parked)}</p>;
    };
    const Stands = () => <p>{useStatus(useStream(stream))?.connection.state}</p>;
    const { root, place } = show(
      <TapelineProvider db={db}>
        <Parked />
        <Stands />
      </TapelineProvider>,
    );
    await until("it is connected", () => place.textContent === "0connected");
    const before = renderings;
    for (let count = 0; count < 5; count++) tasksOf(db).insert({ title: "one more", done: false });
    await db.stream(stream).synced();
    same("renderings", renderings, before);
    db.goOffline();
    await until("it is offline", () => place.textContent === "0offline");
    root.unmount();
    await db.close();
  },

  async "an edit that is wrong is shown, not thrown"(server) {
    const db = await open(server);
    const runs = new Set<unknown>();
    const App = () => {
      const { run, error } = useMutation((title: unknown) =>
        tasksOf(db).insert({ title: title as string, done: false }),
      );
      const later = useMutation(async () => Promise.reject(new RangeError("it was too late")));
      runs.add(run);
      return (
        <>
          <button type="button" onClick={() => run(() => {})}>
            wrong
          </button>
          <button type="button" onClick={() => run("right")}>
            right
          </button>
          <button type="button" onClick={() => later.run()}>
            later
          </button>
          <p>{nameOf(error) ?? nameOf(later.error) ?? "fine"}</p>
        </>
      );
    };
    const nameOf = (error: unknown) => (error instanceof Error ? error.name : undefined);
    const { root, place } = show(<App />);
    const says = (words: string) => until(words, () => place.querySelector("p")?.textContent === words);
    await says("fine");
    place.querySelectorAll("button")[0]?.click();
    await says("TapelineError");
    place.querySelectorAll("button")[1]?.click();
    await says("fine");
    place.querySelectorAll("button")[2]?.click();
    await says("RangeError");
    same("functions to run", runs.size, 1);
    same("rows", tasksOf(db).count(), 1);
    root.unmount();
    await db.close();
  },

  async "those who are there are shown, and gone when they leave"(server) {
    const [ana, ben] = await Promise.all([open(server), open(server)]);
    const Here = ({ db, name }: { db: Tapeline; name: string }) => {
      const [peers, set] = usePresence<{ name: string }>(db.stream(stream));
      useEffect(() => set({ name }), [set, name]);
      return <p>{[...peers.values()].map((peer) => peer.name).join()}</p>;
    };
    const one = show(
      <StrictMode>
        <Here db={ana} name="Ana" />
      </StrictMode>,
    );
    const other = show(<Here db={ben} name="Ben" />);
    await until("Ana sees Ben", () => one.place.textContent === "Ben");
    await until("Ben sees Ana", () => other.place.textContent === "Ana");
    other.root.render(<Here db={ben} name="Benno" />);
    await until("Ana sees Benno", () => one.place.textContent === "Benno");
    const typing = show(<Here db={ben} name="Benno, who types" />);
    await until("Ana sees him type", () => one.place.textContent === "Benno, who types");
    typing.root.unmount();
    await until("Ana sees Benno again", () => one.place.textContent === "Benno");
    other.root.unmount();
    await until("Ana sees nobody", () => one.place.textContent === "");
    one.root.unmount();
    await Promise.all([ana.close(), ben.close()]);
  },

  async "what can be undone, what was refused, and what became of edits"(server) {
    const [ana, ben] = await Promise.all([open(server), open(server)]);
    const told: string[] = [];
    let renderings = 0;
    const List = ({ db }: { db: Tapeline }) => {
      renderings++;
      const { canUndo, canRedo, undo } = useUndo(db.stream(stream));
      const parked = useParked(db.stream(stream));
      useNotices(db.stream(stream), ({ kind }) => void told.push(kind));
      return (
        <button type="button" onClick={() => undo()}>
          {`${canUndo} ${canRedo} ${parked.map(({ code }) => code).join()}`}
        </button>
      );
    };
    const { root, place } = show(
      <StrictMode>
        <List db={ben} />
      </StrictMode>,
    );
    await until("there is nothing yet", () => place.textContent === "false false ");
    await ben.stream(stream).synced();
    const id = tasksOf(ben).insert({ title: "one", done: false });
    await until("it can be undone", () => place.textContent === "true false ");
    await ben.stream(stream).synced();
    same("what was told", told, ["recorded"]);
    place.querySelector("button")?.click();
    await until("it can be redone", () => place.textContent === "false true ");
    ben.stream(stream).redo();
    await until("it can be undone again", () => place.textContent === "true false ");
    await ben.stream(stream).synced();
    told.splice(0);
    await until("Ana has it", () => tasksOf(ana).get(id) !== undefined);
    ben.goOffline();
    ben.stream(stream).edit((on) => on(tasksOf(ben)).update(id, { done: true }), { unchanged: [["tasks", id]] });
    const before = renderings;
    tasksOf(ana).update(id, { title: "two" });
    await ana.stream(stream).synced();
    ben.goOnline();
    await until("it was refused", () => place.textContent === "true false stale");
    same("renderings since, twice as it is strict", renderings - before, 2);
    same("what was told", told, ["refused"]);
    root.unmount();
    await Promise.all([ana.close(), ben.close()]);
  },

  async "what a server rendered is taken over without a word"(server) {
    const words: unknown[] = [];
    const { error } = console;
    console.error = (...said) => words.push(said);
    const db = await open(server);
    const options = { server, name: "hydrated", storage: "memory" } as const;
    for (const provided of [{ options }, { db }] satisfies TapelineProviderProps[]) {
      const place = document.body.appendChild(document.createElement("div"));
      place.innerHTML = (document.getElementById("from-server") as HTMLTemplateElement).innerHTML;
      const root = hydrateRoot(place, <Page {...provided} />, { onRecoverableError: (error) => words.push(error) });
      await until("it is open", () => place.querySelector("button") !== null);
      place.querySelector("button")?.click();
      await until("it has a row", () => place.querySelectorAll("li").length === 1);
      root.unmount();
    }
    same("what React had to say", words.map(String), []);
    console.error = error;
    await db.close();
  },
};

/** What is rendered on a server first. */
export function Page(provider: TapelineProviderProps) {
  return (
    <TapelineProvider {...provider}>
      <Rows />
    </TapelineProvider>
  );
}

function Rows() {
  const home = useStream(stream);
  const tasks = home?.collection<Task>("tasks");
  const rows = useQuery(tasks, { orderBy: "title" });
  const [peers] = usePresence(home);
  return (
    <main>
      <h1>
        {rows.length} tasks, {peers.size} others, {useStatus(home, (status) => status.pending) ?? "none"} pending
      </h1>
      <ul>
        {rows.map((row) => (
          <li key={row.id}>{row.title}</li>
        ))}
      </ul>
      {tasks && (
        <button type="button" onClick={() => tasks.insert({ title: "new", done: false })}>
          Add
        </button>
      )}
      <p>{useObject(tasks, "a")?.title}</p>
    </main>
  );
}
