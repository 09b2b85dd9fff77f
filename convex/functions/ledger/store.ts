/**
 * The only file that touches the database: rows in our words in, documents in the deployment's words out, and back.
 *
 * Names come from `names.ts`, so the same code serves a deployment whose tables and columns are called otherwise.
 * Every read goes by an index and is bounded; each document is found by its key, because Convex has no unique indexes:
 * look-up and write in one mutation are one serialisable transaction, which is as good.
 */

import type {
  GenericDatabaseReader,
  GenericDatabaseWriter,
  PaginationOptions,
  PaginationResult,
} from "convex/server";
import type { GenericId, Value } from "convex/values";
import { COLUMNS, type Op, type Retraction } from "./columns";
import type { JsonObject } from "./json";
import type { Row } from "./merge";
import { KEY_COLUMN, type LedgerNames, type TableNames } from "./names";

/** Where a row is found: by its key; a camera's is its session and its id. */
export interface Place {
  op: Op;
  sessionKey: string;
  key: string;
}

/** A row as it is stored, or what is left of a session that was forgotten. */
export interface Found {
  id: GenericId<string>;
  row: Row | "forgotten";
}

/** What `ingest.ts` needs of a database; the tests have one in memory as well. */
export interface LedgerStore {
  find(place: Place): Promise<Found | undefined>;
  insert(place: Place, venue: string, row: Row): Promise<void>;
  update(place: Place, venue: string, id: GenericId<string>, row: Row): Promise<void>;
}

export type PublicRow = Record<string, unknown>;

type Document = Record<string, Value> & { _id: GenericId<string>; _creationTime: number };

/** Tables whose names are data: any of them has any column, and indexes of up to three. */
type AnyTable = {
  document: Document;
  fieldPaths: string;
  indexes: Record<string, [string, string, string]>;
  searchIndexes: Record<never, never>;
  vectorIndexes: Record<never, never>;
};
type Reader = GenericDatabaseReader<Record<string, AnyTable>>;
type Writer = GenericDatabaseWriter<Record<string, AnyTable>>;

/** Why a row without columns was taken back; no entry can make such a row. */
const FORGOTTEN = "forgotten";

/** Bytes one page may read; a query may read 16 MiB in all. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGE_ROWS = 500;

/** A context's `db` is typed by its schema; here table names are data, so the types are widened, once. */
export function readStore(db: unknown, names: LedgerNames): ReadStore {
  return new ReadStore(db as Reader, names);
}

export function writeStore(db: unknown, names: LedgerNames): WriteStore {
  return new WriteStore(db as Writer, names);
}

export class ReadStore {
  constructor(
    protected readonly db: Reader,
    protected readonly names: LedgerNames,
  ) {}

  async find(place: Place): Promise<Found | undefined> {
    const document = await this.document(place);
    return document === null ? undefined : { id: document._id, row: toRow(this.names[place.op], place.op, document) };
  }

  /** The row as a query shows it. */
  async show(place: Place): Promise<PublicRow | null> {
    const document = await this.document(place);
    return document === null ? null : toPublic(this.names[place.op], document);
  }

  async pageOfSessions(venue: string, options: PaginationOptions): Promise<PaginationResult<PublicRow>> {
    const { table, columns } = this.names.session;
    const page = await this.db
      .query(table)
      // A forgotten session has no startedAt, and stands before every number in the index: it is no longer listed.
      .withIndex(this.names.indexes.sessionsByVenue, (q) =>
        q.eq(column(columns, "venue"), venue).gte(column(columns, "startedAt"), 0),
      )
      .order("desc")
      .paginate(bounded(options));
    return this.shown(this.names.session, page);
  }

  async pageOf(op: Listed, sessionKey: string, options: PaginationOptions): Promise<PaginationResult<PublicRow>> {
    const page = await this.bySession(op, sessionKey).paginate(bounded(options));
    return this.shown(this.names[op], page);
  }

  /** The first rows of a table, and whether there are no more: what a query may do several times, unlike paginate. */
  async firstOf(op: Listed, sessionKey: string, count: number): Promise<{ page: PublicRow[]; isDone: boolean }> {
    const documents = await this.bySession(op, sessionKey).take(count + 1);
    const page = documents.slice(0, count).map((document) => toPublic(this.names[op], document));
    return { page, isDone: documents.length <= count };
  }

  protected bySession(op: Listed, sessionKey: string) {
    const { table, columns } = this.names[op];
    const { indexes } = this.names;
    const index = { camera: indexes.cameraByKey, event: indexes.eventsBySession, still: indexes.stillsBySession }[op];
    return this.db.query(table).withIndex(index, (q) => q.eq(column(columns, "sessionKey"), sessionKey));
  }

  private async document({ op, sessionKey, key }: Place): Promise<Document | null> {
    const { table, columns } = this.names[op];
    const { indexes } = this.names;
    const query = this.db.query(table);
    switch (op) {
      case "session":
        return await query
          .withIndex(indexes.sessionByKey, (q) => q.eq(column(columns, "sessionKey"), sessionKey))
          .unique();
      case "camera":
        return await query
          .withIndex(indexes.cameraByKey, (q) =>
            q.eq(column(columns, "sessionKey"), sessionKey).eq(column(columns, "cameraId"), key),
          )
          .unique();
      case "event":
        return await query
          .withIndex(indexes.eventByKey, (q) => q.eq(column(columns, "eventKey"), key))
          .unique();
      case "still":
        return await query
          .withIndex(indexes.stillByKey, (q) => q.eq(column(columns, "stillKey"), key))
          .unique();
    }
  }

