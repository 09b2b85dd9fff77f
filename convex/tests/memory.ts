/** A ledger's store in memory: the same rules without a database, fast enough for thousands of orders of entries. */

import type { GenericId } from "convex/values";
import { ingestEntries, type Answer } from "../functions/ledger/ingest";
import type { Row } from "../functions/ledger/merge";
import { KEY_COLUMN } from "../functions/ledger/shelf";
import type { Found, Held, LedgerStore, Place } from "../functions/ledger/store";
import { VENUE } from "./ledger";

const TABLES = { session: "sessions", camera: "cameras", event: "events", still: "stills" } as const;

export class MemoryStore implements LedgerStore {
  readonly rows = new Map<string, { place: Place; row: Row }>();

  async find(place: Place): Promise<Found | undefined> {
    const held = this.rows.get(nameOf(place));
    return Promise.resolve(held && { id: nameOf(place) as GenericId<string>, row: held.row });
  }

  async put({ place, found }: Held, row: Row): Promise<Found> {
    if (found === undefined && this.rows.has(nameOf(place))) throw new Error(`two rows for ${nameOf(place)}`);
    this.rows.set(nameOf(place), { place, row });
    return Promise.resolve({ id: nameOf(place) as GenericId<string>, row });
  }

  async ingest(entries: readonly unknown[]): Promise<Answer[]> {
    return await ingestEntries(this, VENUE, entries);
  }

  /** As the queries show them. */
  contents(): Record<string, Record<string, unknown>[]> {
    const tables: Record<string, Record<string, unknown>[]> = { sessions: [], cameras: [], events: [], stills: [] };
    for (const name of [...this.rows.keys()].sort()) {
      const { place, row } = this.rows.get(name) as { place: Place; row: Row };
      const { fields, merge, ...common } = row;
      const key = { [KEY_COLUMN[place.op]]: place.key };
      tables[TABLES[place.op]]?.push({ sessionKey: place.sessionKey, venue: VENUE, ...common, ...key, ...fields });
    }
    return tables;
  }
}

function nameOf({ op, sessionKey, key }: Place): string {
  return `${op} ${sessionKey} ${key}`;
}
