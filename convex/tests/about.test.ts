/** What a deployment says of itself, and keys in their table. */

import { expect, test, vi } from "vitest";
import { api, internal } from "../functions/_generated/api";
import { FUNCTIONS } from "../functions/ledger/names";
import { ADMIN_KEY, contents, digest, event, ingest, KEY, openLedger, OTHER_KEY, outcomes, READ_KEY, refusalOf, session, type Ledger } from "./ledger";

const { production } = api;
const { addKey, listKeys, revokeKey } = internal.production;

async function about(ledger: Ledger, accessKey: unknown) {
  return await ledger.query(production.about, { accessKey });
}

test("about says what the deployment takes", async () => {
  const told = await about(openLedger(), KEY);
  expect(told.contract).toBe(2);
  expect(told.kinds).toEqual(expect.arrayContaining(["cut", "gap", "off_air", "marker"]));
  expect(told.triggers).toContain("collection_switch");
  expect(told.columns["session"]).toEqual(expect.arrayContaining(["media", "media.path", "media.pauses.from", "source.made.how", "startState.hold.by"]));
  expect(told.columns["event"]).toContain("detail");
  expect(told.columns["event"]).not.toContain("eventKey");
  expect(told.functions).toEqual([...FUNCTIONS]);
  expect(told.maxEntries).toBe(500);
});

test.each([
  ["an ingest key", KEY, { venues: ["stage-1"], may: ["write", "read"] }],
  ["a read key", READ_KEY, { venues: ["stage-1"], may: ["read"] }],
  ["an admin's key", ADMIN_KEY, { venues: "all", may: ["forget"] }],
])("about tells %s what it may do", async (_, key, grant) => {
  expect(await about(openLedger(), key)).toMatchObject(grant);
});

test("about tells nobody else anything", async () => {
  expect(await refusalOf(about(openLedger(), undefined))).toMatchObject({ code: "key_missing" });
  expect(await refusalOf(about(openLedger(), "wrong"))).toMatchObject({ code: "key_wrong" });
  expect(await refusalOf(about(openLedger(), digest(KEY)))).toMatchObject({ code: "key_wrong" });
});

function bare(): Ledger {
  const ledger = openLedger();
  for (const name of ["PRODUCTION_INGEST_KEYS", "PRODUCTION_READ_KEYS", "PRODUCTION_ADMIN_KEYS"]) vi.stubEnv(name, "");
  return ledger;
}

test("a key in the table writes and reads its venue and no other", async () => {
  const ledger = bare();
  expect(await ledger.mutation(addKey, { digest: digest("k").toUpperCase(), venues: ["stage-1"], may: ["write"], label: "the tap" })).toEqual({
    key: digest("k").slice(0, 8),
    was: "new",
  });
  expect(outcomes(await ingest(ledger, [session()], "k"))).toEqual(["applied"]);
  expect(await ledger.query(production.getSession, { accessKey: "k", sessionKey: "stage-1/s1" })).toMatchObject({ status: "live" });
  expect(await ingest(ledger, [session({}, { key: "stage-2/s", sessionKey: "stage-2/s" })], "k")).toMatchObject([{ code: "venue" }]);
  expect(await refusalOf(ledger.mutation(production.forgetSession, { adminKey: "k", sessionKey: "stage-1/s1" }))).toMatchObject({ code: "key_wrong" });
  expect(await about(ledger, "k")).toMatchObject({ venues: ["stage-1"], may: ["write", "read"] });
});

test("a read key is for one venue, several or all", async () => {
  const ledger = openLedger();
  await ingest(ledger, [session()]);
  await ingest(ledger, [session({}, { key: "stage-2/s", sessionKey: "stage-2/s" })], OTHER_KEY);
  await ledger.mutation(addKey, { digest: digest("two"), venues: ["stage-1", "stage-2"], may: ["read"] });
  await ledger.mutation(addKey, { digest: digest("every"), venues: "all", may: ["read"] });
  const list = async (accessKey: string, venue?: string) =>
    (await ledger.query(production.listSessions, { accessKey, ...(venue && { venue }), paginationOpts: { numItems: 9, cursor: null } })).page.length;
  for (const key of ["two", "every"]) {
    expect([await list(key, "stage-1"), await list(key, "stage-2")]).toEqual([1, 1]);
    expect(await refusalOf(list(key))).toMatchObject({ code: "venue" });
    expect(await refusalOf(ingest(ledger, [event()], key))).toMatchObject({ code: "key_wrong" });
    expect(await ledger.query(production.getSession, { accessKey: key, sessionKey: "stage-2/s" })).not.toBeNull();
  }
  expect(await refusalOf(list("two", "stage-3"))).toMatchObject({ code: "venue" });
  expect(await list("every", "stage-3")).toBe(0);
});

test("a key in the table may forget", async () => {
  const ledger = openLedger();
  await ingest(ledger, [session()]);
  await ledger.mutation(addKey, { digest: digest("f"), venues: ["stage-1"], may: ["forget"] });
  expect(await refusalOf(ledger.query(production.getSession, { accessKey: "f", sessionKey: "stage-1/s1" }))).toMatchObject({ code: "key_wrong" });
  expect(await refusalOf(ledger.mutation(production.forgetSession, { adminKey: "f", sessionKey: "stage-2/s1" }))).toMatchObject({ code: "venue" });
  expect(await ledger.mutation(production.forgetSession, { adminKey: "f", sessionKey: "stage-1/s1" })).toEqual({ done: true, deleted: 0 });
});

