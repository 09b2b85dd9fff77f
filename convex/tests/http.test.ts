import { describe, expect, test, vi } from "vitest";
import { ADMIN_KEY, camera, event, ingest, KEY, openLedger, OTHER_KEY, READ_KEY, session, SESSION, T0, type Ledger } from "./ledger";
import { httpActionGeneric, httpRouter } from "convex/server";
import { api, internal } from "../functions/_generated/api";
import { ROUTES } from "../functions/ledger/names";
import { addProductionRoutes } from "../functions/ledger/routes";

interface Answered {
  status: number;
  body: Record<string, unknown>;
  headers: Headers;
}

async function call(ledger: Ledger, method: string, path: string, key?: string, body?: string): Promise<Answered> {
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const response = await ledger.fetch(path, { method, headers, ...(body !== undefined && { body }) });
  expect(response.headers.get("Content-Type")).toBe("application/json");
  return { status: response.status, body: (await response.json()) as Record<string, unknown>, headers: response.headers };
}

const of = (sessionKey: string) => `?sessionKey=${encodeURIComponent(sessionKey)}`;

describe("POST /production/ingest", () => {
  test("writes a batch and answers entry by entry", async () => {
    const ledger = openLedger();
    const entries = [session(), event({ at: 1 })];
    const { status, body } = await call(ledger, "POST", "/production/ingest", KEY, JSON.stringify({ entries }));
    expect(status).toBe(200);
    expect(body["answers"]).toMatchObject([{ key: SESSION, outcome: "applied" }, { code: "time", field: "at" }]);
  });

  test("rejects the one entry with names or depths that Convex would refuse the whole call for", async () => {
    const ledger = openLedger();
    let deep: unknown = 1;
    for (let level = 0; level < 3_000; level++) deep = { deep };
    const entries = [event({ detail: { $set: 1 } }), event({ detail: { deep } }), camera()];
    const { body } = await call(ledger, "POST", "/production/ingest", KEY, JSON.stringify({ entries }));
    expect(body["answers"]).toMatchObject([{ code: "name", field: "detail.$set" }, { code: "depth" }, { outcome: "applied" }]);
  });

  test.each([
    ["no key", undefined, '{"entries":[]}', 401, "key_missing"],
    ["a wrong key", "wrong", '{"entries":[]}', 401, "key_wrong"],
    ["a key that only reads", READ_KEY, '{"entries":[]}', 401, "key_wrong"],
    ["a body that is no JSON", KEY, '{"entries":[', 400, "json"],
    ["no body", KEY, "", 400, "json"],
    ["a body without entries", KEY, "[]", 400, "shape"],
    ["too many entries", KEY, JSON.stringify({ entries: Array(501).fill(0) }), 413, "too_many"],
    ["a body of 16 MB", KEY, `{"entries":[],"x":"${"x".repeat(16_000_000)}"}`, 413, "size"],
  ])("answers %s with a status and a code", async (_, key, text, status, code) => {
    const answered = await call(openLedger(), "POST", "/production/ingest", key, text);
    expect(answered).toMatchObject({ status, body: { code } });
    expect(Object.keys(answered.body).sort()).toEqual(["code", "reason"]);
    expect(answered.headers.get("WWW-Authenticate")).toBe(status === 401 ? "Bearer" : null);
  });
});

