/**
 * Rows where they stand: a table, where in its documents the row is, and the indexes that lead to it.
 *
 * `walk` is the one way in which rows are read in order: by an index, from a position, one document after the other, so
 * that whoever has enough stops reading. Several shelves are read as one by `merged`.
 */

import type { GenericDatabaseReader, IndexRange, OrderedQuery } from "convex/server";
import type { GenericId, Value } from "convex/values";
import type { Op } from "./columns";
import { compareText } from "./json";

export type Document = Record<string, Value> & { _id: GenericId<string>; _creationTime: number };

/** Tables whose names are data: any of them has any column and any index. */
export type AnyTable = {
  document: Document;
  fieldPaths: string;
  indexes: Record<string, string[]>;
  searchIndexes: Record<never, never>;
  vectorIndexes: Record<never, never>;
};
export type Reader = GenericDatabaseReader<Record<string, AnyTable>>;

/** What the indexes are made of. `key` is the row's own; `at` when a session began or an event happened. */
export type Part = "venue" | "sessionKey" | "key" | "at" | "changedAt";
export type Position = Partial<Record<Part, Value | undefined>>;

/** `key` finds a row; `list` has a session's rows (or a venue's sessions) in order; the others are for `changes`. */
type Purpose = "key" | "list" | "changed" | "venueChanged";

export interface Index {
  name: string;
  parts: readonly Part[];
  /** The path of each part in the documents. */
  paths: readonly string[];
}

export function indexOf(name: string, ...fields: (readonly [part: Part, path: string])[]): Index {
  return { name, parts: fields.map(([part]) => part), paths: fields.map(([, path]) => path) };
}

export interface Shelf {
  op: Op;
  table: string;
  /** The column that holds the row; the document is the row where there is none. */
  column?: string;
  /** The first field of every index and its value, where rows of several kinds share a table. */
  fixed?: readonly [path: string, value: string];
  indexes: Readonly<Record<Purpose, Index>>;
}

/** The column of a row that is its key: with its session's, where that is not part of it. */
export const KEY_COLUMN: Readonly<Record<Op, string>> = {
  session: "sessionKey",
  camera: "cameraId",
  event: "eventKey",
  still: "stillKey",
};

/** The column by which a list of rows goes; cameras and stills go by their keys. */
export const AT_COLUMN: Readonly<Partial<Record<Op, string>>> = { session: "startedAt", event: "at" };

/** The order of rows in `changes`, whatever table they stand in. */
export const CHANGE_ORDER: readonly Part[] = ["changedAt", "sessionKey", "key"];

/** A document found on a shelf, with its row. */
export interface Item {
  shelf: Shelf;
  document: Document;
  row: Record<string, Value>;
}

export function itemOf(shelf: Shelf, document: Document): Item {
  const row = shelf.column === undefined ? document : document[shelf.column];
  return { shelf, document, row: (row ?? {}) as Record<string, Value> };
}

export function positionOf({ shelf, row }: Item): Required<Position> {
  return {
    venue: row["venue"],
    sessionKey: row["sessionKey"],
    key: row[KEY_COLUMN[shelf.op]],
    at: row[AT_COLUMN[shelf.op] ?? ""],
    changedAt: row["changedAt"],
  };
}

export interface From {
  /** Read on behind this position; whoever names only its first parts gets nothing that has them. */
  after?: Position;
  /** Or at it: what has the named parts comes too. */
  at?: Position;
  descending?: boolean;
}

/** The rows of which these parts are given, in the order of the index, each key once; stubs are no rows. */
export async function* walk(db: Reader, shelf: Shelf, purpose: Purpose, given: Position, from: From = {}): AsyncGenerator<Item> {
  const index = shelf.indexes[purpose];
  const open = index.parts.filter((part) => !(part in given));
  let last: Item | undefined;
  for (const range of rangesOf(open, from)) {
    const timed = purpose === "list";
    for await (const document of query(db, shelf, index, given, { ...range, timed }, from.descending === true)) {
      const item = itemOf(shelf, document);
      // Two documents with one key stand beside each other; the older one counts (`store.ts`).
      if (item.row["stub"] === true || (last !== undefined && compareItems(last, item, open) === 0)) continue;
      last = item;
      yield item;
    }
  }
}

