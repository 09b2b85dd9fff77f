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
import { ConvexError, type GenericId, type GenericValidator, type Value } from "convex/values";
import { KINDS } from "./about";
import { type CameraRow, type EventRow, type KnownSession, type Op, type StillRow } from "./columns";
import { commitTs } from "./commitTs";
import { isRejection } from "./entries";
import { defined, misfitOf } from "./fits";
import { gaveOf, given, without, type Gave } from "./gave";
import { deleteFrom, type HomeStore, type LedgerHome } from "./home";
import { isPlainObject, type JsonObject } from "./json";
import type { Row } from "./merge";
import { refusal, REJECTIONS, type Rejection } from "./problems";
import { AT_COLUMN, indexOf, KEY_COLUMN, type Document, type Index, type Item, type Part, type Reader, type Shelf } from "./shelf";
import {
  bareSession,
  ReadStore,
  toRow,
  toStored,
  type Found,
  type Held,
  type Listed,
  type Others,
  type Place,
  type Shelves,
  type Writer,
} from "./store";
import { TAP_INDEXES } from "./tables";

// ------------------------------------------------------------------------------------------- what an owner writes

type AnySchema = SchemaDefinition<GenericSchema, boolean>;
type Model<S extends AnySchema> = DataModelFromSchemaDefinition<S>;
type TableName<S extends AnySchema> = TableNamesInDataModel<Model<S>>;

/** The columns of a table as a function gives them; one that may be absent may as well be undefined. */
export type Columns<S extends AnySchema, T extends TableName<S>> = Loose<Omit<DocumentByName<Model<S>, T>, "_id" | "_creationTime" | "tap">>;
type Loose<T> = T extends string | number | boolean | bigint | ArrayBuffer | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? Loose<Item>[]
    : { [Name in keyof T]: undefined extends T[Name] ? Loose<T[Name]> | undefined : object extends Pick<T, Name> ? Loose<T[Name]> | undefined : Loose<T[Name]> };

/** Ids of other rows; one that has not come yet is made as a stub. */
export interface Refs<S extends AnySchema, T extends Record<Op, TableName<S>>> {
  session(): Promise<GenericId<T["session"]>>;
  camera(cameraId: string): Promise<GenericId<T["camera"]>>;
  /** `markerOf` and `captureOf` name the events of a still. */
  event(eventKey: string): Promise<GenericId<T["event"]>>;
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
  return { shelves, writer: (ctx, venue) => new OwnersStore(ctx as AnyCtx, venue, { owner, shelves, theirs, validators }) };
}

function byOp<Value>(make: (op: Op) => Value): Record<Op, Value> {
  return { session: make("session"), camera: make("camera"), event: make("event"), still: make("still") };
}

// ------------------------------------------------------------------------------------------- where rows stand

/** An owner whose types were checked where it was written; from here on names and columns are data. */
type AnyOwner = { context?(ctx: unknown, venue: string): unknown } & Record<Op, (row: unknown, given: unknown) => unknown>;
type AnyCtx = { db: Writer & { normalizeId(table: string, id: string): string | null; system?: unknown } };

type Tables = Record<string, AnyTable | undefined>;
interface AnyTable {
  validator: GenericValidator;
  " indexes"(): { indexDescriptor: string; fields: string[] }[];
}

interface App {
  owner: AnyOwner;
  shelves: Shelves;
  theirs: Readonly<Record<Op, Shelf>>;
  validators: Readonly<Record<Op, GenericValidator>>;
}

const REST_TABLE = "productionTapRows";
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

/** Where a row of one place stands, and what else stands at that place by mistake. */
interface Standing extends Found {
  shelf: Shelf;
  document: Document;
  copies: readonly Item[];
}

/** What their function made of a row; null where they want none. */
interface Taken {
  columns: Record<string, unknown> | null;
}

/** Their function gave no row of theirs to something that is referred to: then there is no row for this one either. */
class NoPlace extends Error {}

/** Carries what is wrong with what their function did. */
class Wrong extends Error {
  constructor(
    readonly words: string,
    readonly field?: string,
  ) {
    super(words);
  }
}

// ------------------------------------------------------------------------------------------- writing

class OwnersStore extends ReadStore implements HomeStore {
  private known: { context: unknown } | undefined;
  /** Stubs that the entry at hand needed; they go again if it is refused. */
  private made: Held<Standing>[] = [];
  /** Rows that are being made of an entry, so that two which need each other's id are found out. */
  private readonly underWay = new Set<string>();

