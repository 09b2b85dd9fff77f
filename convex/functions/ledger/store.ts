/**
 * What the ledger needs of a database, and how its rows are read, wherever they stand (`home.ts`, `owners.ts`).
 *
 * Every read goes by an index and is bounded; each document is found by its key, because Convex has no unique indexes:
 * look-up and write in one mutation are one serialisable transaction, which is as good. Where somebody put a second
 * document with the same key there by hand, the older one is the row, and the next write removes the other.
 */

import type { GenericDatabaseWriter, PaginationOptions, PaginationResult } from "convex/server";
import type { GenericId, Value } from "convex/values";
import { COLUMNS, OPS, type Op, type Retraction } from "./columns";
import { readCursor, writeCursor, type Mark } from "./cursors";
import type { JsonObject } from "./json";
import type { Row } from "./merge";
import { refusal, type Rejection } from "./problems";
import {
  AT_COLUMN,
  CHANGE_ORDER,
  compareItems,
  comparePositions,
  documentsAt,
  itemOf,
  KEY_COLUMN,
  merged,
  positionOf,
  query,
  walk,
  type AnyTable,
  type From,
  type Item,
  type Part,
  type Position,
  type Reader,
  type Shelf,
} from "./shelf";

/** Where a row is found: by its session and key; a camera's key is its id. */
export interface Place {
  op: Op;
  sessionKey: string;
  key: string;
}

/** A row as it is stored, what is left of a session that was forgotten, or nothing but a stub (`owners.ts`). */
export interface Found {
  id: GenericId<string>;
  row: Row | "forgotten" | undefined;
}

/**
 * What `ingest.ts` needs of a home of rows. `Where` is what a home must know to write a row again; the tests have a home
 * in memory as well.
 */
export interface LedgerStore<Where extends Found = Found> {
  /** Throws where no row could be written now: what a batch without entries asks. */
  ready?(): Promise<void>;
  find(place: Place): Promise<Where | undefined>;
  /** Whether the row has a place here; anything that is not a rejection is handed back with the row to `put`. */
  take?(place: Place, found: Where | undefined, row: Row, others: Others<Where>): Promise<Rejection | object>;
  put(held: Held<Where>, row: Row, others: Others<Where>): Promise<Where>;
}

/** The other rows of the batch that is under way. */
export interface Others<Where extends Found = Found> {
  /** A row as the batch has it, with where it stands. */
  hold(place: Place): Promise<Held<Where>>;
  /** Writes a row now, so that others can refer to it. */
  settle(held: Held<Where>): Promise<Where | undefined>;
}

export interface Held<Where extends Found = Found> {
  place: Place;
  found: Where | undefined;
  row: Row | "forgotten" | undefined;
  /** What `take` made of the row. */
  taken: object | undefined;
  /** It must be written. */
  changed: boolean;
  /** The row says what it said before, and only stands elsewhere: no news for readers of `changes`. */
  moved: boolean;
}

export type PublicRow = Record<string, unknown>;
export type Listed = "camera" | "event" | "still";
export type Shelves = Readonly<Record<Op, readonly Shelf[]>>;
export type Writer = GenericDatabaseWriter<Record<string, AnyTable>>;

/** How a page is asked for; older versions of convex have some of these without typing them. */
type PageOptions = PaginationOptions & { endCursor?: string | null; maximumRowsRead?: number; maximumBytesRead?: number };

export interface Change {
  op: Op;
  row: PublicRow;
}

/** Why a row without columns was taken back; no entry can make such a row. */
export const FORGOTTEN = "forgotten";

/** Bytes one page may read; a query may read 16 MiB in all. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
export const MAX_PAGE_ROWS = 500;

/** More than this many documents with one key are not looked at. */
const MOST_COPIES = 5;

/** A context's `db` is typed by its schema; here table names are data, so the types are widened, once. */
export function readStore(db: unknown, shelves: Shelves): ReadStore {
  return new ReadStore(db as Reader, shelves);
}

export class ReadStore {
  constructor(
    protected readonly db: Reader,
    protected readonly shelves: Shelves,
  ) {}

  /** The row as a query shows it. */
  async show(place: Place): Promise<PublicRow | null> {
    const [item] = await this.itemsAt(place);
    return item === undefined || item.row["stub"] === true ? null : shown(item);
  }

  /** A venue's sessions, newest first. */
  async pageOfSessions(venue: string, options: PaginationOptions): Promise<PaginationResult<PublicRow>> {
    return await this.page("session", { venue }, options, true);
  }

  async pageOf(op: Listed, sessionKey: string, options: PaginationOptions): Promise<PaginationResult<PublicRow>> {
    return await this.page(op, { sessionKey }, options, false);
  }

  /** The first rows of a table, and whether there are no more: what a query may do several times, unlike paginate. */
  async firstOf(op: Listed, sessionKey: string, count: number, descending = false): Promise<{ page: PublicRow[]; isDone: boolean }> {
    const taken = await take(this.inOrder(op, { sessionKey }, { descending }), count);
    return { page: taken.items.map(shown), isDone: taken.isDone };
  }

