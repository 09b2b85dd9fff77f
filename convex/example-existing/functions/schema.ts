/**
 * Tables that this deployment had already, with rows that people and its own functions wrote. For the ledger they got
 * `ledger…` columns and `withdrawn`, all optional, and the indexes that `names.ts` names; columns that only the ledger
 * fills are optional too, because rows from before lack them.
 */

import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { COLUMNS, retraction, storedCamera, storedSession, storedStill } from "../../functions/ledger/columns";

const { session, camera, event, still } = COLUMNS;

const forLedger = {
  ledgerVersion: v.optional(v.number()),
  ledgerRevision: v.optional(v.number()),
  withdrawn: v.optional(retraction),
};

export default defineSchema({
  shoots: defineTable({
    ...forLedger,
    ledgerMerge: storedSession.fields.merge,
    ref: v.string(),
    room: v.string(),
    client: v.string(),
    budget: v.optional(v.number()),
    externalId: session.sessionId,
    kind: v.optional(session.sessionType),
    state: v.optional(session.status),
    title: session.title,
    notes: session.notes,
    mode: session.mode,
    begin: v.optional(session.startedAt),
    beginState: session.startState,
    end: session.completedAt,
    endReason: session.endReason,
    endState: session.finalState,
    files: session.media,
    writtenBy: v.optional(session.source),
  })
    .index("by_ref", ["ref"])
    .index("by_room", ["room", "begin", "ref"]),

  shootCameras: defineTable({
    ...forLedger,
    ledgerMerge: storedCamera.fields.merge,
    shootRef: v.string(),
    room: v.string(),
    deviceId: camera.cameraId,
    label: camera.name,
    role: camera.role,
    model: camera.device,
    lens: camera.lens,
    position: camera.placement,
    state: camera.status,
    since: v.optional(camera.joinedAt),
    until: camera.leftAt,
  }).index("by_device", ["shootRef", "deviceId"]),

  shotLog: defineTable({
    ...forLedger,
    shootRef: v.string(),
    room: v.string(),
    entryRef: v.string(),
    // People write remarks into the same log.
    what: v.union(event.kind, v.literal("remark")),
    time: event.at,
    seenTime: v.optional(event.observedAt),
    deviceId: event.cameraId,
    deviceLabel: event.cameraName,
    role: event.role,
    fromDeviceId: event.fromCameraId,
    fromDeviceLabel: event.fromCameraName,
    by: event.trigger,
    how: event.transition,
    ms: event.durationMs,
    photoRef: event.stillKey,
    more: event.detail,
    text: v.optional(v.string()),
  })
    .index("by_entry", ["entryRef"])
    .index("by_time", ["shootRef", "time", "entryRef"]),

  photos: defineTable({
    ...forLedger,
    ledgerMerge: storedStill.fields.merge,
    shootRef: v.string(),
    room: v.string(),
    photoRef: v.string(),
    photoId: still.stillId,
    deviceId: still.cameraId,
    deviceLabel: still.cameraName,
    state: still.status,
    asked: still.requestedAt,
    taken: still.capturedAt,
    stored: still.uploadedAt,
    file: still.storageKey,
    href: still.url,
    w: still.width,
    h: still.height,
    size: still.bytes,
    sha256: still.sha256,
    problem: still.failReason,
    liveDeviceId: still.programCameraId,
    liveDeviceLabel: still.programCameraName,
    rating: v.optional(v.number()),
  })
    .index("by_photo", ["photoRef"])
    .index("by_shoot", ["shootRef", "photoRef"]),
});
