/** An app that has its schema says at once, online or not, what the server would say later; and the server has the last word. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Collection, type Stream, Tapeline, TapelineError } from "tapeline";
import { type Checks, checks } from "tapeline/checks";
import { Server } from "./support/server.js";
import { statusUntil } from "./support/until.js";

const SCHEMA = `
[collections.trips.fields]
code = { type = "text", required = true, pattern = "[A-ZÄÖÜ]{3}-[0-9]+", unique = true }
seats = { type = "int", min = 0, max = 8 }
state = { one_of = ["open", "closed"] }

[[collections.trips.checks]]
holds = "!has(new.start) || new.start <= new.end"
message = "A trip ends after it begins."
field = "end"

[[collections.trips.checks]]
holds = "!has(old.state) || old.state != 'closed' || new.state == 'closed'"
message = "What is closed stays closed."

[[collections.trips.checks]]
holds = "!has(new.by) || new.by == auth.sub"
message = "Nobody plans for others."
`;

interface Trip {
  code?: string | null;
  seats?: number;
  state?: string;
  start?: number;
  end?: number;
  by?: string;
}

let server: Server;
before(async () => {
  server = await Server.start(SCHEMA);
});
after(() => server.end());

async function open(name: string, by?: Checks, url = server.url): Promise<[Tapeline, Stream, Collection<Trip>]> {
  const db = await Tapeline.open({ server: url, name: "app", storage: "memory", ...(by ? { checks: by } : {}) });
  const stream = db.stream(name);
  return [db, stream, stream.collection<Trip>("trips")];
}

/** What is not valid about an edit that is not taken. */
function objection(edit: () => unknown): [field: string | undefined, reason: string] {
  try {
    edit();
  } catch (error) {
    assert.ok(error instanceof TapelineError && !error.retryable, String(error));
    assert.equal(error.code, "invalid");
    return [error.field, error.message];
  }
  return assert.fail("it was taken");
}

test("all ways to edit are checked, without a server", async () => {
  const [db, stream, trips] = await open("trips", await checks(SCHEMA), "ws://127.0.0.1:1");
  db.command("book", (tx, seats: number) => {
    const all = tx.collection<Trip>("trips");
    all.update("ulm", { seats: all.get("ulm")!.seats! - seats });
  });
  assert.deepEqual(
    objection(() => trips.insert({ id: "ulm", seats: 2 })),
    ["code", "trips/ulm, field code: it must be there"],
  );
  assert.equal(objection(() => trips.insert({ code: "ulm-1" }))[0], "code");
  trips.insert({ id: "ulm", code: "ÜLM-1", seats: 2 });

  const misfit = ["seats", "trips/ulm, field seats: it must be at most 8"];
  assert.deepEqual(
    objection(() => trips.update("ulm", { seats: 9 })),
    misfit,
  );
  assert.deepEqual(
    objection(() => trips.increment("ulm", { seats: 7 })),
    misfit,
  );
  const both = () =>
    stream.edit((on) => {
      on(trips).update("ulm", { state: "open" });
      on(trips).insert({ id: "bonn" });
    });
  assert.deepEqual(objection(both), ["code", "trips/bonn, field code: it must be there"]);
  const ends = ["end", "A trip ends after it begins."];
  assert.deepEqual(
    objection(() => trips.upsert("ulm", { start: 3, end: 2 })),
    ends,
  );
  assert.deepEqual(
    objection(() => stream.run("book", 3)),
    ["seats", "trips/ulm, field seats: it must be at least 0"],
  );
  trips.update("ulm", { state: "closed" });
  assert.deepEqual(
    objection(() => stream.undo()),
    [undefined, "What is closed stays closed."],
  );

  const draft = trips.draft({ seats: 99 });
  trips.update(draft, { seats: 98 });
  assert.equal(objection(() => trips.publish(draft))[0], "code");
  trips.update(draft, { code: "BON-1", seats: 1 });
  trips.publish(draft);

  assert.deepEqual(trips.get("ulm"), { id: "ulm", code: "ÜLM-1", seats: 2, state: "closed" });
  const { pending, parked } = await statusUntil(stream, ({ stored, drafts }) => stored && drafts === 0);
  assert.deepEqual([pending, parked], [2, 0]);
  await db.close();
});

test("the device says what the server says, which has the last word", async () => {
  const [here, checked, trips] = await open("both", await checks(SCHEMA));
  const [there, unchecked, others] = await open("both");
  const wrong: Trip[] = [
    { code: "ulm" },
    { seats: 1 },
    { code: "ULM-1", seats: 9 },
    { code: "ULM-1", state: "shut" },
    { code: "ULM-1", start: 2, end: 1 },
  ];
  for (const fields of wrong) {
    const [, reason] = objection(() => trips.insert({ id: "wrong", ...fields }));
    others.insert({ id: "wrong", ...fields });
    await statusUntil(unchecked, ({ parked }) => parked === 1);
    const [refused] = unchecked.parked();
    assert.deepEqual([refused!.code, refused!.reason], ["invalid", reason]);
    unchecked.discard(refused!.edit);
    await statusUntil(unchecked, ({ parked }) => parked === 0);
  }
  // Who asks, and what others have, the server alone knows.
  others.insert({ id: "ulm", code: "ULM-1" });
  await unchecked.synced();
  trips.insert({ id: "ulm-2", code: "ULM-1" });
  trips.insert({ id: "ulm-3", code: "ULM-2", by: "ann" });
  await statusUntil(checked, ({ parked }) => parked === 2);
  assert.deepEqual(
    checked.parked().map(({ reason }) => reason),
    ["trips/ulm-2, field code: this is taken; it must be unique", "Nobody plans for others."],
  );
  await Promise.all([here.close(), there.close()]);
});

test("each app is checked by its own schema", async () => {
  const [strict, , one] = await open("own", await checks("collections.trips.fields.seats = { max = 1 }"));
  const [loose, , two] = await open("own", await checks("collections.trips.fields.seats = { max = 2 }"));
  assert.equal(objection(() => one.insert({ code: "ULM-1", seats: 2 }))[0], "seats");
  two.insert({ code: "ULM-1", seats: 2 });
  assert.equal(objection(() => two.insert({ code: "ULM-1", seats: 3 }))[0], "seats");
  await Promise.all([strict.close(), loose.close()]);
});

test("a text that is no schema is told with its place", async () => {
  await assert.rejects(checks("[collections.a.fields]\nb = { type = 'txt' }"), /wrong in line 2, column 14: .*"text"/);
  await assert.rejects(checks(undefined as never), /the text of the file/);
});