  private shown(names: TableNames, page: PaginationResult<Document>): PaginationResult<PublicRow> {
    return {
      page: page.page.map((document) => toPublic(names, document)),
      isDone: page.isDone,
      continueCursor: page.continueCursor,
    };
  }
}

export type Listed = "camera" | "event" | "still";

export class WriteStore extends ReadStore implements LedgerStore {
  declare protected readonly db: Writer;

  async insert(place: Place, venue: string, row: Row): Promise<void> {
    const names = this.names[place.op];
    await this.db.insert(names.table, { ...names.constants, ...toDocument(names, place, venue, row) });
  }

  async update(place: Place, venue: string, id: GenericId<string>, row: Row): Promise<void> {
    const names = this.names[place.op];
    const ours = new Set(Object.values(names.columns));
    const { _id, _creationTime, ...before } = (await this.db.get(id)) ?? {};
    // Columns that are not the ledger's keep what others wrote there; ours become what the row says, also by absence.
    const theirs = Object.fromEntries(Object.entries(before).filter(([name]) => !ours.has(name)));
    await this.db.replace(id, { ...theirs, ...toDocument(names, place, venue, row) });
  }

  /** Leaves of a session nothing but the word that it was forgotten. */
  async forget(sessionKey: string, venue: string, at: number): Promise<void> {
    const retracted: Retraction = { at, reason: FORGOTTEN };
    const { table, columns, constants } = this.names.session;
    const bare = {
      ...constants,
      [column(columns, "sessionKey")]: sessionKey,
      [column(columns, "venue")]: venue,
      [column(columns, "retracted")]: retracted,
    };
    const found = await this.find({ op: "session", sessionKey, key: sessionKey });
    if (found === undefined) await this.db.insert(table, bare);
    else if (found.row !== "forgotten") await this.db.replace(found.id, bare);
  }

  /** Deletes at most `count` rows of a session in one table and says how many it were. */
  async deleteSome(op: Listed, sessionKey: string, count: number): Promise<number> {
    if (count === 0) return 0;
    const documents = await this.bySession(op, sessionKey).take(count);
    for (const { _id } of documents) await this.db.delete(_id);
    return documents.length;
  }
}

function bounded({ numItems, cursor }: PaginationOptions): PaginationOptions {
  const rows = Number.isFinite(numItems) ? Math.floor(numItems) : MAX_PAGE_ROWS;
  return { cursor, numItems: Math.min(Math.max(rows, 1), MAX_PAGE_ROWS), maximumBytesRead: MAX_PAGE_BYTES };
}

function toDocument(names: TableNames, { op, sessionKey, key }: Place, venue: string, row: Row): JsonObject {
  const { fields, ...common } = row;
  const keyColumn = KEY_COLUMN[op];
  const ours = { ...fields, ...common, sessionKey, venue, ...(keyColumn && { [keyColumn]: key }) };
  const document: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(ours)) document[column(names.columns, name)] = value;
  return document as JsonObject;
}

function toRow(names: TableNames, op: Op, document: Document): Row | "forgotten" {
  const ours = toOurs(names, document);
  if (op === "session" && isForgotten(ours)) return "forgotten";
  const fields = Object.fromEntries(
    Object.keys(COLUMNS[op]).flatMap((name) => (ours[name] === undefined ? [] : [[name, ours[name]]])),
  );
  const { retracted, merge } = ours;
  return {
    // A row that somebody else wrote, before the ledger came, has neither and gives way to any entry.
    version: (ours["version"] as number | undefined) ?? 0,
    revision: (ours["revision"] as number | undefined) ?? 0,
    fields: fields as JsonObject,
    ...(retracted === undefined ? {} : { retracted: retracted as Retraction }),
    ...(merge === undefined ? {} : { merge: merge as NonNullable<Row["merge"]> }),
  };
}

function isForgotten(ours: Record<string, unknown>): boolean {
  const retracted = ours["retracted"] as Retraction | undefined;
  return retracted?.reason === FORGOTTEN && ours["startedAt"] === undefined;
}

/** A row by the contract's names: no `_id`, which differs from one ledger of the same entries to the next. */
function toPublic(names: TableNames, document: Document): PublicRow {
  const { merge: _bookkeeping, ...row } = toOurs(names, document);
  return row;
}

function toOurs(names: TableNames, document: Document): Record<string, unknown> {
  const ours: Record<string, unknown> = {};
  for (const [name, theirs] of Object.entries(names.columns)) {
    if (document[theirs] !== undefined) ours[name] = document[theirs];
  }
  return ours;
}

function column(columns: Readonly<Record<string, string>>, name: string): string {
  const theirs = columns[name];
  if (theirs === undefined) throw new Error(`names.ts gives no name to the column ${name}`);
  return theirs;
}