  constructor(
    private readonly ctx: AnyCtx,
    private readonly venue: string,
    private readonly app: App,
  ) {
    super(ctx.db as unknown as Reader, app.shelves);
  }

  async find(place: Place): Promise<Standing | undefined> {
    const [item, ...copies] = await this.itemsAt(place);
    if (item === undefined) return undefined;
    const row = item.row["stub"] === true ? undefined : toRow(place.op, item.row);
    return { id: item.document._id, row, shelf: item.shelf, document: item.document, copies };
  }

  async take(place: Place, found: Standing | undefined, row: Row, others: Others<Standing>): Promise<Taken | Rejection> {
    if (row.retracted !== undefined) return { columns: null };
    const context = await this.context();
    this.made = [];
    const taken = await this.attempt(async () => {
      const columns = await this.columnsOf(place, row, others, context, false);
      this.check(place.op, this.documentOf(place.op, found, columns));
      return { columns };
    });
    if (isRejection(taken) || taken.columns === null) await this.unmake();
    return taken;
  }

  async put(place: Place, found: Standing | undefined, row: Row, taken: object | undefined): Promise<Standing> {
    const { columns } = taken as Taken;
    for (const copy of found?.copies ?? []) await this.removeCopy(copy);
    if (columns === null) return await this.putAside(place, found, row);
    const tap = { ...toStored(place, this.venue, row), ...commitTs(this.ctx.db) };
    return { ...(await this.putIn(place.op, found, columns, tap)), row };
  }

  async forget(sessionKey: string, at: number): Promise<void> {
    const place: Place = { op: "session", sessionKey, key: sessionKey };
    const found = await this.find(place);
    if (found?.row === "forgotten") return;
    for (const { document } of await this.itemsAt(place)) await this.ctx.db.delete(document._id);
    const tap = { ...bareSession(sessionKey, this.venue, at), ...commitTs(this.ctx.db) };
    await this.ctx.db.insert(REST_TABLE, { op: place.op, key: place.key, tap } as never);
  }

  async deleteSome(op: Listed, sessionKey: string, count: number): Promise<number> {
    return await deleteFrom(this.ctx.db, this.shelves[op], sessionKey, count);
  }

  // --------------------------------------------------------------------------------------- into their table

  private async putIn(op: Op, found: Standing | undefined, columns: Record<string, unknown>, tap: object): Promise<Omit<Standing, "row">> {
    const shelf = this.app.theirs[op];
    const whole = { ...this.documentOf(op, found, columns), tap: { ...tap, gave: gaveOf(columns, this.app.validators[op]) } };
    if (found?.shelf !== shelf) {
      const id = await this.ctx.db.insert(shelf.table, whole as never);
      if (found !== undefined) await this.ctx.db.delete(found.id);
      return { id, shelf, document: { ...whole, _id: id } as unknown as Document, copies: [] };
    }
    const gone = Object.keys(found.document).filter((name) => !name.startsWith("_") && !(name in whole));
    await this.ctx.db.patch(found.id, { ...Object.fromEntries(gone.map((name) => [name, undefined])), ...whole } as never);
    return { id: found.id, shelf, document: { ...whole, _id: found.id } as unknown as Document, copies: [] };
  }

  /** Their document as it will be, without `tap`: what others wrote into it stays. */
  private documentOf(op: Op, found: Standing | undefined, columns: Record<string, unknown>): Record<string, unknown> {
    if (found === undefined) return columns;
    if (found.shelf !== this.app.theirs[op]) return { ...(found.document["theirs"] as object | undefined), ...columns };
    return given(bareOf(found.document), columns, gaveIn(found.document), gaveOf(columns, this.app.validators[op]));
  }

  // --------------------------------------------------------------------------------------- beside their table

  private async putAside(place: Place, found: Standing | undefined, row: Row): Promise<Standing> {
    const shelf = REST[place.op];
    const tap = { ...toStored(place, this.venue, row), ...commitTs(this.ctx.db) };
    const at = row.fields[AT_COLUMN[place.op] ?? ""];
    const others = found === undefined ? undefined : leftBy(found);
    const theirs = others === undefined || Object.keys(others).length === 0 ? {} : { theirs: others };
    const whole = { op: place.op, key: place.key, ...(at === undefined ? {} : { at }), tap, ...theirs };
    if (found?.shelf === shelf) await this.ctx.db.replace(found.id, whole as never);
    const id = found?.shelf === shelf ? found.id : await this.ctx.db.insert(REST_TABLE, whole as never);
    if (found !== undefined && id !== found.id) await this.ctx.db.delete(found.id);
    return { id, row, shelf, document: { ...whole, _id: id } as unknown as Document, copies: [] };
  }

