/**
 * React hooks for Tapeline.
 *
 * ```tsx
 * <TapelineProvider options={{ name: "my-app" }}>…</TapelineProvider>
 *
 * const tasks = useStream("lists/groceries")?.collection<Task>("tasks");
 * const open = useQuery(tasks, { where: { completed: false }, orderBy: "position" });
 * ```
 *
 * Until the replica is open, and on a server, streams are `undefined` and rows are none: every hook takes that.
 */
export { useMutation } from "./mutation.js";
export { type Presence, usePresence } from "./presence.js";
export { TapelineProvider, type TapelineProviderProps, usePart, useStream, useTapeline } from "./provider.js";
export { type Found, useHeld, useObject, useQuery } from "./query.js";
export { useNotices, useParked } from "./reports.js";
export { useStatus } from "./status.js";
export { type Undo, useUndo } from "./undo.js";
