/**
 * How entries that meet in one row become that row. Pure: no database, no clock.
 *
 * Whatever order entries come in, however often, in whatever batches, the row is the same. In words, for one row:
 *
 * 1. Only the entries of the highest `revision` count.
 * 2. Of those the greatest wins, by the order below, and the row has its fields, `version` and `retracted`:
 *      session, camera  version; taken back; number of fields (those inside objects too); canonical JSON
 *      still            status (requested < failed < captured < uploaded); then the same
 *      event            taken back; not inferred; number of fields and canonical JSON, both without `observedAt`
 * 3. Facts set once are never un-set, whoever wins: the least `startedAt` and `joinedAt`, the `startState` of least
 *    `at`, and what a still knew of its times, sizes, hash, storage and program camera where the winner lacks it: then
 *    it comes from the entry of highest status, then version, that has it (then greatest canonical JSON).
 * 4. Of events that are equal but for `observedAt` and `version`, the least of each stands.
 *
 * A row alone does not tell what its winner said before rule 3, and the next entry must be compared with just that. So
 * a row may carry `merge`: the winner's own words (`own`), or which facts came from elsewhere (`kept`). It is absent
 * from almost every row, and no query shows it.
 */

import type { Op, Retraction } from "./columns";
import { canonical, compareText, type Json, type JsonObject } from "./json";

/** What one entry says of its row. */
export interface Told {
  version: number;
  revision: number;
  retracted?: Retraction;
  fields: JsonObject;
}

/** A fact, or facts that only make sense together, of an entry that did not win. */
export interface Kept {
  status: string;
  version: number;
  fields: JsonObject;
}

export interface Row extends Told {
  merge?: { own: JsonObject } | { kept: Kept[] };
}

/** `stale`: the stored row stands (it may have gained facts). `duplicate`: nothing new was said. */
export type Outcome = "applied" | "duplicate" | "stale";

export interface Merged {
  row: Row;
  outcome: Outcome;
}

const RANK: Readonly<Record<string, number>> = { requested: 0, failed: 1, captured: 2, uploaded: 3 };

/** Per table, the columns of which the least stands; an object counts by its `at`. */
const LEAST: Readonly<Record<"session" | "camera", readonly string[]>> = {
  session: ["startedAt", "startState"],
  camera: ["joinedAt"],
};

/** A camera's name belongs to its id: kept apart, they might make a camera that never was. */
const STILL_FACTS: readonly (readonly string[])[] = [
  ["requestedAt"],
  ["capturedAt"],
  ["uploadedAt"],
  ["storageKey"],
  ["url"],
  ["width"],
  ["height"],
  ["bytes"],
  ["sha256"],
  ["programCameraId", "programCameraName"],
];

export function merge(op: Op, stored: Row | undefined, told: Told): Merged {
  if (stored === undefined || told.revision > stored.revision) return { row: told, outcome: "applied" };
  if (told.revision < stored.revision) return { row: stored, outcome: "stale" };
  if (op === "event") return mergeEvents(stored, told);
  return op === "still" ? mergeStills(stored, told) : mergeLeast(op, stored, told);
}

// ------------------------------------------------------------------------------------------- events

function mergeEvents(stored: Row, told: Told): Merged {
  const order = compareEvents(told, stored);
  if (order > 0) return { row: told, outcome: "applied" };
  if (order < 0) return { row: stored, outcome: "duplicate" };
  const row = earlierSighting(stored, told);
  const same = row.version === stored.version && row.fields["observedAt"] === stored.fields["observedAt"];
  return { row, outcome: same ? "duplicate" : "applied" };
}

function compareEvents(left: Told, right: Told): number {
  return (
    Number(left.retracted !== undefined) - Number(right.retracted !== undefined) ||
    Number(!isInferred(left)) - Number(!isInferred(right)) ||
    compareFields(without(left.fields, ["observedAt"]), without(right.fields, ["observedAt"])) ||
    compareRetractions(left, right)
  );
}

function isInferred({ fields }: Told): boolean {
  const detail = fields["detail"] as JsonObject | undefined;
  return detail?.["inferred"] === true;
}

function earlierSighting(stored: Row, told: Told): Row {
  const observedAt = Math.min(stored.fields["observedAt"] as number, told.fields["observedAt"] as number);
  const version = Math.min(stored.version, told.version);
  return { ...stored, version, fields: { ...stored.fields, observedAt } };
}

// ------------------------------------------------------------------------------------------- sessions and cameras

