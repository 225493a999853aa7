/** Everything an app needs of Tapeline. */

export { Collection, type Edits, type Row } from "./collection.js";
export { type ErrorCode, TapelineError } from "./errors.js";
export { newId } from "./ids.js";
export type { Peers, Presence } from "./presence.js";
export type { OrderBy, Query, Test, Where } from "./query.js";
export type { Connection, Notice, ParkedEdit, ParkedOp, Status } from "./status.js";
export { Stream } from "./stream.js";
export { type Options, Tapeline } from "./tapeline.js";
export type { Value } from "./values.js";
export type { Change } from "./watch.js";
