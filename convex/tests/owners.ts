/// <reference types="vite/client" />
/** Ledgers in the tables of two owners, and of owners that a test makes up. */

import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type GenericSchema, type SchemaDefinition } from "convex/server";
import { vi } from "vitest";
import a from "../example-existing/a/schema";
import b from "../example-existing/b/schema";
import type { Op } from "../functions/ledger/columns";
import { ledgerFunctions } from "../functions/ledger/functions";
import type { LedgerHome } from "../functions/ledger/home";
import type { Answer } from "../functions/ledger/ingest";
import { KEY, openLedger, VENUE } from "./ledger";

type AnySchema = SchemaDefinition<GenericSchema, boolean>;
export type OwnersLedger = TestConvex<AnySchema>;
export type Rows = Record<string, unknown>[];

// convex-test looks for a `_generated` folder to tell where the functions are; the examples have none of their own.
const none = () => Promise.resolve({});
const APPS = {
  a: { schema: a as unknown as AnySchema, modules: { ...import.meta.glob("../example-existing/a/*.ts"), "../example-existing/a/_generated/none.ts": none } },
  b: { schema: b as unknown as AnySchema, modules: { ...import.meta.glob("../example-existing/b/*.ts"), "../example-existing/b/_generated/none.ts": none } },
} as const;
export type OwnerName = keyof typeof APPS;

/** Owner a's organisations, one a venue; owner b needs nothing. */
export async function openOwner(name: OwnerName): Promise<OwnersLedger> {
  openLedger(); // for its keys
  const ledger = convexTest({ ...APPS[name], transactionLimits: true });
  if (name === "a") {
    await ledger.run(async ({ db }) => {
      for (const venue of [VENUE, "stage-2"]) await db.insert("organizations", { name: venue });
    });
  }
  return ledger;
}

/** An app with these tables and this home, whose module is `tap`. */
export function openApp(schema: AnySchema, home: LedgerHome): OwnersLedger {
  openLedger();
  const modules = { "./_generated/none.ts": none, "./tap.ts": () => Promise.resolve(ledgerFunctions(home)) };
  return convexTest({ schema, modules, transactionLimits: true });
}

export async function mutate<Result>(ledger: OwnersLedger, name: string, args: object): Promise<Result> {
  return (await ledger.mutation(makeFunctionReference<"mutation">(name), args as never)) as Result;
}

export async function ask<Result>(ledger: OwnersLedger, name: string, args: object): Promise<Result> {
  return (await ledger.query(makeFunctionReference<"query">(name), args as never)) as Result;
}

export async function ingest(ledger: OwnersLedger, entries: unknown, accessKey: unknown = KEY): Promise<Answer[]> {
  return await mutate(ledger, "tap:ingest", { accessKey, entries });
}

const TABLES = { session: "sessions", camera: "cameras", event: "events", still: "stills" } as const;
const KEYS = { session: [], camera: ["cameraId"], event: ["eventKey"], still: ["stillKey"] } as const;
const LISTS = { camera: "listCameras", event: "listDirectorEvents", still: "listStills" } as const;

/** The ledger's rows as `changes` gives them, by table and key. */
export async function contents(ledger: OwnersLedger): Promise<Record<string, Rows>> {
  const tables: Record<string, Rows> = { sessions: [], cameras: [], events: [], stills: [] };
  let cursor: string | null = null;
  for (let done = false; !done; ) {
    const page: { page: { op: Op; row: Record<string, unknown> }[]; cursor: string; isDone: boolean } = await ask(ledger, "tap:changes", { accessKey: KEY, cursor });
    for (const { op, row } of page.page) tables[TABLES[op]]?.push(row);
    cursor = page.cursor;
    done = page.isDone;
  }
  for (const op of ["session", "camera", "event", "still"] as const) {
    const key = (row: Record<string, unknown>) => ["sessionKey", ...KEYS[op]].map((name) => String(row[name])).join(" ");
    tables[TABLES[op]]?.sort((left, right) => (key(left) < key(right) ? -1 : 1));
  }
  return tables;
}

/** The rows of a session as the lists give them, by pages of a few. */
export async function listed(ledger: OwnersLedger, op: keyof typeof LISTS, sessionKey: string, numItems = 3): Promise<Rows> {
  const rows: Rows = [];
  let cursor: string | null = null;
  for (let done = false; !done; ) {
    const args = { accessKey: KEY, sessionKey, paginationOpts: { numItems, cursor } };
    const page: { page: Rows; continueCursor: string; isDone: boolean } = await ask(ledger, `tap:${LISTS[op]}`, args);
    rows.push(...page.page);
    cursor = page.continueCursor;
    done = page.isDone;
  }
  return rows;
}

/** What stands in a table of the owner's, `tap` apart. */
export async function theirs(ledger: OwnersLedger, table: string): Promise<Rows> {
  const documents = await ledger.run(async ({ db }) => await db.query(table).take(10_000));
  return documents.map(({ _id, _creationTime, tap, ...row }) => row);
}

export async function documents(ledger: OwnersLedger, table: string): Promise<(Record<string, unknown> & { _id: string })[]> {
  return (await ledger.run(async ({ db }) => await db.query(table).take(10_000))) as (Record<string, unknown> & { _id: string })[];
}

export function withoutLog(): void {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
}
