/** An app's own queries, behind its own `ctx.auth`: the same rows without a key, in whatever tables. */

import { convexTest } from "convex-test";
import { queryGeneric } from "convex/server";
import { ConvexError, v } from "convex/values";
import { makeFunctionReference } from "convex/server";
import { describe, expect, test } from "vitest";
import { readLedger } from "../functions/ledger/reading";
import { ledgerFunctions } from "../functions/ledger/functions";
import { ownersHome } from "../functions/ledger/owners";
import schema from "../functions/schema";
import { camera, event, KEY, openLedger, refusalOf, session, SESSION, still } from "./ledger";
import { good, schema as theirSchema, tables } from "./third";

const theirs = ownersHome(theirSchema, tables)(good);
const none = () => Promise.resolve({});

/** What the README shows: who is signed in may look. */
const app = (home?: typeof theirs) => ({
  latest: queryGeneric({
    args: { sessionKey: v.string() },
    handler: async (ctx, { sessionKey }) => {
      if ((await ctx.auth.getUserIdentity()) === null) throw new ConvexError({ code: "sign_in", reason: "Sign in first." });
      return await readLedger(ctx.db, home).latestEvents(sessionKey);
    },
  }),
  all: queryGeneric({
    args: {},
    handler: async (ctx) => {
      const ledger = readLedger(ctx.db, home);
      const options = { numItems: 10, cursor: null };
      return {
        timeline: await ledger.timeline(SESSION),
        session: await ledger.session(SESSION),
        changes: await ledger.changes(["stage-1"], null),
        everything: await ledger.changes(undefined, null),
        sessions: (await ledger.sessions("stage-1", options)).page,
      };
    },
  }),
});

const HOMES = {
  "tables of its own": { schema, functions: ledgerFunctions(), own: app() },
  "an owner's tables": { schema: theirSchema as unknown as typeof schema, functions: ledgerFunctions(theirs), own: app(theirs) },
};

describe.each(Object.entries(HOMES))("over %s", (_, { schema: tablesOf, functions, own }) => {
  async function filled() {
    openLedger(); // for its keys
    const modules = { "./_generated/none.ts": none, "./tap.ts": () => Promise.resolve({ ...functions }), "./live.ts": () => Promise.resolve(own) };
    const ledger = convexTest({ schema: tablesOf, modules, transactionLimits: true });
    await ledger.run(async ({ db }) => {
      if ("people" in tablesOf.tables) await (db as unknown as { insert(table: string, row: object): Promise<unknown> }).insert("people", { name: "Ada" });
    });
    await ledger.mutation(makeFunctionReference<"mutation">("tap:ingest"), { accessKey: KEY, entries: [session(), camera(), event(), still()] });
    return ledger;
  }
  const latest = makeFunctionReference<"query">("live:latest");

  test("nobody who is not signed in sees anything", async () => {
    expect(await refusalOf((await filled()).query(latest, { sessionKey: SESSION }))).toMatchObject({ code: "sign_in" });
  });

  test("who is signed in sees the rows, by the contract's columns", async () => {
    const ledger = (await filled()).withIdentity({ name: "Ada" });
    expect(await ledger.query(latest, { sessionKey: SESSION })).toMatchObject({ page: [{ eventKey: `${SESSION}/cut/c1`, kind: "cut" }], isDone: true });
    const all = (await ledger.query(makeFunctionReference<"query">("live:all"), {})) as Record<string, unknown>;
    expect(all).toMatchObject({
      timeline: { cameras: { page: [{ cameraId: "1" }] }, stills: { page: [{ stillId: "a" }] } },
      session: { status: "live" },
      changes: { page: [{ op: "session" }, { op: "camera" }, { op: "event" }, { op: "still" }] },
      sessions: [{ sessionKey: SESSION }],
    });
    expect(all["everything"]).toEqual(all["changes"]);
    expect(JSON.stringify(all)).not.toMatch(/_id|changedAt|merge|gave/);
  });
});
