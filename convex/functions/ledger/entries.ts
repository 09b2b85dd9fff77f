/**
 * One entry, checked by itself: no database, no clock.
 *
 * A strict validator on `ingest`'s argument would fail the whole batch, as a bare "Server Error" that names nothing and
 * prints the access key into the deployment's log. So the entries come in as anything at all, and each is checked
 * against the columns' own validators here: a bad one is rejected with a code, a reason and its field, and the good
 * ones beside it are written.
 */

import type { GenericValidator } from "convex/values";
import { COLUMNS, OPS, retraction, type Op, type Retraction } from "./columns";
import { canonical, isPlainObject, owns, utf8Length, type JsonObject } from "./json";
import { REJECTIONS, type Rejection, type RejectionCode } from "./problems";
import { isBelow, isSessionKey, venueOf } from "./sessionKeys";

export interface Entry {
  key: string;
  op: Op;
  sessionKey: string;
  version: number;
  revision: number;
  retracted?: Retraction;
  fields: JsonObject;
}

/** Bytes of canonical JSON that the fields of one row may have; well under Convex's 1 MiB a document. */
export const MAX_BYTES: Readonly<Record<Op, number>> = {
  session: 256 * 1024,
  event: 256 * 1024,
  // A timeline reads many of these at once, and a still's bookkeeping may repeat some of its fields.
  camera: 64 * 1024,
  still: 64 * 1024,
};

/**
 * Levels that a free column may have, itself counted. A document has 16; some of them are the row's own, and an owner
 * of the tables may put the column deeper than we do (`owners.ts`).
 */
export const MAX_LEVELS = 12;
/** Convex's own. */
const MAX_ITEMS = 8_192;
const MAX_NAMES = 1_024;

const EARLIEST = Date.UTC(2000, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);

const MEMBERS: ReadonlySet<string> = new Set(["key", "op", "sessionKey", "version", "revision", "retracted", "fields"]);

// Printable ASCII, as Convex demands of names in objects; `$` and `_` are its own.
const NAME = /^(?![$_])[\x20-\x7e]{1,1024}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Carries the first thing that is wrong with an entry out of the checks below; never leaves this file. */
class Wrong extends Error {
  constructor(
    readonly code: RejectionCode,
    readonly field?: string,
  ) {
    super(code);
  }
}

/** The entry, if it may be written by a key of `venue`; else why not. */
export function checkEntry(raw: unknown, venue: string): Entry | Rejection {
  try {
    return readEntry(raw, venue);
  } catch (error) {
    if (error instanceof Wrong) return rejection(error.code, error.field);
    throw error;
  }
}

export function isRejection(checked: object): checked is Rejection {
  return "code" in checked;
}

export function rejection(code: RejectionCode, field?: string): Rejection {
  const reason = REJECTIONS[code];
  return field === undefined ? { code, reason } : { code, reason, field: field.slice(0, 200) };
}

/** What an answer calls the entry: its key as far as it has one. */
export function keyOf(raw: unknown): string {
  const key = isPlainObject(raw) ? raw["key"] : undefined;
  return typeof key === "string" ? key.slice(0, 1_000).replace(/\p{Surrogate}/gu, "\ufffd") : "";
}

function readEntry(raw: unknown, venue: string): Entry {
  if (!isPlainObject(raw)) throw new Wrong("shape");
  const stranger = Object.keys(raw).find((name) => !MEMBERS.has(name));
  if (stranger !== undefined) throw new Wrong("shape", stranger);

  const sessionKey = readSessionKey(raw["sessionKey"], venue);
  const op = readOp(raw["op"]);
  const key = readKey(raw["key"], op, sessionKey);
  const version = readVersion(raw["version"]);
  const revision = readCount(raw["revision"] ?? 0, "revision");
  if (raw["revision"] === null) throw new Wrong("null", "revision");
  const { columns, taken } = apart(raw["fields"]);
  const retracted = readRetraction(raw["retracted"] === undefined ? taken : raw["retracted"], revision);
  const fields = readFields(columns, op);
  return { key, op, sessionKey, version, revision, ...(retracted && { retracted }), fields };
}

function readSessionKey(value: unknown, venue: string): string {
  if (typeof value !== "string" || !isSessionKey(value)) throw new Wrong("key", "sessionKey");
  if (venueOf(value) !== venue) throw new Wrong("venue", "sessionKey");
  return value;
}

function readOp(value: unknown): Op {
  const op = OPS.find((known) => known === value);
  if (op === undefined) throw new Wrong("op", "op");
  return op;
}

function readKey(value: unknown, op: Op, sessionKey: string): string {
  const fits =
    typeof value === "string" && (op === "session" ? value === sessionKey : isBelow(sessionKey, value));
  if (!fits) throw new Wrong("key", "key");
  return value;
}

/** A version is a source time, raised where clocks do not grow; only the far end of time is no version at all. */
function readVersion(value: unknown): number {
  const version = readCount(value, "version");
  if (version >= LATEST) throw new Wrong("time", "version");
  return version;
}

function readCount(value: unknown, field: string): number {
  if (value === null) throw new Wrong("null", field);
  if (value === undefined) throw new Wrong("missing_field", field);
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new Wrong("type", field);
  if (value < 0) throw new Wrong("value", field);
  return value + 0;
}

/** A row shows `retracted` among its columns, and so may an entry; it says the same there as beside the fields. */
function apart(fields: unknown): { columns: unknown; taken?: unknown } {
  if (!isPlainObject(fields) || fields["retracted"] === undefined) return { columns: fields };
  const { retracted: taken, ...columns } = fields;
  return { columns, taken };
}

