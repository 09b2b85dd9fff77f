/** The ledger in the tables of two owners: the whole contract, their own columns, and what is theirs to change. */

import { describe, expect, test, vi } from "vitest";
import contract from "../contract/entries.json";
import aNow from "../example-existing/a/schema";
import bNow from "../example-existing/b/schema";
import aBefore from "./fixtures/owners/a.schema";
import bBefore from "./fixtures/owners/b.schema";
import { ADMIN_KEY, camera, event, KEY, OTHER_KEY, outcomes, session, SESSION, still, T0 } from "./ledger";
import { readsOf } from "./watch";
import { ask, contents, documents, ingest, listed, mutate, openOwner, theirs, type OwnerName, type Rows } from "./owners";

interface Case {
  name: string;
  refusedByConvex?: boolean;
  entries: unknown[];
  outcomes: object[];
  rows: Record<"sessions" | "cameras" | "events" | "stills", Rows>;
}

const OWNERS = ["a", "b"] as const;
const cases = (contract.cases as Case[]).filter(({ refusedByConvex }) => !refusedByConvex);

describe.each(OWNERS)("in the tables of owner %s", (owner) => {
  test.each(cases)("$name", async ({ entries, outcomes, rows }) => {
    const ledger = await openOwner(owner);
    const answers = await ingest(ledger, entries);
    expect(answers.map(({ key, reason, ...told }) => told)).toEqual(outcomes);
    expect(await contents(ledger)).toEqual(rows);
    for (const [op, table] of [["camera", "cameras"], ["event", "events"], ["still", "stills"]] as const) {
      const keys = [...new Set(rows[table].map(({ sessionKey }) => sessionKey as string))];
      const all = (await Promise.all(keys.map(async (key) => await listed(ledger, op, key, 1)))).flat();
      expect(all).toHaveLength(rows[table].length);
      expect(all).toEqual(expect.arrayContaining(rows[table]));
    }
  });
});

interface Defined {
  tables: Record<string, { validator: unknown; " indexes"(): { indexDescriptor: string }[] }>;
}

/** A schema as data, without what is the ledger's. */
function told(schema: unknown): unknown {
  const { tables } = schema as Defined;
  const names = Object.keys(tables).filter((name) => !name.startsWith("productionTap"));
  return Object.fromEntries(
    names.map((name) => {
      const table = tables[name] as Defined["tables"][string];
      const { json } = table.validator as { json: { value: Record<string, unknown> } };
      const { tap, ...columns } = json.value;
      const indexes = table[" indexes"]().filter(({ indexDescriptor }) => !indexDescriptor.startsWith("tap_"));
      return [name, { columns, indexes, hasTap: tap !== undefined && name.startsWith("production") }];
    }),
  );
}

test.each([["a", aBefore, aNow], ["b", bBefore, bNow]])("no column, enum or index of owner %s has changed", (_, before, now) => {
  const [then, today] = [told(before), told(now)] as Record<string, { hasTap: boolean }>[];
  const production = Object.keys(today ?? {}).filter((name) => name.startsWith("production"));
  expect(production).toHaveLength(4);
  for (const name of production) expect(today?.[name]?.hasTap).toBe(true);
  const plain = (tables: typeof then) => Object.fromEntries(Object.entries(tables ?? {}).map(([name, { hasTap, ...rest }]) => [name, rest]));
  expect(plain(today)).toEqual(plain(then));
});

const CUT = { trigger: "operator", fromCameraId: "2", transition: "dissolve", durationMs: 400 };
const SHOOT = [
  event(CUT),
  still({ stillId: "s", requestedAt: T0 + 5 }, { key: `${SESSION}/still/s/1` }),
  event({ kind: "gap", durationMs: 9_000, detail: { tap: "t" } }, { key: `${SESSION}/gap/t/1` }),
  event({ kind: "off_air", fromCameraId: "1" }, { key: `${SESSION}/off_air/1` }),
  event({ kind: "still_marker", at: T0 + 5, detail: { stillId: "s", cameraIds: ["1"] } }, { key: `${SESSION}/still_marker/s` }),
  camera({ name: "Wide", role: "Wide", status: "online", placement: { x: 1, y: 2, zone: "left", angleDeg: 30 }, device: "iPhone 15" }),
  session({ title: "Evening", mode: "show" }),
];

