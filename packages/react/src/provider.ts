/** One Tapeline for a tree of components: opened with it and closed with it, or given from outside. */

import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { type Options, type Stream, Tapeline, type Untyped } from "tapeline";
import { keyOf } from "./key.js";

const Context = createContext<Tapeline | undefined>(undefined);

/** Either what to open, or one that is open already and stays its owner's. */
export type TapelineProviderProps = { children?: ReactNode } & (
  | { options: Options; db?: undefined }
  | { db: Tapeline; options?: undefined }
);

/** Gives a Tapeline to all components below. They render at once; until it is open they see no rows. */
export function TapelineProvider({ options, db, children }: TapelineProviderProps): ReactNode {
  const opened = useOpened(options);
  return createElement(Context.Provider, { value: db ?? opened }, children);
}

/** The Tapeline of this tree; `undefined` until it is open, on a server, and while what that rendered is taken over. */
export function useTapeline(): Tapeline | undefined {
  const db = useContext(Context);
  return useSyncExternalStore(
    never,
    () => db,
    () => undefined,
  );
}

const never = () => () => {};

/** A stream of this tree's Tapeline; `undefined` without a name, too. */
export function useStream<Collections extends { [Name in keyof Collections]: object } = Untyped>(
  name: string | undefined,
): Stream<Collections> | undefined {
  const db = useTapeline();
  return useMemo(() => (name === undefined ? undefined : db?.stream<Collections>(name)), [db, name]);
}

/** A part of a stream: of it comes what hooks ask for, for as long as they do. */
export function usePart<Collections extends { [Name in keyof Collections]: object } = Untyped>(
  name: string | undefined,
): Stream<Collections> | undefined {
  const db = useTapeline();
  return useMemo(() => (name === undefined ? undefined : db?.part<Collections>(name)), [db, name]);
}

interface Opening {
  key: string;
  db: Promise<Tapeline>;
  users: number;
}

/** Opens a Tapeline when the tree is shown, and closes it when it is gone. */
function useOpened(options: Options | undefined): Tapeline | undefined {
  const [opened, setOpened] = useState<{ key: string; db?: Tapeline; error?: unknown }>();
  const opening = useRef<Opening>(undefined);
  const token = useRef(options?.token);
  const key = keyOf({ ...options, token: options?.token !== undefined });
  const askNewest = async () => token.current?.() ?? "";
  useEffect(() => {
    if (!options) return;
    const mine = (opening.current =
      opening.current?.key === key && opening.current.users > 0
        ? opening.current
        : {
            key,
            users: 0,
            db: Tapeline.open(typeof options.token === "function" ? { ...options, token: askNewest } : options),
          });
    mine.users++;
    let shown = true;
    mine.db.then(
      (db) => shown && setOpened({ key, db }),
      (error) => shown && setOpened({ key, error }),
    );
    return () => {
      shown = false;
      // StrictMode shows the tree again at once: that is no reason to open anew.
      queueMicrotask(() => {
        mine.users--;
        if (mine.users > 0) return;
        // One that is hidden, and not gone, opens anew when it is shown again.
        setOpened(undefined);
        mine.db.then(
          (db) => db.close(),
          () => {},
        );
      });
    };
  }, [key]);
  useEffect(() => {
    token.current = options?.token;
  });
  if (opened?.key !== key) return undefined;
  if (opened.error !== undefined) throw opened.error;
  return opened.db;
}
