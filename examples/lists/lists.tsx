/** All lists that one may see: one live query, which the server answers by the rules. */

import { useQuery, useStatus, useStream } from "@tapeline/react";
import { Coming } from "../shared/coming.js";
import { Entry } from "../shared/entry.js";
import { UndoButtons } from "../shared/undo.js";
import { signIn } from "./account.js";
import { Card } from "./card.js";
import type { Item, List } from "./list.js";
import { Refused } from "./refused.js";

export function Lists({ me }: { me: string }) {
  const stream = useStream("accounts/lists");
  const [lists, items] = [stream?.collection<List>("lists"), stream?.collection<Item>("items")];
  const rows = useQuery(lists, { orderBy: "id" });
  const isReady = useStatus(stream, (status) => status.loaded && status.behind === 0 && status.open);
  const add = (name: string) => lists?.insert({ name, owner: me, members: [], viewers: [] });
  return (
    <>
      <header className="title">
        <h1>Lists</h1>
        <p className="muted">
          You are {me}.{" "}
          <button type="button" className="quiet" onClick={() => signIn(undefined)}>
            Sign out
          </button>
        </p>
        <UndoButtons stream={stream} />
      </header>
      <Entry label="New list" placeholder="A new list, for yourself" button="Make" longest={100} enter={add} />
      <Refused stream={stream} />
      {stream && items && rows.map((list) => <Card key={list.id} me={me} list={list} stream={stream} items={items} />)}
      {isReady && rows.length === 0 && <p className="empty muted">No list is yours, and none is shared with you.</p>}
      <Coming stream={stream} />
    </>
  );
}