describe("owner a", () => {
  test("gets rows in their own words, joined by ids", async () => {
    const ledger = await openOwner("a");
    expect(new Set(outcomes(await ingest(ledger, SHOOT)))).toEqual(new Set(["applied"]));
    const [shoot] = await documents(ledger, "productionSessions");
    const [organization] = await documents(ledger, "organizations");
    const cameras = await documents(ledger, "productionCameras");
    expect(await theirs(ledger, "productionSessions")).toEqual([
      {
        organizationId: organization?._id,
        createdBy: "multicam-tap",
        type: "photoshoot_performance",
        status: "active",
        title: "Evening",
        metadata: { mode: "show", venue: "stage-1" },
        startedAt: T0,
      },
    ]);
    expect(await theirs(ledger, "productionCameras")).toEqual([
      { sessionId: shoot?._id, deviceId: "1", label: "Wide", role: "Wide", placement: { x: 1, y: 2, zone: "left" }, connected: true, registeredAt: T0 },
    ]);
    expect(await theirs(ledger, "productionDirectorEvents")).toEqual([
      {
        sessionId: shoot?._id,
        cameraId: cameras[0]?._id,
        eventType: "camera_cut",
        timestamp: T0,
        payload: { trigger: "operator", transition: "dissolve", durationMs: 400, from: "2" },
      },
      { sessionId: shoot?._id, cameraId: cameras[0]?._id, eventType: "still_marker", timestamp: T0 + 5, payload: { stillId: "s", cameraIds: ["1"] } },
    ]);
    expect(await theirs(ledger, "productionStills")).toEqual([]);
    expect((await documents(ledger, "productionTapRows")).map(({ op, key }) => [op, key])).toEqual([
      ["still", `${SESSION}/still/s/1`],
      ["event", `${SESSION}/gap/t/1`],
      ["event", `${SESSION}/off_air/1`],
    ]);
  });

  test("gets a still's row when it was taken, with the event by which it was asked for", async () => {
    const ledger = await openOwner("a");
    await ingest(ledger, SHOOT);
    await ingest(ledger, [still({ stillId: "s", requestedAt: T0 + 5, capturedAt: T0 + 9, status: "captured" }, { key: `${SESSION}/still/s/1`, version: T0 + 9 })]);
    const marker = (await documents(ledger, "productionDirectorEvents")).find(({ eventType }) => eventType === "still_marker");
    expect(await theirs(ledger, "productionStills")).toMatchObject([{ eventId: marker?._id, status: "captured", capturedAt: T0 + 9 }]);
    expect((await documents(ledger, "productionTapRows")).map(({ op }) => op)).not.toContain("still");
  });

  test("has functions that go on as before, on rows of both", async () => {
    const ledger = await openOwner("a");
    const [organization] = await documents(ledger, "organizations");
    const organizationId = organization?._id;
    const planned = await mutate<string>(ledger, "shoots:plan", { organizationId, title: "Rehearsal", startedAt: T0 + 99 });
    await ingest(ledger, SHOOT);
    const shoots = await ask<{ _id: string; title: string }[]>(ledger, "shoots:ofOrganization", { organizationId });
    expect(shoots.map(({ title }) => title)).toEqual(["Rehearsal", "Evening"]);
    expect(await ask(ledger, "shoots:page", { sessionId: shoots[1]?._id })).toEqual({
      log: [
        { eventType: "camera_cut", timestamp: T0, label: "Wide" },
        { eventType: "still_marker", timestamp: T0 + 5, label: "Wide" },
      ],
      stills: [],
    });
    expect(await contents(ledger)).toMatchObject({ sessions: [{ sessionKey: SESSION }] });
    await mutate(ledger, "tap:forgetSession", { adminKey: ADMIN_KEY, sessionKey: SESSION });
    expect((await documents(ledger, "productionSessions")).map(({ _id }) => _id)).toEqual([planned]);
  });

  test("keeps what a person wrote, until what the ledger says of that very column changes", async () => {
    const ledger = await openOwner("a");
    await ingest(ledger, SHOOT);
    const [shoot] = await documents(ledger, "productionSessions");
    await mutate(ledger, "shoots:rename", { id: shoot?._id, title: "Ada's evening", notes: "by Ada" });
    await ingest(ledger, [session({ title: "Evening", mode: "break" }, { version: T0 + 1 })]);
    expect(await theirs(ledger, "productionSessions")).toMatchObject([{ title: "Ada's evening", metadata: { mode: "break", notes: "by Ada" } }]);
    await ingest(ledger, [session({ title: "Late evening", notes: "told" }, { version: T0 + 2 })]);
    expect(await theirs(ledger, "productionSessions")).toMatchObject([{ title: "Late evening", metadata: { notes: "told", venue: "stage-1" } }]);
    expect((await theirs(ledger, "productionSessions"))[0]?.["metadata"]).not.toHaveProperty("mode");
  });

  test("whose organisation is not set up refuses no entry: the whole call is refused, in their words, and comes again", async () => {
    const ledger = await openOwner("a");
    await ledger.run(async ({ db }) => {
      for (const { _id } of await db.query("organizations").take(9)) await db.delete(_id);
    });
    await expect(ingest(ledger, SHOOT)).rejects.toMatchObject({ data: { code: "owner_context", reason: expect.stringContaining("no organization is called stage-1") as string } });
    expect(await contents(ledger)).toEqual({ sessions: [], cameras: [], events: [], stills: [] });
    // What `check` sends: it too must find out that no row can be written.
    await expect(ingest(ledger, [])).rejects.toMatchObject({ data: { code: "owner_context", reason: expect.stringContaining("no organization is called stage-1") as string } });
    await ledger.run(async ({ db }) => await db.insert("organizations", { name: "stage-1" }));
    expect(await ingest(ledger, [])).toEqual([]);
    expect(new Set(outcomes(await ingest(ledger, SHOOT)))).toEqual(new Set(["applied"]));
  });
});

