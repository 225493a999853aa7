/** Having the pages on the device: the one thing these apps need a service worker for. */

/** Has a service worker keep the pages, so that they load without a server. Edits need none: they are on the device. */
export function keepPages(): void {
  if (import.meta.env.PROD) void navigator.serviceWorker?.register("/worker.js");
}