describe("reading", () => {
  async function filled(): Promise<Ledger> {
    const ledger = openLedger();
    await ingest(ledger, [session(), session({ startedAt: T0 + 1 }, { key: "stage-1/s2", sessionKey: "stage-1/s2" }), camera(), event()]);
    return ledger;
  }

  test("GET /production/session shows the row", async () => {
    const { status, body } = await call(await filled(), "GET", `/production/session${of(SESSION)}`, READ_KEY);
    expect([status, body["session"]]).toEqual([200, expect.objectContaining({ sessionKey: SESSION, startedAt: T0 })]);
  });

  test("GET /production/timeline shows the session with what belongs to it", async () => {
    const { status, body } = await call(await filled(), "GET", `/production/timeline${of(SESSION)}`, READ_KEY);
    expect(status).toBe(200);
    expect(body).toMatchObject({ session: { sessionKey: SESSION }, cameras: { page: [{ cameraId: "1" }] }, events: { isDone: true } });
  });

  test("GET /production/sessions pages through the venue's, newest first", async () => {
    const ledger = await filled();
    const first = await call(ledger, "GET", "/production/sessions?limit=1", READ_KEY);
    expect(first.body).toMatchObject({ page: [{ sessionKey: "stage-1/s2" }], isDone: false });
    const cursor = encodeURIComponent(String(first.body["continueCursor"]));
    const second = await call(ledger, "GET", `/production/sessions?limit=1&venue=stage-1&cursor=${cursor}`, READ_KEY);
    expect(second.body).toMatchObject({ page: [{ sessionKey: SESSION }] });
  });

  test("GET /production/changes goes on from a cursor", async () => {
    const ledger = await filled();
    const first = await call(ledger, "GET", "/production/changes?limit=3", READ_KEY);
    expect(first).toMatchObject({ status: 200, body: { isDone: false, page: [{ op: "session" }, { op: "session" }, { op: "camera" }] } });
    const cursor = encodeURIComponent(String(first.body["cursor"]));
    const second = await call(ledger, "GET", `/production/changes?venue=stage-1&cursor=${cursor}`, READ_KEY);
    expect(second.body).toMatchObject({ isDone: true, page: [{ op: "event" }] });
  });

  test("a forgotten session is gone", async () => {
    const ledger = await filled();
    await ledger.mutation(api.production.forgetSession, { adminKey: ADMIN_KEY, sessionKey: SESSION });
    for (const path of ["session", "timeline"]) {
      expect(await call(ledger, "GET", `/production/${path}${of(SESSION)}`, KEY)).toMatchObject({ status: 410, body: { code: "forgotten" } });
    }
  });

  test.each([
    ["/production/session", undefined, 401, "key_missing"],
    ["/production/session", KEY, 400, "key"],
    [`/production/session${of("stage-1/none")}`, KEY, 404, "unknown_session"],
    [`/production/session${of(SESSION)}`, "wrong", 401, "key_wrong"],
    [`/production/session${of(SESSION)}`, OTHER_KEY, 403, "venue"],
    [`/production/timeline${of(SESSION)}`, undefined, 401, "key_missing"],
    [`/production/timeline${of("stage-1/none")}`, KEY, 404, "unknown_session"],
    [`/production/timeline${of(SESSION)}`, OTHER_KEY, 403, "venue"],
    ["/production/sessions", undefined, 401, "key_missing"],
    ["/production/sessions?venue=stage-2", KEY, 403, "venue"],
    ["/production/sessions?limit=0", KEY, 400, "value"],
    ["/production/sessions?limit=many", KEY, 400, "value"],
    ["/production/changes", undefined, 401, "key_missing"],
    ["/production/changes?limit=0", KEY, 400, "value"],
    ["/production/changes?cursor=nonsense", KEY, 400, "cursor"],
    ["/production/changes?venue=stage-1&venue=stage-2", KEY, 403, "venue"],
  ])("GET %s with key %s answers %d %s", async (path, key, status, code) => {
    expect(await call(await filled(), "GET", path, key)).toMatchObject({ status, body: { code } });
  });

  test("what goes wrong inside is told as such, without a trace of it", async () => {
    const ledger = await filled();
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const answered = await call(ledger, "GET", "/production/sessions?cursor=nonsense", KEY);
    expect(answered).toMatchObject({ status: 500, body: { code: "internal" } });
    expect(JSON.stringify(answered.body)).not.toMatch(/ at |Error:|nonsense/);
    expect(log).toHaveBeenCalledOnce();
  });
});

test.each([
  ["GET", "/production/ingest", "POST"],
  ["POST", "/production/session", "GET"],
  ["DELETE", "/production/sessions", "GET"],
  ["PUT", "/production/timeline", "GET"],
  ["POST", "/production/changes", "GET"],
])("%s %s is answered with what the address takes", async (method, path, allowed) => {
  const answered = await call(openLedger(), method, path, KEY);
  expect(answered).toMatchObject({ status: 405, body: { code: "method" } });
  expect(answered.headers.get("Allow")).toBe(allowed);
});

test("the routes stand beside an app's own on the same paths, below a prefix, and call internal functions only", async () => {
  const app = httpRouter();
  const own = httpActionGeneric(async () => Promise.resolve(new Response("the app's own")));
  app.route({ path: "/production/ingest", method: "POST", handler: own });
  addProductionRoutes(app, internal.production, { prefix: "/tap" });
  expect(app.lookup("/production/ingest", "POST")?.[0]).toBe(own);
  for (const path of Object.values(ROUTES)) expect(app.lookup(`/tap${path}`, "GET"), path).not.toBeNull();
  expect(app.lookup("/production/sessions", "GET")).toBeNull();
});
