/** The named mutations, the queries and forgetSession. */

import { describe, expect, test, vi } from "vitest";
import { api } from "../functions/_generated/api";
import { ADMIN_KEY, camera, contents, digest, event, ingest, KEY, openLedger, OTHER_KEY, outcomes, READ_KEY, refusalOf, session, SESSION, still, T0, type Ledger } from "./ledger";

const { production } = api;
const SOURCE = { dialect: "manual", mappingDigest: "none" };
const START = { accessKey: KEY, sessionKey: SESSION, version: T0, fields: { sessionType: "photoshoot_performance", startedAt: T0, source: SOURCE } };
const FIRST = { numItems: 100, cursor: null };

describe("the named mutations", () => {
  test("write the same rows as ingest", async () => {
    const named = openLedger();
    const common = { accessKey: KEY, sessionKey: SESSION, version: T0 };
    const cut = { kind: "cut" as const, at: T0, observedAt: T0, cameraId: "1" };
    const taken = { stillId: "a", cameraId: "1", status: "captured" as const };
    expect(await named.mutation(production.startSession, START)).toEqual({ key: SESSION, outcome: "applied" });
    await named.mutation(production.upsertCamera, { ...common, fields: { cameraId: "1", joinedAt: T0 } });
    await named.mutation(production.recordDirectorEvent, { ...common, eventKey: `${SESSION}/cut/1`, fields: cut });
    await named.mutation(production.recordStill, { ...common, stillKey: `${SESSION}/still/a/1`, fields: taken });
    await named.mutation(production.completeSession, {
      ...common,
      version: T0 + 9,
      fields: { completedAt: T0 + 9, endReason: "ended" },
    });

    const ingested = openLedger();
    await ingest(ingested, [
      session({ source: SOURCE }),
      camera(),
      event(cut, { key: `${SESSION}/cut/1` }),
      still(taken),
      session({ source: SOURCE, status: "complete", completedAt: T0 + 9, endReason: "ended" }, { version: T0 + 9 }),
    ]);
    expect(await contents(named)).toEqual(await contents(ingested));
  });

  test("are idempotent", async () => {
    const ledger = openLedger();
    const end = { accessKey: KEY, sessionKey: SESSION, version: T0 + 9, fields: { completedAt: T0 + 9 } };
    await ledger.mutation(production.startSession, START);
    expect(await ledger.mutation(production.completeSession, end)).toMatchObject({ outcome: "applied" });
    expect(await ledger.mutation(production.completeSession, end)).toMatchObject({ outcome: "duplicate" });
    expect(await ledger.mutation(production.startSession, START)).toMatchObject({ outcome: "stale", version: T0 + 9 });
  });

  test("keep a repaired session's revision when they complete it", async () => {
    const ledger = openLedger();
    await ledger.mutation(production.startSession, { ...START, revision: 2 });
    const end = { accessKey: KEY, sessionKey: SESSION, version: T0 + 9, fields: { completedAt: T0 + 9, status: "interrupted" as const } };
    expect(await ledger.mutation(production.completeSession, end)).toMatchObject({ outcome: "applied" });
    expect((await contents(ledger))["sessions"]).toMatchObject([{ revision: 2, status: "interrupted" }]);
  });

  test("cannot complete what was never started", async () => {
    const end = { accessKey: KEY, sessionKey: SESSION, version: T0, fields: { completedAt: T0 } };
    expect(await openLedger().mutation(production.completeSession, end)).toMatchObject({ code: "unknown_session" });
  });

  test("check what they are given as ingest does", async () => {
    const ledger = openLedger();
    const common = { accessKey: KEY, sessionKey: SESSION, version: T0 };
    expect(await ledger.mutation(production.upsertCamera, { ...common, fields: { cameraId: "1", joinedAt: 5 } })).toMatchObject({ code: "time" });
    expect(await ledger.mutation(production.upsertCamera, { ...common, sessionKey: "stage-2/s1", fields: { cameraId: "1", joinedAt: T0 } })).toMatchObject({ code: "venue" });
    const long = await ledger.mutation(production.upsertCamera, { ...common, fields: { cameraId: "ü/".repeat(5_000), joinedAt: T0 } });
    expect(long).toMatchObject({ outcome: "applied" });
  });

  test("refuse arguments of the wrong shape", async () => {
    const ledger = openLedger();
    const bad = { ...START, fields: { ...START.fields, nonsense: 1 } };
    await expect(ledger.mutation(production.startSession, bad)).rejects.toThrow("Validator error");
  });

  const end = { completedAt: T0 };
  test.each([
    ["startSession", { fields: START.fields }],
    ["upsertCamera", { fields: { cameraId: "1", joinedAt: T0 } }],
    ["recordDirectorEvent", { eventKey: `${SESSION}/cut/1`, fields: { kind: "cut", at: T0, observedAt: T0 } }],
    ["recordStill", { stillKey: `${SESSION}/still/1`, fields: { stillId: "a", cameraId: "1", status: "requested" } }],
    ["completeSession", { fields: end }],
  ] as const)("%s does nothing without a key, and nothing with a wrong one or one that only reads", async (name, rest) => {
    const ledger = openLedger();
    const call = (accessKey: unknown) =>
      refusalOf(ledger.mutation(production[name], { accessKey, sessionKey: SESSION, version: T0, ...rest } as never));
    expect(await call(undefined)).toMatchObject({ code: "key_missing" });
    expect(await call("wrong")).toMatchObject({ code: "key_wrong" });
    expect(await call(READ_KEY)).toMatchObject({ code: "key_wrong" });
    expect(Object.values(await contents(ledger)).flat()).toEqual([]);
  });

  test("completeSession tells nothing of another venue's session", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session()]);
    const forged = { accessKey: OTHER_KEY, sessionKey: SESSION, version: T0, fields: end };
    expect(await refusalOf(ledger.mutation(production.completeSession, forged))).toMatchObject({ code: "venue" });
  });
});

