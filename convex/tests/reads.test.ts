/**
 * Every read goes by an index and is bounded. convex-test scans its tables whatever is asked, so a missing index would
 * only show on a deployment; here it is the system calls themselves that are looked at.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { api, internal } from "../functions/_generated/api";
import { readsOf } from "./watch";
import { ADMIN_KEY, camera, digest, event, ingest, KEY, modules, openLedger, session, SESSION, still, T0, type Ledger } from "./ledger";

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
  latestEvents: (ledger) => ledger.query(production.latestEvents, { ...reading, limit: 2 }),
  changes: (ledger) => ledger.query(production.changes, { accessKey: KEY, limit: 2 }),
  about: (ledger) => ledger.query(production.about, { accessKey: KEY }),
  readSession: (ledger) => ledger.query(internal.production.readSession, reading),
  readSessions: (ledger) => ledger.query(internal.production.readSessions, { accessKey: KEY, paginationOpts }),
  readTimeline: (ledger) => ledger.query(internal.production.readTimeline, reading),
  readChanges: (ledger) => ledger.query(internal.production.readChanges, { accessKey: KEY, limit: 2 }),
  addKey: (ledger) => ledger.mutation(internal.production.addKey, { digest: digest("new"), venues: "all", may: ["read"] }),
  listKeys: (ledger) => ledger.query(internal.production.listKeys, {}),
  revokeKey: (ledger) => ledger.mutation(internal.production.revokeKey, { key: digest("new") }),
};

test.each(Object.entries(CALLS))("%s reads by an index", async (_, call) => {
  const ledger = openLedger();
  const { asked } = await readsOf(() => call(ledger));
  expect(asked.length).toBeGreaterThan(0);
  for (const { query } of asked) expect(query.source.type).toBe("IndexRange");
});

/** Documents that a call may be given at most, where there are far more of every kind. */
const MOST: Partial<Record<string, number>> = { forgetSession: 60, sessionTimeline: 310, readTimeline: 310, listKeys: 105, changes: 12, readChanges: 12 };
const MANY = 400;

test.each(Object.entries(CALLS))("%s reads a bounded number of documents, however many there are", async (name, call) => {
  const ledger = openLedger();
  const numbers = Array.from({ length: MANY }, (_, index) => index);
  await ingest(ledger, numbers.map((number) => session({}, { key: `stage-1/n${number}`, sessionKey: `stage-1/n${number}` })));
  await ingest(ledger, [session(), ...numbers.map((number) => camera({ cameraId: `c${number}` }))]);
  await ingest(ledger, numbers.map((number) => event({ at: T0 + number }, { key: `${SESSION}/hold/${number}` })));
  await ingest(ledger, numbers.map((number) => still({ stillId: `${number}` }, { key: `${SESSION}/still/${number}/1` })));
  await ledger.run(async ({ db }) => {
    for (const number of numbers) await db.insert("productionTapKeys", { digest: digest(`k${number}`), venues: "all", may: ["read"], addedAt: T0 });
  });
  const { documents } = await readsOf(() => call(ledger));
  expect(documents).toBeLessThanOrEqual(MOST[name] ?? 10);
});

test("every function stands in the table above", async () => {
  const module = (await modules["../functions/production.ts"]?.()) as Record<string, { isPublic?: boolean; isInternal?: boolean }>;
  expect(Object.keys(CALLS).sort()).toEqual(Object.keys(module).sort());
});

test("no function collects a whole table or filters one, and only five files reach the database", () => {
  const sources = Object.keys(modules).filter((path) => !path.includes("_generated"));
  for (const path of sources) {
    const text = readFileSync(new URL(path, import.meta.url), "utf8");
    expect(text, path).not.toMatch(/\.collect\(|\.filter\(\(q\)|fullTableScan|\.count\(/);
    if (!/\/(shelf|home|ownersStore|making|keys)\.ts$/.test(path)) expect(text, path).not.toMatch(/\bdb\s*\.\s*(query|get|insert|patch|replace|delete)\(/);
    for (const query of text.match(/\.query\([^;]*;/g) ?? []) {
      if (/\bdb\b|table\b/.test(query)) expect(query, path).toContain(".withIndex(");
    }
  }
});
