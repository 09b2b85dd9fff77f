/** The merge rules as properties, against the same rules said in another way: of all entries at once, without an order. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical, compareText, type Json, type JsonObject } from "../functions/ledger/json";
import { contents, ingest, openLedger, SESSION, T0 } from "./ledger";
import { MemoryStore } from "./memory";
import { ownersHome } from "../functions/ledger/owners";
import { contents as contentsThere, documents, ingest as ingestThere, openApp, openOwner, type OwnersLedger, type Rows } from "./owners";
import { good, schema, tables } from "./third";

// One seed, so that a run says the same each time.
fc.configureGlobal({ seed: 20261128 });

interface Said {
  key: string;
  op: "session" | "camera" | "event" | "still";
  sessionKey: string;
  version: number;
  revision: number;
  retracted?: { at: number; reason: string };
  fields: JsonObject;
}

// ------------------------------------------------------------------------------------------- entries that meet

const few = <Value extends Json>(...values: Value[]) => fc.constantFrom(...values);
const some = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const time = fc.integer({ min: 0, max: 2 }).map((ms) => T0 + ms);
const SOURCE = { dialect: "multicam/1", mappingDigest: "d" };

const sessionFields = fc.record({
  // One of them is none of either owner's: their tables have no row for it.
  sessionType: few("photoshoot_performance", "photoshoot_performance", "tour"),
  status: few("live", "complete"),
  startedAt: time,
  startState: some(fc.record({ at: time, mode: few("a", "b") })),
  title: some(few("a", "b")),
  notes: some(few("a", "\u{1f3a5}", "\uff01")),
  source: fc.constant(SOURCE),
});
const cameraFields = fc.record({ cameraId: few("1"), joinedAt: time, name: some(few("a", "b")), role: some(few("a", "b")) });
const eventFields = fc.record({
  kind: few("cut", "hold", "gap"),
  at: fc.constant(T0),
  observedAt: time,
  cameraId: some(few("1", "2")),
  cameraName: some(few("a", "b")),
  detail: some(fc.record({ inferred: fc.boolean() })),
});
const stillFields = fc.record({
  stillId: few("a"),
  cameraId: few("1"),
  status: few("requested", "failed", "captured", "uploaded"),
  cameraName: some(few("a", "b")),
  capturedAt: some(time),
  width: some(few(1, 2, 10)),
  sha256: some(few("a", "b")),
  programCameraId: some(few("1", "2")),
  programCameraName: some(few("a", "b")),
});

function entriesOf(op: Said["op"], key: string, fields: fc.Arbitrary<object>): fc.Arbitrary<Said> {
  return fc
    .record({
      fields,
      version: time,
      revision: fc.integer({ min: 0, max: 1 }),
      reason: some(few("a", "b")),
    })
    .map(({ fields, version, revision, reason }) => ({
      key,
      op,
      sessionKey: SESSION,
      version,
      revision,
      ...(reason !== undefined && revision > 0 && { retracted: { at: T0, reason } }),
      fields: JSON.parse(JSON.stringify(fields)) as JsonObject,
    }));
}

const entry = fc.oneof(
  entriesOf("session", SESSION, sessionFields),
  entriesOf("camera", `${SESSION}/camera/1`, cameraFields),
  entriesOf("event", `${SESSION}/cut/1`, eventFields),
  entriesOf("still", `${SESSION}/still/a/1`, stillFields),
);

// ------------------------------------------------------------------------------------------- the rules, said again

const RANKS = ["requested", "failed", "captured", "uploaded"];
const FACTS = [["capturedAt"], ["width"], ["sha256"], ["programCameraId", "programCameraName"]];

type Order = readonly (number | string)[];

/** What a row of these entries must be. */
function expectedRow(all: readonly Said[]): JsonObject {
  const highest = Math.max(...all.map(({ revision }) => revision));
  const said = all.filter(({ revision }) => revision === highest);
  const winner = greatest(said, orderOf);
  const common = { version: winner.version, revision: highest, ...(winner.retracted && { retracted: winner.retracted }) };
  const row: Record<string, Json | undefined> = { ...winner.fields, ...common };
  if (winner.op === "session") {
    row["startedAt"] = Math.min(...said.map(({ fields }) => fields["startedAt"] as number));
    const states = said.flatMap(({ fields }) => (fields["startState"] === undefined ? [] : [fields["startState"]]));
    states.sort((a, b) => (a as JsonObject & { at: number }).at - (b as JsonObject & { at: number }).at || compareText(canonical(a), canonical(b)));
    row["startState"] = states[0];
  }
  if (winner.op === "camera") row["joinedAt"] = Math.min(...said.map(({ fields }) => fields["joinedAt"] as number));
  if (winner.op === "event") {
    const same = said.filter((other) => compareOrders(orderOf(other), orderOf(winner)) === 0);
    row["observedAt"] = Math.min(...same.map(({ fields }) => fields["observedAt"] as number));
    row["version"] = Math.min(...same.map(({ version }) => version));
  }
  if (winner.op === "still") for (const names of FACTS) Object.assign(row, factFrom(said, winner, names));
  return JSON.parse(JSON.stringify(row)) as JsonObject;
}

