/**
 * The ledger's public functions. Each of them checks its key first; what they may do is in `ledger/keys.ts`, what an
 * entry may say in `ledger/entries.ts`, how entries become rows in `ledger/merge.ts`.
 */

import { paginationOptsValidator } from "convex/server";
import { v, type Validator } from "convex/values";
import { internalMutation, mutation, query, type MutationCtx, type QueryCtx } from "./_generated/server";
import {
  COLUMNS,
  cameraRow,
  completionColumns,
  eventRow,
  runningColumns,
  sessionRow,
  stillRow,
  type CameraRow,
  type EventRow,
  type SessionRow,
  type StillRow,
} from "./ledger/columns";
import { rejection } from "./ledger/entries";
import { ingestEntries, MAX_ENTRIES, type Answer } from "./ledger/ingest";
import { isPlainObject } from "./ledger/json";
import { authoriseForgetting, authoriseReading, authoriseWriting, readerVenue, writerVenue } from "./ledger/keys";
import { NAMES } from "./ledger/names";
import { refusal, REJECTIONS, type RejectionCode } from "./ledger/problems";
import { readStore, writeStore, type Listed } from "./ledger/store";

/**
 * Anything at all: a key that is missing or no string must be told as such. A stricter validator would answer a bare
 * "Server Error", and print what was given into the deployment's log.
 */
const accessKey = v.optional(v.any());

const answer = v.object({
  key: v.string(),
  outcome: v.union(v.literal("applied"), v.literal("duplicate"), v.literal("stale"), v.literal("rejected")),
  code: v.optional(
    v.union(...(Object.keys(REJECTIONS) as RejectionCode[]).map((code) => v.literal(code))),
  ),
  reason: v.optional(v.string()),
  field: v.optional(v.string()),
  version: v.optional(v.number()),
});

// ------------------------------------------------------------------------------------------- writing

/** Everything that the tap writes: one atomic batch, idempotent, answered entry by entry. */
export const ingest = mutation({
  // `entries` is anything: `ledger/entries.ts` says why, and checks it.
  args: { accessKey, entries: v.optional(v.any()) },
  returns: v.array(answer),
  handler: async (ctx, args) => await ingestFor(ctx, args.accessKey, args.entries),
});

/**
 * The same for the HTTP route, whose JSON may hold names and depths that Convex refuses as arguments: as text they
 * reach the check, which rejects the one entry and writes the others.
 */
export const ingestText = internalMutation({
  args: { accessKey, text: v.string() },
  returns: v.array(answer),
  handler: async (ctx, args) => {
    const body: unknown = JSON.parse(args.text);
    return await ingestFor(ctx, args.accessKey, isPlainObject(body) ? body["entries"] : undefined);
  },
});

async function ingestFor(ctx: MutationCtx, key: unknown, entries: unknown): Promise<Answer[]> {
  const venue = await writerVenue(key);
  if (!Array.isArray(entries)) throw refusal("shape");
  if (entries.length > MAX_ENTRIES) throw refusal("too_many");
  return await ingestEntries(writeStore(ctx.db, NAMES), venue, entries);
}

const entryOf = { accessKey, sessionKey: v.string(), version: v.number(), revision: v.optional(v.number()) };

/** One entry of a named mutation goes the way of all entries. */
async function ingestOne(ctx: MutationCtx, key: unknown, entry: object): Promise<Answer> {
  const [only] = await ingestFor(ctx, key, [entry]);
  return only as Answer;
}

function head({ sessionKey, version, revision }: { sessionKey: string; version: number; revision?: number }) {
  return { sessionKey, version, ...(revision === undefined ? {} : { revision }) };
}

/** A shoot begins: its session's row, as it is known, with status `live`. */
export const startSession = mutation({
  args: { ...entryOf, fields: v.object(runningColumns) },
  returns: answer,
  handler: async (ctx, args) =>
    await ingestOne(ctx, args.accessKey, {
      ...head(args),
      key: args.sessionKey,
      op: "session",
      fields: { ...args.fields, status: "live" },
    }),
});