describe("owner b", () => {
  test("gets rows in their own words, joined by keys", async () => {
    const ledger = await openOwner("b");
    expect(new Set(outcomes(await ingest(ledger, SHOOT)))).toEqual(new Set(["applied"]));
    expect(await theirs(ledger, "productionSessions")).toMatchObject([
      { sessionId: SESSION, sessionType: "photoshoot_performance", status: "active", title: "Evening", createdBy: "multicam-tap", startedAt: T0 },
    ]);
    expect(await theirs(ledger, "productionCameras")).toEqual([
      { sessionId: SESSION, cameraId: "1", deviceId: "1", role: "wide", source: "iphone", placement: { zone: "left", angleDeg: 30 }, online: true, joinedAt: T0 },
    ]);
    expect((await theirs(ledger, "productionDirectorEvents")).map(({ eventType }) => eventType)).toEqual(["cut", "off_air", "still_marker"]);
    expect(await theirs(ledger, "productionStills")).toMatchObject([{ sessionId: SESSION, cameraId: "1", timestamp: T0 + 5, status: "pending" }]);
  });

  test("has functions of the same names, which go on as before", async () => {
    const ledger = await openOwner("b");
    await ingest(ledger, SHOOT);
    await mutate(ledger, "production:startSession", { sessionId: "sess_1", sessionType: "live_set", title: "Set", createdBy: "Ada" });
    await mutate(ledger, "production:logDirectorEvent", { sessionId: SESSION, eventType: "remark", timestamp: T0 + 1, source: "live-director" });
    const titles = (await ask<{ title: string }[]>(ledger, "production:listSessions", {})).map(({ title }) => title);
    expect(titles.sort()).toEqual(["Evening", "Set"]);
    expect(await ask(ledger, "production:getSession", { sessionId: SESSION })).toMatchObject({ title: "Evening" });
    const timeline = await ask<{ events: Rows }>(ledger, "production:timeline", { sessionId: SESSION });
    expect(timeline.events.map(({ eventType }) => eventType)).toEqual(["cut", "off_air", "remark", "still_marker"]);
    await mutate(ledger, "production:completeSession", { sessionId: SESSION });
    expect(await ask(ledger, "production:getSession", { sessionId: SESSION })).toMatchObject({ status: "completed" });
    expect((await contents(ledger))["sessions"]).toMatchObject([{ status: "live" }]);
    expect((await contents(ledger))["events"]).toHaveLength(4);
  });

  test("has a time of its own for each write: it is written anew, and a status that a person set is not", async () => {
    const ledger = await openOwner("b");
    const clock = vi.spyOn(Date, "now").mockReturnValue(T0 + 1_000);
    await ingest(ledger, [session()]);
    expect(await theirs(ledger, "productionSessions")).toMatchObject([{ updatedAt: T0 + 1_000 }]);
    clock.mockReturnValue(T0 + 2_000);
    await mutate(ledger, "production:completeSession", { sessionId: SESSION });
    clock.mockReturnValue(T0 + 3_000);
    await ingest(ledger, [session({ mode: "show" }, { version: T0 + 1 })]);
    expect(await theirs(ledger, "productionSessions")).toMatchObject([{ mode: "show", status: "completed", updatedAt: T0 + 3_000 }]);
  });
});

