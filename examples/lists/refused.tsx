/** What the server did not take, and why: kept until the person has seen it. */

import { useParked } from "@tapeline/react";
import type { EditOp, ParkedEdit, Stream } from "tapeline";

export function Refused({ stream }: { stream: Stream | undefined }) {
  const parked = useParked(stream);
  if (!stream || parked.length === 0) return null;
  return (
    <section className="card refused" role="alert" aria-labelledby="refused">
      <h2 id="refused">Not taken by the server</h2>
      <ul>
        {parked.map((refused) => (
          <li key={refused.edit}>
            <p>{refused.ops.map(inWords).join("; ")}</p>
            <p className="muted">{why(refused)}</p>
            <p className="choices">
              <button type="button" className="button" onClick={() => stream.retry(refused.edit)}>
                Try again
              </button>
              <button type="button" className="button" onClick={() => stream.discard(refused.edit)}>
                Discard
              </button>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function inWords({ op, collection, set }: EditOp): string {
  const thing = collection === "lists" ? "a list" : "an item";
  if (op === "insert") return `New: ${set?.title ?? set?.name ?? thing}`;
  if (set && "done" in set) return `${set.done ? "Done" : "Not done"}: ${thing}`;
  return op === "delete" ? `Delete ${thing}` : `Change ${thing}`;
}

function why({ code, reason }: ParkedEdit): string {
  if (code === "forbidden") return "You may look at this list, but not change it. Its owner can let you.";
  if (code === "not_found") return "This list is not shared with you any more.";
  return reason;
}
