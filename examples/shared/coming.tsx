/** A quiet line while much comes. What is there within a second, which is nearly everything, shows nothing. */

import { useStatus } from "@tapeline/react";
import { useEffect, useState } from "react";
import type { Stream } from "tapeline";

/** How long it may take before it is said that it does, in milliseconds. */
const LONG = 1000;

interface Props {
  readonly stream: Stream | undefined;
  /** Something that was asked for has yet to come, nobody knows how much. */
  readonly waits?: boolean;
}

export function Coming({ stream, waits = false }: Props) {
  const isOnline = useStatus(stream, ({ connection }) => connection.state === "connected");
  const objects = useStatus(stream, ({ filling }) => filling?.objects);
  const of = useStatus(stream, ({ filling }) => filling?.of);
  const isLong = useLong(Boolean(isOnline && (waits || of)));
  return isLong && <progress className="coming" aria-label="On its way" {...(of ? { max: of, value: objects } : {})} />;
}

/** Whether something has been so for long. */
function useLong(is: boolean): boolean {
  const [isLong, setIsLong] = useState(false);
  useEffect(() => {
    if (!is) return;
    const timer = setTimeout(() => setIsLong(true), LONG);
    return () => {
      clearTimeout(timer);
      setIsLong(false);
    };
  }, [is]);
  return isLong;
}