async function filled(): Promise<Ledger> {
  const ledger = openLedger();
  await ingest(ledger, [
    session(),
    ...["2", "10", "1"].map((cameraId) => camera({ cameraId })),
    ...[3, 1, 2].map((ms) => event({ at: T0 + ms }, { key: `${SESSION}/cut/${ms}` })),
    event({ at: T0 + 1, kind: "hold" }, { key: `${SESSION}/a/1` }),
    ...["b", "a"].map((stillId) => still({ stillId }, { key: `${SESSION}/still/${stillId}/1` })),
    event({}, { sessionKey: `${SESSION}0`, key: `${SESSION}0/cut/1` }),
  ]);
  return ledger;
}

const OF_SESSION = [
  ["getSession", {}],
  ["listCameras", { paginationOpts: FIRST }],
  ["listDirectorEvents", { paginationOpts: FIRST }],
  ["listStills", { paginationOpts: FIRST }],
  ["sessionTimeline", {}],
] as const;

describe("the queries", () => {
  test("show the rows of one session in a fixed order", async () => {
    const ledger = await filled();
    const args = { accessKey: READ_KEY, sessionKey: SESSION, paginationOpts: FIRST };
    const cameras = await ledger.query(production.listCameras, args);
    expect(cameras.page.map(({ cameraId }) => cameraId)).toEqual(["1", "10", "2"]);
    const events = await ledger.query(production.listDirectorEvents, args);
    expect(events.page.map(({ eventKey }) => eventKey.slice(SESSION.length))).toEqual(["/a/1", "/cut/1", "/cut/2", "/cut/3"]);
    const stills = await ledger.query(production.listStills, args);
    expect(stills.page.map(({ stillId }) => stillId)).toEqual(["a", "b"]);
    expect(stills.isDone).toBe(true);
  });

  test("show a session with the first of all that belongs to it", async () => {
    const ledger = await filled();
    const timeline = await ledger.query(production.sessionTimeline, { accessKey: KEY, sessionKey: SESSION });
    expect(timeline.session).toMatchObject({ sessionKey: SESSION });
    expect([timeline.cameras, timeline.events, timeline.stills].map(({ page, isDone }) => [page.length, isDone])).toEqual([
      [3, true],
      [4, true],
      [2, true],
    ]);
  });

  test("say in a timeline where there is more", async () => {
    const ledger = openLedger();
    await ingest(ledger, Array.from({ length: 51 }, (_, index) => camera({ cameraId: `${index}` })));
    await ingest(ledger, Array.from({ length: 201 }, (_, index) => event({}, { key: `${SESSION}/cut/${index}` })));
    const timeline = await ledger.query(production.sessionTimeline, { accessKey: KEY, sessionKey: SESSION });
    expect(timeline.session).toBeNull();
    expect([timeline.cameras, timeline.events].map(({ page, isDone }) => [page.length, isDone])).toEqual([[50, false], [200, false]]);
  });

  test("give a page and where the next begins", async () => {
    const ledger = await filled();
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let done = false; !done; ) {
      const page: { page: { eventKey: string }[]; isDone: boolean; continueCursor: string } = await ledger.query(
        production.listDirectorEvents,
        { accessKey: KEY, sessionKey: SESSION, paginationOpts: { numItems: 3, cursor } },
      );
      seen.push(...page.page.map(({ eventKey }) => eventKey));
      cursor = page.continueCursor;
      done = page.isDone;
    }
    expect(seen).toHaveLength(4);
  });

  test("bound a page in rows and in bytes, whatever is asked for", async () => {
    const ledger = openLedger();
    const small = Array.from({ length: 501 }, (_, index) => event({}, { key: `${SESSION}/cut/${index}` }));
    await ingest(ledger, small.slice(0, 500));
    await ingest(ledger, small.slice(500));
    const args = { accessKey: KEY, sessionKey: SESSION, paginationOpts: { numItems: 1e9, cursor: null } };
    expect((await ledger.query(production.listDirectorEvents, args)).page).toHaveLength(500);
    expect((await ledger.query(production.listDirectorEvents, { ...args, paginationOpts: { numItems: -1, cursor: null } })).page).toHaveLength(1);
    const large = openLedger();
    const text = "x".repeat(200 * 1024);
    for (const part of [0, 1]) {
      await ingest(large, Array.from({ length: 20 }, (_, index) => event({ detail: { text } }, { key: `${SESSION}/cut/${part}-${index}` })));
    }
    const page = await large.query(production.listDirectorEvents, args);
    expect(page.page.length).toBeLessThan(40);
    expect(page.isDone).toBe(false);
  });

  test("list a venue's sessions, newest first, and no other venue's", async () => {
    const ledger = openLedger();
    const of = (id: string, startedAt: number, venue = "stage-1") => session({ startedAt }, { key: `${venue}/${id}`, sessionKey: `${venue}/${id}` });
    await ingest(ledger, [of("a", T0), of("c", T0 + 9), of("b", T0 + 9)]);
    await ingest(ledger, [of("x", T0 + 5, "stage-2")], OTHER_KEY);
    const keys = async (args: object) =>
      (await ledger.query(production.listSessions, { paginationOpts: FIRST, ...args } as never)).page.map(({ sessionKey }) => sessionKey);
    expect(await keys({ accessKey: READ_KEY, venue: "stage-1" })).toEqual(["stage-1/c", "stage-1/b", "stage-1/a"]);
    expect(await keys({ accessKey: OTHER_KEY })).toEqual(["stage-2/x"]);
  });

  test("answer null for a session that is not there", async () => {
    expect(await openLedger().query(production.getSession, { accessKey: KEY, sessionKey: SESSION })).toBeNull();
  });

  test.each(OF_SESSION)("%s shows nothing without a key of the venue", async (name, rest) => {
    const ledger = await filled();
    const call = (accessKey: unknown, sessionKey = SESSION) =>
      refusalOf(ledger.query(production[name], { accessKey, sessionKey, ...rest } as never));
    expect(await call(undefined)).toMatchObject({ code: "key_missing" });
    expect(await call("wrong")).toMatchObject({ code: "key_wrong" });
    expect(await call(ADMIN_KEY)).toMatchObject({ code: "key_wrong" });
    expect(await call(OTHER_KEY)).toMatchObject({ code: "venue" });
    expect(await call(READ_KEY, "stage-1")).toMatchObject({ code: "key" });
    expect(await call(READ_KEY, "stage-1/a/b")).toMatchObject({ code: "key" });
  });

  test("listSessions shows nothing without a key of the venue", async () => {
    const ledger = await filled();
    const call = (accessKey: unknown) => refusalOf(ledger.query(production.listSessions, { accessKey, venue: "stage-1", paginationOpts: FIRST }));
    expect(await call(undefined)).toMatchObject({ code: "key_missing" });
    expect(await call("wrong")).toMatchObject({ code: "key_wrong" });
    expect(await call(OTHER_KEY)).toMatchObject({ code: "venue" });
  });

  test("show nothing where no keys are configured", async () => {
    const ledger = await filled();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", "");
    vi.stubEnv("PRODUCTION_READ_KEYS", "");
    const call = ledger.query(production.getSession, { accessKey: READ_KEY, sessionKey: SESSION });
    expect(await refusalOf(call)).toMatchObject({ code: "key_wrong" });
  });
});

