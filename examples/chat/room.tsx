/** The room: its newest messages, and older ones as one scrolls. Only those are on the device. */

import { useHeld, usePart } from "@tapeline/react";
import { type UIEvent, useRef, useState } from "react";
import { Coming } from "../shared/coming.js";
import { Entry } from "../shared/entry.js";
import { useMarks } from "../shared/marks.js";
import { useMe } from "./me.js";
import type { Message } from "./message.js";
import { useReceipts } from "./receipts.js";
import { Said } from "./said.js";

/** Messages that come at once. */
const SOME = 50;
/** How near to the oldest one scrolls before more are asked for, in pixels. */
const NEAR = 600;

export function Room() {
  const me = useMe();
  const room = usePart("demo/chat");
  const messages = room?.collection<Message>("messages");
  const [limit, setLimit] = useState(SOME);
  // Ids sort by when they were made, and the server finds their end at once, however many there are.
  const { rows, isReady } = useHeld(messages, { orderBy: "-id", limit });
  const [pending, mark] = useMarks(room, "chat");
  const receipts = useReceipts(room, me, rows);

  const scrolled = ({ currentTarget: list }: UIEvent<HTMLElement>) => {
    const left = list.scrollHeight - list.clientHeight - Math.abs(list.scrollTop);
    if (left < NEAR && isReady && rows.length === limit) setLimit(limit + SOME);
  };
  const list = useRef<HTMLElement>(null);
  const say = (text: string) => {
    mark(messages?.insert({ from: me.name, by: me.id, text, at: Date.now() }));
    // Turned over, its end is its beginning.
    list.current?.scrollTo({ top: 0 });
  };
  const newest = rows[0];
  return (
    <>
      <header className="title">
        <h1>The room</h1>
        <p className="muted">You are {me.name}</p>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is for the keyboard too */}
      <section className="room card" aria-label="Messages" ref={list} onScroll={scrolled} tabIndex={0}>
        <div className="all">
          <p className="older muted" role="status">
            {isReady ? rows.length < limit && "This is where it began." : "Older messages are on their way …"}
          </p>
          <ol>
            {rows.toReversed().map((row) => (
              <Said
                key={row.id}
                message={row}
                mine={row.by === me.id}
                pending={pending.has(row.id)}
                read={receipts.get(row.id)}
              />
            ))}
          </ol>
        </div>
      </section>
      <Coming stream={room} waits={!isReady} />
      <Entry label="Message" placeholder="Say something" button="Send" longest={2000} enter={say} />
      <p className="unseen" aria-live="polite">
        {newest && newest.by !== me.id && `${newest.from}: ${newest.text}`}
      </p>
    </>
  );
}