/** Behind a position of several parts: the rest with the same first parts, then the rest with fewer of them. */
interface Range {
  same: Position;
  beyond?: { part: Part; value: Value | undefined; included: boolean };
  /** Only rows that have an `at`: a forgotten session has none, and stands before every number in the index. */
  timed?: boolean;
}

function rangesOf(open: readonly Part[], { after, at }: From): Range[] {
  const start = after ?? at ?? {};
  const named = open.filter((part) => part in start);
  if (named.length === 0) return [{ same: {} }];
  return named
    .map((part, index) => {
      const same = Object.fromEntries(named.slice(0, index).map((earlier) => [earlier, start[earlier]]));
      const included = at !== undefined && index === named.length - 1;
      return { same, beyond: { part, value: start[part], included } };
    })
    .reverse();
}

/** As the builder of an index's range is called here; its types know columns, which are data. */
interface Bounds {
  eq(path: string, value: unknown): Bounds;
  gt(path: string, value: unknown): Bounds;
  gte(path: string, value: unknown): Bounds;
  lt(path: string, value: unknown): Bounds;
  lte(path: string, value: unknown): Bounds;
}

export function query(
  db: Reader,
  shelf: Shelf,
  index: Index,
  given: Position,
  { same, beyond, timed }: Range,
  descending: boolean,
): OrderedQuery<AnyTable> {
  const path = (part: Part) => index.paths[index.parts.indexOf(part)] ?? part;
  return db
    .query(shelf.table)
    .withIndex(index.name, (q) => {
      let bounds = q as unknown as Bounds;
      if (shelf.fixed !== undefined) bounds = bounds.eq(...shelf.fixed);
      for (const part of index.parts) {
        const known = part in given ? given : part in same ? same : undefined;
        if (known !== undefined) bounds = bounds.eq(path(part), known[part]);
      }
      const floor = timed === true && index.parts.includes("at") && !("at" in same);
      if (floor && (descending || beyond === undefined)) bounds = bounds.gte(path("at"), 0);
      if (beyond !== undefined) {
        const way = descending ? (beyond.included ? "lte" : "lt") : beyond.included ? "gte" : "gt";
        bounds = bounds[way](path(beyond.part), beyond.value);
      }
      return bounds as unknown as IndexRange;
    })
    .order(descending ? "desc" : "asc");
}

/** Documents with one key; more than one of them only where somebody put a copy there by hand. */
export async function documentsAt(db: Reader, shelf: Shelf, given: Position, count: number): Promise<Document[]> {
  return await query(db, shelf, shelf.indexes.key, given, { same: {} }, false).take(count);
}

/** Several walks as one; each of them, and all together, in this order. */
export async function* merged(walks: readonly AsyncGenerator<Item>[], order: (left: Item, right: Item) => number): AsyncGenerator<Item> {
  const heads: { walk: AsyncGenerator<Item>; item: Item }[] = [];
  for (const walk of walks) await advance(heads, walk);
  let last: Item | undefined;
  while (heads.length > 0) {
    const first = heads.reduce((best, head) => (order(head.item, best.item) < 0 ? head : best));
    if (last === undefined || order(last, first.item) !== 0) yield first.item;
    last = first.item;
    heads.splice(heads.indexOf(first), 1);
    await advance(heads, first.walk);
  }
}

async function advance(heads: { walk: AsyncGenerator<Item>; item: Item }[], walk: AsyncGenerator<Item>): Promise<void> {
  const next = await walk.next();
  if (next.done !== true) heads.push({ walk, item: next.value });
}

export function compareItems(left: Item, right: Item, parts: readonly Part[]): number {
  return comparePositions(positionOf(left), positionOf(right), parts);
}

/** As Convex orders an index: what is not there first, then numbers, then texts by their bytes. */
export function comparePositions(left: Position, right: Position, parts: readonly Part[]): number {
  for (const part of parts) {
    const order = compareValues(left[part], right[part]);
    if (order !== 0) return order;
  }
  return 0;
}

function compareValues(left: Value | undefined, right: Value | undefined): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  if (typeof left === "string" && typeof right === "string") return compareText(left, right);
  return left === right ? 0 : (left as number | bigint) < (right as number | bigint) ? -1 : 1;
}
