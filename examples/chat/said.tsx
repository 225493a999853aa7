/** One message: who said it and when, whether it has arrived, and who has read up to it. */

import { memo } from "react";
import type { Row } from "tapeline";
import { hueOfName } from "../shared/names.js";
import type { Message } from "./message.js";

interface Props {
  readonly message: Row<Message>;
  readonly mine: boolean;
  /** It is on this device, and not yet known to be on the server. */
  readonly pending: boolean;
  /** Who has read up to here, and no further. */
  readonly read: readonly string[] | undefined;
}

const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const Said = memo(function Said({ message: { from, text, at }, mine, pending, read }: Props) {
  return (
    <li className={mine ? "message mine" : "message"} style={{ "--hue": hueOfName(from) } as object}>
      <p className="who">
        <strong>{from}</strong> <time dateTime={new Date(at).toISOString()}>{time.format(at)}</time>
      </p>
      <p className="text" dir="auto">
        {text}
      </p>
      {mine && <p className="state muted">{pending ? "On this device" : "Delivered"}</p>}
      {read && <p className="read muted">Read by {read.join(", ")}</p>}
    </li>
  );
});