  /** What was written after the cursor, in the order of the commits; of every venue where none is named. */
  async changes(venues: readonly string[] | undefined, cursor: string | null, count: number): Promise<Changes> {
    const since = cursor === null ? undefined : sinceOf(readCursor(cursor));
    const scopes: Position[] = venues === undefined ? [{}] : venues.map((venue) => ({ venue }));
    const walks = OPS.flatMap((op) => scopes.flatMap((scope) => this.changesOf(op, scope, since)));
    const { items, isDone } = await take(merged(walks, inChangeOrder), count);
    const last = items[items.length - 1];
    const next = last === undefined ? (cursor ?? writeCursor([])) : writeCursor(marksOf(last));
    return { page: items.map((item) => ({ op: item.shelf.op, row: shown(item) })), cursor: next, isDone };
  }

  /** What stands at a place, the row first; more than one item only where somebody put a copy there by hand. */
  protected async itemsAt({ op, sessionKey, key }: Place): Promise<Item[]> {
    const items: Item[] = [];
    for (const shelf of this.shelves[op]) {
      const documents = await documentsAt(this.db, shelf, { sessionKey, key }, MOST_COPIES);
      items.push(...documents.map((document) => itemOf(shelf, document)));
    }
    // A row that moved to another shelf left nothing behind; of two all the same, one that is a row counts.
    return items.sort((left, right) => Number(left.row["stub"] === true) - Number(right.row["stub"] === true));
  }

  private inOrder(op: Op, given: Position, from: From): AsyncGenerator<Item> {
    const walks = this.shelves[op].map((shelf) => walk(this.db, shelf, "list", given, from));
    const parts = this.orderOf(op);
    const descending = from.descending === true;
    return merged(walks, (left, right) => (descending ? -1 : 1) * compareItems(left, right, parts));
  }

  private changesOf(op: Op, scope: Position, since: Since | undefined): AsyncGenerator<Item>[] {
    const purpose = "venue" in scope ? "venueChanged" : "changed";
    return this.shelves[op].map((shelf) => walk(this.db, shelf, purpose, scope, since === undefined ? {} : behind(since, op)));
  }

  private orderOf(op: Op): readonly Part[] {
    return AT_COLUMN[op] === undefined ? ["key"] : ["at", "key"];
  }

  private async page(op: Op, given: Position, options: PaginationOptions, descending: boolean): Promise<PaginationResult<PublicRow>> {
    const [only, ...more] = this.shelves[op];
    if (only !== undefined && more.length === 0) return await this.pageOfOne(only, given, options, descending);
    return await this.pageOfAll(op, given, options, descending);
  }

  /** Convex's own pages, which keep their ends while a subscription lasts. */
  private async pageOfOne(shelf: Shelf, given: Position, options: PaginationOptions, descending: boolean): Promise<PaginationResult<PublicRow>> {
    const page = await query(this.db, shelf, shelf.indexes.list, given, { same: {}, timed: true }, descending).paginate(bounded(options));
    const items = page.page.map((document) => itemOf(shelf, document));
    return { ...page, page: items.filter((item, index) => isOnly(item, items[index - 1])).map(shown) };
  }

  /** Pages of several tables as one. Their ends are positions; `endCursor` keeps one where it was. */
  private async pageOfAll(op: Op, given: Position, options: PageOptions, descending: boolean): Promise<PaginationResult<PublicRow>> {
    const parts = this.orderOf(op);
    const at = (cursor: string) => Object.fromEntries(readCursor(cursor).map((mark, index) => [parts[index] ?? "", mark]));
    const cursorOf = (item: Item) => writeCursor(parts.map((part) => positionOf(item)[part] as Mark));
    const all = this.inOrder(op, given, { descending, ...(options.cursor !== null && { after: at(options.cursor) }) });
    const { cursor, endCursor = null } = options;
    if (endCursor === null) {
      const { items, isDone } = await take(all, bounded(options).numItems);
      const last = items[items.length - 1];
      return { page: items.map(shown), isDone, continueCursor: last === undefined ? (cursor ?? writeCursor([])) : cursorOf(last) };
    }
    const { items, isDone } = await take(upTo(all, at(endCursor), parts, descending), MAX_PAGE_ROWS);
    const [half, last] = [items[Math.floor((items.length - 1) / 2)], items[items.length - 1]];
    const page = { page: items.map(shown), isDone: false };
    if (isDone || half === undefined || last === undefined) return { ...page, continueCursor: endCursor };
    return { ...page, continueCursor: cursorOf(last), splitCursor: cursorOf(half), pageStatus: "SplitRequired" };
  }
}

/** Whether no item with the same key stands before it. */
function isOnly(item: Item, before: Item | undefined): boolean {
  return before === undefined || positionOf(item).key !== positionOf(before).key;
}

