/** What becomes of a page: it is hidden, frozen, closed, and comes back. In a worker nothing of that is told. */

export interface PageEvents {
  /** The network is back, or somebody looks. */
  nudge(): void;
  /** It may never be shown again, nor told so. */
  hidden(): void;
  /** It is about to be frozen or closed: nothing runs here from now on, perhaps for ever. */
  pause(): void;
  /** It goes on. Whatever was said meanwhile was not heard. */
  resume(): void;
}

/** Whether somebody may be looking. */
export function isVisible(): boolean {
  return typeof document === "undefined" || document.visibilityState === "visible";
}

/** Answers how to stop listening. */
export function listenToPage(events: PageEvents): () => void {
  const over = new AbortController();
  const { signal } = over;
  addEventListener("online", () => events.nudge(), { signal });
  if (typeof document !== "undefined") {
    document.addEventListener("visibilitychange", () => (isVisible() ? events.nudge() : events.hidden()), { signal });
    document.addEventListener("freeze", () => events.pause(), { signal });
    document.addEventListener("resume", () => events.resume(), { signal });
    addEventListener("pagehide", () => events.pause(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && events.resume(), { signal });
  }
  return () => over.abort();
}
