/** The one file of names, the columns, the schema and the functions say the same. */

import { convexTest } from "convex-test";
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import { api } from "../functions/_generated/api";
import { COLUMNS, OPS, storedCamera, storedEvent, storedSession, storedStill } from "../functions/ledger/columns";
import { FUNCTIONS, NAMES, ROUTES } from "../functions/ledger/names";
import { REJECTIONS } from "../functions/ledger/problems";
import http from "../functions/http";
import schema, { productionTables } from "../functions/schema";
import { camera, event, KEY, modules, openLedger, outcomes, session, still } from "./ledger";

test("the tables have the names that the seed fixed", () => {
  expect(Object.keys(productionTables).sort()).toEqual([
    "productionCameras",
    "productionDirectorEvents",
    "productionSessions",
    "productionStills",
  ]);
  expect(OPS.map((op) => NAMES[op].table).sort()).toEqual(Object.keys(productionTables).sort());
});

test.each([
  ["session", storedSession],
  ["camera", storedCamera],
  ["event", storedEvent],
  ["still", storedStill],
] as const)("every column of a %s has a name, and no name is without its column", (op, stored) => {
  expect(Object.keys(NAMES[op].columns).sort()).toEqual(Object.keys(stored.fields).sort());
  expect(Object.keys(stored.fields)).toEqual(expect.arrayContaining(Object.keys(COLUMNS[op])));
});

test("every index that is named is in the schema", () => {
  const defined = Object.values(schema.tables).flatMap((table) => table[" indexes"]().map(({ indexDescriptor }) => indexDescriptor));
  expect([...defined].sort()).toEqual(Object.values(NAMES.indexes).sort());
});

test("the schema is strict", () => {
  expect(schema.schemaValidation).toBe(true);
});

test("every public function is named, and every name is a public function", async () => {
  const module = (await modules["../functions/production.ts"]?.()) as Record<string, { isPublic?: boolean }>;
  const open = Object.keys(module).filter((name) => module[name]?.isPublic === true);
  expect(open.map((name) => `production:${name}`).sort()).toEqual(Object.values(FUNCTIONS).sort());
});

test("every route is served", () => {
  for (const path of Object.values(ROUTES)) expect(http.lookup(path, "GET"), path).not.toBeNull();
});

test("every reason to reject is a sentence", () => {
  for (const reason of Object.values(REJECTIONS)) expect(reason).toMatch(/^[A-Z].*\.$/);
});

test("the tables work spread into the schema of an app", async () => {
  openLedger(); // for its keys
  const app = defineSchema({ users: defineTable({ name: v.string() }), ...productionTables });
  const ledger = convexTest({ schema: app, modules });
  await ledger.run(async (ctx) => await ctx.db.insert("users", { name: "Ada" }));
  const entries = [session(), camera(), event(), still()];
  const answers = await ledger.mutation(api.production.ingest, { accessKey: KEY, entries });
  expect(outcomes(answers)).toEqual(Array(4).fill("applied"));
});
