/** What is on the stream: what people say, and how far each has read. */

export interface Message {
  /** Who says it: their name then. */
  readonly from: string;
  /** The id of who says it, as two may have the same name; nobody's here where there is none. */
  readonly by?: string;
  readonly text: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** By the id of the person. */
export interface Reader {
  readonly name: string;
  /** The id of the newest message that was on their screen. */
  readonly read: string;
}
