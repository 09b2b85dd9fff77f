/** Functions that this app had before: what its own pages call. */

import { mutationGeneric, queryGeneric, type DataModelFromSchemaDefinition, type MutationBuilder, type QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema";

// In an app these are `mutation` and `query` of its own `_generated/server`.
type Model = DataModelFromSchemaDefinition<typeof schema>;
const mutation = mutationGeneric as MutationBuilder<Model, "public">;
const query = queryGeneric as QueryBuilder<Model, "public">;

export const addOrganization = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => await ctx.db.insert("organizations", { name }),
});

export const organizations = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => {
    const all = await ctx.db.query("organizations").take(1_000);
    return all.flatMap((organization) => (organization.name === name ? [organization._id] : []));
  },
});

/** A person plans a rehearsal. */
export const plan = mutation({
  args: { organizationId: v.id("organizations"), title: v.string(), startedAt: v.number() },
  handler: async (ctx, args) =>
    await ctx.db.insert("productionSessions", { ...args, createdBy: "Ada", type: "rehearsal", status: "active", metadata: {} }),
});

/** A person gives a shoot another title, and notes. */
export const rename = mutation({
  args: { id: v.id("productionSessions"), title: v.string(), notes: v.string() },
  handler: async (ctx, { id, title, notes }) => {
    const shoot = await ctx.db.get("productionSessions", id);
    if (shoot !== null) await ctx.db.patch("productionSessions", id, { title, metadata: { ...shoot.metadata, notes } });
  },
});

/** The page of an organisation: its shoots, newest first. */
export const ofOrganization = query({
  args: { organizationId: v.id("organizations") },
  handler: async (ctx, { organizationId }) =>
    await ctx.db
      .query("productionSessions")
      .withIndex("by_org", (q) => q.eq("organizationId", organizationId))
      .order("desc")
      .take(50),
});

/** The page of a shoot: its log, with each camera's label, and its stills. */
export const page = query({
  args: { sessionId: v.id("productionSessions") },
  handler: async (ctx, { sessionId }) => {
    const events = await ctx.db.query("productionDirectorEvents").withIndex("by_session_time", (q) => q.eq("sessionId", sessionId)).take(500);
    const cameras = await ctx.db.query("productionCameras").withIndex("by_session", (q) => q.eq("sessionId", sessionId)).take(50);
    const stills = await ctx.db.query("productionStills").withIndex("by_session", (q) => q.eq("sessionId", sessionId)).take(500);
    const labels = new Map(cameras.map(({ _id, label }) => [_id, label]));
    return {
      log: events.map(({ eventType, timestamp, cameraId }) => ({ eventType, timestamp, label: cameraId && labels.get(cameraId) })),
      stills: stills.map(({ status, cameraId }) => ({ status, label: labels.get(cameraId) })),
    };
  },
});
