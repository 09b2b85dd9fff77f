/** The local ledger as a process: over real HTTP, killed, restarted, and spoilt on request. */

import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkDocument, encode } from "../local/wire";
import { ADMIN_KEY, camera, digest, event, KEY, READ_KEY, session, SESSION, T0 } from "./ledger";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const START = fileURLToPath(new URL("../local/start.mjs", import.meta.url));

let folder: string;
let running: Local[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-"));
});

afterEach(() => {
  for (const local of running) local.process.kill("SIGKILL");
  running = [];
  rmSync(folder, { recursive: true });
});

interface Local {
  process: ChildProcess;
  url: string;
  ready: { url: string; notice: string; restored: { rows: number; calls: number } };
  said: () => string;
}

const data = () => join(folder, "ledger.jsonl");

async function start(args: string[] = [], env: Record<string, string> = {}): Promise<Local> {
  const child = spawn(process.execPath, [START, "--data", data(), "--faults", ...args], {
    cwd: tmpdir(),
    env: {
      PATH: process.env["PATH"],
      PRODUCTION_INGEST_KEYS: `stage-1:${digest(KEY)}`,
      PRODUCTION_READ_KEYS: `stage-1:${digest(READ_KEY)}`,
      PRODUCTION_ADMIN_KEYS: digest(ADMIN_KEY),
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const [line] = (await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit")])) as [string | number];
  if (typeof line !== "string") throw new Error(`the local ledger ended with ${line}: ${said}`);
  const ready = JSON.parse(line) as Local["ready"];
  const local = { process: child, url: ready.url, ready, said: () => said };
  running.push(local);
  return local;
}

async function end(local: Local, signal: NodeJS.Signals): Promise<number | null> {
  const ended = once(local.process, "exit");
  local.process.kill(signal);
  return ((await ended) as [number | null])[0];
}

async function raw(local: Local, kind: string, path: string, args: object, format = "convex_encoded_json"): Promise<string> {
  const response = await fetch(`${local.url}/api/${kind}`, { method: "POST", body: JSON.stringify({ path, args, format }) });
  expect(response.status).toBe(200);
  return await response.text();
}

type Answered = { status: string; value?: unknown; errorMessage?: string; errorData?: { code: string } };

async function ingest(local: Local, entries: unknown[], accessKey = KEY): Promise<Answered> {
  return JSON.parse(await raw(local, "mutation", "production:ingest", { accessKey, entries })) as Answered;
}

async function ask(local: Local, name: string, args: object = {}): Promise<Answered> {
  return JSON.parse(await raw(local, "query", `production:${name}`, { accessKey: READ_KEY, sessionKey: SESSION, ...args })) as Answered;
}

/** As whoever has the deployment's admin key: internal functions too. */
async function asOwner(local: Local, path: string, args: object, key = "owner"): Promise<Answered> {
  const headers = { Authorization: `Convex ${key}` };
  const response = await fetch(`${local.url}/api/function`, { method: "POST", headers, body: JSON.stringify({ path, args: [args] }) });
  return (await response.json()) as Answered;
}

async function fault(local: Local, body: object): Promise<void> {
  const response = await fetch(`${local.url}/_fault`, { method: "POST", body: JSON.stringify(body) });
  expect(response.status).toBe(200);
}

const applied = { logLines: [], status: "success", value: [expect.objectContaining({ outcome: "applied" })] };
const duplicate = { logLines: [], status: "success", value: [expect.objectContaining({ outcome: "duplicate" })] };

describe("the HTTP API", () => {
  test("answers as Convex does, every number with a fraction", async () => {
    const local = await start();
    expect(await ingest(local, [session(), event({ durationMs: 302, detail: { share: 0.5 } })])).toMatchObject({ status: "success" });
    const text = await raw(local, "query", "production:getSession", { accessKey: KEY, sessionKey: SESSION });
    expect(text).toContain(`"startedAt":${T0}.0`);
    expect(text).toContain('"revision":0.0');
    const plain = await raw(local, "query", "production:getSession", { accessKey: KEY, sessionKey: SESSION }, "json");
    expect(plain).toContain('"revision":0,');
  });

  test("says at its start, in words, that it is no Convex", async () => {
    const local = await start();
    expect(local.ready.notice).toMatch(/This is not Convex/);
    expect(local.said()).toMatch(/This is not Convex/);
  });

  test("tells what was thrown on purpose with its data, and anything else as a bare server error", async () => {
    const local = await start();
    expect(await ingest(local, [], "wrong")).toMatchObject({ status: "error", errorData: { code: "key_wrong" } });
    const bare = await ask(local, "getSession", { sessionKey: 5 });
    expect(bare).toMatchObject({ status: "error", errorMessage: expect.stringMatching(/^\[Request ID: \w+\] Server Error$/) as string });
    expect(bare.errorData).toBeUndefined();
    expect(local.said()).not.toContain(READ_KEY);
  });

  test.each([
    ["a function that is internal", "mutation", "production:ingestText"],
    ["a function that is not there", "mutation", "production:nothing"],
    ["a module that is not there", "query", "nothing:at"],
    ["a module's helper", "query", "ledger/keys:readerVenue"],
    ["a mutation called as a query", "query", "production:ingest"],
  ])("does not call %s", async (_, kind, path) => {
    const local = await start();
    expect(await raw(local, kind, path, {})).toContain(`Could not find public function for '${path}'`);
  });

  test.each([
    ["a call of over 16 MiB", { entries: ["x".repeat(17 * 1024 * 1024)] }],
    ["an array of over 8,192 items", { entries: Array(8_193).fill(0) }],
    ["a value nested over 64 levels", { entries: [JSON.parse("[".repeat(70) + "]".repeat(70))] }],
    ["a name that is not ASCII", { entries: [{ größe: 1 }] }],
  ])("refuses %s with a bare server error, as Convex does", async (_, args) => {
    const local = await start();
    const text = await raw(local, "mutation", "production:ingest", { accessKey: KEY, ...args });
    expect(JSON.parse(text)).toMatchObject({ status: "error", errorMessage: expect.stringContaining("Server Error") as string });
  });

  test("whoever has the admin key calls internal functions, by the official command too", async () => {
    const local = await start([], { LOCAL_ADMIN_KEY: "owner" });
    const run = (adminKey: string) =>
      new Promise<{ code: number | null; out: string }>((resolve) => {
        const cli = fileURLToPath(new URL("../node_modules/convex/bin/main.js", import.meta.url));
        const env = { PATH: process.env["PATH"], HOME: folder, CI: "1", CONVEX_SELF_HOSTED_URL: local.url, CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey };
        const child = spawn(process.execPath, [cli, "run", "production:addKey", `{"digest":"${digest("k")}","venues":["stage-1"],"may":["write"]}`], { env, cwd: ROOT });
        let out = "";
        child.stdout.on("data", (text: Buffer) => (out += text.toString()));
        child.on("exit", (code) => resolve({ code, out }));
      });
    expect((await run("wrong")).code).toBe(1);
    expect(await ingest(local, [session()], "k")).toMatchObject({ errorData: { code: "key_wrong" } });
    const { code, out } = await run("owner");
    expect([code, JSON.parse(out)]).toEqual([0, { key: digest("k").slice(0, 8), was: "new" }]);
    expect(await ingest(local, [session()], "k")).toEqual(applied);
    expect((await asOwner(local, "production:listKeys", {}, "wrong")).status).toBe("error");
  });

  test("nobody is the owner where no admin key is set", async () => {
    const local = await start();
    for (const key of ["", "undefined", "owner"]) expect((await asOwner(local, "production:listKeys", {}, key)).status).toBe("error");
  });

  test("answers a body that is no call with 400", async () => {
    const local = await start();
    for (const body of ["", "{", "[]", '{"path":5}']) {
      expect((await fetch(`${local.url}/api/mutation`, { method: "POST", body })).status).toBe(400);
    }
  });

  test.each(["", "/http"])("serves the routes at %s/production", async (prefix) => {
    const local = await start();
    const headers = { Authorization: `Bearer ${KEY}` };
    const body = JSON.stringify({ entries: [session()] });
    const posted = await fetch(`${local.url}${prefix}/production/ingest`, { method: "POST", headers, body });
    expect(await posted.json()).toMatchObject({ answers: [{ outcome: "applied" }] });
    const read = await fetch(`${local.url}${prefix}/production/session?sessionKey=${encodeURIComponent(SESSION)}`, { headers });
    expect(await read.json()).toMatchObject({ session: { sessionKey: SESSION } });
    expect((await fetch(`${local.url}/nothing`)).status).toBe(404);
  });
});

describe("what is kept", () => {
  test("an answered mutation survives kill -9, by whichever way it came", async () => {
    const first = await start();
    await ingest(first, [session(), camera()]);
    const headers = { Authorization: `Bearer ${KEY}` };
    await fetch(`${first.url}/production/ingest`, { method: "POST", headers, body: JSON.stringify({ entries: [event()] }) });
    const before = await ask(first, "sessionTimeline");
    await end(first, "SIGKILL");
    const second = await start();
    expect(await ask(second, "sessionTimeline")).toEqual(before);
    expect(await end(second, "SIGKILL")).toBeNull();
    const third = await start();
    expect(third.ready.restored).toEqual({ rows: 3, calls: 0 });
    expect(await ask(third, "sessionTimeline")).toEqual(before);
  });

  test("a forgotten session is forgotten after a restart, at the same time", async () => {
    const first = await start();
    await ingest(first, [session(), event()]);
    await raw(first, "mutation", "production:forgetSession", { adminKey: ADMIN_KEY, sessionKey: SESSION });
    const before = await ask(first, "getSession");
    await end(first, "SIGKILL");
    const second = await start();
    expect(await ask(second, "getSession")).toEqual(before);
    expect(await ingest(second, [session()])).toMatchObject({ value: [{ code: "forgotten" }] });
  });

  test.each(["SIGKILL", "SIGTERM"] as const)("after a %s a reader of changes goes on where it was, and keys are right", async (signal) => {
    const first = await start([], { LOCAL_ADMIN_KEY: "owner" });
    await asOwner(first, "production:addKey", { digest: digest("added"), venues: ["stage-1"], may: ["write"] });
    await ingest(first, [session(), camera()], "added");
    const before = await ask(first, "changes", { sessionKey: undefined });
    const { cursor } = before.value as { cursor: string };
    await end(first, signal);
    const second = await start();
    expect(await ask(second, "changes", { sessionKey: undefined, cursor })).toMatchObject({ value: { page: [], isDone: true } });
    expect(await ingest(second, [event()], "added")).toEqual(applied);
    expect(await ask(second, "changes", { sessionKey: undefined, cursor })).toMatchObject({ value: { page: [{ op: "event" }] } });
    expect(await ask(second, "changes", { sessionKey: undefined })).toMatchObject({ value: { page: [{}, {}, {}] } });
  });

  test.each(["SIGKILL", "SIGTERM"] as const)("after a %s an owner's rows refer to each other as before", async (signal) => {
    const first = await start(["--app", "a"]);
    const page = async (local: Local) => {
      const asked = async (path: string, args: object) => (JSON.parse(await raw(local, "query", path, args)) as { value: unknown }).value;
      const [organizationId] = (await asked("shoots:organizations", { name: "stage-1" })) as string[];
      const [shoot] = (await asked("shoots:ofOrganization", { organizationId })) as { _id: string }[];
      return await asked("shoots:page", { sessionId: shoot?._id });
    };
    await raw(first, "mutation", "shoots:addOrganization", { name: "stage-1" });
    await raw(first, "mutation", "tap:ingest", { accessKey: KEY, entries: [event(), camera({ name: "Wide" }), session()] });
    const before = await page(first);
    expect(before).toMatchObject({ log: [{ eventType: "camera_cut", label: "Wide" }] });
    await end(first, signal);
    const second = await start(["--app", "a"]);
    expect(await page(second)).toEqual(before);
    await end(second, "SIGTERM");
    expect(await page(await start(["--app", "a"]))).toEqual(before);
  });

  test("a file that the local ledger of 0.1.0 left is read", async () => {
    const row = { sessionKey: SESSION, venue: "stage-1", version: T0, revision: 0, cameraId: "1", joinedAt: T0 };
    const call = { path: "production:ingest", keyArgument: "accessKey", venue: "stage-1", at: T0, args: { entries: [session({ media: ["a.mp4"] })] } };
    const lines = [{ ledger: 1, note: "" }, { row: { table: "productionCameras", document: row } }, { call }];
    writeFileSync(data(), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const local = await start();
    expect(local.ready.restored).toEqual({ rows: 1, calls: 1 });
    expect(await ask(local, "sessionTimeline")).toMatchObject({ value: { session: { media: ["a.mp4"] }, cameras: { page: [row] } } });
  });

  test("SIGTERM leaves a snapshot and ends with 0", async () => {
    const first = await start();
    await ingest(first, [session(), session({ startedAt: T0 - 5 }, { version: T0 - 1 })]);
    expect(await end(first, "SIGTERM")).toBe(0);
    const second = await start();
    expect(second.ready.restored).toEqual({ rows: 1, calls: 0 });
    expect(await ingest(second, [session()])).toMatchObject({ value: [{ outcome: "duplicate" }] });
  });

  test("calls become a snapshot once it is quiet, and nothing of them is lost", async () => {
    const first = await start();
    await ingest(first, [session(), camera()]);
    await expect.poll(() => readFileSync(data(), "utf8"), { timeout: 120_000 }).not.toContain('{"call":');
    await ingest(first, [event()]);
    await end(first, "SIGKILL");
    const second = await start();
    expect(second.ready.restored).toEqual({ rows: 2, calls: 1 });
    expect(await ask(second, "sessionTimeline")).toMatchObject({ value: { events: { page: [{}] }, cameras: { page: [{}] } } });
  });

  test("no key is ever on the disk, and what changed nothing is not kept", async () => {
    const local = await start();
    await ingest(local, [session()]);
    const size = readFileSync(data()).length;
    for (let again = 0; again < 3; again++) await ingest(local, [session(), 5]);
    await raw(local, "mutation", "production:ingest", { accessKey: "wrong", entries: [event()] });
    expect(readFileSync(data()).length).toBe(size);
    await raw(local, "mutation", "production:forgetSession", { adminKey: ADMIN_KEY, sessionKey: SESSION });
    const text = readFileSync(data(), "utf8");
    for (const key of [KEY, ADMIN_KEY, digest(KEY)]) expect(text).not.toContain(key);
  });

  test("other keys than those of the time do not keep a history from coming back", async () => {
    const first = await start();
    await ingest(first, [session()]);
    await end(first, "SIGKILL");
    const second = await start([], { PRODUCTION_INGEST_KEYS: `stage-1:${digest("new")}` });
    expect(await ask(second, "getSession")).toMatchObject({ value: { sessionKey: SESSION } });
    expect(await ingest(second, [session()])).toMatchObject({ errorData: { code: "key_wrong" } });
  });

  test("a torn last line is cut off and written over", async () => {
    const first = await start();
    await ingest(first, [session()]);
    await end(first, "SIGTERM");
    appendFileSync(data(), '{"call":{"path":"production:ing');
    const second = await start();
    await ingest(second, [camera()]);
    await end(second, "SIGKILL");
    const third = await start();
    expect(await ask(third, "sessionTimeline")).toMatchObject({ value: { session: { sessionKey: SESSION }, cameras: { page: [{}] } } });
  });

  test("a file that is none of ours is refused and left alone", async () => {
    writeFileSync(data(), "some text\nof somebody\n");
    await expect(start()).rejects.toThrow(/ended with 1.*cannot be read/);
    expect(readFileSync(data(), "utf8")).toBe("some text\nof somebody\n");
  });

  test("calls that come at once are kept in the order in which they were answered", async () => {
    const first = await start();
    const all = Array.from({ length: 40 }, (_, index) => ingest(first, [camera({ name: `${index}` }, { version: T0 + (index * 7) % 40 })]));
    await Promise.all(all);
    const before = await ask(first, "sessionTimeline");
    await end(first, "SIGKILL");
    expect(await ask(await start(), "sessionTimeline")).toEqual(before);
  });
});

describe("faults on request", () => {
  test.each([
    ["reset", {}, false],
    ["lost", {}, true],
    ["half", {}, true],
  ])("%s: the call fails for its caller", async (kind, more, written) => {
    const local = await start();
    await fault(local, { kind, ...more });
    await expect(ingest(local, [session()])).rejects.toThrow();
    expect(await ingest(local, [session()])).toEqual(written ? duplicate : applied);
  });

  test.each([
    ["hang", false],
    ["hang_after", true],
  ])("%s: the call is never answered", async (kind, written) => {
    const local = await start();
    await fault(local, { kind });
    const body = JSON.stringify({ path: "production:ingest", args: { accessKey: KEY, entries: [session()] } });
    const call = fetch(`${local.url}/api/mutation`, { method: "POST", body, signal: AbortSignal.timeout(500) });
    await expect(call).rejects.toThrow(/timeout/);
    expect(await ingest(local, [session()])).toEqual(written ? duplicate : applied);
  });

  test.each([
    [{ kind: "status", status: 500 }, 500, null],
    [{ kind: "status" }, 503, null],
    [{ kind: "status", status: 429, retryAfter: 2 }, 429, "2"],
    [{ kind: "garbage" }, 200, null],
    [{ kind: "error" }, 200, null],
  ])("%o answers without writing", async (body, status, retryAfter) => {
    const local = await start();
    await fault(local, body);
    const call = JSON.stringify({ path: "production:ingest", args: { accessKey: KEY, entries: [session()] } });
    const response = await fetch(`${local.url}/api/mutation`, { method: "POST", body: call });
    expect([response.status, response.headers.get("Retry-After")]).toEqual([status, retryAfter]);
    expect(await response.text()).not.toContain("success");
    expect(await ingest(local, [session()])).toEqual(applied);
  });

  test("refuse: nobody listens for a while, then all is as before", async () => {
    const local = await start();
    await ingest(local, [session()]);
    await fault(local, { kind: "refuse", ms: 700 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const refused = await fetch(local.url).catch((error: Error) => (error.cause as NodeJS.ErrnoException).code);
    expect(refused).toBe("ECONNREFUSED");
    await expect.poll(() => ingest(local, [session()]).catch(() => null), { timeout: 120_000 }).toEqual(duplicate);
  });

  test("slow: the answer takes its time", async () => {
    const local = await start();
    await fault(local, { kind: "slow", ms: 300 });
    const begun = Date.now();
    expect(await ingest(local, [session()])).toEqual(applied);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(290);
  });

  test("strike as often as asked for, only where they match, and can be taken away", async () => {
    const local = await start();
    await fault(local, { kind: "error", times: 2, match: "poison" });
    expect(await ingest(local, [session()])).toEqual(applied);
    const poisoned = [session({ title: "poison" }, { version: T0 + 1 })];
    expect(await ingest(local, poisoned)).toMatchObject({ status: "error" });
    expect(await ingest(local, poisoned)).toMatchObject({ status: "error" });
    expect(await ingest(local, poisoned)).toEqual(applied);
    await fault(local, { kind: "error", times: 0 });
    expect(await ingest(local, [camera()])).toMatchObject({ status: "error" });
    await fetch(`${local.url}/_fault`, { method: "DELETE" });
    expect(await ingest(local, [camera()])).toEqual(applied);
  });

  test("are told what is wrong with them", async () => {
    const local = await start();
    for (const body of ["{", "{}", '{"kind":"toString"}', '{"kind":"slow","ms":"5"}', '{"kind":"status","status":9}']) {
      expect((await fetch(`${local.url}/_fault`, { method: "POST", body })).status, body).toBe(400);
    }
  });
});

describe("the process", () => {
  test("listens on loopback only and writes its address to a file", async () => {
    const file = join(folder, "address");
    const local = await start(["--port-file", file]);
    expect(local.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    // Another address of this machine, which only a server on all of its addresses would answer at.
    const elsewhere = await fetch(local.url.replace("127.0.0.1", "127.0.0.2")).catch((error: Error) => (error.cause as NodeJS.ErrnoException).code);
    expect(elsewhere).toBe("ECONNREFUSED");
    expect(readFileSync(file, "utf8")).toBe(`${local.url}\n`);
  });

  test("takes no faults unless it is told so", async () => {
    const child = spawn(process.execPath, [START], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [line] = (await once(createInterface(child.stdout), "line")) as [string];
      const { url } = JSON.parse(line) as { url: string };
      expect((await fetch(`${url}/_fault`, { method: "POST", body: '{"kind":"hang"}' })).status).toBe(404);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("ends when its standard input is closed, if asked to", async () => {
    const local = await start(["--exit-with-stdin"]);
    const ended = once(local.process, "exit");
    local.process.stdin?.end();
    expect(((await ended) as [number])[0]).toBe(0);
  });

  test("ends when its parent is gone, if asked to", async () => {
    const parent = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    const local = await start(["--parent-pid", String(parent.pid)]);
    const ended = once(local.process, "exit");
    parent.kill("SIGKILL");
    expect(((await ended) as [number])[0]).toBe(0);
  });

  test("SIGTERM ends it soon, also with calls that hang", async () => {
    const local = await start();
    await fault(local, { kind: "hang" });
    const hanging = ingest(local, [session()]).catch(() => "cut off");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const begun = Date.now();
    expect(await end(local, "SIGTERM")).toBe(0);
    expect(Date.now() - begun).toBeLessThan(2_000);
    expect(await hanging).toBe("cut off");
  });

  test.each([[["--nonsense"]], [["--port", "x"]], [["--port", "99999"]], [["--parent-pid", "-1"]], [["--app", "toString"]]])("%o is answered with its usage and 2", async (args) => {
    await expect(start(args)).rejects.toThrow(/ended with 2.*usage:/s);
    expect(existsSync(data())).toBe(false);
  });
});

test("Numbers on the wire always show that they are float64", () => {
  expect(encode({ a: [302, -1, 0, 1.5, 1e300, 5e-7], b: "5", c: null, d: true })).toBe(
    '{"a":[302.0,-1.0,0.0,1.5,1e+300,5e-7],"b":"5","c":null,"d":true}',
  );
});

test("Documents that Convex would refuse are refused", () => {
  expect(() => checkDocument({ text: "x".repeat(1024 * 1024) })).toThrow("1 MiB");
  expect(() => checkDocument({ list: Array(8_193).fill(0) })).toThrow("8192");
  expect(() => checkDocument({ deep: JSON.parse("[".repeat(16) + "]".repeat(16)) as never })).toThrow("16");
  expect(() => checkDocument({ deep: JSON.parse("[".repeat(15) + "]".repeat(15)) as never })).not.toThrow();
  expect(() => checkDocument(Object.fromEntries(Array.from({ length: 1_025 }, (_, index) => [`n${index}`, 1])))).toThrow("1024");
  expect(() => checkDocument({ text: "x".repeat(1000), list: [1] })).not.toThrow();
});
