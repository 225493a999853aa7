/** The service worker: keeps the pages, so that they open without a network. Edits need none: they are on the device. */

const files = FILES;
const cache = `pages ${VERSION}`;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(cache).then((pages) => pages.addAll(files)));
  skipWaiting();
});

addEventListener("activate", (event) => {
  const others = (names) => names.filter((name) => name !== cache);
  event.waitUntil(caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name)))));
  event.waitUntil(clients.claim());
});

addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== location.origin || !files.includes(pathname)) return;
  event.respondWith(caches.match(pathname, { cacheName: cache }).then((kept) => kept ?? fetch(event.request)));
});