/** Every statement that an owner's table makes of what happened, with the ledger's rows that would have to say so. */
const CLAIMS: Record<OwnerName, Record<string, Record<string, readonly string[]>>> = {
  a: {
    eventType: { camera_cut: ["cut"], hold_start: ["hold"], hold_end: ["release"], mode_changed: ["mode_change"], still_marker: ["still_marker"], music: ["music_moment"] },
    status: { captured: ["captured"], uploaded: ["uploaded"] },
  },
  b: {
    eventType: Object.fromEntries(["cut", "hold", "release", "mode_change", "still_marker", "still_capture", "music_moment", "off_air", "marker"].map((kind) => [kind, [kind]])),
    status: { pending: ["requested", "captured"], error: ["failed"], ready: ["uploaded"] },
  },
};

const KINDS = ["cut", "hold", "release", "mode_change", "still_marker", "still_capture", "music_moment", "gap", "off_air", "marker"];

describe.each(OWNERS)("no column of owner %s states what did not happen", (owner) => {
  async function claims(ledger: Awaited<ReturnType<typeof openOwner>>): Promise<void> {
    for (const [table, column, word] of [["productionDirectorEvents", "eventType", "kind"], ["productionStills", "status", "status"]] as const) {
      for (const row of await documents(ledger, table)) {
        const tap = row["tap"] as Record<string, unknown>;
        expect(tap["retracted"]).toBeUndefined();
        expect(CLAIMS[owner][column]?.[row[column] as string]).toContain(tap[word]);
      }
    }
  }

  test("of any kind of event, or a still of any status", async () => {
    const ledger = await openOwner(owner);
    const statuses = ["requested", "failed", "captured", "uploaded"];
    await ingest(ledger, [
      session(),
      ...KINDS.map((kind) => event({ kind }, { key: `${SESSION}/${kind}/1` })),
      ...statuses.map((status) => still({ status, stillId: status, requestedAt: T0, ...(status.endsWith("ed") && { capturedAt: T0 }) }, { key: `${SESSION}/still/${status}/1` })),
    ]);
    await claims(ledger);
    const seen = await documents(ledger, "productionDirectorEvents");
    expect(seen.length).toBeGreaterThan(3);
  });

  test("when it was taken back, and again when it is given back", async () => {
    const ledger = await openOwner(owner);
    await ingest(ledger, SHOOT);
    const before = await theirs(ledger, "productionDirectorEvents");
    await ledger.run(async ({ db }) => {
      const [first] = await db.query("productionDirectorEvents").take(1);
      if (first !== undefined && owner === "b") await db.patch(first._id, { payload: { ...(first["payload"] as object), remark: "nice" } });
    });
    const back = { revision: 1, retracted: { at: T0 + 9, reason: "rederived" } };
    expect(outcomes(await ingest(ledger, [event(CUT, back)]))).toEqual(["applied"]);
    await claims(ledger);
    expect(await theirs(ledger, "productionDirectorEvents")).toHaveLength(before.length - 1);
    expect((await contents(ledger))["events"]).toContainEqual(expect.objectContaining({ retracted: back.retracted }));
    expect(outcomes(await ingest(ledger, [event(CUT, { revision: 2 })]))).toEqual(["applied"]);
    await claims(ledger);
    expect(await theirs(ledger, "productionDirectorEvents")).toHaveLength(before.length);
  });
});

