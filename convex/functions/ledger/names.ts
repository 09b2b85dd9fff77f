/**
 * Every name that the ledger has on a deployment: tables, columns, indexes, functions, routes.
 *
 * A deployment that already has production tables of its own changes this file, and `functions/ledger/tables.ts`
 * gives way to the schema that is there (see README.md, "A deployment that has production tables already", and
 * `example-existing/`). The rules in `entries.ts` and `merge.ts` only know the words on the left-hand side.
 */

import type { Op } from "./columns";

/** Where one table's rows are kept, and what their columns are called there. */
export interface TableNames {
  readonly table: string;
  readonly columns: Readonly<Record<string, string>>;
  /** Columns that the ledger does not know and the table demands, with the value a new row gets. */
  readonly constants?: Readonly<Record<string, string | number | boolean>>;
}

export interface LedgerNames {
  readonly session: TableNames;
  readonly camera: TableNames;
  readonly event: TableNames;
  readonly still: TableNames;
  readonly indexes: {
    readonly sessionByKey: string;
    readonly sessionsByVenue: string;
    readonly cameraByKey: string;
    readonly eventByKey: string;
    readonly eventsBySession: string;
    readonly stillByKey: string;
    readonly stillsBySession: string;
  };
}

/** Columns that every row has besides those of its table. */
const COMMON = {
  sessionKey: "sessionKey",
  venue: "venue",
  version: "version",
  revision: "revision",
  retracted: "retracted",
} as const;

/** The bookkeeping of rows that several entries make (`merge.ts`): no query shows it. */
const MERGED = { ...COMMON, merge: "merge" } as const;

export const NAMES = {
  session: {
    table: "productionSessions",
    columns: {
      ...MERGED,
      sessionId: "sessionId",
      sessionType: "sessionType",
      status: "status",
      title: "title",
      notes: "notes",
      mode: "mode",
      startedAt: "startedAt",
      startState: "startState",
      completedAt: "completedAt",
      endReason: "endReason",
      finalState: "finalState",
      media: "media",
      source: "source",
    },
  },
  camera: {
    table: "productionCameras",
    columns: {
      ...MERGED,
      cameraId: "cameraId",
      name: "name",
      role: "role",
      device: "device",
      lens: "lens",
      placement: "placement",
      status: "status",
      joinedAt: "joinedAt",
      leftAt: "leftAt",
    },
  },
  event: {
    table: "productionDirectorEvents",
    columns: {
      ...COMMON,
      eventKey: "eventKey",
      kind: "kind",
      at: "at",
      observedAt: "observedAt",
      cameraId: "cameraId",
      cameraName: "cameraName",
      role: "role",
      fromCameraId: "fromCameraId",
      fromCameraName: "fromCameraName",
      trigger: "trigger",
      transition: "transition",
      durationMs: "durationMs",
      stillKey: "stillKey",
      detail: "detail",
    },
  },
  still: {
    table: "productionStills",
    columns: {
      ...MERGED,
      stillKey: "stillKey",
      stillId: "stillId",
      cameraId: "cameraId",
      cameraName: "cameraName",
      status: "status",
      requestedAt: "requestedAt",
      capturedAt: "capturedAt",
      uploadedAt: "uploadedAt",
      storageKey: "storageKey",
      url: "url",
      width: "width",
      height: "height",
      bytes: "bytes",
      sha256: "sha256",
      failReason: "failReason",
      programCameraId: "programCameraId",
      programCameraName: "programCameraName",
    },
  },
  indexes: {
    sessionByKey: "by_session_key",
    sessionsByVenue: "by_venue_started",
    cameraByKey: "by_session_camera",
    eventByKey: "by_event_key",
    eventsBySession: "by_session_at",
    stillByKey: "by_still_key",
    stillsBySession: "by_session_still",
  },
} as const satisfies LedgerNames;

/** What the functions are called from outside, as the tap and other writers call them. */
export const FUNCTIONS = {
  ingest: "production:ingest",
  startSession: "production:startSession",
  upsertCamera: "production:upsertCamera",
  recordDirectorEvent: "production:recordDirectorEvent",
  recordStill: "production:recordStill",
  completeSession: "production:completeSession",
  forgetSession: "production:forgetSession",
  getSession: "production:getSession",
  listSessions: "production:listSessions",
  listDirectorEvents: "production:listDirectorEvents",
  listCameras: "production:listCameras",
  listStills: "production:listStills",
  sessionTimeline: "production:sessionTimeline",
} as const;

export const ROUTES = {
  ingest: "/production/ingest",
  sessions: "/production/sessions",
  session: "/production/session",
  timeline: "/production/timeline",
} as const;

/** The deployment's environment variables. They hold SHA-256 digests of keys, never keys (`keys.ts`). */
export const ENVIRONMENT = {
  ingestKeys: "PRODUCTION_INGEST_KEYS",
  readKeys: "PRODUCTION_READ_KEYS",
  adminKeys: "PRODUCTION_ADMIN_KEYS",
} as const;

/** The column that a table's key goes to; a session's is `sessionKey`, a camera's are `sessionKey` and `cameraId`. */
export const KEY_COLUMN: Readonly<Partial<Record<Op, string>>> = { event: "eventKey", still: "stillKey" };