function mergeLeast(op: "session" | "camera", stored: Row, told: Told): Merged {
  const names = LEAST[op];
  const own = stored.merge && "own" in stored.merge ? stored.merge.own : pick(stored.fields, names);
  const before: Told = { ...bare(stored), fields: { ...without(stored.fields, names), ...own } };
  const order = compareTold(told, before);
  if (order === 0) return { row: stored, outcome: "duplicate" };

  const winner = order > 0 ? told : before;
  const least = leastOf(names, stored.fields, told.fields);
  const row: Row = { ...winner, fields: { ...winner.fields, ...least } };
  const winnersOwn = pick(winner.fields, names);
  if (canonical(winnersOwn) !== canonical(least)) row.merge = { own: winnersOwn };
  return { row, outcome: order > 0 ? "applied" : "stale" };
}

function leastOf(names: readonly string[], left: JsonObject, right: JsonObject): JsonObject {
  const least: JsonObject = {};
  for (const name of names) {
    const values = [left[name], right[name]].filter((value): value is Json => value !== undefined);
    values.sort((a, b) => instant(a) - instant(b) || compareText(canonical(a), canonical(b)));
    if (values[0] !== undefined) least[name] = values[0];
  }
  return least;
}

function instant(value: Json): number {
  return typeof value === "number" ? value : ((value as JsonObject)["at"] as number);
}

// ------------------------------------------------------------------------------------------- stills

function mergeStills(stored: Row, told: Told): Merged {
  const kept = stored.merge && "kept" in stored.merge ? stored.merge.kept : [];
  const before: Told = { ...bare(stored), fields: withoutKept(stored.fields, kept) };
  const order = compareRank(told.fields, before.fields) || compareTold(told, before);
  if (order === 0) return { row: stored, outcome: "duplicate" };

  const winner = order > 0 ? told : before;
  const row: Row = { ...winner, fields: { ...winner.fields } };
  const stillKept: Kept[] = [];
  for (const names of STILL_FACTS) {
    const known = kept.filter((fact) => has(fact.fields, names));
    const best = bestOf([...known, factOf(before, names), factOf(told, names)]);
    if (best === undefined) continue;
    const winners = factOf(winner, names);
    if (!has(winner.fields, names)) Object.assign(row.fields, best.fields);
    if (winners === undefined || compareKept(best, winners) !== 0) stillKept.push(best);
  }
  if (stillKept.length > 0) row.merge = { kept: stillKept };
  return { row, outcome: order > 0 ? "applied" : "stale" };
}

function factOf(said: Told, names: readonly string[]): Kept | undefined {
  if (!has(said.fields, names)) return undefined;
  return { status: said.fields["status"] as string, version: said.version, fields: pick(said.fields, names) };
}

function bestOf(facts: readonly (Kept | undefined)[]): Kept | undefined {
  const known = facts.filter((fact): fact is Kept => fact !== undefined);
  return known.sort((left, right) => compareKept(right, left))[0];
}

function compareKept(left: Kept, right: Kept): number {
  return (
    (RANK[left.status] ?? 0) - (RANK[right.status] ?? 0) ||
    left.version - right.version ||
    compareText(canonical(left.fields), canonical(right.fields))
  );
}

/**
 * The winner's own fields. A kept fact that stands in the row is not the winner's; one that does not (the winner had a
 * value of its own, from an equal version) was kept only because it may be needed once another row wins.
 */
function withoutKept(fields: JsonObject, kept: readonly Kept[]): JsonObject {
  const foreign = kept.flatMap((fact) => {
    const names = STILL_FACTS.find((group) => has(fact.fields, group)) ?? [];
    return canonical(pick(fields, names)) === canonical(fact.fields) ? names : [];
  });
  return without(fields, foreign);
}

function compareRank(left: JsonObject, right: JsonObject): number {
  return (RANK[left["status"] as string] ?? 0) - (RANK[right["status"] as string] ?? 0);
}

// ------------------------------------------------------------------------------------------- common

function compareTold(left: Told, right: Told): number {
  return (
    left.version - right.version ||
    Number(left.retracted !== undefined) - Number(right.retracted !== undefined) ||
    compareFields(left.fields, right.fields) ||
    compareRetractions(left, right)
  );
}

function compareFields(left: JsonObject, right: JsonObject): number {
  return sizeOf(left) - sizeOf(right) || compareText(canonical(left), canonical(right));
}

/** How many fields there are, those inside too: what says less of a nested one must not win by its spelling. */
function sizeOf(value: Json): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, inner) => sum + sizeOf(inner as Json), own);
}

function compareRetractions(left: Told, right: Told): number {
  return compareText(canonical({ ...left.retracted }), canonical({ ...right.retracted }));
}

/** The row as an entry would say it, without our bookkeeping. */
function bare({ version, revision, retracted, fields }: Row): Told {
  return { version, revision, ...(retracted && { retracted }), fields };
}

function has(fields: JsonObject, names: readonly string[]): boolean {
  return names.some((name) => fields[name] !== undefined);
}

function pick(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name] as Json]])));
}

function without(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
