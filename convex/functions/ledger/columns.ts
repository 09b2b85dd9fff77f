/**
 * The columns of the four tables: the one place where their shapes stand.
 *
 * The schema, the arguments of the named mutations, the answers of the queries and the check of each ingested entry
 * (`entries.ts` walks these validators) are all made of them. Two conventions replace annotations: a number called
 * `at`, `…At`, `from` or `to` is a time in whole Unix milliseconds; any other number is not negative.
 */

import { v, type Infer } from "convex/values";
import { changedAt } from "./commitTs";

/**
 * JSON objects whose inside is nobody's contract: what a server says of a placement, what is particular to one kind of
 * event. `v.any()` because a validator cannot recurse; `entries.ts` checks every value and name in them itself.
 */
const freeJson = v.record(v.string(), v.any());

/** Whether program was held, and where it is known, by whom and since when. */
const hold = v.union(
  v.boolean(),
  v.object({
    active: v.boolean(),
    by: v.optional(v.string()),
    cameraId: v.optional(v.string()),
    since: v.optional(v.number()),
  }),
);

export const startState = v.object({
  at: v.number(),
  programCameraId: v.optional(v.string()),
  mode: v.optional(v.string()),
  hold: v.optional(hold),
});

const finalState = v.object({
  programCameraId: v.optional(v.string()),
  hold: v.optional(hold),
  mode: v.optional(v.string()),
  camerasOnline: v.array(v.string()),
  counts: v.record(v.string(), v.number()),
  gaps: v.number(),
  gapMs: v.number(),
});

/** One file that was recorded, and what it shows when, by the clock of the rows. A bare path is what 0.1.0 wrote. */
const recorded = v.object({
  path: v.string(),
  from: v.optional(v.number()),
  to: v.optional(v.number()),
  pauses: v.optional(v.array(v.object({ from: v.number(), to: v.optional(v.number()) }))),
  rate: v.optional(v.number()),
  width: v.optional(v.number()),
  height: v.optional(v.number()),
});

/** A session that somebody chose or mended afterwards: how, when, who, and out of which sessions. */
const made = v.object({
  how: v.string(),
  at: v.number(),
  by: v.optional(v.string()),
  from: v.optional(v.array(v.string())),
});

/** What is known of a session as long as it runs. */
export const runningColumns = {
  sessionId: v.optional(v.string()),
  sessionType: v.string(),
  title: v.optional(v.string()),
  notes: v.optional(v.string()),
  mode: v.optional(v.string()),
  startedAt: v.number(),
  startState: v.optional(startState),
  media: v.optional(v.array(v.union(v.string(), recorded))),
  source: v.object({
    dialect: v.string(),
    mappingDigest: v.string(),
    serverVersion: v.optional(v.string()),
    profile: v.optional(v.string()),
    collection: v.optional(v.string()),
    made: v.optional(made),
  }),
};

/** What its end adds. */
export const completionColumns = {
  completedAt: v.optional(v.number()),
  endReason: v.optional(v.string()),
  finalState: v.optional(finalState),
};

const sessionColumns = {
  ...runningColumns,
  ...completionColumns,
  status: v.union(v.literal("live"), v.literal("complete"), v.literal("interrupted")),
};

const cameraColumns = {
  cameraId: v.string(),
  name: v.optional(v.string()),
  role: v.optional(v.string()),
  device: v.optional(v.string()),
  lens: v.optional(v.string()),
  placement: v.optional(freeJson),
  status: v.optional(v.union(v.literal("online"), v.literal("offline"))),
  joinedAt: v.number(),
  leftAt: v.optional(v.number()),
};

const kind = v.union(
  v.literal("cut"),
  v.literal("hold"),
  v.literal("release"),
  v.literal("mode_change"),
  v.literal("still_marker"),
  v.literal("still_capture"),
  v.literal("music_moment"),
  v.literal("gap"),
  v.literal("off_air"),
  v.literal("marker"),
);

const trigger = v.union(
  v.literal("operator"),
  v.literal("ai"),
  v.literal("ghost_approved"),
  v.literal("collection_switch"),
  v.literal("unknown"),
);

const eventColumns = {
  kind,
  at: v.number(),
  observedAt: v.number(),
  cameraId: v.optional(v.string()),
  cameraName: v.optional(v.string()),
  role: v.optional(v.string()),
  fromCameraId: v.optional(v.string()),
  fromCameraName: v.optional(v.string()),
  trigger: v.optional(trigger),
  transition: v.optional(v.string()),
  durationMs: v.optional(v.number()),
  stillKey: v.optional(v.string()),
  detail: v.optional(freeJson),
};

