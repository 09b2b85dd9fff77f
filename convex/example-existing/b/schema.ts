import { defineSchema } from "convex/server";
import { v } from "convex/values";
import { productionTapTables, tapTable } from "../../functions/ledger/tables"; // in your app: "./ledger/tables"

// The owner's app: string keys, flat events with a payload. For the ledger, `defineTable` became `tapTable` four times,
// and `productionTapTables` came; no column, enum or index of theirs changed.
export default defineSchema({
  ...productionTapTables,
  productionSessions: tapTable.session({
    sessionId: v.string(),                       // "sess_2026_11_27_a"
    sessionType: v.union(v.literal("photoshoot_performance"), v.literal("live_set"), v.literal("rehearsal")),
    status: v.union(v.literal("planned"), v.literal("active"), v.literal("completed"), v.literal("aborted")),
    title: v.string(),                           // required: the app's list shows it
    notes: v.optional(v.string()),
    mode: v.optional(v.string()),
    createdBy: v.string(),
    startedAt: v.number(),
    completedAt: v.optional(v.number()),
    metadata: v.optional(v.any()),
    updatedAt: v.number(),                       // every mutation of the app sets it
  })
    .index("by_sessionId", ["sessionId"])
    .index("by_type_status", ["sessionType", "status"])
    .index("by_updated", ["updatedAt"]),

  productionCameras: tapTable.camera({
    sessionId: v.string(),
    cameraId: v.string(),
    deviceId: v.string(),                        // required, the registry's id
    role: v.union(v.literal("hero"), v.literal("wide"), v.literal("detail"), v.literal("unknown")),
    source: v.union(v.literal("iphone"), v.literal("ipad"), v.literal("other")),
    placement: v.optional(v.object({ zone: v.string(), angleDeg: v.optional(v.number()) })),
    online: v.boolean(),
    joinedAt: v.number(),
  }).index("by_session", ["sessionId", "cameraId"]),

  productionDirectorEvents: tapTable.event({
    sessionId: v.string(),
    eventType: v.string(),                       // "cut" | "hold" | ...
    cameraId: v.optional(v.string()),
    timestamp: v.number(),
    payload: v.optional(v.any()),
    source: v.string(),                          // "live-director" | "server"
  }).index("by_session", ["sessionId", "timestamp"]),

  productionStills: tapTable.still({
    sessionId: v.string(),
    cameraId: v.string(),
    timestamp: v.number(),                       // required
    storageId: v.optional(v.id("_storage")),
    url: v.optional(v.string()),
    status: v.union(v.literal("pending"), v.literal("ready"), v.literal("error")),
    metadata: v.optional(v.any()),
  }).index("by_session", ["sessionId", "timestamp"]),
});
