/** What a pipeline is kept up to date by, and what a live screen looks at. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { api, internal } from "../functions/_generated/api";
import { ADMIN_KEY, camera, digest, event, ingest, KEY, openLedger, OTHER_KEY, READ_KEY, refusalOf, session, SESSION, still, T0, type Ledger } from "./ledger";

const { production } = api;

type Asked = { cursor?: string | null; venues?: string[]; limit?: number; accessKey?: string };

async function changes(ledger: Ledger, asked: Asked = {}) {
  return await ledger.query(production.changes, { accessKey: READ_KEY, ...asked });
}

/** All there is since a cursor, in small pages. */
async function drain(ledger: Ledger, asked: Asked = {}) {
  const all: { op: string; row: Record<string, unknown> }[] = [];
  let cursor = asked.cursor ?? null;
  for (;;) {
    const page = await changes(ledger, { ...asked, cursor });
    all.push(...page.page);
    cursor = page.cursor;
    if (page.isDone) return { all, cursor };
  }
}

const keyOf = ({ op, row }: { op: string; row: Record<string, unknown> }) =>
  `${op} ${String(row["eventKey"] ?? row["stillKey"] ?? row["cameraId"] ?? row["sessionKey"])}`;

describe("changes", () => {
  test("gives every row once, in the order of the commits, by pages of any size", async () => {
    const ledger = openLedger();
    await ingest(ledger, [event(), camera(), session(), still()]);
    await ingest(ledger, [event({}, { key: `${SESSION}/cut/0` })]);
    const expected = [`session ${SESSION}`, "camera 1", `event ${SESSION}/cut/c1`, `still ${SESSION}/still/a/1`, `event ${SESSION}/cut/0`];
    for (const limit of [1, 2, 3, 4, 5, 100]) expect((await drain(ledger, { limit })).all.map(keyOf)).toEqual(expected);
  });

  test("goes on where it was, with what was written since and nothing else", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session(), camera()]);
    const { cursor } = await drain(ledger);
    expect(await changes(ledger, { cursor })).toEqual({ page: [], cursor, isDone: true });
    await ingest(ledger, [session({}), camera({ name: "Wide" }, { version: T0 + 1 }), event()]);
    const since = await drain(ledger, { cursor });
    expect(since.all.map(keyOf)).toEqual(["camera 1", `event ${SESSION}/cut/c1`]);
    expect(since.all[0]?.row).toMatchObject({ name: "Wide" });
  });

  test("sees a repair, a retraction, and a session that was forgotten", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session(), event(), event({}, { key: `${SESSION}/cut/c2` })]);
    const first = await drain(ledger);
    await ingest(ledger, [event({ transition: "dissolve" }, { revision: 1 }), event({}, { key: `${SESSION}/cut/c2`, revision: 1, retracted: { at: T0, reason: "rederived" } })]);
    const second = await drain(ledger, { cursor: first.cursor });
    expect(second.all).toMatchObject([{ row: { transition: "dissolve", revision: 1 } }, { row: { retracted: { reason: "rederived" } } }]);
    await ledger.mutation(production.forgetSession, { adminKey: ADMIN_KEY, sessionKey: SESSION });
    const third = await drain(ledger, { cursor: second.cursor });
    expect(third.all).toEqual([{ op: "session", row: { sessionKey: SESSION, venue: "stage-1", retracted: { at: expect.any(Number) as number, reason: "forgotten" } } }]);
  });

  test("tells nothing that changed nothing", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session(), event()]);
    const { cursor } = await drain(ledger);
    await ingest(ledger, [session(), event(), session({}, { version: T0 - 5 })]);
    expect((await drain(ledger, { cursor })).all).toEqual([]);
  });

  test("shows rows by the contract's columns only", async () => {
    const ledger = openLedger();
    await ingest(ledger, [camera({ joinedAt: T0 + 5 }), camera({ joinedAt: T0 }, { version: T0 - 1 })]);
    expect((await changes(ledger)).page).toEqual([
      { op: "camera", row: { sessionKey: SESSION, venue: "stage-1", version: T0, revision: 0, cameraId: "1", joinedAt: T0 } },
    ]);
  });

  test("begins with the rows of 0.1.0, which know no commit", async () => {
    const ledger = openLedger();
    await ledger.run(async ({ db }) => {
      const common = { sessionKey: SESSION, venue: "stage-1", version: T0, revision: 0 };
      for (const cameraId of ["b", "a"]) await db.insert("productionCameras", { ...common, cameraId, joinedAt: T0 });
    });
    await ingest(ledger, [session()]);
    for (const limit of [1, 2, 9]) expect((await drain(ledger, { limit })).all.map(keyOf)).toEqual(["camera a", "camera b", `session ${SESSION}`]);
  });

  test("is of the venues that are named, or of all that the key has", async () => {
    const ledger = openLedger();
    const other = (key: string) => session({}, { key, sessionKey: key });
    await ingest(ledger, [session()]);
    await ingest(ledger, [other("stage-2/s")], OTHER_KEY);
    const { addKey } = internal.production;
    await ledger.mutation(addKey, { digest: digest("two"), venues: ["stage-1", "stage-2"], may: ["read"] });
    await ledger.mutation(addKey, { digest: digest("all"), venues: "all", may: ["read"] });
    const keys = async (asked: Asked) => (await drain(ledger, { limit: 1, ...asked })).all.map(keyOf);
    expect(await keys({})).toEqual([`session ${SESSION}`]);
    for (const accessKey of ["two", "all"]) {
      expect(await keys({ accessKey })).toEqual([`session ${SESSION}`, "session stage-2/s"]);
      expect(await keys({ accessKey, venues: ["stage-2"] })).toEqual(["session stage-2/s"]);
      expect(await keys({ accessKey, venues: ["stage-2", "stage-2"] })).toEqual(["session stage-2/s"]);
    }
    expect(await refusalOf(changes(ledger, { venues: ["stage-1", "stage-2"] }))).toMatchObject({ code: "venue" });
    const many = Array.from({ length: 51 }, (_, index) => `v${index}`);
    expect(await refusalOf(changes(ledger, { accessKey: "all", venues: many }))).toMatchObject({ code: "too_many" });
  });

  test.each(["", "nonsense", "WzFd", "W10x", btoa('["event","x","a","b"]'), btoa('["nothing",null,"a","b"]'), btoa('["event",null]'), btoa('{"a":1}')])(
    "refuses %o, which is no cursor",
    async (cursor) => {
      expect(await refusalOf(changes(openLedger(), { cursor }))).toMatchObject({ code: "cursor" });
    },
  );

  test("gives nothing without a key, or with one that may not read", async () => {
    const ledger = openLedger();
    expect(await refusalOf(ledger.query(production.changes, {}))).toMatchObject({ code: "key_missing" });
    expect(await refusalOf(changes(ledger, { accessKey: ADMIN_KEY }))).toMatchObject({ code: "key_wrong" });
  });

  test("whatever is written between its pages, a reader that goes on ends with every row as it stands", async () => {
    const step = fc.record({ batch: fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 4 }), pages: fc.nat({ max: 3 }), limit: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const ledger = openLedger();
        const copy = new Map<string, unknown>();
        let cursor: string | null = null;
        const read = async (limit: number) => {
          const page: Awaited<ReturnType<typeof changes>> = await changes(ledger, { cursor, limit });
          for (const change of page.page) copy.set(keyOf(change), change.row);
          cursor = page.cursor;
          return page.isDone;
        };
        for (const [time, { batch, pages, limit }] of steps.entries()) {
          await ingest(ledger, batch.map((number) => entryOf(number, time)));
          for (let page = 0; page < pages; page++) await read(limit);
        }
        while (!(await read(3)));
        const whole = (await drain(ledger)).all;
        expect([...copy.entries()].sort()).toEqual(whole.map((change) => [keyOf(change), change.row]).sort());
      }),
      { numRuns: 60 },
    );
  });
});