/** As many as asked for, or as a page may have bytes; and whether there are no more. */
async function take(walk: AsyncGenerator<Item>, count: number): Promise<{ items: Item[]; isDone: boolean }> {
  const items: Item[] = [];
  let bytes = 0;
  for await (const item of walk) {
    if (items.length >= count || bytes >= MAX_PAGE_BYTES) return { items, isDone: false };
    items.push(item);
    bytes += JSON.stringify(shown(item)).length;
  }
  return { items, isDone: true };
}

async function* upTo(walk: AsyncGenerator<Item>, end: Position, parts: readonly Part[], descending: boolean): AsyncGenerator<Item> {
  for await (const item of walk) {
    const order = comparePositions(positionOf(item), end, parts);
    if (descending ? order < 0 : order > 0) return;
    yield item;
  }
}

function bounded(options: PageOptions): PageOptions {
  const { numItems, maximumRowsRead, ...rest } = options;
  const rows = Number.isFinite(numItems) ? Math.floor(numItems) : MAX_PAGE_ROWS;
  // The page's end is the caller's, as the official hook asks for it; how much one page may read is ours.
  return { ...rest, numItems: Math.min(Math.max(rows, 1), MAX_PAGE_ROWS), maximumBytesRead: MAX_PAGE_BYTES };
}

/** The row of a document by the contract's names: no `_id`, which differs between ledgers of the same entries. */
export function shown({ shelf, row }: Item): PublicRow {
  const names = [...PUBLIC_COLUMNS, ...Object.keys(COLUMNS[shelf.op])];
  const key = KEY_COLUMN[shelf.op];
  return Object.fromEntries([...new Set([...names, key])].flatMap((name) => (row[name] === undefined ? [] : [[name, row[name]]])));
}

const PUBLIC_COLUMNS = ["sessionKey", "venue", "version", "revision", "retracted"] as const;

// ------------------------------------------------------------------------------------------- what changed

export interface Changes {
  page: Change[];
  cursor: string;
  isDone: boolean;
}

/** The last row that a caller of `changes` has had. */
interface Since {
  op: Op;
  at: Position;
}

function inChangeOrder(left: Item, right: Item): number {
  return (
    compareItems(left, right, ["changedAt"]) ||
    OPS.indexOf(left.shelf.op) - OPS.indexOf(right.shelf.op) ||
    compareItems(left, right, CHANGE_ORDER)
  );
}

/** One commit may have written rows of several kinds; each kind is read on from where the last row was in this order. */
function behind({ op: last, at }: Since, op: Op): From {
  if (op === last) return { after: at };
  const commit = { changedAt: at.changedAt };
  return OPS.indexOf(op) < OPS.indexOf(last) ? { after: commit } : { at: commit };
}

function marksOf(item: Item): Mark[] {
  const { changedAt, sessionKey, key } = positionOf(item);
  return [item.shelf.op, changedAt === undefined ? null : String(changedAt), sessionKey as string, key as string];
}

function sinceOf(marks: readonly Mark[]): Since | undefined {
  if (marks.length === 0) return undefined;
  const [name, commit, sessionKey, key] = marks;
  const op = OPS.find((known) => known === name);
  const fits = typeof sessionKey === "string" && typeof key === "string" && (commit === null || /^\d{1,19}$/.test(String(commit)));
  if (op === undefined || !fits || marks.length !== 4) throw refusal("cursor");
  return { op, at: { changedAt: commit == null ? undefined : BigInt(commit), sessionKey, key } };
}

// ------------------------------------------------------------------------------------------- rows and documents

/** A row as a document holds it; without `changedAt`, which each write adds. */
export function toStored({ op, sessionKey, key }: Place, venue: string, row: Row): JsonObject {
  const { fields, ...common } = row;
  return { ...fields, ...common, sessionKey, venue, [KEY_COLUMN[op]]: key } as JsonObject;
}

export function toRow(op: Op, stored: Record<string, Value | undefined>): Row | "forgotten" {
  if (op === "session" && isForgotten(stored)) return FORGOTTEN;
  const names = Object.keys(COLUMNS[op]).filter((name) => stored[name] !== undefined);
  const { version, revision, retracted, merge } = stored;
  return {
    version: version as number,
    revision: revision as number,
    fields: Object.fromEntries(names.map((name) => [name, stored[name]])) as JsonObject,
    ...(retracted === undefined ? {} : { retracted: retracted as Retraction }),
    ...(merge === undefined ? {} : { merge: merge as NonNullable<Row["merge"]> }),
  };
}

function isForgotten(stored: Record<string, Value | undefined>): boolean {
  const retracted = stored["retracted"] as Retraction | undefined;
  return retracted?.reason === FORGOTTEN && stored["startedAt"] === undefined;
}

export function bareSession(sessionKey: string, venue: string, at: number): { sessionKey: string; venue: string; retracted: Retraction } {
  return { sessionKey, venue, retracted: { at, reason: FORGOTTEN } };
}
