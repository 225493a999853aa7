/** The device in Node: what was written is there after a crash, a torn end is cut away, damage is named, not skipped. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { FileStore } from "../src/store/file.js";

const directories: string[] = [];
const record = (text: string, whole = false) => ({
  number: 1,
  whole,
  urgent: true,
  parts: text.split(" ").map((part) => Buffer.from(part)),
});

async function directory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "tapeline-store-"));
  directories.push(made);
  return made;
}

async function read(where: string, stream = "a/b"): Promise<string[]> {
  const store = await FileStore.open(where);
  const parts: string[] = [];
  try {
    await store.load(stream, (page) => void parts.push(...page.map((part) => Buffer.from(part).toString())));
  } finally {
    await store.close();
  }
  return parts;
}

async function write(where: string, ...records: ReturnType<typeof record>[]): Promise<string> {
  const store = await FileStore.open(where);
  await store.load("a/b", () => {});
  await Promise.all(records.map((each) => store.write("a/b", each)));
  await store.close();
  return join(where, "a%2fb.tape");
}

afterEach(async () => {
  for (const made of directories.splice(0)) await rm(made, { recursive: true });
});

test("records come back in the order they were written, all their parts", async () => {
  const where = await directory();
  await write(where, record("1 2"), record("3"));
  await write(where, record("4"));
  assert.deepEqual(await read(where), ["1", "2", "3", "4"]);
  assert.deepEqual(await read(where, "another"), []);
});

test("how much was written since all of it was is known when it is opened again", async () => {
  const where = await directory();
  await write(where, record("1"), record("2"), { ...record("3 4"), whole: true });
  const since: number[] = [];
  for (const more of ["5", "6"]) {
    const store = await FileStore.open(where);
    since.push(await store.load("a/b", () => {}));
    await store.write("a/b", record(more));
    await store.close();
  }
  assert.equal(since[0], 0);
  assert.ok(since[1]! > 0);
});

test("who closes while a stream is read waits for that: whoever has the directory next has it alone", async () => {
  const where = await directory();
  for (const stream of ["new", "there"]) {
    const store = await FileStore.open(where);
    let settled = false;
    const loading = store
      .load(stream, () => {})
      .finally(() => {
        settled = true;
      });
    await store.close();
    assert.ok(settled);
    await loading;
    await write(where, record(stream));
  }
  assert.deepEqual(await read(where), ["new", "there"]);
});

test("a whole record takes the place of all before it", async () => {
  const where = await directory();
  await write(where, record("1 2"), record("all", true), record("3"));
  assert.deepEqual(await read(where), ["all", "3"]);
  assert.deepEqual((await readdir(where)).sort(), ["a%2fb.tape"]);
});

test("a record that was cut off anywhere is cut away, and writing goes on", async () => {
  const whole = await readFile(await write(await directory(), record("first"), record("second third")));
  const first = (await readFile(await write(await directory(), record("first")))).length;
  for (let length = first; length < whole.length; length++) {
    const where = await directory();
    await writeFile(join(where, "a%2fb.tape"), whole.subarray(0, length));
    await write(where, record("next"));
    assert.deepEqual(await read(where), ["first", "next"], `cut at ${length} of ${whole.length}`);
  }
});

test("a last record with wrong bytes was never finished, one before it is damage, and nothing is touched", async () => {
  const where = await directory();
  const path = await write(where, record("first"), record("second"));
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
  assert.deepEqual(await read(where), ["first"]);

  const again = await write(where, record("second"), record("third"));
  const damaged = await readFile(again);
  damaged[damaged.indexOf("second")]! ^= 1;
  await writeFile(again, damaged);
  const store = await FileStore.open(where);
  await assert.rejects(
    store.load("a/b", () => {}),
    { code: "storage", message: /is damaged: the record at byte \d+ does not match its checksum/ },
  );
  await store.close();
  assert.deepEqual(await readFile(again), damaged);
});

test("zeros that a file system left behind a crash are no records", async () => {
  const where = await directory();
  const path = await write(where, record("first"));
  await appendFile(path, Buffer.alloc(100));
  await write(where, record("second"));
  assert.deepEqual(await read(where), ["first", "second"]);
});

test("a file that is no tape, or of a newer version, is left as it is", async () => {
  const where = await directory();
  const path = await write(where, record("first"));
  const bytes = await readFile(path);
  bytes[8] = 99;
  await writeFile(path, bytes);
  await assert.rejects(read(where), /newer version/);
  assert.deepEqual(await readFile(path), bytes);
  await writeFile(path, "something else entirely");
  await assert.rejects(read(where), { code: "storage", message: /it is not a tape/ });
});

test("a file cut within its first bytes begins anew", async () => {
  const where = await directory();
  await truncate(await write(where, record("first")), 3);
  await write(where, record("second"));
  assert.deepEqual(await read(where), ["second"]);
});

test("a directory belongs to one client at a time; a lock whose process is gone is taken over", async () => {
  const where = await directory();
  const store = await FileStore.open(where);
  await assert.rejects(FileStore.open(where), {
    code: "storage",
    retryable: true,
    message: /in use by process \d+; close/,
  });
  await assert.rejects(FileStore.open(join(where, "..", where.split("/").pop()!)), /in use/);
  await store.close();
  await (await FileStore.open(where)).close();

  const { pid } = spawnSync("true");
  await writeFile(join(where, "lock"), String(pid));
  await (await FileStore.open(where)).close();
  // In a container every process has the same number.
  await writeFile(join(where, "lock"), String(process.pid));
  await (await FileStore.open(where)).close();
});

const TAKES = `
  import { Tapeline } from "tapeline";
  const taken = Tapeline.open({ server: "ws://127.0.0.1:9", name: "app", storage: { directory: process.argv[1] } });
  console.log(await taken.then(() => "has it", (error) => error.message));
  process.stdin.on("end", () => process.exit()).resume();
`;

test("a directory that was removed while it was in use can be used again", async () => {
  const where = await directory();
  const store = await FileStore.open(where);
  await rm(where, { recursive: true });
  await store.close();
  await (await FileStore.open(where)).close();
});

test("of many processes that find the lock of one that is gone, one takes it over", async () => {
  for (let round = 0; round < 4; round++) {
    const where = await directory();
    const { pid } = spawnSync("true");
    await writeFile(join(where, "lock"), String(pid));
    const processes = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", TAKES, where], { cwd: import.meta.dirname }),
    );
    const said = await Promise.all(processes.map(async ({ stdout }) => String((await once(stdout, "data"))[0])));
    for (const { stdin } of processes) stdin.end();
    await Promise.all(processes.map((each) => once(each, "exit")));
    assert.equal(said.filter((words) => words === "has it\n").length, 1, said.join());
    assert.equal(said.filter((words) => words.includes("in use")).length, 5, said.join());
  }
});

test("of many clients of one process, one takes a directory", async () => {
  const where = await directory();
  await writeFile(join(where, "lock"), String(process.pid));
  const opened = await Promise.allSettled(Array.from({ length: 8 }, () => FileStore.open(where)));
  const stores = opened.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  assert.equal(stores.length, 1);
  await stores[0]!.close();
});

test("streams whose names differ in case alone, or are very long, have files of their own", async () => {
  const where = await directory();
  const names = ["a", "A", "ä".repeat(100), `${"ä".repeat(99)}ö`, "..", "a/b", "a%2fb"];
  const store = await FileStore.open(where);
  for (const name of names) {
    await store.load(name, () => assert.fail("it is new"));
    await store.write(name, record(name));
  }
  await store.close();
  assert.equal(new Set((await readdir(where)).map((file) => file.toLowerCase())).size, names.length);
  for (const name of names) assert.deepEqual(await read(where, name), [name]);
});
