/**
 * The ledger in this app's tables, beside its own `production.ts` with functions of the same names. The tap is told
 * where: `TAP_CONVEX_MODULE=tap`.
 */

import { ledgerFunctions } from "../../functions/ledger/functions"; // in your app: "./ledger/functions"
import { ownersHome } from "../../functions/ledger/owners";
import schema from "./schema";

const tables = {
  session: "productionSessions",
  camera: "productionCameras",
  event: "productionDirectorEvents",
  still: "productionStills",
} as const;

const home = ownersHome(schema, tables)({
  session: (row) => {
    const { sessionType } = row;
    if (sessionType !== "photoshoot_performance" && sessionType !== "live_set" && sessionType !== "rehearsal") return null;
    return {
      sessionId: row.sessionKey,
      sessionType,
      // An interrupted one is over as well; that its end was not seen, the ledger's row says. Nobody aborted it.
      status: row.status === "live" ? "active" : "completed",
      title: row.title ?? `Shoot at ${row.venue}`,
      notes: row.notes,
      mode: row.mode,
      createdBy: "multicam-tap",
      startedAt: row.startedAt,
      completedAt: row.completedAt,
      metadata: { sessionId: row.sessionId, source: row.source },
      updatedAt: Date.now(),
    };
  },

  camera: (row) => ({
    sessionId: row.sessionKey,
    cameraId: row.cameraId,
    deviceId: row.cameraId,
    role: ROLES.find((known) => known === row.role?.toLowerCase()) ?? "unknown",
    source: SOURCES.find((known) => row.device?.toLowerCase().startsWith(known)) ?? "other",
    placement: placementOf(row.placement),
    online: row.status === "online",
    joinedAt: row.joinedAt,
  }),

  event: (row) => {
    // That the tap saw nothing for a while is nothing that the director did.
    if (row.kind === "gap") return null;
    const { trigger, transition, durationMs, fromCameraId, stillKey, detail } = row;
    return {
      sessionId: row.sessionKey,
      eventType: row.kind,
      cameraId: row.cameraId,
      timestamp: row.at,
      payload: { trigger, transition, durationMs, fromCameraId, stillKey, detail },
      source: "server",
    };
  },

  still: (row) => {
    const timestamp = row.capturedAt ?? row.requestedAt;
    if (timestamp === undefined) return null;
    return {
      sessionId: row.sessionKey,
      cameraId: row.cameraId,
      timestamp,
      url: row.url,
      // Captured is not there yet: `ready` is what this app shows.
      status: STATUS[row.status],
      metadata: { stillId: row.stillId, sha256: row.sha256, failReason: row.failReason },
    };
  },
});

const ROLES = ["hero", "wide", "detail"] as const;
const SOURCES = ["iphone", "ipad"] as const;
const STATUS = { requested: "pending", failed: "error", captured: "pending", uploaded: "ready" } as const;

/** Only a place that is one of theirs: in a zone. */
function placementOf(said: Record<string, unknown> | undefined) {
  if (typeof said?.["zone"] !== "string") return undefined;
  return { zone: said["zone"], angleDeg: typeof said["angleDeg"] === "number" ? said["angleDeg"] : undefined };
}

export const {
  about,
  ingest,
  startSession,
  upsertCamera,
  recordDirectorEvent,
  recordStill,
  completeSession,
  forgetSession,
  getSession,
  listSessions,
  listDirectorEvents,
  listCameras,
  listStills,
  sessionTimeline,
  latestEvents,
  changes,
  ingestText,
  readSession,
  readSessions,
  readTimeline,
  readChanges,
  addKey,
  listKeys,
  revokeKey,
  refill,
} = ledgerFunctions(home);
