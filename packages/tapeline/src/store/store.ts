/** What a leader needs of the device: records of each stream, kept in the order they were written. */

/** One thing to be written: all of its parts, or none. */
export interface StoreRecord {
  readonly number: number;
  /** It takes the place of all earlier records of its stream. */
  readonly whole: boolean;
  /** It carries edits: it must survive a loss of power once it is reported as written. */
  readonly urgent: boolean;
  readonly parts: readonly Uint8Array[];
}

export interface Store {
  /**
   * Reads the parts of all records of a stream in order, some at a time. Answers how many bytes were written since one that
   * was whole.
   */
  load(stream: string, page: (parts: Uint8Array[]) => void): Promise<number>;
  /** Writes a record. Records of one stream are written in the order they were given. */
  write(stream: string, record: StoreRecord): Promise<void>;
  /** Lets go of the device, once what was given is written. */
  close(): Promise<void>;
}

/** The device has no room, or does not let us in. The app goes on in memory. */
export class NoStorage extends Error {
  constructor(
    readonly kind: "full" | "missing",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The store was written by a newer version of the app. It is left as it is. */
export class NewerStore extends Error {}

/** Another leader has taken the store over. */
export class Superseded extends Error {}
