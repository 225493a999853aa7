/** Edits that the server refused: never lost, but for the person to decide. */

import { useMutation, useParked } from "@tapeline/react";
import { type FormEvent, useState } from "react";
import { type Collection, type EditOp, type ParkedEdit, positionBetween, type Stream } from "tapeline";
import { type Colour, colours, type Task } from "./task.js";
import { fieldsInWords, opInWords } from "./words.js";

interface Props {
  stream: Stream | undefined;
  tasks: Collection<Task> | undefined;
  titleOf(id: string): string;
}

export function Parked({ stream, tasks, titleOf }: Props) {
  const parked = useParked(stream);
  const [changing, change] = useState<number>();
  const retry = useMutation((edit: number) => stream?.retry(edit));
  const retryAs = useMutation((edit: number, op: EditOp, fields: Partial<Task>) => {
    if (!tasks) return;
    stream?.retryAs(edit, (on) => {
      if (tasks.get(op.id)) return on(tasks).update(op.id, fields);
      const position = positionBetween(tasks.all({ orderBy: "position" }).at(-1)?.position, null);
      on(tasks).insert({ title: titleOf(op.id), completed: false, colour: "none", ...op.set, position, ...fields });
    });
    change(undefined);
  });
  if (!stream || parked.length === 0) return null;
  const error = retry.error ?? retryAs.error;
  return (
    <section className="parked card" aria-labelledby="parked">
      <h2 id="parked">Not taken by the server</h2>
      <ul>
        {parked.map((refused) => {
          const { edit } = refused;
          const ops = refused.ops.filter((op) => op.collection === "tasks");
          const op = ops.find(({ set }) => set && ("title" in set || "colour" in set));
          return (
            <li key={edit}>
              <div>
                <p>{ops.map((op) => opInWords(op, titleOf(op.id))).join("; ")}</p>
                <p className="muted">{whyOf(refused)}</p>
              </div>
              {op && changing === edit ? (
                <Change op={op} save={(fields) => retryAs.run(edit, op, fields)} leave={() => change(undefined)} />
              ) : (
                <p className="choices">
                  <button className="button" type="button" onClick={() => retry.run(edit)}>
                    Try again
                  </button>
                  {op && (
                    <button className="button" type="button" onClick={() => change(edit)}>
                      Change
                    </button>
                  )}
                  <button className="button" type="button" onClick={() => stream.discard(edit)}>
                    Discard
                  </button>
                </p>
              )}
            </li>
          );
        })}
      </ul>
      {error instanceof Error && <p role="alert">{error.message}</p>}
    </section>
  );
}

/** The reason, and what is there now of what was to be changed. */
function whyOf({ code, reason, current, ops }: ParkedEdit): string {
  const wanted = Object.assign({}, ...ops.map(({ set }) => set));
  const there = Object.entries((current ?? {}) as Record<string, unknown>).filter(([field]) => field in wanted);
  const now = fieldsInWords(Object.fromEntries(there));
  const why = code === "stale" ? "Somebody else has changed it meanwhile." : reason || code;
  return now ? `${why} There is now: ${now}.` : why;
}

/** What can be said otherwise of a refused edit. */
function Change({ op, save, leave }: { op: EditOp; save(fields: Partial<Task>): void; leave(): void }) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const said = new FormData(event.currentTarget);
    const title = said.get("title")?.toString().trim();
    const colour = said.get("colour") as Colour | null;
    save({ ...(title && { title }), ...(colour && { colour }) });
  };
  return (
    <form className="choices" onSubmit={submit}>
      {typeof op.set?.title === "string" && (
        <input name="title" className="field" aria-label="Title" defaultValue={op.set.title} maxLength={500} />
      )}
      {typeof op.set?.colour === "string" && (
        <select name="colour" className="field" aria-label="Colour" defaultValue={op.set.colour}>
          {colours.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
      <button className="button main" type="submit">
        Send
      </button>
      <button className="button" type="button" onClick={leave}>
        Cancel
      </button>
    </form>
  );
}
