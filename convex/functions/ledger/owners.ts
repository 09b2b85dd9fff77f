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
import { ConvexError, convexToJson, type GenericId, type GenericValidator, type Value } from "convex/values";
import { KINDS } from "./about";
import { type CameraRow, type EventRow, type KnownSession, type Op, type StillRow } from "./columns";
import { commitTs } from "./commitTs";
import { isRejection } from "./entries";
import { defined, misfitOf } from "./fits";
import { gaveOf, given, without, type Gave } from "./gave";
import { deleteFrom, type HomeStore, type LedgerHome } from "./home";
import { canonical, isPlainObject, type Json, type JsonObject } from "./json";
import type { Row } from "./merge";
import { refusal, REJECTIONS, type Rejection } from "./problems";
import { AT_COLUMN, indexOf, itemOf, KEY_COLUMN, positionOf, query, type Document, type Index, type Item, type Part, type Reader, type Shelf } from "./shelf";
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

/** What their function made of a row; null where they want none, or where what it refers to has none (`waits`). */
interface Taken {
  columns: Record<string, unknown> | null;
  waits?: string;
  /** How many rows had moved by then. */
  asOf?: number;
}

/** There is no row of theirs for this place, and so none that refers to it. */
class NoPlace extends Error {
  constructor(readonly place: string) {
    super(place);
  }
}

/** Carries what is wrong with what their function did. */
class Wrong extends Error {
  constructor(
    readonly words: string,
    readonly field?: string,
  ) {
    super(words);
  }
}

/** What it takes to make one row. */
interface Work {
  others: Others<Standing>;
  context: unknown;
  /** Stubs that were needed for it; they go again if it comes to nothing. */
  made: Held<Standing>[];
  /** Rows that are being made, so that two which need each other's id are found out. */
  underWay: Set<string>;
}

// ------------------------------------------------------------------------------------------- writing

/** Rows that one batch moves after another that they refer to; `refill` moves the rest. */
const MOST_MOVED = 500;
/** Whose rows may refer to such a row. */
const REFERRING: Readonly<Record<Op, readonly Op[]>> = {
  session: ["camera", "event", "still"],
  camera: ["event", "still"],
  event: ["still"],
  still: [],
};

