/** An owner's functions that fail, rows that were deleted or copied by hand, and stubs that wait for theirs. */

import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { describe, expect, test } from "vitest";
import { tapColumn } from "../functions/ledger/columns";
import { productionTapTables, TAP_INDEXES } from "../functions/ledger/tables";
import { ownersHome, type Owner } from "../functions/ledger/owners";
import { camera, event, outcomes, session, SESSION, still, T0 } from "./ledger";
import { contents, documents, ingest, listed, mutate, openApp, theirs, type OwnersLedger } from "./owners";
import { good, iso, schema, tables, type Made } from "./third";

async function open(changed: Partial<Made> = {}): Promise<OwnersLedger> {
  const ledger = openApp(schema as never, ownersHome(schema, tables)({ ...good, ...changed }));
  await ledger.run(async ({ db }) => await db.insert("people", { name: "Ada" }));
  return ledger;
}

const taken = still({ status: "captured", capturedAt: T0 + 3 }, { key: `${SESSION}/still/a/1` });

describe("a third owner", () => {
  test("gets what their tables ask for: texts for times, capitals, a null, and an event for each still", async () => {
    const ledger = await open();
    await ingest(ledger, [taken, event({ kind: "still_capture", at: T0 + 3, stillKey: `${SESSION}/still/a/1` }, { key: `${SESSION}/still_capture/a/1` }), camera(), session()]);
    const [shoot] = await documents(ledger, "shoots");
    const [device] = await documents(ledger, "devices");
    const [entry] = await documents(ledger, "log");
    expect(await theirs(ledger, "shoots")).toMatchObject([{ ref: SESSION, state: "LIVE", begin: iso(T0), end: null }]);
    expect(await theirs(ledger, "log")).toEqual([{ shoot: shoot?._id, device: device?._id, what: "STILL_CAPTURE", when: iso(T0 + 3), more: {} }]);
    expect(await theirs(ledger, "photos")).toEqual([{ taken: entry?._id, when: iso(T0 + 3), file: { kind: "NONE" } }]);
    expect((await documents(ledger, "shoots")).concat(await documents(ledger, "log")).map(({ tap }) => (tap as { stub?: true }).stub)).toEqual([undefined, undefined]);
  });
});

test("context is read once a batch, whatever is in it, for an empty one too, and not at all where no entry can be a row", async () => {
  const asked: string[] = [];
  const ledger = await open({ context: (ctx, venue) => { asked.push(venue); return good.context!(ctx, venue); } });
  await ingest(ledger, [5]);
  expect(asked).toEqual([]);
  await ingest(ledger, []);
  expect(asked).toEqual(["stage-1"]);
  await ingest(ledger, [event(), camera(), session(), taken]);
  expect(asked).toEqual(["stage-1", "stage-1"]);
});

