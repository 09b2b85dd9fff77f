/**
 * The ledger's functions over a home of rows: tables of its own (`home.ts`) or an owner's (`owners.ts`).
 *
 * Each of them checks its key first; what a key may do is in `keys.ts`, what an entry may say in `entries.ts`, how
 * entries become rows in `merge.ts`. Internal functions are for the routes and for `npx convex run`.
 */

import {
  internalMutationGeneric,
  internalQueryGeneric,
  mutationGeneric,
  paginationOptsValidator,
  paginationResultValidator,
  queryGeneric,
  type PaginationOptions,
} from "convex/server";
import { v, type Infer, type Validator } from "convex/values";
import { columnNames, CONTRACT, KINDS, TRIGGERS } from "./about";
import {
  COLUMNS,
  cameraRow,
  completionColumns,
  eventRow,
  runningColumns,
  sessionRow,
  stillRow,
} from "./columns";
import { HAS_CHANGES } from "./commitTs";
import { rejection } from "./entries";
import { productionHome, type LedgerHome } from "./home";
import { ingestEntries, MAX_ENTRIES, refillRows, type Answer } from "./ingest";
import { isPlainObject } from "./json";
import {
  aboutKey,
  addKey,
  authoriseForgetting,
  authoriseReading,
  authoriseWriting,
  includes,
  listKeys,
  readerVenue,
  readerVenues,
  revokeKey,
  writerVenue,
} from "./keys";
import { FUNCTIONS } from "./names";
import { refusal, REJECTIONS, type RejectionCode } from "./problems";
import { isSessionKey, venueOf } from "./sessionKeys";
import { KEY_COLUMN } from "./shelf";
import { readLedger } from "./reading";
import { readStore, type Listed, type ReadStore } from "./store";
import { right } from "./tables";

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

const venuesOrAll = v.union(v.literal("all"), v.array(v.string()));

/** Rows that one call of `forgetSession` deletes at most; a row may have 256 KiB, and a mutation reads 16 MiB. */
const FORGET_AT_ONCE = 50;
const LISTED: readonly Listed[] = ["event", "still", "camera"];

/** Rows that one call of `refill` makes anew, and the order in which nothing is made before what it refers to. */
const REFILL_AT_ONCE = 100;
const LISTED_AGAIN: readonly Listed[] = ["camera", "event", "still"];

/** Venues that one call of `changes` may name: each costs some reads of an index. */
const MOST_VENUES = 50;

type Context = { db: unknown };
interface Asked {
  accessKey?: unknown;
  sessionKey: string;
}

/**
 * Everything there is to call, to be exported from one module:
 * `export const { about, ingest, … } = ledgerFunctions(productionHome);`
 */