class OwnersStore extends ReadStore implements HomeStore {
  private known: { context: unknown } | undefined;
  /** Rows that came into their tables or left them, after others may have been made that refer to them. */
  private moves = 0;

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
    if (row.retracted !== undefined) return { columns: null, asOf: this.moves };
    const work: Work = { others, context: await this.context(), made: [], underWay: new Set() };
    const taken = await this.attempt(place, async () => {
      const columns = await this.columnsOf(place, row, work, false);
      this.check(place.op, this.documentOf(place.op, found, columns));
      return { columns };
    });
    if (isRejection(taken) || taken.columns === null) await this.unmake(work.made);
    return isRejection(taken) ? taken : { ...taken, asOf: this.moves };
  }

  /** What was made of a row when its entry came, or what is made of it now that others have moved. */
  private async takenAgain({ place, found, taken }: Held<Standing>, row: Row, others: Others<Standing>): Promise<Taken> {
    const before = taken as Taken;
    if (before.waits === undefined && before.asOf === this.moves) return before;
    const now = await this.take(place, found, row, others);
    return isRejection(now) ? before : now;
  }

  async put(held: Held<Standing>, row: Row, others: Others<Standing>): Promise<Standing> {
    const { columns, waits } = await this.takenAgain(held, row, others);
    const { place, found, moved } = held;
    for (const copy of found?.copies ?? []) await this.removeCopy(copy);
    const before = (found?.document["tap"] ?? {}) as Record<string, Value>;
    const since = moved && before["changedAt"] !== undefined ? { changedAt: before["changedAt"] } : commitTs(this.ctx.db);
    const tap = { ...toStored(place, this.venue, row), ...since };
    const standing = columns === null ? await this.putAside(place, found, tap, waits) : await this.putIn(place.op, found, columns, tap);
    held.found = { ...standing, row };
    await this.follow(place, found, held.found, others);
    return held.found;
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

  private async putAside({ op, key }: Place, found: Standing | undefined, tap: Record<string, unknown>, waits?: string): Promise<Omit<Standing, "row">> {
    const shelf = REST[op];
    const at = tap[AT_COLUMN[op] ?? ""];
    const others = found === undefined ? {} : leftBy(found);
    const whole = {
      op,
      key,
      tap,
      ...(at !== undefined && { at }),
      ...(waits !== undefined && { waits }),
      ...(Object.keys(others).length > 0 && { theirs: others }),
    };
    if (found?.shelf === shelf) await this.ctx.db.replace(found.id, whole as never);
    const id = found?.shelf === shelf ? found.id : await this.ctx.db.insert(REST_TABLE, whole as never);
    if (found !== undefined && id !== found.id) await this.ctx.db.delete(found.id);
    return { id, shelf, document: { ...whole, _id: id } as unknown as Document, copies: [] };
  }

  /** A second document with a key of ours, which somebody made by hand: theirs stays theirs, and says nothing of ours. */
  private async removeCopy({ shelf, document }: Item): Promise<void> {
    if (shelf.table === REST_TABLE) await this.ctx.db.delete(document._id);
    else await this.ctx.db.patch(document._id, { tap: undefined } as never);
  }

  // --------------------------------------------------------------------------------------- rows that refer to others

  /** A row came into their table, or left it: those that refer to it must have its id, or go aside with it. */
  private async follow(place: Place, before: Standing | undefined, now: Standing, others: Others<Standing>): Promise<void> {
    const theirs = this.app.theirs[place.op];
    const [was, is] = [before?.shelf === theirs, now.shelf === theirs];
    if (was === is) return;
    if (before !== undefined) this.moves += 1;
    if (!is) await this.removeStubs(place, others);
    if (is) await this.place(await this.waitingFor(nameOf(place)), others);
    // One that came for the first time is referred to by its stub's id, if at all; of a session, somebody may have
    // deleted the row by hand.
    if (before !== undefined || place.op === "session") await this.place(await this.referringTo(place), others);
  }

  /** Makes these rows anew; those of which the same comes out stay as they are. */
  private async place(items: readonly Item[], others: Others<Standing>): Promise<void> {
    for (const item of items) {
      const held = await others.hold(placeOf(item));
      if (held.row === undefined || held.row === "forgotten") continue;
      const taken = await this.take(held.place, held.found, held.row, others);
      // Refused now, it stays what it was: no entry is at hand that could be told.
      if (isRejection(taken)) continue;
      if (!held.changed && this.stands(held, taken)) continue;
      Object.assign(held, { taken, changed: true, moved: held.moved || !held.changed });
      await others.settle(held);
    }
  }

  private stands({ place, found }: Held<Standing>, { columns, waits }: Taken): boolean {
    if (found === undefined) return false;
    if (columns === null) return found.shelf === REST[place.op] && found.document["waits"] === waits;
    const now = this.documentOf(place.op, found, columns);
    return found.shelf === this.app.theirs[place.op] && sameText(bareOf(found.document), now);
  }

  private async waitingFor(name: string): Promise<Item[]> {
    const waiting = await this.db.query(REST_TABLE).withIndex("by_waits", (q) => q.eq("waits", name)).take(MOST_MOVED);
    return waiting.map((document) => itemOf(REST[document["op"] as Op], document));
  }

  private async referringTo({ op, sessionKey }: Place): Promise<Item[]> {
    const items: Item[] = [];
    for (const referring of REFERRING[op]) {
      items.push(...(await this.theirsOf(referring, sessionKey, MOST_MOVED - items.length)));
    }
    return items.filter(({ row }) => row["stub"] !== true);
  }

  /** What is only there because others refer to it cannot stay without what it refers to itself. */
  private async removeStubs({ op, sessionKey }: Place, others: Others<Standing>): Promise<void> {
    if (op === "event") return;
    for (const kind of ["camera", "event"] as const) {
      for (const item of await this.theirsOf(kind, sessionKey, MOST_MOVED)) {
        if (item.row["stub"] !== true) continue;
        await this.ctx.db.delete(item.document._id);
        (await others.hold(placeOf(item))).found = undefined;
      }
    }
  }

  private async theirsOf(op: Op, sessionKey: string, count: number): Promise<Item[]> {
    const shelf = this.app.theirs[op];
    const documents = await query(this.db, shelf, shelf.indexes.list, { sessionKey }, { same: {} }, false).take(Math.max(count, 1));
    return documents.map((document) => itemOf(shelf, document));
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
  private async columnsOf(place: Place, row: Row, work: Work, stub: boolean): Promise<Record<string, unknown>> {
    const { merge, ...shown } = toStored(place, this.venue, row);
    const name = nameOf(place);
    work.underWay.add(name);
    try {
      const said = await this.call(place.op, shown, { refs: this.refsFor(place, row, work), context: work.context, stub });
      if (said === null) throw new NoPlace(name);
      if (!isPlainObject(said)) throw new Wrong(`${place.op}() gave neither a row nor null`);
      return defined(said) as Record<string, unknown>;
    } finally {
      work.underWay.delete(name);
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

  /** Runs their functions for one row: what they answer, or why its entry is refused. */
  private async attempt(place: Place, work: () => Promise<Taken>): Promise<Taken | Rejection> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NoPlace) return { columns: null, ...(error.place !== nameOf(place) && { waits: error.place }) };
      if (!(error instanceof Wrong)) throw error;
      const reason = `${REJECTIONS.owner} ${error.words}`.slice(0, 500);
      return { code: "owner", reason, ...(error.field === undefined ? {} : { field: error.field.slice(0, 200) }) };
    }
  }

  // --------------------------------------------------------------------------------------- references

  private refsFor({ sessionKey }: Place, row: Row, work: Work) {
    const refer = async (op: Op, key: string, can?: Optional) => {
      try {
        return await this.idOf({ op, sessionKey, key }, row, work);
      } catch (error) {
        if (can?.optional === true && error instanceof NoPlace) return undefined;
        throw error;
      }
    };
    return {
      session: async (can?: Optional) => await refer("session", sessionKey, can),
      camera: async (cameraId: string, can?: Optional) => await refer("camera", String(cameraId), can),
      event: async (eventKey: string, can?: Optional) => await refer("event", String(eventKey), can),
    };
  }

  private async idOf(place: Place, referring: Row, work: Work): Promise<GenericId<string>> {
    const held = await work.others.hold(place);
    if (held.row !== undefined) {
      const standing = await work.others.settle(held);
      if (standing?.shelf !== this.app.theirs[place.op]) throw new NoPlace(nameOf(place));
      return standing.id;
    }
    if (held.found === undefined) await this.makeStub(held, referring, work);
    return (held.found as unknown as Standing).id;
  }

  private async makeStub(held: Held<Standing>, referring: Row, work: Work): Promise<void> {
    const { place } = held;
    if (work.underWay.has(nameOf(place))) {
      throw new Wrong(`the first row of this ${place.op} needs the id of a row that needs its own: leave one of both out as long as there is none`);
    }
    const row = stubOf(place, referring);
    const columns = await this.columnsOf(place, row, work, true);
    this.check(place.op, columns);
    const tap = { ...toStored(place, this.venue, row), stub: true };
    held.found = { ...(await this.putIn(place.op, undefined, columns, tap)), row: undefined };
    work.made.push(held);
  }

  private async unmake(made: Held<Standing>[]): Promise<void> {
    for (const held of made.reverse()) {
      if (held.found !== undefined) await this.ctx.db.delete(held.found.id);
      held.found = undefined;
    }
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
function leftBy({ shelf, document }: Standing): Record<string, unknown> {
  if (shelf.table === REST_TABLE) return (document["theirs"] ?? {}) as Record<string, unknown>;
  return without(bareOf(document), gaveIn(document));
}

/** Their columns alone: `tap` is written by us and checked by the schema. */
function withoutTap(validator: GenericValidator): GenericValidator {
  if (validator.kind === "union") return { ...validator, members: (validator.members as GenericValidator[]).map(withoutTap) } as unknown as GenericValidator;
  if (validator.kind !== "object") return validator;
  const { tap, ...fields } = validator.fields as Record<string, GenericValidator>;
  return { kind: "object", isOptional: validator.isOptional, fields } as unknown as GenericValidator;
}

function sameText(left: Record<string, unknown>, right: Record<string, unknown>): boolean {
  return canonical(convexToJson(left as Value) as Json) === canonical(convexToJson(right as Value) as Json);
}

function placeOf(item: Item): Place {
  const { sessionKey, key } = positionOf(item);
  return { op: item.shelf.op, sessionKey: sessionKey as string, key: key as string };
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
