/** The one file of names, the columns, the schema and the functions say the same. */

import { convexTest } from "convex-test";
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import { api } from "../functions/_generated/api";
import { COLUMNS, OPS, STORED } from "../functions/ledger/columns";
import { productionHome } from "../functions/ledger/home";
import { FUNCTIONS, ROUTES } from "../functions/ledger/names";
import { REJECTIONS } from "../functions/ledger/problems";
import http from "../functions/http";
import schema, { productionTables } from "../functions/schema";
import { camera, event, KEY, modules, openLedger, outcomes, session, still } from "./ledger";

test("the tables have the names that the seed fixed, and one more for keys", () => {
  expect(Object.keys(productionTables).sort()).toEqual([
    "productionCameras",
    "productionDirectorEvents",
    "productionSessions",
    "productionStills",
    "productionTapKeys",
  ]);
});

test.each(OPS)("every column of a %s is stored", (op) => {
  expect(Object.keys(STORED[op].fields)).toEqual(expect.arrayContaining(Object.keys(COLUMNS[op])));
});

interface Defined {
  indexDescriptor: string;
  fields: string[];
}

const defined = Object.entries(schema.tables as Record<string, { " indexes"(): Defined[] }>).map(
  ([table, definition]) => [table, definition[" indexes"]()] as const,
);

test("every index that is read by is in the schema, as it is read, and no other", () => {
  const read = Object.values(productionHome.shelves).flatMap((shelves) =>
    shelves.flatMap(({ table, indexes }) => Object.values(indexes).map(({ name, paths }) => `${table}.${name} ${paths.join()}`)),
  );
  const made = defined.flatMap(([table, indexes]) => indexes.map(({ indexDescriptor, fields }) => `${table}.${indexDescriptor} ${fields.join()}`));
  expect(made.filter((name) => !name.startsWith("productionTapKeys")).sort()).toEqual([...new Set(read)].sort());
});

test.each(defined)("no index of %s covers another: each is a copy of the table that is paid for", (_, indexes) => {
  for (const { indexDescriptor, fields } of indexes) {
    const covering = indexes.filter((other) => other.indexDescriptor !== indexDescriptor && fields.every((field, at) => other.fields[at] === field));
    expect(covering, indexDescriptor).toEqual([]);
  }
});

test("the schema is strict", () => {
  expect(schema.schemaValidation).toBe(true);
});

test("every public function is named, and every name is a public function", async () => {
  const module = (await modules["../functions/production.ts"]?.()) as Record<string, { isPublic?: boolean }>;
  const open = Object.keys(module).filter((name) => module[name]?.isPublic === true);
  expect(open.sort()).toEqual([...FUNCTIONS].sort());
});

test("every route is served", () => {
  for (const path of Object.values(ROUTES)) expect(http.lookup(path, "GET"), path).not.toBeNull();
});

test("every reason to reject is a sentence", () => {
  for (const reason of Object.values(REJECTIONS)) expect(reason).toMatch(/^[A-Z].*[.:]$/);
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