describe.each(OWNERS)("a whole batch for owner %s", (owner) => {
  test("stays below the 4,096 ranges of indexes that a mutation may read, also where every row is of another shoot and needs stubs", async () => {
    const ledger = await openOwner(owner);
    const entries = Array.from({ length: 500 }, (_, number) => {
      const sessionKey = `stage-1/s${number}`;
      return event({ cameraId: `${number}` }, { key: `${sessionKey}/cut/1`, sessionKey });
    });
    const { asked, documents: read } = await readsOf(async () => expect(new Set(outcomes(await ingest(ledger, entries)))).toEqual(new Set(["applied"])));
    expect(asked.length).toBeLessThan(4_096);
    expect(read).toBeLessThan(16_000);
  });
});

describe.each(OWNERS)("forgetting in the tables of owner %s", (owner) => {
  test("takes every row of the shoot, stubs too, leaves the word, and keeps later entries out", async () => {
    const ledger = await openOwner(owner);
    await ingest(ledger, SHOOT);
    await ingest(ledger, [event({}, { key: "stage-1/s2/cut/1", sessionKey: "stage-1/s2" })]);
    const others = { sessions: (await documents(ledger, "productionSessions")).length, events: 1 };
    for (let done = false; !done; ) ({ done } = await mutate<{ done: boolean }>(ledger, "tap:forgetSession", { adminKey: ADMIN_KEY, sessionKey: SESSION }));
    const bare = { sessionKey: SESSION, venue: "stage-1", retracted: { at: expect.any(Number) as number, reason: "forgotten" } };
    expect((await contents(ledger))["sessions"]).toEqual([bare]);
    expect(await ask(ledger, "tap:getSession", { accessKey: KEY, sessionKey: SESSION })).toEqual(bare);
    expect(await documents(ledger, "productionSessions")).toHaveLength(others.sessions - 1);
    expect(await documents(ledger, "productionDirectorEvents")).toHaveLength(others.events);
    const rest = await documents(ledger, "productionTapRows");
    expect(rest.map(({ op, key }) => [op, key])).toEqual([["session", SESSION]]);
    expect((await ingest(ledger, SHOOT)).map(({ code }) => code)).toEqual(SHOOT.map(() => "forgotten"));
    const sessions = await ask<{ page: Rows }>(ledger, "tap:listSessions", { accessKey: KEY, paginationOpts: { numItems: 9, cursor: null } });
    expect(sessions.page).toEqual([]);
  });

  test("another venue's key reaches none of it", async () => {
    const ledger = await openOwner(owner);
    await ingest(ledger, SHOOT);
    const args = { accessKey: OTHER_KEY, sessionKey: SESSION };
    await expect(ask(ledger, "tap:sessionTimeline", args)).rejects.toMatchObject({ data: { code: "venue" } });
  });
});

