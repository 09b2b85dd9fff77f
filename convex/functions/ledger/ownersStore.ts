/** Writes the ledger's rows into an owner's tables, and beside them (`owners.ts`). */

import { convexToJson, type Value } from "convex/values";
import type { Op } from "./columns";
import { commitTs } from "./commitTs";
import { isRejection } from "./entries";
import { gaveOf, given, without, type Gave } from "./gave";
import { deleteFrom, type HomeStore } from "./home";
import { canonical, type Json } from "./json";
import { Maker, nameOf, type AnyCtx, type App, type Columns, type Standing, type Taken } from "./making";
import type { Row } from "./merge";
import type { Rejection } from "./problems";
import { AT_COLUMN, itemOf, positionOf, query, type Document, type Item, type Reader } from "./shelf";
import { bareSession, ReadStore, toRow, toStored, type Held, type Listed, type Others, type Place } from "./store";

export const REST_TABLE: string = "productionTapRows";

/** Rows that one batch moves after another that they refer to; `refill` moves the rest. */
const MOST_MOVED = 500;
/** Whose rows may refer to such a row. */
const REFERRING: Readonly<Record<Op, readonly Op[]>> = {
  session: ["camera", "event", "still"],
  camera: ["event", "still"],
  event: ["still"],
  still: [],
};

export class OwnersStore extends ReadStore implements HomeStore {
  private readonly maker: Maker;
  /** Rows that came into their tables or left them, after others may have been made that refer to them. */
  private moves = 0;

  constructor(
    private readonly ctx: AnyCtx,
    private readonly venue: string,
    private readonly app: App,
  ) {
    super(ctx.db as unknown as Reader, app.shelves);
    this.maker = new Maker(ctx, venue, app, async ({ op }, columns, tap) => ({
      ...(await this.putIn(op, undefined, columns, { ...tap, stub: true })),
      row: undefined,
    }));
  }

  async ready(): Promise<void> {
    await this.maker.context();
  }

  async find(place: Place): Promise<Standing | undefined> {
    const [item, ...copies] = await this.itemsAt(place);
    if (item === undefined) return undefined;
    const row = item.row["stub"] === true ? undefined : toRow(place.op, item.row);
    return { id: item.document._id, row, shelf: item.shelf, document: item.document, copies };
  }

  async take(place: Place, found: Standing | undefined, row: Row, others: Others<Standing>): Promise<Taken | Rejection> {
    if (row.retracted !== undefined) return { columns: null, asOf: this.moves };
    const taken = await this.maker.make(place, row, others, (columns) => this.documentOf(place.op, found, columns));
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
    for (const { shelf, document } of await this.itemsAt(place)) await this.ctx.db.delete(shelf.table, document._id);
    const tap = { ...bareSession(sessionKey, this.venue, at), ...commitTs(this.ctx.db) };
    await this.ctx.db.insert(REST_TABLE, { op: place.op, key: place.key, tap } as never);
  }

  async deleteSome(op: Listed, sessionKey: string, count: number): Promise<number> {
    return await deleteFrom(this.ctx.db, this.shelves[op], sessionKey, count);
  }

  /** Makes the rows at these places anew, as the functions are now; those that are refused stay what they were. */
  async refill(places: readonly Place[], others: Others<Standing>): Promise<Rejection[]> {
    const items = await Promise.all(places.map(async (place) => await this.itemsAt(place)));
    return await this.place(items.flatMap(([item]) => (item === undefined ? [] : [item])), others);
  }

  // --------------------------------------------------------------------------------------- into their table

  private async putIn(op: Op, found: Standing | undefined, columns: Columns, tap: object): Promise<Omit<Standing, "row">> {
    const shelf = this.app.theirs[op];
    const whole = { ...this.documentOf(op, found, columns), tap: { ...tap, gave: gaveOf(columns, this.app.validators[op]) } };
    if (found?.shelf !== shelf) {
      const id = await this.ctx.db.insert(shelf.table, whole as never);
      if (found !== undefined) await this.ctx.db.delete(found.shelf.table, found.id);
      return { id, shelf, document: { ...whole, _id: id } as unknown as Document, copies: [] };
    }
    await this.ctx.db.replace(shelf.table, found.id, whole as never);
    return { id: found.id, shelf, document: { ...whole, _id: found.id } as unknown as Document, copies: [] };
  }

  /** Their document as it will be, without `tap`: what others wrote into it stays. */
  private documentOf(op: Op, found: Standing | undefined, columns: Columns): Columns {
    if (found === undefined) return columns;
    if (found.shelf !== this.app.theirs[op]) return { ...(found.document["theirs"] as object | undefined), ...columns };
    return given(bareOf(found.document), columns, gaveIn(found.document), gaveOf(columns, this.app.validators[op]));
  }

  // --------------------------------------------------------------------------------------- beside their table

  private async putAside({ op, key }: Place, found: Standing | undefined, tap: Record<string, unknown>, waits?: string): Promise<Omit<Standing, "row">> {
    const shelf = this.app.rest[op];
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
    if (found?.shelf === shelf) await this.ctx.db.replace(REST_TABLE, found.id, whole as never);
    const id = found?.shelf === shelf ? found.id : await this.ctx.db.insert(REST_TABLE, whole as never);
    if (found !== undefined && id !== found.id) await this.ctx.db.delete(found.shelf.table, found.id);
    return { id, shelf, document: { ...whole, _id: id } as unknown as Document, copies: [] };
  }