  /** A second document with a key of ours, which somebody made by hand: theirs stays theirs, and says nothing of ours. */
  private async removeCopy({ shelf, document }: Item): Promise<void> {
    if (shelf.table === REST_TABLE) await this.ctx.db.delete(document._id);
    else await this.ctx.db.patch(document._id, { tap: undefined } as never);
  }

  // --------------------------------------------------------------------------------------- their functions

  private async context(): Promise<unknown> {
    if (this.known === undefined) {
      try {
        this.known = { context: await this.app.owner.context?.(this.ctx, this.venue) };
      } catch (error) {
        // No entry is to blame, and none is refused: the whole call is, and comes again.
        throw refusal("owner_context", wordsOf(error));
      }
    }
    return this.known.context;
  }

  /** What their function makes of a row, as it will stand in their table. */
  private async columnsOf(place: Place, row: Row, others: Others<Standing>, context: unknown, stub: boolean): Promise<Record<string, unknown>> {
    const shown = { ...toStored(place, this.venue, row) };
    delete shown["merge"];
    const refs = this.refsFor(place, row, others, context);
    const name = nameOf(place);
    this.underWay.add(name);
    try {
      const said = await this.call(place.op, shown, { refs, context, stub });
      if (said === null) throw new NoPlace();
      if (!isPlainObject(said)) throw new Wrong(`${place.op}() gave neither a row nor null`);
      return defined(said) as Record<string, unknown>;
    } finally {
      this.underWay.delete(name);
    }
  }

  private async call(op: Op, row: JsonObject, given: object): Promise<unknown> {
    try {
      return await this.app.owner[op](row, given);
    } catch (error) {
      if (error instanceof NoPlace || error instanceof Wrong) throw error;
      throw new Wrong(`${op}() failed: ${wordsOf(error)}`);
    }
  }

  private check(op: Op, document: Record<string, unknown>): void {
    const isId = (table: string, id: string) => table.startsWith("_") || this.ctx.db.normalizeId(table, id) !== null;
    const wrong = misfitOf(withoutTap(this.app.validators[op]), document, isId);
    if (wrong !== undefined) throw new Wrong(`${op}() gave a row that ${this.app.theirs[op].table} refuses: ${wrong.field} ${wrong.words}`, wrong.field);
  }

  /** Runs their functions for one entry: what they answer, or why the entry is refused. */
  private async attempt(work: () => Promise<Taken>): Promise<Taken | Rejection> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NoPlace) return { columns: null };
      if (!(error instanceof Wrong)) throw error;
      const reason = `${REJECTIONS.owner} ${error.words}`.slice(0, 500);
      return { code: "owner", reason, ...(error.field === undefined ? {} : { field: error.field.slice(0, 200) }) };
    }
  }

  // --------------------------------------------------------------------------------------- references

  private refsFor({ sessionKey }: Place, row: Row, others: Others<Standing>, context: unknown) {
    const refer = async (op: Op, key: string) => await this.idOf({ op, sessionKey, key }, row, others, context);
    return {
      session: async () => await refer("session", sessionKey),
      camera: async (cameraId: string) => await refer("camera", String(cameraId)),
      event: async (eventKey: string) => await refer("event", String(eventKey)),
    };
  }

  private async idOf(place: Place, referring: Row, others: Others<Standing>, context: unknown): Promise<GenericId<string>> {
    const held = await others.hold(place);
    if (held.row !== undefined) {
      const standing = await others.settle(held);
      if (standing?.shelf !== this.app.theirs[place.op]) throw new NoPlace();
      return standing.id;
    }
    if (held.found === undefined) await this.makeStub(held, referring, others, context);
    return (held.found as unknown as Standing).id;
  }

  private async makeStub(held: Held<Standing>, referring: Row, others: Others<Standing>, context: unknown): Promise<void> {
    const { place } = held;
    if (this.underWay.has(nameOf(place))) {
      throw new Wrong(`the first row of this ${place.op} needs the id of a row that needs its own: leave one of both out as long as there is none`);
    }
    const row = stubOf(place, referring);
    const columns = await this.columnsOf(place, row, others, context, true);
    this.check(place.op, columns);
    const tap = { ...toStored(place, this.venue, row), stub: true };
    held.found = { ...(await this.putIn(place.op, undefined, columns, tap)), row: undefined };
    this.made.push(held);
  }

  private async unmake(): Promise<void> {
    for (const held of this.made.reverse()) {
      if (held.found !== undefined) await this.ctx.db.delete(held.found.id);
      held.found = undefined;
    }
    this.made = [];
  }
}

