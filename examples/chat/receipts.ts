/** How far everybody has read: one small object for each person, kept up as messages are seen. */

import { useQuery } from "@tapeline/react";
import { useEffect, useMemo } from "react";
import type { Row, Stream } from "tapeline";
import type { Me } from "./me.js";
import type { Message, Reader } from "./message.js";

/** Says what this person has read. Answers who else has read up to which of these messages, the newest first. */
export function useReceipts(room: Stream | undefined, me: Me, rows: readonly Row<Message>[]): Map<string, string[]> {
  const readers = room?.collection<Reader>("readers");
  const all = useQuery(readers);
  const newest = rows[0]?.id;
  useEffect(() => {
    if (!readers || newest === undefined) return;
    const say = () => {
      const known = readers.get(me.id);
      if (!document.hidden && (known?.read ?? "") < newest) readers.upsert(me.id, { name: me.name, read: newest });
    };
    say();
    document.addEventListener("visibilitychange", say);
    return () => document.removeEventListener("visibilitychange", say);
  }, [readers, me, newest]);
  return useMemo(() => {
    const seen = new Map<string, string[]>();
    for (const { id, name, read } of all) {
      const last = rows.find((row) => row.id <= read);
      if (last && id !== me.id) seen.set(last.id, [...(seen.get(last.id) ?? []), name]);
    }
    return seen;
  }, [all, rows, me]);
}