/** Entries that are new each time they come: of three sessions, with cameras, stills and events that are repaired. */
function entryOf(number: number, time: number): Record<string, unknown> {
  const sessionKey = `stage-1/s${number % 3}`;
  const over = { sessionKey, version: T0 + time, revision: time };
  switch (number % 4) {
    case 0:
      return session({ title: `${time}` }, { ...over, key: sessionKey });
    case 1:
      return camera({ cameraId: `${number}`, name: `${time}` }, { ...over, key: `${sessionKey}/camera/${number}` });
    case 2:
      return event({ transition: `${time}` }, { ...over, key: `${sessionKey}/cut/${number}` });
    default:
      return still({ url: `${time}` }, { ...over, key: `${sessionKey}/still/${number}/1` });
  }
}

describe("latestEvents", () => {
  const cuts = (count: number) => Array.from({ length: count }, (_, number) => event({ at: T0 + number }, { key: `${SESSION}/cut/${number}` }));

  test("gives the last twenty, newest first, and says whether there are more", async () => {
    const ledger = openLedger();
    await ingest(ledger, cuts(20));
    const latest = async (more: object = {}) => await ledger.query(production.latestEvents, { accessKey: KEY, sessionKey: SESSION, ...more });
    expect((await latest()).isDone).toBe(true);
    await ingest(ledger, cuts(130));
    const { page, isDone } = await latest();
    expect([page.map(({ at }) => at - T0), isDone]).toEqual([Array.from({ length: 20 }, (_, back) => 129 - back), false]);
    for (const [limit, given] of [[1, 1], [0, 1], [-5, 1], [2.5, 2], [1e9, 100], [Number.NaN, 100]] as const) {
      expect((await latest({ limit })).page).toHaveLength(given);
    }
  });

  test("is refused like every read", async () => {
    const ledger = openLedger();
    const call = (accessKey: unknown) => refusalOf(ledger.query(production.latestEvents, { accessKey, sessionKey: SESSION }));
    expect(await call(undefined)).toMatchObject({ code: "key_missing" });
    expect(await call(OTHER_KEY)).toMatchObject({ code: "venue" });
    expect(await call(ADMIN_KEY)).toMatchObject({ code: "key_wrong" });
  });

  /** What one subscriber is sent: the whole answer again whenever a write changed it. */
  async function sent(ledger: Ledger, answer: () => Promise<unknown>, writes: number, from: number): Promise<number> {
    let bytes = 0;
    let last = "";
    for (let number = from; number < from + writes; number++) {
      await ingest(ledger, [event({ at: T0 + number * 900, observedAt: T0 + number * 900 + 4, cameraId: "cam-2", cameraName: "Handheld left", role: "close", fromCameraId: "cam-1", fromCameraName: "Wide centre", trigger: "operator", transition: "cut" }, { key: `${SESSION}/cut/cut-${number}`, version: T0 + number * 900 })]);
      const now = JSON.stringify(await answer());
      if (now !== last) bytes += now.length;
      last = now;
    }
    return bytes;
  }

  test("sends a subscriber less than 2 MB for 200 cuts, however long the session was before", async () => {
    const ledger = openLedger();
    const latest = async () => await ledger.query(production.latestEvents, { accessKey: KEY, sessionKey: SESSION });
    const young = await sent(ledger, latest, 200, 0);
    await ingest(ledger, cuts(500));
    const old = await sent(ledger, latest, 200, 1_000);
    expect(young).toBeLessThan(2_000_000);
    expect(old).toBeLessThan(2_000_000);
    // What the whole timeline costs instead, of which a session's first 200 events are a part.
    const timeline = async () => await ledger.query(production.sessionTimeline, { accessKey: KEY, sessionKey: SESSION });
    expect(JSON.stringify(await timeline()).length).toBeGreaterThan(5 * JSON.stringify(await latest()).length);
  });
});

test("a changes reader that follows live is sent its last page again, and no other", async () => {
  const ledger = openLedger();
  await ingest(ledger, Array.from({ length: 50 }, (_, number) => event({}, { key: `${SESSION}/cut/${number}` })));
  let { cursor } = await drain(ledger, { limit: 10 });
  for (let number = 50; number < 60; number++) {
    await ingest(ledger, [event({}, { key: `${SESSION}/cut/${number}` })]);
    const page = await changes(ledger, { cursor, limit: 10 });
    expect(page.page.map(keyOf)).toEqual([`event ${SESSION}/cut/${number}`]);
    cursor = page.cursor;
  }
});
