/**
 * The ledger's rows for an app's own queries, without a key: who may see them is the app's to say, by `ctx.auth`.
 * `readLedger(ctx.db)`, or `readLedger(ctx.db, home)` over an owner's tables.
 */

import type { PaginationOptions, PaginationResult } from "convex/server";
import type { CameraRow, EventRow, SessionRow, StillRow } from "./columns";
import { productionHome, type LedgerHome } from "./home";
import { readStore, type Changes, type Listed, type PublicRow } from "./store";

/** Rows per table in a timeline: bounded so that the largest rows there may be stay under what a query may read. */
const TIMELINE_ROWS = 50;
const TIMELINE_EVENTS = 200;

/** Rows that a live screen shows unless it asks for more, and the most that it gets. */
const LATEST = 20;
const MOST_LATEST = 100;

/** Rows of `changes` unless asked for, and the most. */
const CHANGES = 100;
const MOST_CHANGES = 500;

/** The first rows of a table, and whether those are all. */
export interface First<Row> {
  page: Row[];
  isDone: boolean;
}

export interface Timeline {
  session: SessionRow | null;
  cameras: First<CameraRow>;
  events: First<EventRow>;
  stills: First<StillRow>;
}

export interface LedgerReader {
  /** One session's row; null where there is none; of a forgotten one its key, venue and `retracted`. */
  session(sessionKey: string): Promise<SessionRow | null>;
  /** A venue's sessions, newest first; forgotten ones are not among them. */
  sessions(venue: string, options: PaginationOptions): Promise<PaginationResult<SessionRow>>;
  /** The cameras of a session, in the order of their ids. */
  cameras(sessionKey: string, options: PaginationOptions): Promise<PaginationResult<CameraRow>>;
  /** What happened in a session, in the order of its times. */
  events(sessionKey: string, options: PaginationOptions): Promise<PaginationResult<EventRow>>;
  /** The stills of a session, in the order of their keys. */
  stills(sessionKey: string, options: PaginationOptions): Promise<PaginationResult<StillRow>>;
  /** A session at a glance: its row, its cameras, the first of its events and stills. */
  timeline(sessionKey: string): Promise<Timeline>;
  /** The last that happened, newest first. */
  latestEvents(sessionKey: string, limit?: number): Promise<First<EventRow>>;
  /** What was written since a cursor, in the order of the commits; of every venue where none is named. */
  changes(venues: readonly string[] | undefined, cursor: string | null, limit?: number): Promise<Changes>;
}

export function readLedger(db: unknown, home: LedgerHome = productionHome): LedgerReader {
  const store = readStore(db, home.shelves);
  const session = async (sessionKey: string) => (await store.show({ op: "session", sessionKey, key: sessionKey })) as SessionRow | null;
  const list = async <Row>(op: Listed, sessionKey: string, options: PaginationOptions) => paged<Row>(await store.pageOf(op, sessionKey, options));
  const first = async <Row>(op: Listed, sessionKey: string, count: number) => some<Row>(await store.firstOf(op, sessionKey, count));
  return {
    session,
    sessions: async (venue, options) => paged(await store.pageOfSessions(venue, options)),
    cameras: async (sessionKey, options) => await list("camera", sessionKey, options),
    events: async (sessionKey, options) => await list("event", sessionKey, options),
    stills: async (sessionKey, options) => await list("still", sessionKey, options),
    timeline: async (sessionKey) => ({
      session: await session(sessionKey),
      cameras: await first("camera", sessionKey, TIMELINE_ROWS),
      events: await first("event", sessionKey, TIMELINE_EVENTS),
      stills: await first("still", sessionKey, TIMELINE_ROWS),
    }),
    latestEvents: async (sessionKey, limit = LATEST) => some(await store.firstOf("event", sessionKey, whole(limit, MOST_LATEST), true)),
    changes: async (venues, cursor, limit = CHANGES) => await store.changes(venues, cursor, whole(limit, MOST_CHANGES)),
  };
}

/** Each op's rows are of its own type; the store knows them as data. */
function paged<Row>(page: PaginationResult<PublicRow>): PaginationResult<Row> {
  return { ...page, page: page.page as Row[] };
}

function some<Row>({ page, isDone }: First<PublicRow>): First<Row> {
  return { page: page as Row[], isDone };
}

/** A whole number from 1 to the most, whatever was asked for. */
function whole(count: number, most: number): number {
  return Number.isFinite(count) ? Math.min(Math.max(Math.floor(count), 1), most) : most;
}