function factFrom(said: readonly Said[], winner: Said, names: readonly string[]): JsonObject {
  const part = ({ fields }: Said) => JSON.parse(JSON.stringify(Object.fromEntries(names.map((name) => [name, fields[name]])))) as JsonObject;
  const knowing = said.filter((other) => Object.keys(part(other)).length > 0);
  if (knowing.length === 0 || Object.keys(part(winner)).length > 0) return part(winner);
  return part(greatest(knowing, (other) => [rankOf(other), other.version, canonical(part(other))]));
}

function orderOf(said: Said): Order {
  const { observedAt, ...told } = said.fields;
  const taken = Number(said.retracted !== undefined);
  const retraction = canonical({ ...said.retracted });
  if (said.op === "event") {
    const inferred = (said.fields["detail"] as JsonObject | undefined)?.["inferred"] === true;
    return [taken, Number(!inferred), countOf(told), canonical(told), retraction];
  }
  return [rankOf(said), said.version, taken, countOf(said.fields), canonical(said.fields), retraction];
}

/** Names there are, at any depth: each is one colon of JSON that stands outside of text. */
function countOf(fields: JsonObject): number {
  return JSON.stringify(fields).replace(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1;
}

function rankOf(said: Said): number {
  return said.op === "still" ? RANKS.indexOf(said.fields["status"] as string) : 0;
}

function greatest<Item>(items: readonly Item[], order: (item: Item) => Order): Item {
  return items.reduce((best, item) => (compareOrders(order(item), order(best)) > 0 ? item : best));
}

function compareOrders(left: Order, right: Order): number {
  for (const [index, a] of left.entries()) {
    const b = right[index] as number | string;
    const order = typeof a === "string" ? Buffer.compare(Buffer.from(a), Buffer.from(b as string)) : a - (b as number);
    if (order !== 0) return order;
  }
  return 0;
}

function expectedRows(all: readonly Said[]): Record<string, JsonObject[]> {
  const tables = { session: "sessions", camera: "cameras", event: "events", still: "stills" } as const;
  const rows: Record<string, JsonObject[]> = { sessions: [], cameras: [], events: [], stills: [] };
  for (const op of ["session", "camera", "event", "still"] as const) {
    const said = all.filter((other) => other.op === op);
    if (said.length === 0) continue;
    const key = op === "event" ? { eventKey: `${SESSION}/cut/1` } : op === "still" ? { stillKey: `${SESSION}/still/a/1` } : {};
    rows[tables[op]]?.push({ ...expectedRow(said), ...key, sessionKey: SESSION, venue: "stage-1" });
  }
  return rows;
}

// ------------------------------------------------------------------------------------------- properties

/** Some entries, and a delivery of them: each at least once, in any order, in batches of any size. */
const delivery = fc
  .array(entry, { minLength: 1, maxLength: 12 })
  .chain((entries) =>
    fc.record({
      entries: fc.constant(entries),
      order: fc
        .array(fc.nat({ max: entries.length - 1 }), { maxLength: 12 })
        .chain((again) => fc.shuffledSubarray([...entries.keys(), ...again], { minLength: entries.length + again.length })),
      size: fc.integer({ min: 1, max: 13 }),
    }),
  );

async function deliver(entries: readonly Said[], order: readonly number[], size: number, ingestSome: (some: Said[]) => Promise<unknown>) {
  for (let at = 0; at < order.length; at += size) {
    await ingestSome(order.slice(at, at + size).map((index) => entries[index] as Said));
  }
}

const OWNERS = {
  "owner a": async () => await openOwner("a"),
  "owner b": async () => await openOwner("b"),
  // One that has no row for a camera of which nothing is known yet, and stills that must name an event.
  "a third owner": async () => {
    const home = ownersHome(schema, tables)({ ...good, camera: (row, given) => (given.stub ? null : good.camera(row, given)) });
    const ledger = openApp(schema as never, home);
    await ledger.run(async ({ db }) => await db.insert("people", { name: "Ada" }));
    return ledger;
  },
};

/** Rows as entries that say them once, in the order in which nothing is referred to before it came. */
function asEntries(rows: Record<string, Rows>): object[] {
  const ops = [["session", "sessions"], ["camera", "cameras"], ["event", "events"], ["still", "stills"]] as const;
  return ops.flatMap(([op, table]) =>
    (rows[table] ?? []).map((row) => {
      const { sessionKey, venue, version, revision, retracted, eventKey, stillKey, ...fields } = row;
      const key = eventKey ?? stillKey ?? (op === "camera" ? `${String(sessionKey)}/camera/1` : sessionKey);
      return { key, op, sessionKey, version, revision, ...(retracted !== undefined && { retracted }), fields };
    }),
  );
}

/** An owner's columns by the keys of their rows, with ids as those keys; without stubs, and the clock of each write. */
async function columnsIn(ledger: OwnersLedger): Promise<Record<string, unknown>> {
  const named = ["productionSessions", "productionCameras", "productionDirectorEvents", "productionStills", ...Object.values(tables)];
  const all = (await Promise.all([...named, "organizations", "people"].map(async (table) => await documents(ledger, table)))).flat();
  const keyOf = ({ name, tap }: Record<string, unknown>) => {
    const row = (tap ?? {}) as Record<string, string>;
    return name ?? row["eventKey"] ?? row["stillKey"] ?? `${row["sessionKey"]} ${row["cameraId"]}`;
  };
  const keys = new Map(all.map((document) => [document._id, keyOf(document)]));
  const columns = all
    .filter(({ tap }) => (tap as { stub?: true } | undefined)?.stub !== true)
    .map(({ _id, _creationTime, tap, updatedAt, ...rest }) => [keys.get(_id), rest] as const);
  return JSON.parse(JSON.stringify(Object.fromEntries(columns)), (_, value: unknown) => keys.get(value as string) ?? value) as Record<string, unknown>;
}

/** A camera that is taken back moves the still that needs it, and no event of another camera that is a stub. */
const TWO_CAMERAS: { entries: Said[]; order: number[]; size: number } = {
  entries: [
    {
      key: `${SESSION}/still/a/1`, op: "still", sessionKey: SESSION, version: T0, revision: 0,
      fields: { stillId: "a", cameraId: "1", status: "captured", capturedAt: T0 },
    },
    {
      key: `${SESSION}/cut/1`, op: "event", sessionKey: SESSION, version: T0, revision: 0,
      fields: { kind: "hold", at: T0, observedAt: T0, cameraId: "2" },
    },
    {
      key: `${SESSION}/camera/1`, op: "camera", sessionKey: SESSION, version: T0, revision: 1,
      retracted: { at: T0, reason: "b" }, fields: { cameraId: "1", joinedAt: T0 },
    },
  ],
  order: [0, 1, 2],
  size: 1,
};

describe("whatever the order, the repeats and the batches", () => {
  test("the rows are those that the rules say of all entries at once", async () => {
    await fc.assert(
      fc.asyncProperty(delivery, async ({ entries, order, size }) => {
        const store = new MemoryStore();
        await deliver(entries, order, size, async (some) => await store.ingest(some));
        expect(store.contents()).toEqual(expectedRows(entries));
      }),
      { numRuns: 5_000 },
    );
  });

  test("the same holds on the functions themselves", async () => {
    await fc.assert(
      fc.asyncProperty(delivery, async ({ entries, order, size }) => {
        const ledger = openLedger();
        await deliver(entries, order, size, async (some) => await ingest(ledger, some));
        expect(await contents(ledger)).toEqual(expectedRows(entries));
      }),
      { numRuns: 60 },
    );
  });

  test.each(Object.entries(OWNERS))("the same holds in the tables of %s, and their own columns are the same too", async (_, openThis) => {
    await fc.assert(
      fc.asyncProperty(delivery, async ({ entries, order, size }) => {
        const ledger = await openThis();
        await deliver(entries, order, size, async (some) => await ingestThere(ledger, some));
        const rows = await contentsThere(ledger);
        expect(rows).toEqual(expectedRows(entries));
        const straight = await openThis();
        await ingestThere(straight, asEntries(rows));
        expect(await columnsIn(ledger)).toEqual(await columnsIn(straight));
      }),
      { numRuns: 150, examples: [[TWO_CAMERAS]] },
    );
  });

  test("what was delivered once more is never applied", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 10 }), async (entries) => {
        const store = new MemoryStore();
        await store.ingest(entries);
        const again = await store.ingest(entries);
        expect(again.map(({ outcome }) => outcome)).not.toContain("applied");
      }),
      { numRuns: 1_000 },
    );
  });
});

test("Canonical JSON has sorted names, no spaces, and the order of its UTF-8 bytes", () => {
  expect(canonical({ b: [1, 2.5, true], a: { d: "é\n", c: {} } })).toBe('{"a":{"c":{},"d":"é\\n"},"b":[1,2.5,true]}');
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (left, right) => {
      expect(Math.sign(compareText(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)));
    }),
  );
});
