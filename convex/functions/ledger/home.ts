/** The ledger in tables of its own (`tables.ts`): a document is a row. */

import type { GenericId } from "convex/values";
import { COLUMNS, type Op } from "./columns";
import { commitTs } from "./commitTs";
import type { Row } from "./merge";
import { indexOf as index, query, type Index, type Item, type Part, type Reader, type Shelf } from "./shelf";
import { bareSession, ReadStore, toRow, toStored, type Found, type Held, type Listed, type LedgerStore, type Others, type Place, type Shelves, type Writer } from "./store";
import type { Rejection } from "./problems";

/** Where rows stand, and who writes them there. */
export interface LedgerHome {
  readonly shelves: Shelves;
  /** For one mutation; `ctx` is its context. */
  writer(ctx: unknown, venue: string): HomeStore;
}

export interface HomeStore extends LedgerStore {
  /** Leaves of a session nothing but the word that it was forgotten. */
  forget(sessionKey: string, at: number): Promise<void>;
  /** Deletes at most so many of a session's rows and says how many it were. */
  deleteSome(op: Listed, sessionKey: string, count: number): Promise<number>;
  /** Makes rows anew where they are made by somebody's functions; says what was refused. */
  refill?(places: readonly Place[], others: Others): Promise<Rejection[]>;
}

/** A row and the copies of it that somebody made by hand. */
interface Standing extends Found {
  copies: readonly GenericId<string>[];
}

function shelfOf(op: Op, table: string, keyColumn: string, key: Index, list: Index): Shelf {
  const order: [Part, string][] = op === "session" ? [["key", "sessionKey"]] : [["sessionKey", "sessionKey"], ["key", keyColumn]];
  const changed = index("by_changed", ["changedAt", "changedAt"], ...order);
  const venueChanged = index("by_venue_changed", ["venue", "venue"], ["changedAt", "changedAt"], ...order);
  return { op, table, indexes: { key, list, changed, venueChanged } };
}

const cameras = index("by_session_camera", ["sessionKey", "sessionKey"], ["key", "cameraId"]);
const stills = index("by_session_still", ["sessionKey", "sessionKey"], ["key", "stillKey"]);

const SHELVES: Shelves = {
  session: [
    shelfOf(
      "session",
      "productionSessions",
      "sessionKey",
      index("by_session_key", ["key", "sessionKey"]),
      index("by_venue_started", ["venue", "venue"], ["at", "startedAt"], ["key", "sessionKey"]),
    ),
  ],
  camera: [shelfOf("camera", "productionCameras", "cameraId", cameras, cameras)],
  event: [
    shelfOf(
      "event",
      "productionDirectorEvents",
      "eventKey",
      index("by_event_key", ["key", "eventKey"]),
      index("by_session_at", ["sessionKey", "sessionKey"], ["at", "at"], ["key", "eventKey"]),
    ),
  ],
  still: [shelfOf("still", "productionStills", "stillKey", stills, stills)],
};

export const productionHome: LedgerHome = {
  shelves: SHELVES,
  writer: (ctx, venue) => new OwnStore((ctx as { db: Writer }).db, venue),
};

class OwnStore extends ReadStore implements HomeStore {
  constructor(
    private readonly writing: Writer,
    private readonly venue: string,
  ) {
    super(writing as Reader, SHELVES);
  }

  async find(place: Place): Promise<Standing | undefined> {
    const [item, ...copies] = await this.itemsAt(place);
    return item && { id: item.document._id, row: toRow(place.op, item.row), copies: copies.map(idOf) };
  }

  async put({ place, found }: Held<Standing>, row: Row): Promise<Standing> {
    const stored = { ...toStored(place, this.venue, row), ...commitTs(this.writing) };
    if (found === undefined) return { id: await this.writing.insert(tableOf(place.op), stored as never), row, copies: [] };
    // Columns that an app added to these tables keep what stands in them; ours become what the row says, also by absence.
    await this.writing.patch(tableOf(place.op), found.id, { ...absent(place.op), ...stored } as never);
    for (const copy of found.copies) await this.writing.delete(tableOf(place.op), copy);
    return { id: found.id, row, copies: [] };
  }

  async forget(sessionKey: string, at: number): Promise<void> {
    const found = await this.find({ op: "session", sessionKey, key: sessionKey });
    if (found?.row === "forgotten") return;
    const bare = { ...bareSession(sessionKey, this.venue, at), ...commitTs(this.writing) };
    if (found === undefined) await this.writing.insert(tableOf("session"), bare as never);
    else await this.writing.replace(tableOf("session"), found.id, bare as never);
    for (const copy of found?.copies ?? []) await this.writing.delete(tableOf("session"), copy);
  }

  async deleteSome(op: Listed, sessionKey: string, count: number): Promise<number> {
    return await deleteFrom(this.writing, this.shelves[op], sessionKey, count);
  }
}

/** At most so many documents of a session on these shelves; how many it were. */
export async function deleteFrom(db: Writer, shelves: readonly Shelf[], sessionKey: string, count: number): Promise<number> {
  let deleted = 0;
  for (const shelf of shelves) {
    if (deleted >= count) break;
    const documents = await query(db as Reader, shelf, shelf.indexes.list, { sessionKey }, { same: {} }, false).take(count - deleted);
    for (const { _id } of documents) await db.delete(shelf.table, _id);
    deleted += documents.length;
  }
  return deleted;
}

function tableOf(op: Op): string {
  return SHELVES[op][0]?.table as string;
}

function idOf({ document }: Item): GenericId<string> {
  return document._id;
}

/** Every column of ours, taken away. */
function absent(op: Op): Record<string, undefined> {
  const names = [...Object.keys(COLUMNS[op]), "retracted", ...(op === "event" ? [] : ["merge"])];
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