  /** A second document with a key of ours, which somebody made by hand: theirs stays theirs, and says nothing of ours. */
  private async removeCopy({ shelf, document }: Item): Promise<void> {
    if (shelf.table === REST_TABLE) await this.ctx.db.delete(REST_TABLE, document._id);
    else await this.ctx.db.patch(shelf.table, document._id, { tap: undefined } as never);
  }

  // --------------------------------------------------------------------------------------- rows that refer to others

  /** A row came into their table, or left it: those that refer to it must have its id, or go aside with it. */
  private async follow(place: Place, before: Standing | undefined, now: Standing, others: Others<Standing>): Promise<void> {
    const theirs = this.app.theirs[place.op];
    const [was, is] = [before?.shelf === theirs, now.shelf === theirs];
    if (was === is) return;
    if (before !== undefined) this.moves += 1;
    if (!is) await this.removeStubs(place, others);
    if (is && REFERRING[place.op].length > 0) await this.place(await this.waitingFor(nameOf(place)), others);
    // One that came for the first time is referred to by its stub's id, if at all; of a session, somebody may have
    // deleted the row by hand.
    if (before !== undefined || place.op === "session") await this.place(await this.referringTo(place), others);
  }

  /** Makes these rows anew; those of which the same comes out stay as they are, and those that are refused now. */
  private async place(items: readonly Item[], others: Others<Standing>): Promise<Rejection[]> {
    const refused: Rejection[] = [];
    for (const item of items) {
      const held = await others.hold(placeOf(item));
      if (held.row === undefined || held.row === "forgotten") continue;
      const taken = await this.take(held.place, held.found, held.row, others);
      if (isRejection(taken)) {
        refused.push(taken);
        continue;
      }
      if (!held.changed && this.stands(held, taken)) continue;
      Object.assign(held, { taken, changed: true, moved: held.moved || !held.changed });
      await others.settle(held);
    }
    return refused;
  }

  private stands({ place, found }: Held<Standing>, { columns, waits }: Taken): boolean {
    if (found === undefined) return false;
    if (columns === null) return found.shelf === this.app.rest[place.op] && found.document["waits"] === waits;
    const now = this.documentOf(place.op, found, columns);
    return found.shelf === this.app.theirs[place.op] && sameText(bareOf(found.document), now);
  }

  private async waitingFor(name: string): Promise<Item[]> {
    const waiting = await this.db.query(REST_TABLE).withIndex("by_waits", (q) => q.eq("waits", name)).take(MOST_MOVED);
    return waiting.map((document) => itemOf(this.app.rest[document["op"] as Op], document));
  }

  private async referringTo({ op, sessionKey }: Place): Promise<Item[]> {
    const items: Item[] = [];
    for (const referring of REFERRING[op]) {
      items.push(...(await this.theirsOf(referring, sessionKey, MOST_MOVED - items.length)));
    }
    return items.filter(({ row }) => row["stub"] !== true);
  }

  /**
   * What is only there because others refer to it cannot stay without what it refers to itself. All other stubs stay: rows
   * that do not move with this one have their ids.
   */
  private async removeStubs({ op, sessionKey }: Place, others: Others<Standing>): Promise<void> {
    // Nobody refers to a still, so none is a stub.
    for (const kind of REFERRING[op].filter((one) => one !== "still")) {
      for (const item of await this.theirsOf(kind, sessionKey, MOST_MOVED)) {
        if (item.row["stub"] !== true) continue;
        await this.ctx.db.delete(item.shelf.table, item.document._id);
        (await others.hold(placeOf(item))).found = undefined;
      }
    }
  }

  private async theirsOf(op: Op, sessionKey: string, count: number): Promise<Item[]> {
    const shelf = this.app.theirs[op];
    const documents = await query(this.db, shelf, shelf.indexes.list, { sessionKey }, { same: {} }, false).take(Math.max(count, 1));
    return documents.map((document) => itemOf(shelf, document));
  }
}

// ------------------------------------------------------------------------------------------- documents

/** Their part of a document. */
function bareOf({ _id, _creationTime, tap, ...theirs }: Document): Columns {
  return theirs;
}

function gaveIn(document: Document): Gave {
  return ((document["tap"] as Record<string, Value> | undefined)?.["gave"] ?? {}) as Gave;
}

/** What others wrote into a row that leaves their table. */
function leftBy({ shelf, document }: Standing): Columns {
  if (shelf.table === REST_TABLE) return (document["theirs"] ?? {}) as Record<string, unknown>;
  return without(bareOf(document), gaveIn(document));
}

function sameText(left: Columns, right: Columns): boolean {
  return canonical(convexToJson(left as Value) as Json) === canonical(convexToJson(right as Value) as Json);
}

function placeOf(item: Item): Place {
  const { sessionKey, key } = positionOf(item);
  return { op: item.shelf.op, sessionKey: sessionKey as string, key: key as string };
}
