/** What the list has to say about itself: no network, and edits that the server refused. */

import { useMutation, useStatus } from "@tapeline/react";
import type { Stream } from "tapeline";

export function Banner({ stream }: { stream: Stream | undefined }) {
  const state = useStatus(stream, (status) => status.connection.state);
  const pending = useStatus(stream, (status) => status.pending) ?? 0;
  if (state === undefined || state === "connected" || state === "connecting") return null;
  if (state === "outdated")
    return (
      <p className="banner" role="status">
        A newer version is open in another tab. Reload this page.
      </p>
    );
  const why = state === "offline" ? "You are offline." : "The server does not answer.";
  const kept = pending === 0 ? "Changes are" : pending === 1 ? "1 change is" : `${pending} changes are`;
  return (
    <p className="banner" role="status">
      <strong>{why}</strong> {kept} kept on this device, and sent as soon as there is a way.
    </p>
  );
}

/** Edits the server refused: never lost, but for the person to decide. */
export function Parked({ stream }: { stream: Stream | undefined }) {
  const count = useStatus(stream, (status) => status.parked);
  const retry = useMutation((edit: number) => stream?.retry(edit));
  if (!stream || !count) return null;
  return (
    <section className="parked card" aria-labelledby="parked">
      <h2 id="parked">Not taken by the server</h2>
      <ul>
        {stream.parked().map(({ edit, code, reason, ops }) => (
          <li key={edit}>
            <div>
              <p>{ops.map((op) => `${op.op} “${op.set?.title ?? Object.keys(op.set ?? {}).join(", ")}”`).join(", ")}</p>
              <p className="muted">{reason || code}</p>
            </div>
            <button className="button" type="button" onClick={() => retry.run(edit)}>
              Try again
            </button>
            <button className="button" type="button" onClick={() => stream.discard(edit)}>
              Discard
            </button>
          </li>
        ))}
      </ul>
      {retry.error instanceof Error && <p role="alert">{retry.error.message}</p>}
    </section>
  );
}