describe("forgetSession", () => {
  const forget = { adminKey: ADMIN_KEY, sessionKey: SESSION };

  async function forgetAll(ledger: Ledger): Promise<number[]> {
    const deleted: number[] = [];
    for (;;) {
      const step = await ledger.mutation(production.forgetSession, forget);
      deleted.push(step.deleted);
      if (step.done) return deleted;
    }
  }

  test("leaves the bare session row and nothing else of it", async () => {
    const ledger = await filled();
    expect(await forgetAll(ledger)).toEqual([9]);
    const tables = await contents(ledger);
    expect(tables["sessions"]).toEqual([
      { sessionKey: SESSION, venue: "stage-1", retracted: { at: expect.any(Number) as number, reason: "forgotten" } },
    ]);
    expect(tables["events"]).toMatchObject([{ sessionKey: `${SESSION}0` }]);
    expect([tables["cameras"], tables["stills"]]).toEqual([[], []]);
  });

  test("stays forgotten: later entries are rejected, also while it is under way", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session(), ...Array.from({ length: 120 }, (_, index) => event({}, { key: `${SESSION}/cut/${index}` }))]);
    expect(await ledger.mutation(production.forgetSession, forget)).toEqual({ done: false, deleted: 50 });
    const late = [session({}, { revision: 9 }), camera(), event(), still()];
    expect((await ingest(ledger, late)).map(({ code }) => code)).toEqual(Array(4).fill("forgotten"));
    expect(await forgetAll(ledger)).toEqual([50, 20]);
    expect((await ingest(ledger, late)).map(({ code }) => code)).toEqual(Array(4).fill("forgotten"));
    const again = { accessKey: KEY, sessionKey: SESSION, version: T0, fields: { completedAt: T0 } };
    expect(await ledger.mutation(production.completeSession, again)).toMatchObject({ code: "forgotten" });
    expect(Object.values(await contents(ledger)).flat()).toHaveLength(1);
  });

  test("changes nothing when it is done again", async () => {
    const ledger = await filled();
    await forgetAll(ledger);
    const before = await contents(ledger);
    expect(await forgetAll(ledger)).toEqual([0]);
    expect(await contents(ledger)).toEqual(before);
  });

  test("keeps out a session that the ledger never knew", async () => {
    const ledger = openLedger();
    expect(await forgetAll(ledger)).toEqual([0]);
    expect(await ingest(ledger, [session()])).toMatchObject([{ code: "forgotten" }]);
  });

  test("is no longer listed, and shown as forgotten", async () => {
    const ledger = await filled();
    await forgetAll(ledger);
    expect((await ledger.query(production.listSessions, { accessKey: KEY, paginationOpts: FIRST })).page).toEqual([]);
    const row = await ledger.query(production.getSession, { accessKey: KEY, sessionKey: SESSION });
    expect(row).toMatchObject({ retracted: { reason: "forgotten" } });
  });

  test.each([
    ["no key", undefined, "key_missing"],
    ["a wrong key", "wrong", "key_wrong"],
    ["the ingest key, which the service holds", KEY, "key_wrong"],
    ["a read key", READ_KEY, "key_wrong"],
  ])("deletes nothing with %s", async (_, adminKey, code) => {
    const ledger = await filled();
    const before = await contents(ledger);
    expect(await refusalOf(ledger.mutation(production.forgetSession, { adminKey, sessionKey: SESSION }))).toMatchObject({ code });
    expect(await contents(ledger)).toEqual(before);
  });

  test("keeps an admin's key to its venue, where it names one", async () => {
    const ledger = await filled();
    vi.stubEnv("PRODUCTION_ADMIN_KEYS", `stage-2:${digest("a")} stage-1:${digest("b")}`);
    const call = (adminKey: string, sessionKey = SESSION) => ledger.mutation(production.forgetSession, { adminKey, sessionKey });
    expect(await refusalOf(call("a"))).toMatchObject({ code: "venue" });
    expect(await refusalOf(call("b", "stage-1"))).toMatchObject({ code: "key" });
    expect(await call("b")).toMatchObject({ done: true });
  });
});