test("an environment variable may list a read key for several venues, or for all", async () => {
  const ledger = openLedger();
  vi.stubEnv("PRODUCTION_READ_KEYS", `stage-1:${digest("r")} stage-2:${digest("r")} *:${digest("all")}`);
  expect(await about(ledger, "r")).toMatchObject({ venues: ["stage-1", "stage-2"], may: ["read"] });
  expect(await about(ledger, "all")).toMatchObject({ venues: "all", may: ["read"] });
  vi.stubEnv("PRODUCTION_INGEST_KEYS", `*:${digest("w")}`);
  expect(await refusalOf(about(ledger, "w"))).toMatchObject({ code: "key_wrong" });
});

test.each([
  ["the key itself in the place of its digest", { digest: "tapkey_abc", venues: ["v"], may: ["read"] }],
  ["no right", { digest: digest("x"), venues: ["v"], may: [] }],
  ["no venue", { digest: digest("x"), venues: [], may: ["read"] }],
  ["an empty venue", { digest: digest("x"), venues: [""], may: ["read"] }],
  ["writing for two venues", { digest: digest("x"), venues: ["v", "w"], may: ["write"] }],
  ["writing for all venues", { digest: digest("x"), venues: "all", may: ["write", "read"] }],
] as const)("addKey refuses %s, and the key is nowhere", async (_, key) => {
  const ledger = bare();
  expect(await refusalOf(ledger.mutation(addKey, key as never))).toMatchObject({ code: "key_invalid" });
  expect(await ledger.query(listKeys, {})).toEqual({ keys: [], cursor: null });
});

test("a key that is added again is the same, or changed", async () => {
  const ledger = bare();
  const add = async (key: object) => (await ledger.mutation(addKey, { digest: digest("k"), venues: ["v"], may: ["read"], ...key } as never)) as { was: string };
  expect([(await add({})).was, (await add({})).was, (await add({ venues: ["w"] })).was]).toEqual(["new", "same", "changed"]);
  expect((await ledger.query(listKeys, {})).keys).toMatchObject([{ venues: ["w"] }]);
});

test("keys are listed, never whole digests, page by page, the environment's among them", async () => {
  const ledger = openLedger();
  for (let number = 0; number < 150; number++) {
    await ledger.mutation(addKey, { digest: digest(`k${number}`), venues: ["v"], may: ["read"] });
  }
  const first = await ledger.query(listKeys, {});
  const second = await ledger.query(listKeys, { cursor: first.cursor });
  expect([first.keys.length, first.cursor === null, second.cursor]).toEqual([100, false, null]);
  expect(second.keys).toContainEqual({ key: digest(KEY).slice(0, 8), venues: ["stage-1"], may: ["write", "read"], from: "PRODUCTION_INGEST_KEYS" });
  expect(JSON.stringify([first, second])).not.toMatch(/[0-9a-f]{16}/);
});

test("a key is revoked by the first digits of its digest, and what still grants it is named", async () => {
  const ledger = openLedger();
  await ledger.mutation(addKey, { digest: digest("gone"), venues: ["v"], may: ["read"] });
  await ledger.mutation(addKey, { digest: digest(KEY), venues: ["stage-1"], may: ["read"] });
  expect(await refusalOf(ingest(ledger, [session()]))).toMatchObject({ code: "key_wrong" });
  expect(await ledger.mutation(revokeKey, { key: digest("gone").slice(0, 8) })).toEqual({ revoked: true, still: [] });
  expect(await ledger.mutation(revokeKey, { key: digest("gone") })).toEqual({ revoked: false, still: [] });
  expect(await ledger.mutation(revokeKey, { key: digest(KEY).toUpperCase() })).toEqual({ revoked: true, still: ["PRODUCTION_INGEST_KEYS"] });
  expect(outcomes(await ingest(ledger, [session()]))).toEqual(["applied"]);
  expect(await refusalOf(ledger.mutation(revokeKey, { key: "abc" }))).toMatchObject({ code: "key_invalid" });
});

test("two keys that begin alike are not revoked together", async () => {
  const ledger = bare();
  const twins = ["0".repeat(63), "0".repeat(62) + "1"].map((rest) => "a" + rest);
  for (const twin of twins) await ledger.mutation(addKey, { digest: twin, venues: ["v"], may: ["read"] });
  expect(await refusalOf(ledger.mutation(revokeKey, { key: "a0000000" }))).toMatchObject({ code: "key_invalid" });
  expect(await ledger.mutation(revokeKey, { key: twins[1] as string })).toEqual({ revoked: true, still: [] });
  expect((await ledger.query(listKeys, {})).keys).toHaveLength(1);
});

test("the functions for keys, and those of the routes, are not public", () => {
  const open = api.production as unknown as Record<string, unknown>;
  const hidden = ["addKey", "listKeys", "revokeKey", "ingestText", "readSession", "readSessions", "readTimeline", "readChanges"];
  for (const name of hidden) {
    expect((internal.production as unknown as Record<string, unknown>)[name]).toBeDefined();
    expect(FUNCTIONS).not.toContain(name);
  }
  expect(open).toBeDefined();
});

test("no refusal tells a key, a digest or a venue", async () => {
  const ledger = openLedger();
  await ledger.mutation(addKey, { digest: digest("secret"), venues: ["hidden-venue"], may: ["read"] });
  const refused = [
    await refusalOf(ledger.query(production.getSession, { accessKey: "secret", sessionKey: "stage-1/s1" })),
    await refusalOf(ingest(ledger, [], "secret")),
    await refusalOf(about(ledger, "other")),
  ];
  expect(JSON.stringify(refused)).not.toMatch(new RegExp(`secret|hidden-venue|${digest("secret").slice(0, 8)}`));
  expect(Object.values(await contents(ledger)).flat()).toEqual([]);
});