function readRetraction(value: unknown, revision: number): Retraction | undefined {
  if (value === undefined) return undefined;
  checkValue(retraction, value, "retracted");
  if (revision < 1) throw new Wrong("retraction", "retracted");
  return value as Retraction;
}

function readFields(value: unknown, op: Op): JsonObject {
  if (value === null) throw new Wrong("null", "fields");
  if (value === undefined) throw new Wrong("missing_field", "fields");
  if (!isPlainObject(value)) throw new Wrong("type", "fields");
  checkColumns(COLUMNS[op], value, "");
  const fields = value as JsonObject;
  if (utf8Length(canonical(fields)) > MAX_BYTES[op]) throw new Wrong("size", largestOf(fields));
  return fields;
}

/** The field to look at first when a row is too large. */
function largestOf(fields: JsonObject): string {
  const sizes = Object.entries(fields).map(([name, value]) => [canonical(value).length, name] as const);
  return sizes.reduce((largest, next) => (next[0] > largest[0] ? next : largest))[1];
}

function checkColumns(columns: Readonly<Record<string, GenericValidator>>, value: Record<string, unknown>, at: string): void {
  for (const name of Object.keys(value)) {
    if (!owns(columns, name)) throw new Wrong("unknown_field", join(at, name));
  }
  for (const [name, validator] of Object.entries(columns)) {
    const member = value[name];
    if (member !== undefined) checkValue(validator, member, join(at, name));
    else if (validator.isOptional === "required") throw new Wrong("missing_field", join(at, name));
  }
}

function checkValue(validator: GenericValidator, value: unknown, at: string): void {
  if (value === null) throw new Wrong("null", at);
  switch (validator.kind) {
    case "string":
      return checkText(value, at);
    case "float64":
      return checkNumber(value, at);
    case "boolean":
      if (typeof value !== "boolean") throw new Wrong("type", at);
      return;
    case "object":
      if (!isPlainObject(value)) throw new Wrong("type", at);
      return checkColumns(validator.fields as Record<string, GenericValidator>, value, at);
    case "array":
      return checkList(value, at, (item, where) => checkValue(validator.element as GenericValidator, item, where));
    case "record":
      return checkRecord(validator.value as GenericValidator, value, at);
    case "union":
      return checkUnion(validator.members as GenericValidator[], value, at);
    default:
      throw new Error(`columns.ts has a kind of validator that entries.ts does not check: ${validator.kind}`);
  }
}

function checkText(value: unknown, at: string): void {
  if (typeof value !== "string" || LONE_SURROGATE.test(value)) throw new Wrong("type", at);
}

function checkNumber(value: unknown, at: string): void {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Wrong("type", at);
  // -0 has another canonical text than 0 in some languages, and no meaning here.
  if (value < 0 || Object.is(value, -0)) throw new Wrong(isTime(at) ? "time" : "value", at);
  if (isTime(at) && !(Number.isInteger(value) && value >= EARLIEST && value < LATEST)) throw new Wrong("time", at);
}

/** `columns.ts` says so: a number called `at` or `…At` is a time. */
function isTime(at: string): boolean {
  return /(^|\.)(at|[a-z]+At|from|to)$/.test(at);
}

function checkList(value: unknown, at: string, check: (item: unknown, at: string) => void): void {
  if (!Array.isArray(value)) throw new Wrong("type", at);
  if (value.length > MAX_ITEMS) throw new Wrong("size", at);
  value.forEach((item, index) => check(item, `${at}[${index}]`));
}

function checkRecord(member: GenericValidator, value: unknown, at: string): void {
  if (!isPlainObject(value)) throw new Wrong("type", at);
  checkNames(value, at);
  for (const [name, item] of Object.entries(value)) {
    if (member.kind === "any") checkFree(item, join(at, name), 2);
    else checkValue(member, item, join(at, name));
  }
}

/** A union is told by its literals, or by the first member whose type the value has. */
function checkUnion(members: readonly GenericValidator[], value: unknown, at: string): void {
  if (members.every((member) => member.kind === "literal")) {
    if (typeof value !== "string") throw new Wrong("type", at);
    if (!members.some((member) => member.kind === "literal" && member.value === value)) throw new Wrong("value", at);
    return;
  }
  const member = members.find(({ kind }) => (kind === "object" ? isPlainObject(value) : kind === typeof value));
  if (member === undefined) throw new Wrong("type", at);
  checkValue(member, value, at);
}

/** JSON whose inside no column describes: everything that Convex would refuse is refused here, by name. */
function checkFree(value: unknown, at: string, level: number): void {
  if (value === null) throw new Wrong("null", at);
  if (typeof value === "object" && level > MAX_LEVELS) throw new Wrong("depth", at);
  if (Array.isArray(value)) return checkList(value, at, (item, where) => checkFree(item, where, level + 1));
  if (isPlainObject(value)) {
    checkNames(value, at);
    for (const [name, item] of Object.entries(value)) checkFree(item, join(at, name), level + 1);
    return;
  }
  if (typeof value === "string") return checkText(value, at);
  if (typeof value === "number") {
    if (!Number.isFinite(value) || Object.is(value, -0)) throw new Wrong("type", at);
    return;
  }
  if (typeof value !== "boolean") throw new Wrong("type", at);
}

function checkNames(value: Record<string, unknown>, at: string): void {
  const names = Object.keys(value);
  if (names.length > MAX_NAMES) throw new Wrong("size", at);
  const refused = names.find((name) => !NAME.test(name));
  if (refused !== undefined) throw new Wrong("name", join(at, printable(refused)));
}

/** A field in an answer is a name to find it by, and must itself be something that Convex can carry. */
function printable(name: string): string {
  return name.replace(/\p{Surrogate}/gu, "\ufffd");
}

function join(at: string, name: string): string {
  return at === "" ? printable(name) : `${at}.${name}`;
}
