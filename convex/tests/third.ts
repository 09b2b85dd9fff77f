/** A third owner, whose tables ask for more: what the README's reader may have. */

import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { captureOf, type Owner } from "../functions/ledger/owners";
import { productionTapTables, tapTable } from "../functions/ledger/tables";

// People, times as texts, enums in capitals, a null that must be there, stills that must name an event.
export const schema = defineSchema({
  ...productionTapTables,
  people: defineTable({ name: v.string() }),
  shoots: tapTable.session({
    ref: v.string(),
    state: v.union(v.literal("LIVE"), v.literal("DONE")),
    begin: v.string(),
    end: v.union(v.string(), v.null()),
    producer: v.id("people"),
    live: v.optional(v.id("devices")),
  }),
  devices: tapTable.camera({ shoot: v.id("shoots"), name: v.string(), spot: v.object({ zone: v.string(), row: v.optional(v.number()) }) }),
  log: tapTable.event({ shoot: v.id("shoots"), device: v.union(v.id("devices"), v.null()), what: v.string(), when: v.string(), more: v.any() }),
  photos: tapTable.still({ taken: v.id("log"), when: v.string(), file: v.union(v.object({ kind: v.literal("URL"), url: v.string() }), v.object({ kind: v.literal("NONE") })) }),
});
export const tables = { session: "shoots", camera: "devices", event: "log", still: "photos" } as const;
export type Made = Owner<typeof schema, typeof tables, { producer: string & { __tableName: "people" } }>;

export const iso = (at: number) => new Date(at).toISOString();

export const good: Made = {
  async context(ctx) {
    const person = await ctx.db.query("people").first();
    if (person === null) throw new Error("there is nobody");
    return { producer: person._id };
  },
  session: (row, { context }) => ({
    ref: row.sessionKey,
    state: row.status === "live" ? "LIVE" : "DONE",
    begin: iso(row.startedAt),
    end: row.completedAt === undefined ? null : iso(row.completedAt),
    producer: context.producer,
  }),
  camera: async (row, { refs }) => ({ shoot: await refs.session(), name: row.name ?? row.cameraId, spot: { zone: "stage" } }),
  event: async (row, { refs }) => ({
    shoot: await refs.session(),
    device: row.cameraId === undefined ? null : await refs.camera(row.cameraId),
    what: row.kind.toUpperCase(),
    when: iso(row.at),
    more: row.detail ?? {},
  }),
  still: async (row, { refs }) =>
    row.capturedAt === undefined
      ? null
      : {
          taken: await refs.event(captureOf(row)),
          when: iso(row.capturedAt),
          file: row.url === undefined ? { kind: "NONE" } : { kind: "URL", url: row.url },
        },
};