export function ledgerFunctions(home: LedgerHome = productionHome) {
  const reading = ({ db }: Context) => readLedger(db, home);

  // ----------------------------------------------------------------------------------------- writing

  async function ingestFor(ctx: Context, key: unknown, entries: unknown): Promise<Answer[]> {
    const venue = await writerVenue(ctx.db, key);
    if (!Array.isArray(entries)) throw refusal("shape");
    if (entries.length > MAX_ENTRIES) throw refusal("too_many");
    return await ingestEntries(home.writer(ctx, venue), venue, entries);
  }

  /** One entry of a named mutation goes the way of all entries. */
  async function ingestOne(ctx: Context, key: unknown, entry: object): Promise<Answer> {
    const [only] = await ingestFor(ctx, key, [entry]);
    return only as Answer;
  }

  /** Everything that the tap writes: one atomic batch, idempotent, answered entry by entry. */
  const ingest = mutationGeneric({
    // `entries` is anything: `entries.ts` says why, and checks it.
    args: { accessKey, entries: v.optional(v.any()) },
    returns: v.array(answer),
    handler: async (ctx, args) => await ingestFor(ctx, args.accessKey, args.entries),
  });

  /**
   * The same for the HTTP route, whose JSON may hold names and depths that Convex refuses as arguments: as text they
   * reach the check, which rejects the one entry and writes the others.
   */
  const ingestText = internalMutationGeneric({
    args: { accessKey, text: v.string() },
    returns: v.array(answer),
    handler: async (ctx, args) => {
      const body: unknown = JSON.parse(args.text);
      return await ingestFor(ctx, args.accessKey, isPlainObject(body) ? body["entries"] : undefined);
    },
  });

  /** A shoot begins: its session's row, as it is known, with status `live`. */
  const startSession = mutationGeneric({
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
  const upsertCamera = mutationGeneric({
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

  /** Something happened: said once and whole; under a key that is known it is the same event. */
  const recordDirectorEvent = mutationGeneric({
    args: { ...entryOf, eventKey: v.string(), fields: v.object(COLUMNS.event) },
    returns: answer,
    handler: async (ctx, args) =>
      await ingestOne(ctx, args.accessKey, { ...head(args), key: args.eventKey, op: "event", fields: args.fields }),
  });

  /** A still of one camera: its whole row, as it is known; its status never falls. */
  const recordStill = mutationGeneric({
    args: { ...entryOf, stillKey: v.string(), fields: v.object(COLUMNS.still) },
    returns: answer,
    handler: async (ctx, args) =>
      await ingestOne(ctx, args.accessKey, { ...head(args), key: args.stillKey, op: "still", fields: args.fields }),
  });

  /** A shoot is over: the session's row as it stands, with its end. */
  const completeSession = mutationGeneric({
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
      await authoriseWriting(ctx.db, args.accessKey, args.sessionKey);
      const { sessionKey } = args;
      const place = { op: "session" as const, sessionKey, key: sessionKey };
      const { row } = (await home.writer(ctx, "").find(place)) ?? {};
      if (row === undefined || row === "forgotten") {
        const code = row === undefined ? "unknown_session" : "forgotten";
        return { key: sessionKey, outcome: "rejected" as const, ...rejection(code, "sessionKey") };
      }
      return await ingestOne(ctx, args.accessKey, {
        revision: row.revision,
        ...head(args),
        key: sessionKey,
        op: "session",
        fields: { ...row.fields, status: "complete", ...args.fields },
      });
    },
  });

  /**
   * Removes a shoot (consent withdrawn). The only thing that deletes. Its first call already leaves the bare session row
   * that keeps later entries out; call it again until it says `done`, also after a failure.
   */
  const forgetSession = mutationGeneric({
    args: { adminKey: accessKey, sessionKey: v.string() },
    returns: v.object({ done: v.boolean(), deleted: v.number() }),
    handler: async (ctx, args) => {
      const venue = await authoriseForgetting(ctx.db, args.adminKey, args.sessionKey);
      const store = home.writer(ctx, venue);
      await store.forget(args.sessionKey, Date.now());
      let deleted = 0;
      for (const op of LISTED) deleted += await store.deleteSome(op, args.sessionKey, FORGET_AT_ONCE - deleted);
      return { done: deleted < FORGET_AT_ONCE, deleted };
    },
  });

  // ----------------------------------------------------------------------------------------- reading

  async function sessionOf(ctx: Context, { accessKey, sessionKey }: Asked) {
    await authoriseReading(ctx.db, accessKey, sessionKey);
    return await reading(ctx).session(sessionKey);
  }

  async function sessionsOf(ctx: Context, asked: { accessKey?: unknown; venue?: string; paginationOpts: PaginationOptions }) {
    const venue = await readerVenue(ctx.db, asked.accessKey, asked.venue);
    return await reading(ctx).sessions(venue, asked.paginationOpts);
  }

  async function timelineOf(ctx: Context, { accessKey, sessionKey }: Asked) {
    await authoriseReading(ctx.db, accessKey, sessionKey);
    return await reading(ctx).timeline(sessionKey);
  }

  async function changesOf(ctx: Context, asked: Infer<typeof changesAsked>) {
    const mine = await readerVenues(ctx.db, asked.accessKey);
    if (!HAS_CHANGES) throw refusal("no_changes");
    const { venues: wanted, cursor = null, limit } = asked;
    if (wanted?.some((venue) => !includes(mine, venue)) === true) throw refusal("venue");
    const venues = wanted ?? (mine === "all" ? undefined : mine);
    if (venues !== undefined && venues.length > MOST_VENUES) throw refusal("too_many");
    return (await reading(ctx).changes(venues && [...new Set(venues)], cursor, limit)) as Infer<typeof changed>;
  }

  async function refill(ctx: Context, sessionKey: string, cursor: string | null): Promise<{ refused: string[]; cursor: string | null }> {
    const venue = isSessionKey(sessionKey) ? venueOf(sessionKey) : undefined;
    if (venue === undefined) throw refusal("key");
    const [op = "session", from] = cursor?.split(" ") ?? [];
    const list = LISTED_AGAIN.find((name) => name === op);
    const page =
      list === undefined
        ? { page: [{ op: "session" as const, sessionKey, key: sessionKey }], isDone: true, continueCursor: "" }
        : await placesOf(readStore(ctx.db, home.shelves), list, sessionKey, from ?? null);
    const refused = await refillRows(home.writer(ctx, venue), page.page);
    const next = page.isDone ? LISTED_AGAIN[list === undefined ? 0 : LISTED_AGAIN.indexOf(list) + 1] : `${op} ${page.continueCursor}`;
    return { refused: refused.map(({ reason }) => reason), cursor: next ?? null };
  }

  /** One session's row; null where there is none; of a forgotten one its key, venue and `retracted`. */
  const getSession = queryGeneric({ args: ofSession, returns: sessionOrNull, handler: async (ctx, args) => await sessionOf(ctx, args) });

  /** A venue's sessions (the key's own, where none is named), newest first; forgotten ones are not among them. */
  const listSessions = queryGeneric({ args: ofVenue, returns: paginationResultValidator(sessionRow), handler: async (ctx, args) => await sessionsOf(ctx, args) });

  /** What happened in a session, in the order of its times. */
  const listDirectorEvents = queryGeneric({
    args: pageOfSession,
    returns: paginationResultValidator(eventRow),
    handler: async (ctx, args) => {
      await authoriseReading(ctx.db, args.accessKey, args.sessionKey);
      return await reading(ctx).events(args.sessionKey, args.paginationOpts);
    },
  });

  /** The cameras of a session, in the order of their ids. */
  const listCameras = queryGeneric({
    args: pageOfSession,
    returns: paginationResultValidator(cameraRow),
    handler: async (ctx, args) => {
      await authoriseReading(ctx.db, args.accessKey, args.sessionKey);
      return await reading(ctx).cameras(args.sessionKey, args.paginationOpts);
    },
  });

  /** The stills of a session, in the order of their keys. */
  const listStills = queryGeneric({
    args: pageOfSession,
    returns: paginationResultValidator(stillRow),
    handler: async (ctx, args) => {
      await authoriseReading(ctx.db, args.accessKey, args.sessionKey);
      return await reading(ctx).stills(args.sessionKey, args.paginationOpts);
    },
  });

  /** A session at a glance: its row, its cameras, the first of its events and stills; the lists have the rest. */
  const sessionTimeline = queryGeneric({ args: ofSession, returns: timeline, handler: async (ctx, args) => await timelineOf(ctx, args) });

  /**
   * The last that happened, newest first. For a live screen: a subscriber is sent these few rows again when one of them
   * changes, however long the session is.
   */
  const latestEvents = queryGeneric({
    args: { ...ofSession, limit: v.optional(v.number()) },
    returns: firstOf(eventRow),
    handler: async (ctx, args) => {
      await authoriseReading(ctx.db, args.accessKey, args.sessionKey);
      return await reading(ctx).latestEvents(args.sessionKey, args.limit);
    },
  });

  /**
   * What was written since a cursor, in the order of the commits, each row as it stands: what a search index or a
   * training set is kept up to date by. A row comes at least once, and again after each change.
   */
  const changes = queryGeneric({
    args: changesAsked.fields,
    returns: changed,
    handler: async (ctx, args) => await changesOf(ctx, args),
  });

  /** What this deployment takes, and what the key may do: any key may ask. */
  const about = queryGeneric({
    args: { accessKey },
    returns: v.object({
      contract: v.number(),
      kinds: v.array(v.string()),
      triggers: v.array(v.string()),
      columns: v.record(v.string(), v.array(v.string())),
      functions: v.array(v.string()),
      maxEntries: v.number(),
      venues: venuesOrAll,
      may: v.array(right),
    }),
    handler: async (ctx, args) => ({
      contract: CONTRACT,
      kinds: [...KINDS],
      triggers: [...TRIGGERS],
      columns: columnNames(),
      functions: FUNCTIONS.filter((name) => HAS_CHANGES || name !== "changes"),
      maxEntries: MAX_ENTRIES,
      ...(await aboutKey(ctx.db, args.accessKey)),
    }),
  });

  return {
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
    readSession: internalQueryGeneric({ args: ofSession, returns: sessionOrNull, handler: async (ctx, args) => await sessionOf(ctx, args) }),
    readSessions: internalQueryGeneric({ args: ofVenue, returns: paginationResultValidator(sessionRow), handler: async (ctx, args) => await sessionsOf(ctx, args) }),
    readTimeline: internalQueryGeneric({ args: ofSession, returns: timeline, handler: async (ctx, args) => await timelineOf(ctx, args) }),
    readChanges: internalQueryGeneric({
      args: changesAsked.fields,
      returns: changed,
      handler: async (ctx, args) => await changesOf(ctx, args),
    }),

    /**
     * Over an owner's tables: makes a shoot's rows anew, after a function of theirs was changed, or rows were deleted by
     * hand. Call it again with the cursor that it gives, until that is null.
     */
    refill: internalMutationGeneric({
      args: { sessionKey: v.string(), cursor: v.optional(v.union(v.string(), v.null())) },
      returns: v.object({ refused: v.array(v.string()), cursor: v.union(v.string(), v.null()) }),
      handler: async (ctx, args) => await refill(ctx, args.sessionKey, args.cursor ?? null),
    }),

    /** A key's digest, venues and rights; said again, the row is changed. */
    addKey: internalMutationGeneric({
      args: { digest: v.string(), venues: venuesOrAll, may: v.array(right), label: v.optional(v.string()) },
      returns: v.object({ key: v.string(), was: v.union(v.literal("new"), v.literal("changed"), v.literal("same")) }),
      handler: async (ctx, args) => await addKey(ctx.db, args),
    }),
    listKeys: internalQueryGeneric({
      args: { cursor: v.optional(v.union(v.string(), v.null())) },
      returns: v.object({ keys: v.array(listedKey), cursor: v.union(v.string(), v.null()) }),
      handler: async (ctx, args) => await listKeys(ctx.db, args.cursor ?? null),
    }),
    revokeKey: internalMutationGeneric({
      args: { key: v.string() },
      returns: v.object({ revoked: v.boolean(), still: v.array(v.string()) }),
      handler: async (ctx, args) => await revokeKey(ctx.db, args.key),
    }),
  };
}

// ------------------------------------------------------------------------------------------- shapes

const entryOf = { accessKey, sessionKey: v.string(), version: v.number(), revision: v.optional(v.number()) };
const ofSession = { accessKey, sessionKey: v.string() };
const ofVenue = { accessKey, venue: v.optional(v.string()), paginationOpts: paginationOptsValidator };
const pageOfSession = { ...ofSession, paginationOpts: paginationOptsValidator };
const changesAsked = v.object({
  accessKey,
  cursor: v.optional(v.union(v.string(), v.null())),
  venues: v.optional(v.array(v.string())),
  limit: v.optional(v.number()),
});

const sessionOrNull = v.union(sessionRow, v.null());
const timeline = v.object({
  session: sessionOrNull,
  cameras: firstOf(cameraRow),
  events: firstOf(eventRow),
  stills: firstOf(stillRow),
});
const changed = v.object({
  page: v.array(
    v.union(
      v.object({ op: v.literal("session"), row: sessionRow }),
      v.object({ op: v.literal("camera"), row: cameraRow }),
      v.object({ op: v.literal("event"), row: eventRow }),
      v.object({ op: v.literal("still"), row: stillRow }),
    ),
  ),
  cursor: v.string(),
  isDone: v.boolean(),
});
const listedKey = v.object({
  key: v.string(),
  venues: venuesOrAll,
  may: v.array(right),
  label: v.optional(v.string()),
  from: v.string(),
  addedAt: v.optional(v.number()),
});

function firstOf<Row extends Validator<unknown, "required", string>>(row: Row) {
  return v.object({ page: v.array(row), isDone: v.boolean() });
}

async function placesOf(store: ReadStore, op: Listed, sessionKey: string, cursor: string | null) {
  const page = await store.pageOf(op, sessionKey, { numItems: REFILL_AT_ONCE, cursor });
  return { ...page, page: page.page.map((row) => ({ op, sessionKey, key: row[KEY_COLUMN[op]] as string })) };
}

function head({ sessionKey, version, revision }: { sessionKey: string; version: number; revision?: number }) {
  return { sessionKey, version, ...(revision === undefined ? {} : { revision }) };
}

/** A camera is found by its id; its key is only what the answer names, so a long one may be cut. */
function cameraPart(cameraId: string): string {
  return encodeURIComponent(cameraId.replace(/\p{Surrogate}/gu, "\ufffd")).slice(0, 100);
}
