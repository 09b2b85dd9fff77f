/**
 * The ledger in an owner's tables.
 *
 * The ledger's own row stands whole in their column `tap`; their other columns get what their four functions make of it.
 * Merging, repeats, retraction, forgetting and every read go by `tap` alone. Where a function answers null there is no
 * row in their table, and the ledger's stands in `productionTapRows`, seen by every read. A row that was taken back has
 * no place in their table either: it did not happen.
 *
 * A row that is referred to before it came is made as a stub: their function gets the little that is known of it, and
 * `tap.stub` marks it until the row comes and fills it. A stub is no row of the ledger: no read shows it.
 *
 * What they are given is checked against their schema before anything is written (`fits.ts`): one bad row is refused
 * with their words and their field, and the batch goes on. A column is written again when what it is given changes
 * (`gave.ts`); what others wrote into it stays until then.
 */

import type {
  DataModelFromSchemaDefinition,
  DocumentByName,
  GenericMutationCtx,
  GenericSchema,
  SchemaDefinition,
  TableNamesInDataModel,
} from "convex/server";
import type { GenericId, GenericValidator } from "convex/values";
import type { CameraRow, EventRow, KnownSession, Op, StillRow } from "./columns";
import type { LedgerHome } from "./home";
import type { AnyCtx, AnyOwner, App } from "./making";
import { OwnersStore, REST_TABLE } from "./ownersStore";
import { AT_COLUMN, indexOf, KEY_COLUMN, type Index, type Part, type Shelf } from "./shelf";
import { TAP_INDEXES } from "./tables";

// ------------------------------------------------------------------------------------------- what an owner writes

type AnySchema = SchemaDefinition<GenericSchema, boolean>;
type Model<S extends AnySchema> = DataModelFromSchemaDefinition<S>;
type TableName<S extends AnySchema> = TableNamesInDataModel<Model<S>>;

/** The columns of a table as a function gives them; one that may be absent may as well be undefined. */
export type Columns<S extends AnySchema, T extends TableName<S>> = Loose<Theirs<DocumentByName<Model<S>, T>>>;
type Theirs<Row> = Row extends unknown ? Omit<Row, "_id" | "_creationTime" | "tap"> : never;
type Loose<T> = T extends string | number | boolean | bigint | ArrayBuffer | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? Loose<Item>[]
    : { [Name in keyof T]: undefined extends T[Name] ? Loose<T[Name]> | undefined : object extends Pick<T, Name> ? Loose<T[Name]> | undefined : Loose<T[Name]> };

/**
 * Ids of other rows; one that has not come yet is made as a stub. What has no row in your table cannot be referred to:
 * then there is none for the row at hand either, unless you say that you can do without (`{ optional: true }`).
 */
export interface Refs<S extends AnySchema, T extends Record<Op, TableName<S>>> {
  session(): Promise<GenericId<T["session"]>>;
  session(can: Optional): Promise<GenericId<T["session"]> | undefined>;
  camera(cameraId: string): Promise<GenericId<T["camera"]>>;
  camera(cameraId: string, can: Optional): Promise<GenericId<T["camera"]> | undefined>;
  /** `markerOf` and `captureOf` name the events of a still. */
  event(eventKey: string): Promise<GenericId<T["event"]>>;
  event(eventKey: string, can: Optional): Promise<GenericId<T["event"]> | undefined>;
}
export interface Optional {
  optional: true;
}

export interface Given<S extends AnySchema, T extends Record<Op, TableName<S>>, C> {
  refs: Refs<S, T>;
  /** What `context` gave for this batch. */
  context: C;
  /** The row has not come yet: little is known of it, but that another row refers to it. */
  stub: boolean;
}

type Answered<Row> = Row | null | Promise<Row | null>;

/** What an owner's rows are made of. Null: no row of yours. */
export interface Owner<S extends AnySchema, T extends Record<Op, TableName<S>>, C> {
  /** What only your database knows, read once a batch. */
  context?(ctx: GenericMutationCtx<Model<S>>, venue: string): C | Promise<C>;
  session(row: KnownSession, given: Given<S, T, C>): Answered<Columns<S, T["session"]>>;
  camera(row: CameraRow, given: Given<S, T, C>): Answered<Columns<S, T["camera"]>>;
  event(row: EventRow, given: Given<S, T, C>): Answered<Columns<S, T["event"]>>;
  still(row: StillRow, given: Given<S, T, C>): Answered<Columns<S, T["still"]>>;
}

