/** The ledger in this app's tables. The tap is told where: `TAP_CONVEX_MODULE=tap`. */

import { ledgerFunctions } from "../../functions/ledger/functions"; // in your app: "./ledger/functions"
import { markerOf, ownersHome } from "../../functions/ledger/owners";
import schema from "./schema";

const tables = {
  session: "productionSessions",
  camera: "productionCameras",
  event: "productionDirectorEvents",
  still: "productionStills",
} as const;

const home = ownersHome(schema, tables)({
  // Which organisation a venue belongs to is this app's to know; here there is one of the venue's name.
  async context(ctx, venue) {
    const organization = (await ctx.db.query("organizations").take(1_000)).find(({ name }) => name === venue);
    if (organization === undefined) throw new Error(`no organization is called ${venue}`);
    return { organizationId: organization._id };
  },

  session: (row, { context }) => {
    if (row.sessionType !== "photoshoot_performance" && row.sessionType !== "rehearsal") return null;
    return {
      organizationId: context.organizationId,
      createdBy: "multicam-tap",
      type: row.sessionType,
      // An interrupted one is over as well; that its end was not seen, the ledger's row says.
      status: row.status === "live" ? "active" : "completed",
      title: row.title ?? `Shoot of ${new Date(row.startedAt).toISOString().slice(0, 10)}`,
      metadata: { mode: row.mode, notes: row.notes, venue: row.venue },
      startedAt: row.startedAt,
      endedAt: row.completedAt,
    };
  },

  camera: async (row, { refs }) => ({
    sessionId: await refs.session(),
    deviceId: row.cameraId,
    label: row.name ?? row.cameraId,
    role: row.role,
    placement: placementOf(row.placement),
    connected: row.status === "online",
    registeredAt: row.joinedAt,
  }),

  event: async (row, { refs }) => {
    const eventType = EVENT_TYPES[row.kind];
    if (eventType === undefined) return null;
    const { trigger, transition, durationMs, detail } = row;
    return {
      sessionId: await refs.session(),
      cameraId: row.cameraId === undefined ? undefined : await refs.camera(row.cameraId),
      eventType,
      timestamp: row.at,
      payload: { trigger, transition, durationMs, from: row.fromCameraId, ...detail },
    };
  },

  still: async (row, { refs }) => {
    // This table has no still that was only requested, or failed, and none of which nobody knows when it was taken.
    if ((row.status !== "captured" && row.status !== "uploaded") || row.capturedAt === undefined) return null;
    return {
      sessionId: await refs.session(),
      cameraId: await refs.camera(row.cameraId),
      // The marker by which it was asked for, if it was.
      eventId: row.requestedAt === undefined ? undefined : await refs.event(markerOf(row)),
      status: row.status,
      capturedAt: row.capturedAt,
    };
  },
});

/** Our kinds in their words; for the others this table has no word, and gets no row. */
const EVENT_TYPES = {
  cut: "camera_cut",
  hold: "hold_start",
  release: "hold_end",
  mode_change: "mode_changed",
  still_marker: "still_marker",
  music_moment: "music",
  still_capture: undefined,
  gap: undefined,
  off_air: undefined,
  marker: undefined,
} as const;

/** Only a place that is one of theirs: with an x and a y. */
function placementOf(said: Record<string, unknown> | undefined) {
  if (typeof said?.["x"] !== "number" || typeof said["y"] !== "number") return undefined;
  const { x, y, zone } = said;
  return { x, y, zone: typeof zone === "string" ? zone : undefined };
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
