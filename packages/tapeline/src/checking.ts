/** What edits are checked by before they are taken, where an app wants that; `checks/` makes it of a schema. */

/** What stands against a change: the field that it is about, where it is one, and the reason, for people. */
export interface Objection {
  readonly field: string | undefined;
  readonly reason: string;
}

/** What `checks(…)` of "tapeline/checks" answers. */
export interface Checks {
  /** Asks what is not valid about a change, `[stream, collection, id, fields before | null, fields after | null]` in CBOR. */
  check(change: Uint8Array): Objection | undefined;
}
