/** Everything an app needs of Tapeline. */

export type { Checks, Objection } from "./checking.js";
export { Collection, type Row } from "./collection.js";
export { type Command, type CommandOptions, Refused, type Transaction } from "./commands.js";
export type { Conflict } from "./conflicts.js";
export type { Edits, FieldsOf, Members, Reads } from "./edits.js";
export { type ErrorCode, TapelineError } from "./errors.js";
export type { Held } from "./held.js";
export { newId } from "./ids.js";
export type { EditOp, LostOp, Notice, ParkedEdit } from "./notices.js";
export { positionBetween } from "./order.js";
export type { Peers, Presence } from "./presence.js";
export type { OrderBy, Query, Test, Where } from "./query.js";
export type { Plan } from "./replace.js";
export type { Connection, Status } from "./status.js";
export { type On, type Read, Stream, type Untyped } from "./stream.js";
export { type Options, Tapeline } from "./tapeline.js";
export { type Splice, spliceBetween } from "./text.js";
export type { Value } from "./values.js";
export type { Change } from "./watch.js";