/** A camera of a session: its whole row, as it is known. */
export const upsertCamera = mutation({
  args: { ...entryOf, fields: v.object(COLUMNS.camera) },
  returns: answer,
  handler: async (ctx, args) =>
    await ingestOne(ctx, args.accessKey, {
      ...head(args),
      key: `${args.sessionKey}/camera/${cameraPart(args.fields.cameraId)}`,
      op: "camera",
      fields: args.fields,
    }),
});

/** A camera is found by its id; its key is only what the answer names, so a long one may be cut. */
function cameraPart(cameraId: string): string {
  return encodeURIComponent(cameraId.replace(/\p{Surrogate}/gu, "\ufffd")).slice(0, 100);
}

/** Something happened: said once and whole; under a key that is known it is the same event. */
export const recordDirectorEvent = mutation({
  args: { ...entryOf, eventKey: v.string(), fields: v.object(COLUMNS.event) },
  returns: answer,
  handler: async (ctx, args) =>
    await ingestOne(ctx, args.accessKey, { ...head(args), key: args.eventKey, op: "event", fields: args.fields }),
});

/** A still of one camera: its whole row, as it is known; its status never falls. */
export const recordStill = mutation({
  args: { ...entryOf, stillKey: v.string(), fields: v.object(COLUMNS.still) },
  returns: answer,
  handler: async (ctx, args) =>
    await ingestOne(ctx, args.accessKey, { ...head(args), key: args.stillKey, op: "still", fields: args.fields }),
});

/** A shoot is over: the session's row as it stands, with its end. */
export const completeSession = mutation({
  args: {
    ...entryOf,
    fields: v.object({
      ...completionColumns,
      completedAt: v.number(),
      status: v.optional(v.union(v.literal("complete"), v.literal("interrupted"))),
    }),
  },
  returns: answer,
  handler: async (ctx, args) => {
    await authoriseWriting(args.accessKey, args.sessionKey);
    const { sessionKey } = args;
    const found = await writeStore(ctx.db, NAMES).find({ op: "session", sessionKey, key: sessionKey });
    if (found === undefined || found.row === "forgotten") {
      const code = found === undefined ? "unknown_session" : "forgotten";
      return { key: sessionKey, outcome: "rejected" as const, ...rejection(code, "sessionKey") };
    }
    const { fields, revision } = found.row;
    return await ingestOne(ctx, args.accessKey, {
      revision,
      ...head(args),
      key: sessionKey,
      op: "session",
      fields: { ...fields, status: "complete", ...args.fields },
    });
  },
});

/** Rows that one call of `forgetSession` deletes at most; a row may have 256 KiB, and a mutation reads 16 MiB. */
const FORGET_AT_ONCE = 50;

/**
 * Removes a shoot (consent withdrawn). The only thing that deletes. Its first call already leaves the bare session row
 * that keeps later entries out; call it again until it says `done`, also after a failure.
 */
export const forgetSession = mutation({
  args: { adminKey: accessKey, sessionKey: v.string() },
  returns: v.object({ done: v.boolean(), deleted: v.number() }),
  handler: async (ctx, args) => {
    const venue = await authoriseForgetting(args.adminKey, args.sessionKey);
    const store = writeStore(ctx.db, NAMES);
    await store.forget(args.sessionKey, venue, Date.now());
    let deleted = 0;
    for (const op of LISTED) deleted += await store.deleteSome(op, args.sessionKey, FORGET_AT_ONCE - deleted);
    return { done: deleted < FORGET_AT_ONCE, deleted };
  },
});

const LISTED: readonly Listed[] = ["event", "still", "camera"];

// ------------------------------------------------------------------------------------------- reading

const ofSession = { accessKey, sessionKey: v.string() };
const pageOfSession = { ...ofSession, paginationOpts: paginationOptsValidator };