describe("a row that is referred to before it came", () => {
  test("is a stub of which only what is known is said, and no read shows it", async () => {
    const ledger = await open();
    await ingest(ledger, [event({ cameraId: "2", cameraName: "Left", at: T0 + 4 })]);
    expect(await theirs(ledger, "shoots")).toMatchObject([{ ref: SESSION, state: "LIVE", begin: iso(T0 + 4), end: null }]);
    expect(await theirs(ledger, "devices")).toMatchObject([{ name: "Left" }]);
    expect(await contents(ledger)).toMatchObject({ sessions: [], cameras: [], events: [{ cameraId: "2" }], stills: [] });
    expect(await listed(ledger, "camera", SESSION)).toEqual([]);
  });

  test("is filled when it comes, in the same row, by whatever batch", async () => {
    const ledger = await open();
    await ingest(ledger, [event()]);
    const [stub] = await documents(ledger, "shoots");
    await ingest(ledger, [session({ startedAt: T0 - 5 }), camera({ name: "Wide" })]);
    const [shoot, ...more] = await documents(ledger, "shoots");
    expect([shoot?._id, more]).toEqual([stub?._id, []]);
    expect(shoot).toMatchObject({ begin: iso(T0 - 5) });
    expect((shoot?.["tap"] as object)).not.toHaveProperty("stub");
    expect(await theirs(ledger, "devices")).toMatchObject([{ name: "Wide" }]);
    expect((await contents(ledger))["sessions"]).toHaveLength(1);
  });

  test("stays a stub if it never comes, and goes when the shoot is forgotten", async () => {
    const ledger = await open();
    await ingest(ledger, [taken]);
    expect(await theirs(ledger, "log")).toMatchObject([{ what: "STILL_CAPTURE", when: iso(T0 + 3) }]);
    expect(await contents(ledger)).toMatchObject({ sessions: [], cameras: [], events: [], stills: [{ stillId: "a" }] });
    await mutate(ledger, "tap:forgetSession", { adminKey: "admin-key", sessionKey: SESSION });
    for (const table of ["shoots", "devices", "log", "photos"]) expect(await documents(ledger, table)).toEqual([]);
  });

  test("is made once, though many rows refer to it", async () => {
    const ledger = await open();
    await ingest(ledger, [0, 1, 2].map((number) => event({ cameraId: String(number % 2) }, { key: `${SESSION}/cut/${number}` })));
    await ingest(ledger, [event({ cameraId: "1" }, { key: `${SESSION}/cut/9` })]);
    expect([(await documents(ledger, "shoots")).length, (await documents(ledger, "devices")).length]).toEqual([1, 2]);
  });

  test("must be an event of the same shoot, by its name", async () => {
    const ledger = await open({ still: async (_, { refs }) => ({ taken: await refs.event("stage-1/other/cut/1"), when: "", file: { kind: "NONE" } }) });
    expect(await ingest(ledger, [still()])).toMatchObject([{ code: "owner", reason: expect.stringContaining("no event of this session") as string }]);
    expect(await documents(ledger, "log")).toEqual([]);
  });

  test("that needs the id of the very row that needs its own is said to be so, and nothing is written", async () => {
    const ledger = await open({ session: async (row, { refs, ...given }) => ({ ...(await good.session(row, { refs, ...given }))!, live: await refs.camera("1") }) });
    expect(await ingest(ledger, [session(), camera()])).toMatchObject([
      { code: "owner", reason: expect.stringContaining("needs its own") as string },
      { code: "owner" },
    ]);
    for (const table of ["shoots", "devices", "productionTapRows"]) expect(await documents(ledger, table)).toEqual([]);
  });
});

const bad = <Row>(row: Row): never => row as never;
const badEvent = event({ kind: "hold", cameraId: "9" }, { key: `${SESSION}/hold/1` });

/** One event of `hold` is made into something else than the table takes. */
function spoilt(make: (row: Record<string, unknown>) => unknown): Partial<Made> {
  return {
    event: async (row, given) => {
      const made = await good.event(row, given);
      return row.kind === "hold" ? bad(make(made as Record<string, unknown>)) : made;
    },
  };
}

