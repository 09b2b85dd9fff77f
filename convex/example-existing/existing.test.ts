/** The ledger over tables that were there before it, under other names. */

/// <reference types="vite/client" />
import { convexTest } from "convex-test";
import { makeFunctionReference } from "convex/server";
import { describe, expect, test } from "vitest";
import contract from "../contract/entries.json";
import type { Op } from "../functions/ledger/columns";
import { NAMES as OURS } from "../functions/ledger/names";
import { ADMIN_KEY, camera, event, KEY, openLedger, refusalOf, session, SESSION, still, T0 } from "../tests/ledger";
import { FUNCTIONS, NAMES } from "./functions/names";
import schema from "./functions/schema";

// convex-test looks for a `_generated` folder to tell where the functions are; the example has none of its own.
const modules = {
  ...import.meta.glob("./functions/*.ts"),
  "./functions/_generated/none.ts": () => Promise.resolve({}),
};

function openExisting() {
  openLedger(); // for its keys
  return convexTest({ schema, modules, transactionLimits: true });
}

type Existing = ReturnType<typeof openExisting>;
type Rows = Record<string, unknown>[];

async function ingest(existing: Existing, entries: unknown, accessKey: unknown = KEY): Promise<{ outcome: string }[]> {
  return (await existing.mutation(makeFunctionReference<"mutation">(FUNCTIONS.ingest), { accessKey, entries })) as { outcome: string }[];
}

async function rowsOf(existing: Existing, table: "shoots" | "shootCameras" | "shotLog" | "photos"): Promise<Rows> {
  return await existing.run(async (ctx) => await ctx.db.query(table).take(100));
}

/** The rows of an existing table in the ledger's words, as a query would show them. */
async function translated(existing: Existing, op: Op): Promise<Rows> {
  const { table, columns } = NAMES[op];
  const ours = new Map(Object.entries(columns).map(([name, theirs]) => [theirs as string, name]));
  return (await rowsOf(existing, table)).map((row) =>
    Object.fromEntries(
      Object.entries(row).flatMap(([name, value]) => {
        const our = ours.get(name);
        return our === undefined || our === "merge" ? [] : [[our, value]];
      }),
    ),
  );
}

interface Case {
  name: string;
  refusedByConvex?: boolean;
  entries: unknown[];
  outcomes: { outcome: string }[];
  rows: Record<"sessions" | "cameras" | "events" | "stills", Rows>;
}

const cases = (contract.cases as Case[]).filter(({ refusedByConvex }) => !refusedByConvex);

describe.each(cases)("$name", ({ entries, outcomes, rows }) => {
  test("over the existing tables as well", async () => {
    const existing = openExisting();
    const answers = await ingest(existing, entries);
    expect(answers.map(({ outcome }) => outcome)).toEqual(outcomes.map(({ outcome }) => outcome));
    for (const [op, table] of [["session", "sessions"], ["camera", "cameras"], ["event", "events"], ["still", "stills"]] as const) {
      const found = await translated(existing, op);
      expect(found).toHaveLength(rows[table].length);
      expect(found).toEqual(expect.arrayContaining(rows[table]));
    }
  });
});

test("Names that the ledger has, the example has, and no other", () => {
  for (const op of ["session", "camera", "event", "still"] as const) {
    expect(Object.keys(NAMES[op].columns).sort()).toEqual(Object.keys(OURS[op].columns).sort());
  }
  expect(Object.keys(NAMES.indexes).sort()).toEqual(Object.keys(OURS.indexes).sort());
});

test("What others wrote into the same rows stays theirs", async () => {
  const existing = openExisting();
  await existing.run(async (ctx) => {
    await ctx.db.insert("shoots", { ref: SESSION, room: "stage-1", client: "Ada", budget: 5, title: "by hand", begin: T0 + 9 });
  });
  expect(await ingest(existing, [session({ title: "told" })])).toMatchObject([{ outcome: "applied" }]);
  expect(await rowsOf(existing, "shoots")).toEqual([
    expect.objectContaining({ client: "Ada", budget: 5, title: "told", begin: T0, ledgerVersion: T0 }),
  ]);
});

test("A new row gets what the table demands and the tap does not know", async () => {
  const existing = openExisting();
  await ingest(existing, [session()]);
  expect(await rowsOf(existing, "shoots")).toMatchObject([{ client: "unassigned" }]);
});

test("Functions that were there go on as before", async () => {
  const existing = openExisting();
  await ingest(existing, [event()]);
  await existing.mutation(makeFunctionReference<"mutation">("shootLog:remark"), { shootRef: SESSION, room: "stage-1", time: T0, text: "nice" });
  expect(await rowsOf(existing, "shotLog")).toMatchObject([{ what: "cut" }, { what: "remark", text: "nice" }]);
});

test("A forgotten shoot takes its cameras, photos and the whole of its log with it, and stays forgotten", async () => {
  const existing = openExisting();
  await ingest(existing, [session(), camera(), event(), still()]);
  const forget = makeFunctionReference<"mutation">(FUNCTIONS.forgetSession);
  expect(await existing.mutation(forget, { adminKey: ADMIN_KEY, sessionKey: SESSION })).toEqual({ done: true, deleted: 3 });
  const [shoot] = await rowsOf(existing, "shoots");
  expect(Object.keys(shoot ?? {}).sort()).toEqual(["_creationTime", "_id", "client", "ref", "room", "withdrawn"]);
  expect(shoot?.["client"]).toBe("unassigned");
  expect(await ingest(existing, [session()])).toMatchObject([{ code: "forgotten" }]);
});

test("Keys are checked as everywhere", async () => {
  expect(await refusalOf(ingest(openExisting(), [session()], "wrong"))).toMatchObject({ code: "key_wrong" });
});