// ------------------------------------------------------------------------------------------- stubs

/** What is known of a row from one that refers to it: nothing that is not so. */
function stubOf({ op, sessionKey, key }: Place, { fields, version }: Row): Row {
  const at = momentOf(fields) ?? version;
  const row = (known: Record<string, unknown>): Row => {
    const some = Object.entries(known).filter(([, value]) => value !== undefined);
    return { version: 0, revision: 0, fields: Object.fromEntries(some) as JsonObject };
  };
  switch (op) {
    case "session":
      return row({ sessionType: SESSION_TYPE, status: "live", startedAt: at, source: { dialect: "", mappingDigest: "" } });
    case "camera":
      return row({ cameraId: key, name: nameIn(fields, key), role: fields["cameraId"] === key ? fields["role"] : undefined, joinedAt: at });
    case "event":
      return row({ kind: kindIn(sessionKey, key), at, observedAt: at, cameraId: fields["cameraId"], cameraName: fields["cameraName"] });
    case "still":
      throw new Wrong("a still cannot be referred to");
  }
}

/** The one kind of session that the tap writes. */
const SESSION_TYPE = "photoshoot_performance";

function momentOf(fields: JsonObject): number | undefined {
  const times = ["at", "joinedAt", "capturedAt", "requestedAt", "uploadedAt", "startedAt"].map((name) => fields[name]);
  return times.find((time): time is number => typeof time === "number");
}

function nameIn(fields: JsonObject, cameraId: string): unknown {
  const pair = [["cameraId", "cameraName"], ["fromCameraId", "fromCameraName"], ["programCameraId", "programCameraName"]] as const;
  const [, name] = pair.find(([id]) => fields[id] === cameraId) ?? [];
  return name === undefined ? undefined : fields[name];
}

function kindIn(sessionKey: string, eventKey: string): string {
  const [kind = ""] = eventKey.startsWith(`${sessionKey}/`) ? eventKey.slice(sessionKey.length + 1).split("/") : [];
  if (!KINDS.includes(kind)) throw new Wrong(`refs.event() was asked for ${JSON.stringify(eventKey)}, which is no event of this session`);
  return kind;
}

// ------------------------------------------------------------------------------------------- documents

/** Their part of a document. */
function bareOf({ _id, _creationTime, tap, ...theirs }: Document): Record<string, unknown> {
  return theirs;
}

function gaveIn(document: Document): Gave {
  return ((document["tap"] as Record<string, Value> | undefined)?.["gave"] ?? {}) as Gave;
}

/** What others wrote into a row that leaves their table. */
function leftBy({ shelf, document }: Standing): Record<string, unknown> | undefined {
  if (shelf.table === REST_TABLE) return document["theirs"] as Record<string, unknown> | undefined;
  return without(bareOf(document), gaveIn(document));
}

/** Their columns alone: `tap` is written by us and checked by the schema. */
function withoutTap(validator: GenericValidator): GenericValidator {
  if (validator.kind === "union") return { ...validator, members: (validator.members as GenericValidator[]).map(withoutTap) } as unknown as GenericValidator;
  if (validator.kind !== "object") return validator;
  const { tap, ...fields } = validator.fields as Record<string, GenericValidator>;
  return { kind: "object", isOptional: validator.isOptional, fields } as unknown as GenericValidator;
}

function nameOf({ op, sessionKey, key }: Place): string {
  return `${op} ${sessionKey} ${key}`;
}

/** Their own words, in one line. */
function wordsOf(error: unknown): string {
  const said: unknown = error instanceof ConvexError ? (error.data as unknown) : error instanceof Error ? error.message : error;
  const text = typeof said === "string" ? said : (JSON.stringify(said) ?? String(said));
  return text.replace(/\s+/g, " ").slice(0, 300);
}