export const stillStatus = v.union(
  v.literal("requested"),
  v.literal("failed"),
  v.literal("captured"),
  v.literal("uploaded"),
);

/** What a still keeps once it is known, where a later row lacks it (`merge.ts`). */
export const stillFactColumns = {
  requestedAt: v.optional(v.number()),
  capturedAt: v.optional(v.number()),
  uploadedAt: v.optional(v.number()),
  storageKey: v.optional(v.string()),
  url: v.optional(v.string()),
  width: v.optional(v.number()),
  height: v.optional(v.number()),
  bytes: v.optional(v.number()),
  sha256: v.optional(v.string()),
  programCameraId: v.optional(v.string()),
  programCameraName: v.optional(v.string()),
};

const stillColumns = {
  ...stillFactColumns,
  stillId: v.string(),
  cameraId: v.string(),
  cameraName: v.optional(v.string()),
  status: stillStatus,
  failReason: v.optional(v.string()),
};

export const COLUMNS = {
  session: sessionColumns,
  camera: cameraColumns,
  event: eventColumns,
  still: stillColumns,
} as const;

export type Op = keyof typeof COLUMNS;
export const OPS = Object.keys(COLUMNS) as readonly Op[];

export const retraction = v.object({ at: v.number(), reason: v.string() });
export type Retraction = Infer<typeof retraction>;

/** What every row has besides its table's columns. */
const commonColumns = {
  sessionKey: v.string(),
  venue: v.string(),
  version: v.number(),
  revision: v.number(),
  retracted: v.optional(retraction),
};

/** All that is left of a session that was forgotten. */
export const forgottenSession = v.object({
  sessionKey: v.string(),
  venue: v.string(),
  retracted: retraction,
});

const sessionRowColumns = { ...commonColumns, ...sessionColumns };
const cameraRowColumns = { ...commonColumns, ...cameraColumns };
const eventRowColumns = { ...commonColumns, eventKey: v.string(), ...eventColumns };
const stillRowColumns = { ...commonColumns, stillKey: v.string(), ...stillColumns };

/** Rows as the queries show them. */
export const sessionRow = v.union(v.object(sessionRowColumns), forgottenSession);
export const cameraRow = v.object(cameraRowColumns);
export const eventRow = v.object(eventRowColumns);
export const stillRow = v.object(stillRowColumns);

/** A session's row that was not forgotten. */
const knownSession = v.object(sessionRowColumns);

export type SessionRow = Infer<typeof sessionRow>;
export type KnownSession = Infer<typeof knownSession>;
export type CameraRow = Infer<typeof cameraRow>;
export type EventRow = Infer<typeof eventRow>;
export type StillRow = Infer<typeof stillRow>;

/**
 * Rows as they are stored: with `changedAt`, and with the bookkeeping that lets any order of entries give the same row
 * (`merge.ts`). No query shows either.
 */
const storedSessionColumns = {
  ...sessionRowColumns,
  changedAt,
  merge: v.optional(
    v.object({ own: v.object({ startedAt: v.number(), startState: v.optional(startState) }) }),
  ),
};
const storedCameraColumns = {
  ...cameraRowColumns,
  changedAt,
  merge: v.optional(v.object({ own: v.object({ joinedAt: v.number() }) })),
};
const storedEventColumns = { ...eventRowColumns, changedAt };
const storedStillColumns = {
  ...stillRowColumns,
  changedAt,
  merge: v.optional(
    v.object({
      kept: v.array(
        v.object({ status: stillStatus, version: v.number(), fields: v.object(stillFactColumns) }),
      ),
    }),
  ),
};

export const storedSession = v.object(storedSessionColumns);
export const storedCamera = v.object(storedCameraColumns);
export const storedEvent = v.object(storedEventColumns);
export const storedStill = v.object(storedStillColumns);
export const storedForgotten = v.object({ ...forgottenSession.fields, changedAt });

/** The four by their op, as a loop over the tables needs them. */
export const STORED = { session: storedSession, camera: storedCamera, event: storedEvent, still: storedStill } as const;

/**
 * In an owner's table the row stands in one column, with two facts more: that it is only a stub, and marks of what their
 * own columns were given (`owners.ts`).
 */
const inOwners = { stub: v.optional(v.literal(true)), gave: v.optional(v.any()) };

export const tapColumn = {
  session: v.optional(v.object({ ...storedSessionColumns, ...inOwners })),
  camera: v.optional(v.object({ ...storedCameraColumns, ...inOwners })),
  event: v.optional(v.object({ ...storedEventColumns, ...inOwners })),
  still: v.optional(v.object({ ...storedStillColumns, ...inOwners })),
} as const;
