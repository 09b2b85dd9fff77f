/// <reference types="vite/client" />
/** A ledger to test with: the real functions and schema on convex-test, its keys, and entries to write. */

import { convexTest, type TestConvex } from "convex-test";
import { ConvexError } from "convex/values";
import { createHash } from "node:crypto";
import { expect, vi } from "vitest";
import { api } from "../functions/_generated/api";
import type { Answer } from "../functions/ledger/ingest";
import schema from "../functions/schema";

export const modules = import.meta.glob("../functions/**/*.{ts,js}");

export const KEY = "ingest-key-of-stage-1";
export const OTHER_KEY = "ingest-key-of-stage-2";
export const READ_KEY = "read-key-of-stage-1";
export const ADMIN_KEY = "admin-key";
export const VENUE = "stage-1";
export const SESSION = "stage-1/s1";
export const T0 = 1_750_000_000_000;

export type Ledger = TestConvex<typeof schema>;

export function digest(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

export function openLedger(): Ledger {
  vi.stubEnv("PRODUCTION_INGEST_KEYS", `stage-1:${digest(KEY)} stage-2:${digest(OTHER_KEY)}`);
  vi.stubEnv("PRODUCTION_READ_KEYS", `stage-1:${digest(READ_KEY)}`);
  vi.stubEnv("PRODUCTION_ADMIN_KEYS", digest(ADMIN_KEY));
  return convexTest({ schema, modules, transactionLimits: true });
}

/** With the key of the venue, unless another, or none, is given. */
export async function ingest(ledger: Ledger, entries: unknown, ...keys: [accessKey?: unknown]): Promise<Answer[]> {
  const accessKey = keys.length === 0 ? KEY : keys[0];
  return await ledger.mutation(api.production.ingest, { accessKey, entries });
}

export const outcomes = (answers: readonly Answer[]): string[] => answers.map(({ outcome }) => outcome);

/** The tables as queries show them, without what differs between two ledgers of the same entries. */
export async function contents(ledger: Ledger): Promise<Record<string, Record<string, unknown>[]>> {
  return await ledger.run(async (ctx) => ({
    sessions: shown(await ctx.db.query("productionSessions").take(10_000), "sessionKey"),
    cameras: shown(await ctx.db.query("productionCameras").take(10_000), "sessionKey", "cameraId"),
    events: shown(await ctx.db.query("productionDirectorEvents").take(10_000), "eventKey"),
    stills: shown(await ctx.db.query("productionStills").take(10_000), "stillKey"),
  }));
}

function shown(rows: readonly object[], ...keys: string[]): Record<string, unknown>[] {
  const key = (row: Record<string, unknown>) => keys.map((name) => String(row[name])).join(" ");
  return rows
    .map((row) => {
      const { _id, _creationTime, merge, changedAt, ...shownRow } = row as Record<string, unknown>;
      return shownRow;
    })
    .sort((left, right) => (key(left) < key(right) ? -1 : 1));
}

/** What a refused call says. */
export async function refusalOf(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await call.then(
    () => expect.fail("the call was not refused"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConvexError)) throw error;
  return error.data as Record<string, unknown>;
}

// ------------------------------------------------------------------------------------------- entries

type Over = Record<string, unknown>;

export function session(fields: Over = {}, entry: Over = {}): Over {
  return {
    key: SESSION,
    op: "session",
    sessionKey: SESSION,
    version: T0,
    ...entry,
    fields: {
      sessionType: "photoshoot_performance",
      status: "live",
      startedAt: T0,
      source: { dialect: "multicam/1", mappingDigest: "d1" },
      ...fields,
    },
  };
}

export function camera(fields: Over = {}, entry: Over = {}): Over {
  return {
    key: `${SESSION}/camera/${String(fields["cameraId"] ?? "1")}`,
    op: "camera",
    sessionKey: SESSION,
    version: T0,
    ...entry,
    fields: { cameraId: "1", joinedAt: T0, ...fields },
  };
}

export function event(fields: Over = {}, entry: Over = {}): Over {
  return {
    key: `${SESSION}/cut/c1`,
    op: "event",
    sessionKey: SESSION,
    version: T0,
    ...entry,
    fields: { kind: "cut", at: T0, observedAt: T0, cameraId: "1", ...fields },
  };
}

export function still(fields: Over = {}, entry: Over = {}): Over {
  return {
    key: `${SESSION}/still/a/1`,
    op: "still",
    sessionKey: SESSION,
    version: T0,
    ...entry,
    fields: { stillId: "a", cameraId: "1", status: "requested", ...fields },
  };
}
