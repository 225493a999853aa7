/** The status that tells the truth: of the connection, and of each stream. */

/** How the app stands to its server. */
export interface Connection {
  readonly state: "offline" | "connecting" | "connected" | "waiting" | "upgrade_required" | "outdated" | "closed";
  /** Why it is so, for people. */
  readonly why?: string;
  /** When the next attempt is due. */
  readonly retryAt?: Date;
}

/** How a stream's replica stands, as the core says it. */
export interface ReplicaStatus {
  readonly open: boolean;
  readonly denied?: string;
  readonly played: number;
  readonly head: number;
  readonly behind: number;
  readonly pending: number;
  readonly oldestPending?: number;
  readonly parked: number;
  readonly drafts: number;
  readonly stored: boolean;
  readonly agreedSeq?: number;
  readonly agreedAt?: number;
  readonly diverged: number;
  readonly caughtUp: boolean;
  readonly client: string;
  /** While pages come: objects done, of how many, bytes. */
  readonly filling?: readonly [objects: number, of: number, bytes: number];
  /** Added by the leader: where edits are kept, and why not on the device. */
  readonly storage: "device" | "memory" | "full" | "missing";
  readonly storageWhy?: string;
}

/** How a stream stands. */
export interface Status {
  readonly connection: Connection;
  /** What is on the device is shown, all of it. */
  readonly loaded: boolean;
  /** The stream is open at the server. */
  readonly open: boolean;
  /** Why nothing of the stream may be read, where the server said so. */
  readonly denied?: string;
  /** How many events were played, of how many. */
  readonly played: number;
  readonly head: number;
  readonly behind: number;
  /** While much is to come: how many objects have, of how many in all, and their bytes. */
  readonly filling?: { readonly objects: number; readonly of: number; readonly bytes: number };
  /** How many edits are not yet confirmed, and since when the oldest waits. */
  readonly pending: number;
  readonly oldestPending?: Date;
  /** How many edits were refused and wait for a decision. */
  readonly parked: number;
  /** How many objects are not to leave this device until they are published. */
  readonly drafts: number;
  /** Whether everything is on the device; and where it is kept, if not there. */
  readonly stored: boolean;
  readonly storage: "device" | "memory" | "full" | "missing";
  readonly storageWhy?: string;
  /** Whether this tab leads. */
  readonly leader: boolean;
  /** When the digest of all objects last agreed with the server's, and how often it did not. */
  readonly agreedAt?: Date;
  readonly diverged: number;
}

/** What a stream's status says before anything is known of it. */
export const UNKNOWN: ReplicaStatus = {
  open: false,
  played: 0,
  head: 0,
  behind: 0,
  pending: 0,
  parked: 0,
  drafts: 0,
  stored: false,
  diverged: 0,
  caughtUp: false,
  client: "",
  storage: "memory",
};