test("A row keeps its copy of the camera's name when the camera is renamed", async () => {
  const ledger = openLedger();
  await ingest(ledger, [camera({ name: "Wide" }), event({ cameraName: "Wide" })]);
  expect(outcomes(await ingest(ledger, [camera({ name: "Tele" }, { version: T0 + 1 })]))).toEqual(["applied"]);
  expect((await contents(ledger))["events"]).toMatchObject([{ cameraName: "Wide" }]);
});

describe("two documents with one key, of which somebody made one by hand", () => {
  async function copied(): Promise<Ledger> {
    const ledger = openLedger();
    await ingest(ledger, [session(), camera({ name: "first" })]);
    await ledger.run(async ({ db }) => {
      for (const table of ["productionSessions", "productionCameras"] as const) {
        const [row] = await db.query(table).take(1);
        const { _id, _creationTime, ...rest } = row!;
        await db.insert(table, rest as never);
      }
    });
    return ledger;
  }

  test("are read as one", async () => {
    const ledger = await copied();
    const args = { accessKey: KEY, sessionKey: SESSION, paginationOpts: FIRST };
    expect((await ledger.query(production.listCameras, args)).page).toHaveLength(1);
    expect((await ledger.query(production.listSessions, { accessKey: KEY, paginationOpts: FIRST })).page).toHaveLength(1);
    expect((await ledger.query(production.sessionTimeline, { accessKey: KEY, sessionKey: SESSION })).cameras.page).toHaveLength(1);
    expect((await ledger.query(production.changes, { accessKey: KEY })).page).toHaveLength(2);
  });

  test("are one again after the next write, or when the shoot is forgotten", async () => {
    const ledger = await copied();
    expect(outcomes(await ingest(ledger, [camera({ name: "next" }, { version: T0 + 1 })]))).toEqual(["applied"]);
    expect((await contents(ledger))["cameras"]).toMatchObject([{ name: "next" }]);
    await ledger.mutation(production.forgetSession, { adminKey: ADMIN_KEY, sessionKey: SESSION });
    expect((await contents(ledger))["sessions"]).toHaveLength(1);
  });
});
