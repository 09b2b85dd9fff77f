/**
 * The ledger's tables, as objects to spread: `defineSchema({ ...yourTables, ...productionTables })`.
 *
 * No index covers another. The last fields of each make its order whole: without them, rows of one millisecond, or of
 * one commit, would be read in the order of their arrival, and two ledgers of the same entries would read differently.
 */

import { defineTable, type TableDefinition } from "convex/server";
import { v, type GenericValidator, type ObjectType, type VObject } from "convex/values";
import {
  OPS,
  storedCamera,
  storedEvent,
  storedForgotten,
  storedSession,
  storedStill,
  tapColumn,
  type Op,
} from "./columns";

/** What a key may do; one that writes also reads. */
export const right = v.union(v.literal("write"), v.literal("read"), v.literal("forget"));

/** What the ledger needs beside the four tables, wherever those are. */
export const productionKeyTable = {
  /** Who may write and read (`keys.ts`). Only internal functions and the dashboard reach it. */
  productionTapKeys: defineTable({
    digest: v.string(),
    venues: v.union(v.array(v.string()), v.literal("all")),
    may: v.array(right),
    label: v.optional(v.string()),
    addedAt: v.number(),
  }).index("by_digest", ["digest"]),
};

export const productionTables = {
  ...productionKeyTable,
  productionSessions: defineTable(v.union(storedSession, storedForgotten))
    .index("by_session_key", ["sessionKey"])
    .index("by_venue_started", ["venue", "startedAt", "sessionKey"])
    .index("by_changed", ["changedAt", "sessionKey"])
    .index("by_venue_changed", ["venue", "changedAt", "sessionKey"]),
  productionCameras: defineTable(storedCamera)
    .index("by_session_camera", ["sessionKey", "cameraId"])
    .index("by_changed", ["changedAt", "sessionKey", "cameraId"])
    .index("by_venue_changed", ["venue", "changedAt", "sessionKey", "cameraId"]),
  productionDirectorEvents: defineTable(storedEvent)
    .index("by_event_key", ["eventKey"])
    .index("by_session_at", ["sessionKey", "at", "eventKey"])
    .index("by_changed", ["changedAt", "sessionKey", "eventKey"])
    .index("by_venue_changed", ["venue", "changedAt", "sessionKey", "eventKey"]),
  productionStills: defineTable(storedStill)
    .index("by_session_still", ["sessionKey", "stillKey"])
    .index("by_changed", ["changedAt", "sessionKey", "stillKey"])
    .index("by_venue_changed", ["venue", "changedAt", "sessionKey", "stillKey"]),
};

/** Rows that have no honest place in an owner's tables (`owners.ts`); seen by every read like the others. */
export const productionTapTables = {
  ...productionKeyTable,
  productionTapRows: defineTable({
    op: v.union(...OPS.map((op) => v.literal(op))),
    key: v.string(),
    /** When it began or happened; a camera and a still have none. */
    at: v.optional(v.number()),
    tap: v.union(storedSession, storedForgotten, storedCamera, storedEvent, storedStill),
    /** What others wrote into the owner's row, when it left their table. */
    theirs: v.optional(v.any()),
    /** The row without a place of theirs that this one refers to, and is waiting for. */
    waits: v.optional(v.string()),
  })
    .index("by_key", ["op", "tap.sessionKey", "key"])
    .index("by_waits", ["waits"])
    .index("by_at", ["op", "tap.sessionKey", "at", "key"])
    .index("by_venue", ["op", "tap.venue", "at", "key"])
    .index("by_changed", ["op", "tap.changedAt", "tap.sessionKey", "key"])
    .index("by_venue_changed", ["op", "tap.venue", "tap.changedAt", "tap.sessionKey", "key"]),
};

// ------------------------------------------------------------------------------------------- in an owner's tables

/** The indexes on the ledger's column in an owner's tables: none of them touches one of theirs. */
export const TAP_INDEXES = {
  session: {
    tap_key: ["tap.sessionKey"],
    tap_list: ["tap.venue", "tap.startedAt", "tap.sessionKey"],
    tap_changed: ["tap.changedAt", "tap.sessionKey"],
    tap_venue_changed: ["tap.venue", "tap.changedAt", "tap.sessionKey"],
  },
  camera: {
    tap_key: ["tap.sessionKey", "tap.cameraId"],
    tap_changed: ["tap.changedAt", "tap.sessionKey", "tap.cameraId"],
    tap_venue_changed: ["tap.venue", "tap.changedAt", "tap.sessionKey", "tap.cameraId"],
  },
  event: {
    tap_key: ["tap.eventKey"],
    tap_list: ["tap.sessionKey", "tap.at", "tap.eventKey"],
    tap_changed: ["tap.changedAt", "tap.sessionKey", "tap.eventKey"],
    tap_venue_changed: ["tap.venue", "tap.changedAt", "tap.sessionKey", "tap.eventKey"],
  },
  still: {
    tap_key: ["tap.sessionKey", "tap.stillKey"],
    tap_changed: ["tap.changedAt", "tap.sessionKey", "tap.stillKey"],
    tap_venue_changed: ["tap.venue", "tap.changedAt", "tap.sessionKey", "tap.stillKey"],
  },
} as const;

type Columns = Record<string, GenericValidator>;
/** As Convex types an index: with the field that it appends to each. */
type Indexes<O extends Op> = { [Name in keyof (typeof TAP_INDEXES)[O]]: [...Paths<(typeof TAP_INDEXES)[O][Name]>, "_creationTime"] };
type Paths<List> = List extends readonly [...infer Path extends string[]] ? Path : never;
type WithTap<O extends Op, Theirs extends Columns> = Theirs & { tap: (typeof tapColumn)[O] };
type TapTable<O extends Op, Theirs extends Columns> = TableDefinition<
  VObject<ObjectType<WithTap<O, Theirs>>, WithTap<O, Theirs>>,
  Indexes<O>
>;

/**
 * An owner's tables with the ledger's column and the indexes on it: write `tapTable.session({` where it said
 * `defineTable({`, and go on with your own indexes.
 */
export const tapTable = {
  session: <Theirs extends Columns>(columns: Theirs) => tapped("session", columns),
  camera: <Theirs extends Columns>(columns: Theirs) => tapped("camera", columns),
  event: <Theirs extends Columns>(columns: Theirs) => tapped("event", columns),
  still: <Theirs extends Columns>(columns: Theirs) => tapped("still", columns),
};

function tapped<O extends Op, Theirs extends Columns>(op: O, columns: Theirs): TapTable<O, Theirs> {
  // The paths of an index cannot be checked against columns that are not known yet; `TapTable` says what comes out.
  let table = defineTable({ ...columns, tap: tapColumn[op] }) as unknown as AnyDefinition;
  for (const [name, paths] of Object.entries(TAP_INDEXES[op])) table = table.index(name, [...paths]);
  return table as unknown as TapTable<O, Theirs>;
}

interface AnyDefinition {
  index(name: string, fields: string[]): AnyDefinition;
}
