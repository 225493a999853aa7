/** What the list has to say about itself: that there is no network, and where edits are meanwhile. */

import { useStatus } from "@tapeline/react";
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
