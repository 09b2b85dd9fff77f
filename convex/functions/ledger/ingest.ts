/**
 * A batch of entries becomes rows: each entry is checked by itself, merged into its row, and answered, in order.
 *
 * All in the one transaction of the calling mutation: either the whole batch stands or nothing of it. Each row is read
 * once and written once however many of the entries are about it, which keeps a batch of 500 far below Convex's 4,096
 * index reads.
 */

import { checkEntry, isRejection, keyOf, rejection, type Entry } from "./entries";
import { canonical, type JsonObject } from "./json";
import { merge, type Outcome, type Row } from "./merge";
import type { HomeStore } from "./home";
import type { Rejection, RejectionCode } from "./problems";
import type { Found, Held, LedgerStore, Others, Place } from "./store";

export const MAX_ENTRIES = 500;

export interface Answer {
  key: string;
  outcome: Outcome | "rejected";
  code?: RejectionCode;
  reason?: string;
  field?: string;
  /** With `stale`: the version that stands. A writer that lost its own count goes on above it. */
  version?: number;
}

export async function ingestEntries(store: LedgerStore, venue: string, entries: readonly unknown[]): Promise<Answer[]> {
  // Without entries the tap asks whether any would be taken.
  if (entries.length === 0) await store.ready?.();
  const batch = new Batch(store);
  const answers: Answer[] = [];
  for (const raw of entries) {
    const checked = checkEntry(raw, venue);
    answers.push(
      isRejection(checked) ? { key: keyOf(raw), outcome: "rejected", ...checked } : await batch.apply(checked),
    );
  }
  await batch.write();
  return answers;
}

/** Rows made anew as a batch of their own; what was refused. */
export async function refillRows(store: HomeStore, places: readonly Place[]): Promise<Rejection[]> {
  return (await store.refill?.(places, new Batch(store))) ?? [];
}

/** The rows that one batch is about, as they will be written at its end. */
class Batch<Where extends Found> implements Others<Where> {
  private readonly held = new Map<string, Held<Where>>();

  constructor(private readonly store: LedgerStore<Where>) {}

  async apply(entry: Entry): Promise<Answer> {
    const { key, op, sessionKey, version, revision, retracted, fields } = entry;
    const session = await this.hold({ op: "session", sessionKey, key: sessionKey });
    if (session.row === "forgotten") return { key, outcome: "rejected", ...rejection("forgotten", "sessionKey") };

    const held = op === "session" ? session : await this.hold(placeOf(entry));
    const stored = held.row as Row | undefined;
    const told = { version, revision, ...(retracted && { retracted }), fields };
    const { row, outcome } = merge(op, stored, told);
    if (stored === undefined || !sameRow(stored, row)) {
      const taken = await this.store.take?.(held.place, held.found, row, this);
      if (taken !== undefined && isRejection(taken)) return { key, outcome: "rejected", ...taken };
      Object.assign(held, { row, taken, changed: true, moved: false });
    }
    return outcome === "stale" ? { key, outcome, version: row.version } : { key, outcome };
  }

  async write(): Promise<void> {
    // Rows that others wait for may join while this runs; a map goes through those too.
    for (const held of this.held.values()) await this.settle(held);
  }

  async settle(held: Held<Where>): Promise<Where | undefined> {
    const { row, changed } = held;
    if (changed && row !== undefined && row !== "forgotten") {
      held.changed = false;
      held.found = await this.store.put(held, row, this);
    }
    return held.found;
  }

  async hold(place: Place): Promise<Held<Where>> {
    const name = `${place.op} ${place.sessionKey} ${place.key}`;
    const known = this.held.get(name);
    if (known !== undefined) return known;
    const found = await this.store.find(place);
    const held: Held<Where> = { place, found, row: found?.row, taken: undefined, changed: false, moved: false };
    this.held.set(name, held);
    return held;
  }
}

/** A camera is found by its id, whatever its entry's key says of it. */
function placeOf({ op, sessionKey, key, fields }: Entry): Place {
  return { op, sessionKey, key: op === "camera" ? (fields["cameraId"] as string) : key };
}

function sameRow(left: Row, right: Row): boolean {
  return left === right || canonical(left as unknown as JsonObject) === canonical(right as unknown as JsonObject);
}
