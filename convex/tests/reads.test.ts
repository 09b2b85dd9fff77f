/**
 * Every read goes by an index and is bounded. convex-test scans its tables whatever is asked, so a missing index would
 * only show on a deployment; here it is the system calls themselves that are looked at.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { api, internal } from "../functions/_generated/api";
import { ADMIN_KEY, camera, event, KEY, modules, openLedger, session, SESSION, still, T0, type Ledger } from "./ledger";

interface Asked {
  op: string;
  query: {
    source: { type: string; indexName: string; range: { type: string; fieldPath: string }[] };
    operators: { limit?: number }[];
  };
}

/** The queries that the functions make of the database while `work` runs. */
async function queriesOf(work: () => Promise<unknown>): Promise<Asked[]> {
  const holder = globalThis as unknown as { Convex: Record<string, (op: string, args: string) => unknown> };
  const inner = holder.Convex;
  const asked: Asked[] = [];
  const watch = (name: string) => (op: string, args: string) => {
    if (op === "1.0/queryStream" || op === "1.0/queryPage") asked.push({ op, ...(JSON.parse(args) as Omit<Asked, "op">) });
    return inner[name]?.(op, args);
  };
  holder.Convex = { syscall: watch("syscall"), asyncSyscall: watch("asyncSyscall"), jsSyscall: watch("jsSyscall") };
  try {
    await work();
  } finally {
    holder.Convex = inner;
  }
  return asked;
}

const common = { accessKey: KEY, sessionKey: SESSION, version: T0 };
const reading = { accessKey: KEY, sessionKey: SESSION };
const paginationOpts = { numItems: 2, cursor: null };
const { production } = api;
const source = { dialect: "d", mappingDigest: "d" };

const CALLS: Record<string, (ledger: Ledger) => Promise<unknown>> = {
  ingest: (ledger) => ledger.mutation(production.ingest, { accessKey: KEY, entries: [session(), camera(), event(), still()] }),
  ingestText: (ledger) => ledger.mutation(internal.production.ingestText, { accessKey: KEY, text: JSON.stringify({ entries: [event()] }) }),
  startSession: (ledger) => ledger.mutation(production.startSession, { ...common, fields: { sessionType: "p", startedAt: T0, source } }),
  upsertCamera: (ledger) => ledger.mutation(production.upsertCamera, { ...common, fields: { cameraId: "1", joinedAt: T0 } }),
  recordDirectorEvent: (ledger) => ledger.mutation(production.recordDirectorEvent, { ...common, eventKey: `${SESSION}/cut/1`, fields: { kind: "cut", at: T0, observedAt: T0 } }),
  recordStill: (ledger) => ledger.mutation(production.recordStill, { ...common, stillKey: `${SESSION}/still/1`, fields: { stillId: "a", cameraId: "1", status: "failed" } }),
  completeSession: (ledger) => ledger.mutation(production.completeSession, { ...common, fields: { completedAt: T0 } }),
  forgetSession: (ledger) => ledger.mutation(production.forgetSession, { adminKey: ADMIN_KEY, sessionKey: SESSION }),
  getSession: (ledger) => ledger.query(production.getSession, reading),
  listSessions: (ledger) => ledger.query(production.listSessions, { accessKey: KEY, paginationOpts }),
  listDirectorEvents: (ledger) => ledger.query(production.listDirectorEvents, { ...reading, paginationOpts }),
  listCameras: (ledger) => ledger.query(production.listCameras, { ...reading, paginationOpts }),
  listStills: (ledger) => ledger.query(production.listStills, { ...reading, paginationOpts }),
  sessionTimeline: (ledger) => ledger.query(production.sessionTimeline, reading),
};

test.each(Object.entries(CALLS))("%s reads by an index, and takes or paginates", async (_, call) => {
  const ledger = openLedger();
  const asked = await queriesOf(() => call(ledger));
  expect(asked.length).toBeGreaterThan(0);
  for (const { op, query } of asked) {
    expect(query.source.type).toBe("IndexRange");
    expect(query.source.range[0]?.type).toBe("Eq");
    const bounded = op === "1.0/queryPage" || query.operators.some(({ limit }) => limit !== undefined) || isUnique(query.source);
    expect(bounded, `${query.source.indexName} is bounded`).toBe(true);
  }
});

/** `unique()` reads two documents at most by itself; that its range names one row is for the index to say. */
function isUnique({ indexName }: Asked["query"]["source"]): boolean {
  return /\.(by_session_key|by_session_camera|by_event_key|by_still_key)$/.test(indexName);
}

test("every function stands in the table above", async () => {
  const module = (await modules["../functions/production.ts"]?.()) as Record<string, { isPublic?: boolean; isInternal?: boolean }>;
  expect(Object.keys(CALLS).sort()).toEqual(Object.keys(module).sort());
});

test("no function collects a whole table, filters one, or reads outside store.ts", () => {
  const sources = Object.keys(modules).filter((path) => !path.includes("_generated"));
  for (const path of sources) {
    const text = readFileSync(new URL(path, import.meta.url), "utf8");
    expect(text, path).not.toMatch(/\.collect\(|\.filter\(\(q\)|fullTableScan|\.count\(/);
    if (!path.endsWith("/store.ts")) expect(text, path).not.toMatch(/\.query\(\s*["'`a-z]*table|ctx\.db\./);
    for (const query of text.match(/\.query\(table\)[^;]*;/g) ?? []) {
      if (!/^\.query\(table\);/.test(query)) expect(query, path).toContain(".withIndex(");
    }
  }
});
