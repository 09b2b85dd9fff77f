/** Rows of an owner's, made by their functions of the ledger's rows (`owners.ts`): with references, and with checks. */

import { ConvexError, type GenericId, type GenericValidator } from "convex/values";
import { KINDS } from "./about";
import type { Op } from "./columns";
import { defined, misfitOf } from "./fits";
import { isPlainObject, type JsonObject } from "./json";
import type { Row } from "./merge";
import { refusal, REJECTIONS, type Rejection } from "./problems";
import type { Document, Item, Shelf } from "./shelf";
import { toStored, type Found, type Held, type Others, type Place, type Shelves, type Writer } from "./store";

/** An owner whose types were checked where it was written; from here on names and columns are data. */
export type AnyOwner = { context?(ctx: unknown, venue: string): unknown } & Record<Op, (row: unknown, given: unknown) => unknown>;
export type AnyCtx = { db: Writer & { normalizeId(table: string, id: string): string | null } };

export interface App {
  owner: AnyOwner;
  shelves: Shelves;
  /** Their tables, and the table beside them. */
  theirs: Readonly<Record<Op, Shelf>>;
  rest: Readonly<Record<Op, Shelf>>;
  validators: Readonly<Record<Op, GenericValidator>>;
}

/** Where a row of one place stands, and what else stands at that place by mistake. */
export interface Standing extends Found {
  shelf: Shelf;
  document: Document;
  copies: readonly Item[];
}

export type Columns = Record<string, unknown>;

/** What their function made of a row; null where they want none, or where what it refers to has none (`waits`). */
export interface Taken {
  columns: Columns | null;
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

/** Puts a stub into their table. */
type PutStub = (place: Place, columns: Columns, tap: JsonObject) => Promise<Standing>;

/** Makes the rows of one batch. */
export class Maker {
  private known: { context: unknown } | undefined;

  constructor(
    private readonly ctx: AnyCtx,
    private readonly venue: string,
    private readonly app: App,
    private readonly putStub: PutStub,
  ) {}

  /** Their columns for a row, if it has a place and `documentWith` them fits their table; else why not. */
  async make(place: Place, row: Row, others: Others<Standing>, documentWith: (columns: Columns) => Columns): Promise<Taken | Rejection> {
    const work: Work = { others, context: await this.context(), made: [], underWay: new Set() };
    try {
      const columns = await this.columnsOf(place, row, work, false);
      this.check(place.op, documentWith(columns));
      return { columns };
    } catch (error) {
      await this.unmake(work.made);
      if (error instanceof NoPlace) return { columns: null, ...(error.place !== nameOf(place) && { waits: error.place }) };
      if (!(error instanceof Wrong)) throw error;
      const reason = `${REJECTIONS.owner} ${error.words}`.slice(0, 500);
      return { code: "owner", reason, ...(error.field === undefined ? {} : { field: error.field.slice(0, 200) }) };
    }
  }

  /** What their `context` gives, called once a batch; if it throws, the whole call is refused. */
  async context(): Promise<unknown> {
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

  private async columnsOf(place: Place, row: Row, work: Work, stub: boolean): Promise<Columns> {
    const { merge, ...shown } = toStored(place, this.venue, row);
    const name = nameOf(place);
    work.underWay.add(name);
    try {
      const said = await this.call(place.op, shown, { refs: this.refsFor(place, row, work), context: work.context, stub });
      if (said === null) throw new NoPlace(name);
      if (!isPlainObject(said)) throw new Wrong(`${place.op}() gave neither a row nor null`);
      return defined(said) as Columns;
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

  private check(op: Op, document: Columns): void {
    const isId = (table: string, id: string) => table.startsWith("_") || this.ctx.db.normalizeId(table, id) !== null;
    const wrong = misfitOf(withoutTap(this.app.validators[op]), document, isId);
    if (wrong === undefined) return;
    throw new Wrong(`${op}() gave a row that ${this.app.theirs[op].table} refuses: ${wrong.field} ${wrong.words}`, wrong.field);
  }

  // --------------------------------------------------------------------------------------- references

  private refsFor({ sessionKey }: Place, row: Row, work: Work) {
    const refer = async (op: Op, key: string, can?: { optional: true }) => {
      try {
        return await this.idOf({ op, sessionKey, key }, row, work);
      } catch (error) {
        if (can?.optional === true && error instanceof NoPlace) return undefined;
        throw error;
      }
    };
    return {
      session: async (can?: { optional: true }) => await refer("session", sessionKey, can),
      camera: async (cameraId: string, can?: { optional: true }) => await refer("camera", String(cameraId), can),
      event: async (eventKey: string, can?: { optional: true }) => await refer("event", String(eventKey), can),
    };
  }

  private async idOf(place: Place, referring: Row, work: Work): Promise<GenericId<string>> {
    const held = await work.others.hold(place);
    if (held.row !== undefined) {
      const standing = await work.others.settle(held);
      if (standing?.shelf !== this.app.theirs[place.op]) throw new NoPlace(nameOf(place));
      return standing.id;
    }
    held.found ??= await this.makeStub(held, referring, work);
    return held.found.id;
  }

  private async makeStub(held: Held<Standing>, referring: Row, work: Work): Promise<Standing> {
    const { place } = held;
    if (work.underWay.has(nameOf(place))) {
      throw new Wrong(`the first row of this ${place.op} needs the id of a row that needs its own: leave one of both out as long as there is none`);
    }
    const row = stubOf(place, referring);
    const columns = await this.columnsOf(place, row, work, true);
    this.check(place.op, columns);
    work.made.push(held);
    return await this.putStub(place, columns, toStored(place, this.venue, row));
  }

  private async unmake(made: Held<Standing>[]): Promise<void> {
    for (const held of made.reverse()) {
      if (held.found !== undefined) await this.ctx.db.delete(held.found.shelf.table, held.found.id);
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

// ------------------------------------------------------------------------------------------- common

export function nameOf({ op, sessionKey, key }: Place): string {
  return `${op} ${sessionKey} ${key}`;
}

/** Their columns alone: `tap` is written by us and checked by the schema. */
function withoutTap(validator: GenericValidator): GenericValidator {
  if (validator.kind === "union") return { ...validator, members: (validator.members as GenericValidator[]).map(withoutTap) } as unknown as GenericValidator;
  if (validator.kind !== "object") return validator;
  const { tap, ...fields } = validator.fields as Record<string, GenericValidator>;
  return { kind: "object", isOptional: validator.isOptional, fields } as unknown as GenericValidator;
}

/** Their own words, in one line. */
function wordsOf(error: unknown): string {
  const said: unknown = error instanceof ConvexError ? (error.data as unknown) : error instanceof Error ? error.message : error;
  const text = typeof said === "string" ? said : (JSON.stringify(said) ?? String(said));
  return text.replace(/\s+/g, " ").slice(0, 300);
}
