import { describe, expect, test, vi } from "vitest";
import { api } from "../functions/_generated/api";
import {
  ADMIN_KEY,
  camera,
  contents,
  digest,
  event,
  ingest,
  KEY,
  openLedger,
  OTHER_KEY,
  outcomes,
  READ_KEY,
  refusalOf,
  session,
  SESSION,
  still,
  T0,
} from "./ledger";

const EMPTY = { sessions: [], cameras: [], events: [], stills: [] };

describe("the key of a writer", () => {
  test.each([
    ["none is given", undefined, "key_missing"],
    ["it is null", null, "key_missing"],
    ["it is empty", "", "key_missing"],
    ["it is wrong", "not-the-key-2f9c", "key_wrong"],
    ["it is a number", 5, "key_wrong"],
    ["it is a list", [KEY], "key_wrong"],
    ["it may only read", READ_KEY, "key_wrong"],
    ["it may only forget", ADMIN_KEY, "key_wrong"],
    ["it is the digest and not the key", digest(KEY), "key_wrong"],
  ])("when %s, nothing is written and the error says which, never the key", async (_, key, code) => {
    const ledger = openLedger();
    const data = await refusalOf(ingest(ledger, [session()], key));
    expect(data["code"]).toBe(code);
    if (typeof key === "string" && key !== "") expect(JSON.stringify(data)).not.toContain(key);
    expect(await contents(ledger)).toEqual(EMPTY);
  });

  test("with no keys configured no key is right", async () => {
    const ledger = openLedger();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", "");
    expect(await refusalOf(ingest(ledger, [session()]))).toMatchObject({ code: "key_wrong" });
    vi.stubEnv("PRODUCTION_INGEST_KEYS", undefined);
    expect(await refusalOf(ingest(ledger, [session()], undefined))).toMatchObject({ code: "key_missing" });
    expect(await contents(ledger)).toEqual(EMPTY);
  });

  test("two keys of a venue are valid at a time, so that one can be changed", async () => {
    const ledger = openLedger();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", `stage-1:${digest("old")}\nstage-1:${digest("new").toUpperCase()},`);
    expect(outcomes(await ingest(ledger, [session()], "old"))).toEqual(["applied"]);
    expect(outcomes(await ingest(ledger, [session()], "new"))).toEqual(["duplicate"]);
    vi.stubEnv("PRODUCTION_INGEST_KEYS", `stage-1:${digest("new")}`);
    expect(await refusalOf(ingest(ledger, [session()], "old"))).toMatchObject({ code: "key_wrong" });
  });

  test("a line that cannot be read grants nothing and takes no other with it", async () => {
    const ledger = openLedger();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", `nonsense :${digest("a")} %zz:${digest("b")} ${digest("c")} stage-1:${digest(KEY)}`);
    for (const key of ["nonsense", "a", "b", "c"]) {
      expect(await refusalOf(ingest(ledger, [session()], key))).toMatchObject({ code: "key_wrong" });
    }
    expect(outcomes(await ingest(ledger, [session()]))).toEqual(["applied"]);
  });

  test("a key that stands for two venues is for neither", async () => {
    const ledger = openLedger();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", `stage-1:${digest(KEY)} stage-2:${digest(KEY)}`);
    expect(await refusalOf(ingest(ledger, [session()]))).toMatchObject({ code: "key_wrong" });
  });

  test("a venue's name may hold anything, percent-encoded in its keys and on the deployment", async () => {
    const ledger = openLedger();
    vi.stubEnv("PRODUCTION_INGEST_KEYS", `Halle%20%C3%9C%3A1:${digest(KEY)}`);
    const key = "Halle%20%C3%9C%3A1/s1";
    expect(outcomes(await ingest(ledger, [session({}, { key, sessionKey: key })]))).toEqual(["applied"]);
    expect((await contents(ledger))["sessions"]).toMatchObject([{ venue: "Halle Ü:1" }]);
    expect(await ingest(ledger, [session()])).toMatchObject([{ code: "venue" }]);
  });
});

describe("another venue", () => {
  test("cannot be written to, not even by a forged sessionKey", async () => {
    const ledger = openLedger();
    await ingest(ledger, [session(), camera(), event(), still()]);
    const before = await contents(ledger);
    const own = "stage-2/s1";
    const forged = [
      session({ title: "x" }, { version: T0 + 1 }),
      camera({ name: "x" }, { version: T0 + 1 }),
      event({ transition: "x" }, { sessionKey: own }),
      still({ width: 5 }, { sessionKey: own, version: T0 + 1 }),
      session({}, { key: SESSION, sessionKey: own }),
    ];
    const answers = await ingest(ledger, forged, OTHER_KEY);
    expect(answers.map(({ code }) => code)).toEqual(["venue", "venue", "key", "key", "key"]);
    expect(await contents(ledger)).toEqual(before);
  });
});