/** The key of the event by which a still was asked for. */
export function markerOf({ sessionKey, stillKey }: StillRow): string {
  const [, name = ""] = stillKey.slice(sessionKey.length + 1).split("/");
  return `${sessionKey}/still_marker/${name}`;
}

/** The key of the event of a still's capture. */
export function captureOf({ sessionKey, stillKey }: StillRow): string {
  const [, ...names] = stillKey.slice(sessionKey.length + 1).split("/");
  return [sessionKey, "still_capture", ...names].join("/");
}

/**
 * A home in an owner's tables, by the names that they have. Throws, and so fails a deploy, where the schema lacks what it
 * needs.
 */
export function ownersHome<S extends AnySchema, const T extends Record<Op, TableName<S>>>(schema: S, names: T) {
  // In two steps, so that the types of the tables are settled before the functions are looked at.
  return <C = undefined>(owner: Owner<S, T, C>): LedgerHome => homeOf(schema.tables as Tables, names, owner as unknown as AnyOwner);
}

function homeOf(tables: Tables, names: Readonly<Record<Op, string>>, owner: AnyOwner): LedgerHome {
  const theirs = byOp((op) => shelfOf(op, names[op], tables));
  for (const name of [REST_TABLE, "productionTapKeys"]) {
    if (tables[name] === undefined) throw new Error(`the schema lacks ${name}: spread productionTapTables into it`);
  }
  const shelves = byOp((op) => [theirs[op], REST[op]]);
  const validators = byOp((op) => (tables[names[op]] as AnyTable).validator);
  const app: App = { owner, shelves, theirs, rest: REST, validators };
  return { shelves, writer: (ctx, venue) => new OwnersStore(ctx as AnyCtx, venue, app) };
}

function byOp<Value>(make: (op: Op) => Value): Record<Op, Value> {
  return { session: make("session"), camera: make("camera"), event: make("event"), still: make("still") };
}

// ------------------------------------------------------------------------------------------- where rows stand

type Tables = Record<string, AnyTable | undefined>;
interface AnyTable {
  validator: GenericValidator;
  " indexes"(): { indexDescriptor: string; fields: string[] }[];
}

const REST: Readonly<Record<Op, Shelf>> = byOp(restShelf);

function restShelf(op: Op): Shelf {
  const ofSession = ["sessionKey", "tap.sessionKey"] as const;
  const [venue, at, key, changedAt] = [["venue", "tap.venue"], ["at", "at"], ["key", "key"], ["changedAt", "tap.changedAt"]] as const;
  const byKey = indexOf("by_key", ofSession, key);
  const list = { session: indexOf("by_venue", venue, at, key), event: indexOf("by_at", ofSession, at, key), camera: byKey, still: byKey };
  return {
    op,
    table: REST_TABLE,
    column: "tap",
    fixed: ["op", op],
    indexes: {
      key: byKey,
      list: list[op],
      changed: indexOf("by_changed", changedAt, ofSession, key),
      venueChanged: indexOf("by_venue_changed", venue, changedAt, ofSession, key),
    },
  };
}

function shelfOf(op: Op, table: string, tables: Tables): Shelf {
  const definition = tables[table];
  if (definition === undefined) throw new Error(`the schema has no table ${table}`);
  const there = new Map(definition[" indexes"]().map(({ indexDescriptor, fields }) => [indexDescriptor, fields.join()]));
  const index = (name: string): Index => {
    const paths: readonly string[] = (TAP_INDEXES[op] as Record<string, readonly string[]>)[name] ?? [];
    if (there.get(name) !== paths.join()) {
      throw new Error(`${table} lacks the index ${name} on ${paths.join(", ")}: define the table with tapTable.${op}({ … })`);
    }
    return indexOf(name, ...paths.map((path) => [partOf(op, path), path] as const));
  };
  const key = index("tap_key");
  const list = "tap_list" in TAP_INDEXES[op] ? index("tap_list") : key;
  return { op, table, column: "tap", indexes: { key, list, changed: index("tap_changed"), venueChanged: index("tap_venue_changed") } };
}

function partOf(op: Op, path: string): Part {
  const column = path.replace("tap.", "");
  if (column === KEY_COLUMN[op]) return "key";
  return column === AT_COLUMN[op] ? "at" : (column as Part);
}
