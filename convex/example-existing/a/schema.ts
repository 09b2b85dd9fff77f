import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { productionTapTables, tapTable } from "../../functions/ledger/tables"; // in your app: "./ledger/tables"

// The owner's app: Id references between tables, organisations, other words. For the ledger, `defineTable` became
// `tapTable` four times, and `productionTapTables` came; no column, enum or index of theirs changed.
export default defineSchema({
  ...productionTapTables,
  organizations: defineTable({ name: v.string() }),
  productionSessions: tapTable.session({
    organizationId: v.id("organizations"),
    createdBy: v.string(),
    type: v.union(v.literal("photoshoot_performance"), v.literal("rehearsal")),
    status: v.union(v.literal("active"), v.literal("completed"), v.literal("cancelled")),
    title: v.string(),
    metadata: v.object({ mode: v.optional(v.string()), notes: v.optional(v.string()), venue: v.optional(v.string()) }),
    startedAt: v.number(),
    endedAt: v.optional(v.number()),
  }).index("by_org", ["organizationId", "startedAt"]).index("by_status", ["status"]),
  productionCameras: tapTable.camera({
    sessionId: v.id("productionSessions"),
    deviceId: v.string(),
    label: v.string(),
    role: v.optional(v.string()),
    placement: v.optional(v.object({ x: v.number(), y: v.number(), zone: v.optional(v.string()) })),
    connected: v.boolean(),
    registeredAt: v.number(),
  }).index("by_session", ["sessionId"]),
  productionDirectorEvents: tapTable.event({
    sessionId: v.id("productionSessions"),
    cameraId: v.optional(v.id("productionCameras")),
    eventType: v.union(v.literal("camera_cut"), v.literal("hold_start"), v.literal("hold_end"), v.literal("mode_changed"), v.literal("still_marker"), v.literal("music")),
    timestamp: v.number(),
    payload: v.any(),
  }).index("by_session_time", ["sessionId", "timestamp"]),
  productionStills: tapTable.still({
    sessionId: v.id("productionSessions"),
    cameraId: v.id("productionCameras"),
    eventId: v.optional(v.id("productionDirectorEvents")),
    storageId: v.optional(v.id("_storage")),
    status: v.union(v.literal("captured"), v.literal("uploaded")),
    capturedAt: v.number(),
  }).index("by_session", ["sessionId"]),
});
