/** What a stream has recorded, read over plain HTTP, and said in words. */

/** A recorded event, as the server gives it. */
export interface Recorded {
  seq: number;
  client: string;
  base: number;
  at: number;
  ops: Op[];
  /** What of it did not take effect, and why. */
  lost?: { op: Op; reason: string }[];
}

interface Op {
  id: string;
  set?: Record<string, unknown>;
  inc?: Record<string, number>;
  add?: Record<string, unknown[]>;
  remove?: Record<string, unknown[]>;
  splice?: Record<string, [offset: number, remove: number, insert: string][]>;
  put?: Record<string, [path: string[], value?: unknown][]>;
  insert?: string;
  update?: string;
  upsert?: string;
  delete?: string;
}

/** How many events each stream has; undefined where no server answers. */
export async function headsOf(): Promise<Map<string, number> | undefined> {
  const answer = await get("");
  if (!answer?.ok) return;
  const { streams } = (await answer.json()) as { streams: { stream: string; head: number }[] };
  return new Map(streams.map(({ stream, head }) => [stream, head]));
}

/** Recorded events from one on; undefined where no server answers. */
export async function read(stream: string, from: number, limit = 100): Promise<Recorded[] | undefined> {
  const answer = await get(`${stream}/events?from=${from}&limit=${limit}`);
  return answer && (answer.ok ? ((await answer.json()) as { events: Recorded[] }).events : []);
}

function get(path: string): Promise<Response | undefined> {
  const headers = { accept: "application/json" };
  return fetch(`/v1/streams/${path}`, { headers, cache: "no-store" }).catch(() => undefined);
}

/** How many rows a tape shows, and how many of what was recorded before it begins with: some events are large. */
export const ROWS = 60;
export const AT_FIRST = 4;

/** Puts a row on top of a tape. */
export function add(list: HTMLOListElement, row: HTMLElement): void {
  list.querySelector(".nothing")?.remove();
  list.prepend(row);
  while (list.children.length > ROWS) list.lastElementChild?.remove();
}

/** A colour for each client, the same everywhere. */
export function colourOf(client: string): string {
  let hue = 0;
  for (const letter of client) hue = (hue * 31 + letter.charCodeAt(0)) % 360;
  return `hsl(${hue} 60% 52%)`;
}

/** An event as a row of a tape. */
export function rowOf(event: Recorded, who: string): HTMLLIElement {
  const row = document.createElement("li");
  row.style.setProperty("--who", colourOf(event.client));
  row.append(part("span", "seq", String(event.seq)), part("span", "who", who), timeOf(event.at));
  const [first, ...more] = event.ops;
  if (first) row.append(opOf(first));
  if (more.length > 0)
    row.append(part("span", "ops muted", `… and ${more.length} more ${more.length > 1 ? "ops" : "op"}`));
  for (const { reason, op } of event.lost ?? []) {
    const line = opOf(op);
    line.prepend(part("b", "", `lost (${reason}) `));
    row.append(line);
  }
  return row;
}

function opOf(op: Op): HTMLElement {
  const verb = (["insert", "update", "upsert", "delete"] as const).find((verb) => op[verb] !== undefined) ?? "update";
  const line = part("span", "ops", "");
  line.append(
    part("b", "", verb),
    ` ${op[verb]}/${op.id.length > 12 ? `…${op.id.slice(-5)}` : op.id} `,
    editsOf(op).join(", "),
  );
  return line;
}

/** What it does to each field. */
function editsOf(op: Op): string[] {
  const each = <T>(of: Record<string, T> | undefined, say: (name: string, what: T) => string) =>
    Object.entries(of ?? {}).map(([name, what]) => say(name, what));
  const list = (items: unknown[]) => items.map(short).join(" ");
  return [
    ...each(op.set, (name, value) => `${name} = ${short(value)}`),
    ...each(op.inc, (name, amount) => `${name} + ${amount}`),
    ...each(op.add, (name, members) => `${name} ∪ ${list(members)}`),
    ...each(op.remove, (name, members) => `${name} ∖ ${list(members)}`),
    ...each(op.splice, (name, splices) => `${name} ${splices.map(spliceInWords).join(" ")}`),
    ...each(op.put, (name, puts) =>
      puts.map(([path, value]) => `${[name, ...path].join(".")} = ${short(value)}`).join(", "),
    ),
  ];
}

function spliceInWords([offset, remove, insert]: [number, number, string]): string {
  return `at ${offset}${remove ? ` − ${remove}` : ""}${insert ? ` + ${short(insert)}` : ""}`;
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > 28 ? `${text.slice(0, 27)}…` : text;
}

function timeOf(at: number): HTMLElement {
  const then = new Date(at);
  const today = then.toDateString() === new Date().toDateString();
  return part("time", "", today ? then.toTimeString().slice(0, 8) : then.toISOString().slice(0, 10));
}

/** An element with a class and a text. */
export function part(tag: string, className: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