describe("a batch", () => {
  test("of 500 entries is taken, within the limits of one transaction", async () => {
    const ledger = openLedger();
    const entries = Array.from({ length: 500 }, (_, index) => event({ at: T0 + index }, { key: `${SESSION}/cut/${index}` }));
    expect(new Set(outcomes(await ingest(ledger, entries)))).toEqual(new Set(["applied"]));
    expect(new Set(outcomes(await ingest(ledger, entries)))).toEqual(new Set(["duplicate"]));
  });

  test("of 501 entries is refused whole, with a code", async () => {
    const ledger = openLedger();
    const entries = Array.from({ length: 501 }, (_, index) => event({}, { key: `${SESSION}/cut/${index}` }));
    expect(await refusalOf(ingest(ledger, entries))).toMatchObject({ code: "too_many" });
    expect(await contents(ledger)).toEqual(EMPTY);
  });

  test.each([[undefined], [null], ["text"], [{}]])("that is no list (%s) is refused with a code", async (entries) => {
    expect(await refusalOf(ingest(openLedger(), entries))).toMatchObject({ code: "shape" });
  });

  test("of no entries is answered with none", async () => {
    expect(await ingest(openLedger(), [])).toEqual([]);
  });

  test("reads each of its rows once and writes it once, however many entries are about it", async () => {
    const ledger = openLedger();
    const entries = Array.from({ length: 400 }, (_, index) => camera({ name: `${index}` }, { version: T0 + index }));
    expect(new Set(outcomes(await ingest(ledger, entries)))).toEqual(new Set(["applied"]));
    expect((await contents(ledger))["cameras"]).toMatchObject([{ name: "399", version: T0 + 399 }]);
  });

  test("answers a rejected entry with its key, a code, a reason and the field", async () => {
    expect(await ingest(openLedger(), [event({ at: 5 })])).toEqual([
      {
        key: `${SESSION}/cut/c1`,
        outcome: "rejected",
        code: "time",
        field: "at",
        reason: "The time is not a whole number of Unix milliseconds between the years 2000 and 2100.",
      },
    ]);
  });
});

describe("what is too large", () => {
  const megabytes = (count: number) => "x".repeat(count * 1024 * 1024);

  test.each([
    ["a detail of 2 MB", event({ detail: { text: megabytes(2) } }), "detail"],
    ["notes of 300 KB", session({ notes: "ü".repeat(150 * 1024) }), "notes"],
    ["a placement of 70 KB", camera({ placement: { text: "x".repeat(70 * 1024) } }), "placement"],
    ["a URL of 70 KB", still({ url: "x".repeat(70 * 1024) }), "url"],
    ["a list of 8,193 members", session({ media: Array(8_193).fill("") }), "media"],
    ["an object of 1,025 names", event({ detail: Object.fromEntries(Array.from({ length: 1_025 }, (_, i) => [`n${i}`, 1])) }), "detail"],
  ])("%s is rejected, and the good entry beside it written", async (_, entry, field) => {
    const ledger = openLedger();
    const answers = await ledger.fetch("/production/ingest", {
      method: "POST",
      headers: { Authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ entries: [entry, camera({ cameraId: "good" })] }),
    });
    expect(await answers.json()).toMatchObject({ answers: [{ code: "size", field }, { outcome: "applied" }] });
  });

  test("a row just under the limit is written", async () => {
    const ledger = openLedger();
    expect(outcomes(await ingest(ledger, [event({ detail: { text: "x".repeat(255 * 1024) } })]))).toEqual(["applied"]);
  });

  test("a field's name of a megabyte does not come back whole", async () => {
    const [answer] = await ingest(openLedger(), [event({ detail: { ["n".repeat(1_000)]: null } })]);
    expect(answer).toMatchObject({ code: "null" });
    expect(answer?.field?.length).toBeLessThan(300);
  });
});

test("Numbers that JSON does not know are rejected by name", async () => {
  const answers = await ingest(openLedger(), [
    event({ durationMs: NaN }),
    event({ detail: { x: Infinity } }),
    event({ detail: { x: -0 } }),
    event({ durationMs: -0 }),
    event({ detail: { x: 5n } }),
    event({ detail: { x: new ArrayBuffer(4) } }),
  ]);
  expect(answers.map(({ code, field }) => [code, field])).toEqual([
    ["type", "durationMs"],
    ["type", "detail.x"],
    ["type", "detail.x"],
    ["value", "durationMs"],
    ["type", "detail.x"],
    ["type", "detail.x"],
  ]);
});

test("Text that is no Unicode is rejected, as Convex would refuse the whole call for it", async () => {
  const ledger = openLedger();
  const response = await ledger.fetch("/production/ingest", {
    method: "POST",
    headers: { Authorization: `Bearer ${KEY}` },
    body: `{"entries":[{"key":"\\ud800","op":"event"},${JSON.stringify(camera()).replace('"cameraId":"1"', '"cameraId":"1","name":"\\udc00"')}]}`,
  });
  expect(await response.json()).toMatchObject({ answers: [{ key: "\ufffd", code: "key" }, { code: "type", field: "name" }] });
});

test("The bookkeeping of a row is seen by no query", async () => {
  const ledger = openLedger();
  await ingest(ledger, [session({}, { version: T0 + 5 }), session({ startedAt: T0 - 5 })]);
  expect(await ledger.run(async (ctx) => await ctx.db.query("productionSessions").first())).toHaveProperty("merge");
  const row = await ledger.query(api.production.getSession, { accessKey: KEY, sessionKey: SESSION });
  expect(Object.keys(row ?? {}).sort()).toEqual(
    ["revision", "sessionKey", "sessionType", "source", "startedAt", "status", "venue", "version"],
  );
});