describe("an owner's function that", () => {
  test.each<[string, Partial<Made>, string | undefined, string]>([
    ["throws", spoilt(() => { throw new Error("no such\n  zone: attic"); }), undefined, "event() failed: no such zone: attic"],
    ["throws no error", spoilt(() => { throw bad("just words"); }), undefined, "event() failed: just words"],
    ["gives undefined", spoilt(() => undefined), undefined, "event() gave neither a row nor null"],
    ["gives a list", spoilt(() => []), undefined, "event() gave neither a row nor null"],
    ["forgets a required field", spoilt(({ when, ...rest }) => rest), "when", "when is required, and missing"],
    ["gives undefined where a field is required", spoilt((row) => ({ ...row, when: undefined })), "when", "when is required, and missing"],
    ["gives a number for a text", spoilt((row) => ({ ...row, when: 5 })), "when", "when is no text but a number"],
    ["gives a column that there is not", spoilt((row) => ({ ...row, colour: "red" })), "colour", "colour is not a column of this table"],
    ["gives the ledger's own column", spoilt((row) => ({ ...row, tap: {} })), "tap", "tap is not a column of this table"],
    ["gives an id of another table", spoilt((row) => ({ ...row, device: row["shoot"] })), "device", "device is"],
    ["gives a date in a column for anything", spoilt((row) => ({ ...row, more: { date: new Date() } })), "more", "more is nothing that Convex can store"],
    ["gives a name that Convex refuses", spoilt((row) => ({ ...row, more: { $set: 1 } })), "more", "more is nothing that Convex can store"],
    ["gives what is nested too deeply", spoilt((row) => ({ ...row, more: JSON.parse("[".repeat(16) + "]".repeat(16)) as unknown })), "more", "16 levels"],
    ["gives more than a document may have", spoilt((row) => ({ ...row, more: "x".repeat(1_100_000) })), "more", "1 MiB"],
  ])("%s: that entry is refused with their words and the field, and the rest of the batch is written", async (_, changed, field, words) => {
    const ledger = await open(changed);
    const answers = await ingest(ledger, [session(), badEvent, camera(), event()]);
    expect(outcomes(answers)).toEqual(["applied", "rejected", "applied", "applied"]);
    expect(answers[1]).toMatchObject({ code: "owner", reason: expect.stringContaining(words) as string });
    expect(answers[1]?.reason).toMatch(/^A function of your app's ledger module failed, or gave a row that your table refuses: (event|camera)\(\) /);
    expect(answers[1]?.field).toBe(field);
    expect(await contents(ledger)).toMatchObject({ sessions: [{}], cameras: [{ cameraId: "1" }], events: [{ kind: "cut" }] });
    // Camera 9 was only a stub for the event that was refused.
    expect(await theirs(ledger, "devices")).toHaveLength(1);
    expect(await documents(ledger, "productionTapRows")).toEqual([]);
  });

  test.each([
    ["a wrong literal of a union of objects", { kind: "FTP", url: "x" }, "file.kind"],
    ["a member of a union of objects that lacks its field", { kind: "URL" }, "file.url"],
    ["neither an object nor a text", 7, "file"],
  ])("gives %s is told the field", async (_, file, field) => {
    const ledger = await open({ still: async (row, given) => ({ ...(await good.still(row, given))!, file: bad(file) }) });
    expect(await ingest(ledger, [session(), taken])).toMatchObject([{ outcome: "applied" }, { code: "owner", field }]);
  });

  test("gives a bad nested object is told the path", async () => {
    const ledger = await open({ camera: async (row, given) => ({ ...(await good.camera(row, given))!, spot: bad({ row: "two" }) }) });
    expect(await ingest(ledger, [camera()])).toMatchObject([{ code: "owner", field: expect.stringMatching(/^spot\.(row|zone)$/) as string }]);
  });

  test("fails for a row that stands: the row stays as it was, in both", async () => {
    const ledger = await open({ camera: (row, given) => { if (row.name === "bad") throw new Error("bad name"); return good.camera(row, given); } });
    await ingest(ledger, [session(), camera({ name: "good" })]);
    const answers = await ingest(ledger, [camera({ name: "bad" }, { version: T0 + 1 }), camera({ name: "better" }, { version: T0 + 2 }), camera({ name: "bad" }, { version: T0 + 3 })]);
    expect(outcomes(answers)).toEqual(["rejected", "applied", "rejected"]);
    expect(await theirs(ledger, "devices")).toMatchObject([{ name: "better" }]);
    expect((await contents(ledger))["cameras"]).toMatchObject([{ name: "better", version: T0 + 2 }]);
  });

  test("fails for a stub only: who refers to it is refused, until it is there", async () => {
    const ledger = await open({ session: (row, given) => { if (given.stub) throw new Error("not before it begins"); return good.session(row, given); } });
    expect(await ingest(ledger, [event(), camera()])).toMatchObject([{ code: "owner", reason: expect.stringContaining("not before it begins") as string }, { code: "owner" }]);
    for (const table of ["shoots", "devices", "log"]) expect(await documents(ledger, table)).toEqual([]);
    expect(outcomes(await ingest(ledger, [session(), event(), camera()]))).toEqual(["applied", "applied", "applied"]);
  });

  test("wants no row of a session: nothing that refers to it has one either, and every read shows all", async () => {
    const ledger = await open({ session: () => null });
    expect(outcomes(await ingest(ledger, [event(), session(), camera(), taken]))).toEqual(Array(4).fill("applied"));
    for (const table of ["shoots", "devices", "log", "photos"]) expect(await documents(ledger, table)).toEqual([]);
    expect(await contents(ledger)).toMatchObject({ sessions: [{}], cameras: [{}], events: [{}], stills: [{}] });
  });
});

describe("a row that was deleted by hand", () => {
  test("comes back with its next entry, and what refers to it then has a row to refer to", async () => {
    const ledger = await open();
    await ingest(ledger, [session(), camera()]);
    await ledger.run(async ({ db }) => {
      for (const { _id } of await db.query("shoots").take(9)) await db.delete(_id);
    });
    expect((await contents(ledger))["sessions"]).toEqual([]);
    expect(outcomes(await ingest(ledger, [event(), session()]))).toEqual(["applied", "applied"]);
    const [shoot, ...more] = await documents(ledger, "shoots");
    expect(more).toEqual([]);
    expect((await documents(ledger, "log"))[0]).toMatchObject({ shoot: shoot?._id });
    expect((shoot?.["tap"] as object)).not.toHaveProperty("stub");
    // The camera still refers to the row that is gone; its next entry puts that right.
    await ingest(ledger, [camera({ name: "Wide" }, { version: T0 + 1 })]);
    expect((await documents(ledger, "devices"))[0]).toMatchObject({ shoot: shoot?._id, name: "Wide" });
  });

  test("of which the column alone was emptied is theirs, and the ledger makes another", async () => {
    const ledger = await open();
    await ingest(ledger, [session()]);
    await ledger.run(async ({ db }) => {
      for (const { _id } of await db.query("shoots").take(9)) await db.patch(_id, { tap: undefined });
    });
    await ingest(ledger, [session()]);
    expect((await documents(ledger, "shoots")).map(({ tap }) => tap !== undefined)).toEqual([false, true]);
  });
});

describe("refill", () => {
  async function refill(ledger: OwnersLedger): Promise<{ refused: string[] }> {
    const refused: string[] = [];
    let cursor: string | null = null;
    do {
      const args: { sessionKey: string; cursor: string | null } = { sessionKey: SESSION, cursor };
      const step = await mutate<{ refused: string[]; cursor: string | null }>(ledger, "tap:refill", args);
      refused.push(...step.refused);
      ({ cursor } = step);
    } while (cursor !== null);
    return { refused };
  }

  test("makes rows of a function that was changed, keeps what others wrote, and is no news to readers of changes", async () => {
    let change: (name: string) => string = (name) => name;
    const ledger = await open({ camera: async (row, given) => ({ ...(await good.camera(row, given))!, name: change(row.name ?? "") }) });
    const names = Array.from({ length: 130 }, (_, number) => `c${number}`);
    await ingest(ledger, [session(), ...names.map((name) => camera({ cameraId: name, name }))]);
    await ledger.run(async ({ db }) => {
      const [first] = await db.query("devices").take(1);
      await db.patch(first!._id, { spot: { zone: "stage", row: 7 } });
    });
    const before = await contents(ledger);
    const marks = async () => (await documents(ledger, "devices")).map(({ tap }) => (tap as { changedAt: bigint }).changedAt);
    const commits = await marks();
    change = (name) => { if (name === "c5") throw new Error("no c5"); return name.toUpperCase(); };
    expect((await refill(ledger)).refused).toEqual([expect.stringContaining("no c5")]);
    const devices = await theirs(ledger, "devices");
    expect(devices.map(({ name }) => name)).toEqual(names.map((name) => (name === "c5" ? name : name.toUpperCase())));
    expect(devices[0]).toMatchObject({ spot: { zone: "stage", row: 7 } });
    expect(await contents(ledger)).toEqual(before);
    expect(await marks()).toEqual(commits);
  });

  test("gives rows a place that had none, and takes it from others", async () => {
    let wanted = false;
    const ledger = await open({ camera: (row, given) => (wanted ? good.camera(row, given) : null) });
    await ingest(ledger, [session(), camera(), event()]);
    expect([await theirs(ledger, "devices"), await theirs(ledger, "log")]).toEqual([[], []]);
    wanted = true;
    expect(await refill(ledger)).toEqual({ refused: [] });
    const [[device], [entry]] = [await documents(ledger, "devices"), await documents(ledger, "log")];
    expect(entry).toMatchObject({ device: device?._id });
    wanted = false;
    await refill(ledger);
    expect([await theirs(ledger, "devices"), await theirs(ledger, "log")]).toEqual([[], []]);
    expect(await contents(ledger)).toMatchObject({ cameras: [{}], events: [{}] });
  });

  test("heals what refers to a row that was deleted by hand", async () => {
    const ledger = await open();
    await ingest(ledger, [session(), camera(), event()]);
    await ledger.run(async ({ db }) => {
      for (const { _id } of await db.query("devices").take(9)) await db.delete(_id);
    });
    await ingest(ledger, [camera()]);
    await refill(ledger);
    const [[device], [entry]] = [await documents(ledger, "devices"), await documents(ledger, "log")];
    expect(entry).toMatchObject({ device: device?._id });
  });
});

describe("two rows with one key", () => {
  async function copied(table: string, entry: object): Promise<OwnersLedger> {
    const ledger = await open();
    await ingest(ledger, [session(), entry]);
    await ledger.run(async ({ db }) => {
      const [row] = await db.query(table).take(1);
      const { _id, _creationTime, ...rest } = row as { _id: string; _creationTime: number };
      await db.insert(table, rest as never);
    });
    return ledger;
  }

  test("are read as one, everywhere", async () => {
    const ledger = await copied("log", event());
    expect(await listed(ledger, "event", SESSION, 1)).toHaveLength(1);
    expect((await contents(ledger))["events"]).toHaveLength(1);
  });

  test("are one again after the next write: the older stays the ledger's, the other is theirs alone", async () => {
    const ledger = await copied("devices", camera());
    expect(outcomes(await ingest(ledger, [camera({ name: "Wide" }, { version: T0 + 1 })]))).toEqual(["applied"]);
    expect((await documents(ledger, "devices")).map(({ name, tap }) => [name, tap !== undefined])).toEqual([["Wide", true], ["1", false]]);
  });
});

const four = { shoots: schema.tables.shoots, devices: schema.tables.devices, log: schema.tables.log, photos: schema.tables.photos, people: schema.tables.people };

describe("a schema that lacks something fails a deploy, and says what", () => {
  const { productionTapKeys, productionTapRows } = productionTapTables;
  const make = (tablesOf: object) => () => ownersHome(defineSchema(tablesOf as never) as unknown as typeof schema, tables)(good);

  test.each([
    ["the table for rows without a place", { ...four, productionTapKeys }, /lacks productionTapRows: spread productionTapTables/],
    ["the table for keys", { ...four, productionTapRows }, /lacks productionTapKeys/],
    ["a table", { ...productionTapTables, shoots: four.shoots }, /no table devices/],
    ["the column and its indexes", { ...productionTapTables, ...four, log: defineTable({ what: v.string() }) }, /log lacks the index tap_key .* tapTable\.event/],
  ])("%s", (_, tablesOf, words) => {
    expect(make(tablesOf)).toThrow(words);
  });
});

test("a table of several forms takes the column and its indexes by hand, as the README says", async () => {
  let photos = defineTable(
    v.union(
      v.object({ form: v.literal("FILE"), url: v.string(), tap: tapColumn.still }),
      v.object({ form: v.literal("NONE"), why: v.optional(v.string()), tap: tapColumn.still }),
    ),
  ) as unknown as { index(name: string, paths: string[]): typeof photos };
  for (const [name, paths] of Object.entries(TAP_INDEXES.still)) photos = photos.index(name, [...paths]);
  const forms = defineSchema({ ...four, ...productionTapTables, photos: photos as unknown as typeof twoForms });
  const home = ownersHome(forms, tables)({
    ...(good as never as Owner<typeof forms, typeof tables, never>),
    still: (row) => (row.url === undefined ? { form: "NONE", why: row.failReason } : { form: "FILE", url: row.url }),
  });
  const ledger = openApp(forms as never, home);
  await ledger.run(async ({ db }) => await db.insert("people", { name: "Ada" }));
  await ingest(ledger, [still({ failReason: "flash", status: "failed" })]);
  expect(await theirs(ledger, "photos")).toEqual([{ form: "NONE", why: "flash" }]);
  await ingest(ledger, [still({ status: "uploaded", url: "u" }, { version: T0 + 1 })]);
  expect(await theirs(ledger, "photos")).toEqual([{ form: "FILE", url: "u" }]);
  expect((await contents(ledger))["stills"]).toMatchObject([{ status: "uploaded" }]);
});

const twoForms = defineTable(v.union(v.object({ form: v.literal("FILE"), url: v.string() }), v.object({ form: v.literal("NONE"), why: v.optional(v.string()) })));

test("the types of an owner's rows are checked where they are written", () => {
  const home = ownersHome(schema, tables);
  // @ts-expect-error `end` must be there, if only as null
  home({ ...good, session: (row, { context }) => ({ ref: row.sessionKey, state: "LIVE", begin: "", producer: context.producer }) });
  // @ts-expect-error `live` is none of theirs
  home({ ...good, session: (row, { context }) => ({ ref: row.sessionKey, state: "live", begin: "", end: null, producer: context.producer }) });
  // @ts-expect-error a session's id is no camera's
  home({ ...good, event: async (_, { refs }) => ({ shoot: await refs.session(), device: await refs.session(), what: "", when: "", more: null }) });
  // @ts-expect-error there is no such table
  ownersHome(schema, { ...tables, still: "pictures" });
  expect(home).toBeTypeOf("function");
});