describe.each(OWNERS)("reading in the tables of owner %s", (owner) => {
  async function filled() {
    const ledger = await openOwner(owner);
    const kinds = ["gap", "cut", "gap", "gap", "hold", "cut", "gap"];
    await ingest(ledger, [session(), ...kinds.map((kind, index) => event({ kind, at: T0 + index }, { key: `${SESSION}/${kind}/${index}` }))]);
    return { ledger, keys: kinds.map((kind, index) => `${SESSION}/${kind}/${index}`) };
  }

  test("rows of both tables come as one list, in order, by pages of any size", async () => {
    const { ledger, keys } = await filled();
    for (const size of [1, 2, 3, 6, 7, 100]) expect((await listed(ledger, "event", SESSION, size)).map(({ eventKey }) => eventKey)).toEqual(keys);
    const latest = await ask<{ page: Rows; isDone: boolean }>(ledger, "tap:latestEvents", { accessKey: KEY, sessionKey: SESSION, limit: 4 });
    expect([latest.page.map(({ eventKey }) => eventKey), latest.isDone]).toEqual([keys.slice(3).reverse(), false]);
    const timeline = await ask<{ events: { page: Rows } }>(ledger, "tap:sessionTimeline", { accessKey: KEY, sessionKey: SESSION });
    expect(timeline.events.page.map(({ eventKey }) => eventKey)).toEqual(keys);
  });

  test("a page whose end is given keeps it, whatever came in between", async () => {
    const { ledger, keys } = await filled();
    const page = async (paginationOpts: object) => await ask<{ page: Rows; continueCursor: string; isDone: boolean }>(ledger, "tap:listDirectorEvents", { accessKey: KEY, sessionKey: SESSION, paginationOpts });
    const first = await page({ numItems: 3, cursor: null });
    await ingest(ledger, [event({ kind: "cut", at: T0 + 1 }, { key: `${SESSION}/cut/9` }), event({ kind: "gap", at: T0 }, { key: `${SESSION}/gap/8` })]);
    const again = await page({ numItems: 3, cursor: null, endCursor: first.continueCursor });
    expect(again.page.map(({ eventKey }) => eventKey)).toEqual([keys[0], `${SESSION}/gap/8`, keys[1], `${SESSION}/cut/9`, keys[2]]);
    const rest = await page({ numItems: 100, cursor: first.continueCursor });
    expect([...again.page, ...rest.page]).toHaveLength(9);
    await expect(page({ numItems: 3, cursor: "nonsense" })).rejects.toMatchObject({ data: { code: "cursor" } });
  });

  test("sessions are listed newest first", async () => {
    const { ledger } = await filled();
    const other = (id: string, more: object) => session({ startedAt: T0 + 7, ...more }, { key: `stage-1/${id}`, sessionKey: `stage-1/${id}` });
    await ingest(ledger, [other("x", { sessionType: "something else" }), other("y", {})]);
    const page = await ask<{ page: Rows }>(ledger, "tap:listSessions", { accessKey: KEY, paginationOpts: { numItems: 9, cursor: null } });
    expect(page.page.map(({ sessionKey }) => sessionKey)).toEqual(["stage-1/y", "stage-1/x", SESSION]);
    expect((await theirs(ledger, "productionSessions")).length).toBe(2);
  });

  test("completeSession, and the other named mutations, do as everywhere", async () => {
    const { ledger } = await filled();
    const end = { accessKey: KEY, sessionKey: SESSION, version: T0 + 50, fields: { completedAt: T0 + 50 } };
    expect(await mutate(ledger, "tap:completeSession", end)).toMatchObject({ outcome: "applied" });
    expect(await theirs(ledger, "productionSessions")).toMatchObject([{ status: "completed" }]);
  });
});