/** One session's row; null where there is none; of a forgotten one its key, venue and `retracted`. */
export const getSession = query({
  args: ofSession,
  returns: v.union(sessionRow, v.null()),
  handler: async (ctx, args) => {
    await authoriseReading(args.accessKey, args.sessionKey);
    return await sessionOf(ctx, args.sessionKey);
  },
});

/** A venue's sessions (the key's own, where none is named), newest first; forgotten ones are not among them. */
export const listSessions = query({
  args: { accessKey, venue: v.optional(v.string()), paginationOpts: paginationOptsValidator },
  returns: pageOf(sessionRow),
  handler: async (ctx, args) => {
    const venue = await readerVenue(args.accessKey);
    if (args.venue !== undefined && args.venue !== venue) throw refusal("venue");
    const page = await readStore(ctx.db, NAMES).pageOfSessions(venue, args.paginationOpts);
    return { ...page, page: page.page as SessionRow[] };
  },
});

/** What happened in a session, in the order of its times. */
export const listDirectorEvents = query({
  args: pageOfSession,
  returns: pageOf(eventRow),
  handler: async (ctx, args) => {
    await authoriseReading(args.accessKey, args.sessionKey);
    const page = await readStore(ctx.db, NAMES).pageOf("event", args.sessionKey, args.paginationOpts);
    return { ...page, page: page.page as EventRow[] };
  },
});

/** The cameras of a session, in the order of their ids. */
export const listCameras = query({
  args: pageOfSession,
  returns: pageOf(cameraRow),
  handler: async (ctx, args) => {
    await authoriseReading(args.accessKey, args.sessionKey);
    const page = await readStore(ctx.db, NAMES).pageOf("camera", args.sessionKey, args.paginationOpts);
    return { ...page, page: page.page as CameraRow[] };
  },
});

/** The stills of a session, in the order of their keys. */
export const listStills = query({
  args: pageOfSession,
  returns: pageOf(stillRow),
  handler: async (ctx, args) => {
    await authoriseReading(args.accessKey, args.sessionKey);
    const page = await readStore(ctx.db, NAMES).pageOf("still", args.sessionKey, args.paginationOpts);
    return { ...page, page: page.page as StillRow[] };
  },
});

/** Rows per table in a timeline: bounded so that the largest rows there may be stay under what a query may read. */
const TIMELINE_ROWS = 50;
const TIMELINE_EVENTS = 200;

/** A session at a glance: its row, its cameras, the first of its events and stills; the lists have the rest. */
export const sessionTimeline = query({
  args: ofSession,
  returns: v.object({
    session: v.union(sessionRow, v.null()),
    cameras: firstOf(cameraRow),
    events: firstOf(eventRow),
    stills: firstOf(stillRow),
  }),
  handler: async (ctx, args) => {
    await authoriseReading(args.accessKey, args.sessionKey);
    const { sessionKey } = args;
    const store = readStore(ctx.db, NAMES);
    const session = await sessionOf(ctx, sessionKey);
    const cameras = await store.firstOf("camera", sessionKey, TIMELINE_ROWS);
    const stills = await store.firstOf("still", sessionKey, TIMELINE_ROWS);
    // The one of the three that paginates, which a query may do once: a page is bounded in bytes as well.
    const events = await store.pageOf("event", sessionKey, { numItems: TIMELINE_EVENTS, cursor: null });
    return {
      session,
      cameras: { ...cameras, page: cameras.page as CameraRow[] },
      events: { page: events.page as EventRow[], isDone: events.isDone },
      stills: { ...stills, page: stills.page as StillRow[] },
    };
  },
});

async function sessionOf(ctx: QueryCtx, sessionKey: string): Promise<SessionRow | null> {
  const row = await readStore(ctx.db, NAMES).show({ op: "session", sessionKey, key: sessionKey });
  return row as SessionRow | null;
}

function pageOf<Row extends Validator<unknown, "required", string>>(row: Row) {
  return v.object({ page: v.array(row), isDone: v.boolean(), continueCursor: v.string() });
}

function firstOf<Row extends Validator<unknown, "required", string>>(row: Row) {
  return v.object({ page: v.array(row), isDone: v.boolean() });
}
