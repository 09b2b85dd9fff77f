/**
 * Who may write and read.
 *
 * A key is 256 random bits that its holder keeps; the deployment knows only their SHA-256, for which venues it is, and
 * what it may do. That stands in a table that only internal functions and the dashboard reach, one row a key, found by
 * its digest. A few keys may stand in environment variables instead, as `venue:sha256hex` separated by white space,
 * commas or semicolons (8 KiB: some hundred venues); there the venue is percent-encoded, as in keys of sessions. A key
 * that stands in both is what the table says. With nothing configured, no key is right, and nothing is written or read.
 */

import { type GenericDatabaseReader, type GenericDatabaseWriter, type DataModelFromSchemaDefinition, defineSchema } from "convex/server";
import type { Infer } from "convex/values";
import { ENVIRONMENT } from "./names";
import { refusal } from "./problems";
import { decodePart, isSessionKey, venueOf } from "./sessionKeys";
import { productionKeyTable, right } from "./tables";

type Right = Infer<typeof right>;
const RIGHTS: readonly Right[] = ["write", "read", "forget"];

/** Venues by name, or every venue. */
export type Venues = "all" | readonly string[];

/** What one key may do, and where. */
type Grants = Readonly<Record<Right, Venues>>;

const schema = defineSchema(productionKeyTable);
type KeyModel = DataModelFromSchemaDefinition<typeof schema>;
type Reader = GenericDatabaseReader<KeyModel>;
type Writer = GenericDatabaseWriter<KeyModel>;

/** The venue that this key may write to; throws where it may not write. */
export async function writerVenue(db: unknown, accessKey: unknown): Promise<string> {
  const { write } = await grantsOf(db, accessKey, "write");
  // A key that writes is for one venue: whoever has it cannot write another's history.
  const [venue, ...more] = write === "all" ? [] : write;
  if (venue === undefined || more.length > 0) throw refusal("key_wrong");
  return venue;
}

/** The venues that this key may read; throws where it may not read. */
export async function readerVenues(db: unknown, accessKey: unknown): Promise<Venues> {
  return (await grantsOf(db, accessKey, "read")).read;
}

/** The one venue that is meant: the named one, or the key's only one. */
export async function readerVenue(db: unknown, accessKey: unknown, named: string | undefined): Promise<string> {
  const venues = await readerVenues(db, accessKey);
  const venue = named ?? (venues.length === 1 ? venues[0] : undefined);
  if (venue === undefined) throw refusal("venue", "It is for several: name one of them.");
  if (!includes(venues, venue)) throw refusal("venue");
  return venue;
}

/** Throws unless the key may read this session. */
export async function authoriseReading(db: unknown, accessKey: unknown, sessionKey: string): Promise<void> {
  sessionVenue(await readerVenues(db, accessKey), sessionKey);
}

/** Throws unless the key may write this session. */
export async function authoriseWriting(db: unknown, accessKey: unknown, sessionKey: string): Promise<void> {
  sessionVenue([await writerVenue(db, accessKey)], sessionKey);
}

/** The venue of this session, if the key may forget it. */
export async function authoriseForgetting(db: unknown, adminKey: unknown, sessionKey: string): Promise<string> {
  return sessionVenue((await grantsOf(db, adminKey, "forget")).forget, sessionKey);
}

/** What a key may do, told to whoever has it; throws where it may do nothing. */
export async function aboutKey(db: unknown, accessKey: unknown): Promise<{ venues: "all" | string[]; may: Right[] }> {
  const grants = await grantsOf(db, accessKey);
  const may = RIGHTS.filter((name) => !isNone(grants[name]));
  const venues = may.map((name) => grants[name]);
  return { may, venues: venues.includes("all") ? "all" : [...new Set(venues.flat())] };
}

function sessionVenue(venues: Venues, sessionKey: string): string {
  const venue = isSessionKey(sessionKey) ? venueOf(sessionKey) : undefined;
  if (venue === undefined) throw refusal("key");
  if (!includes(venues, venue)) throw refusal("venue");
  return venue;
}

export function includes(venues: Venues, venue: string): boolean {
  return venues === "all" || venues.includes(venue);
}

function isNone(venues: Venues): boolean {
  return venues !== "all" && venues.length === 0;
}

async function grantsOf(db: unknown, key: unknown, wanted?: Right): Promise<Grants> {
  if (key === undefined || key === null || key === "") throw refusal("key_missing");
  if (typeof key !== "string") throw refusal("key_wrong");
  const digest = await sha256Hex(key);
  const row = await (db as Reader).query("productionTapKeys").withIndex("by_digest", (q) => q.eq("digest", digest)).first();
  const grants = row === null ? configured(digest) : grantsIn(row);
  const useless = wanted === undefined ? RIGHTS.every((name) => isNone(grants[name])) : isNone(grants[wanted]);
  if (useless) throw refusal("key_wrong", (await isUnlocked(db as Reader)) ? undefined : "No keys are configured on this deployment.");
  return grants;
}

/** Whether there are any keys at all. */
async function isUnlocked(db: Reader): Promise<boolean> {
  if (Object.values(ENVIRONMENT).some((variable) => wordsIn(variable).length > 0)) return true;
  return (await db.query("productionTapKeys").withIndex("by_digest").first()) !== null;
}

function grantsIn({ venues, may }: { venues: Venues; may: readonly Right[] }): Grants {
  const having = (...rights: Right[]): Venues => (may.some((name) => rights.includes(name)) ? venues : []);
  return { write: having("write"), read: having("write", "read"), forget: having("forget") };
}

// ------------------------------------------------------------------------------------------- environment variables

interface Line {
  digest: string;
  venue: string | "*";
}

function configured(digest: string): Grants {
  const write = unambiguous(venuesIn(ENVIRONMENT.ingestKeys, digest));
  const read = joined(write, venuesIn(ENVIRONMENT.readKeys, digest));
  return { write, read, forget: venuesIn(ENVIRONMENT.adminKeys, digest) };
}

/** One key for two venues is a mistake in the settings of a key that writes, and then it is for neither. */
function unambiguous(venues: Venues): Venues {
  return venues.length === 1 ? venues : [];
}

function joined(left: Venues, right: Venues): Venues {
  return left === "all" || right === "all" ? "all" : [...new Set([...left, ...right])];
}

function venuesIn(variable: string, digest: string): Venues {
  // Every line is compared whole, and all of them: how long it takes tells nothing of how near a guess was.
  const matching = linesIn(variable).filter((line) => equalInConstantTime(line.digest, digest));
  const venues = [...new Set(matching.map(({ venue }) => venue))];
  return venues.includes("*") ? "all" : venues;
}

/** Lines that cannot be read grant nothing; they do not take the others with them. */
function linesIn(variable: string): Line[] {
  const everywhere = variable === ENVIRONMENT.adminKeys ? "*" : "";
  return wordsIn(variable).flatMap((word) => {
    const colon = word.lastIndexOf(":");
    const venue = colon < 0 ? everywhere : decodePart(word.slice(0, colon));
    const digest = word.slice(colon + 1).toLowerCase();
    const reads = variable !== ENVIRONMENT.ingestKeys;
    if (venue === undefined || venue === "" || (venue === "*" && !reads) || !isDigest(digest)) return [];
    return [{ digest, venue }];
  });
}

/** Convex has it, for names that an app need not declare in its convex.config.ts; one without @types/node knows no type. */
declare const process: { readonly env: Readonly<Record<string, string | undefined>> };

function wordsIn(variable: string): string[] {
  return (process.env[variable] ?? "").split(/[\s,;]+/).filter((word) => word !== "");
}

function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function equalInConstantTime(left: string, right: string): boolean {
  let difference = left.length ^ right.length;
  for (let index = 0; index < right.length; index++) {
    difference |= (left.charCodeAt(index) || 0) ^ right.charCodeAt(index);
  }
  return difference === 0;
}

// ------------------------------------------------------------------------------------------- the table's own functions

export interface NewKey {
  digest: string;
  venues: "all" | string[];
  may: Right[];
  label?: string;
}

/** A key by the first digits of its digest: enough to tell it by, and not enough to be it. */
const SHOWN_DIGITS = 8;
const KEYS_AT_ONCE = 100;

export async function addKey(db: unknown, key: NewKey): Promise<{ key: string; was: "new" | "changed" | "same" }> {
  const wanted = { ...key, digest: key.digest.toLowerCase(), may: RIGHTS.filter((name) => key.may.includes(name)) };
  const wrong = problemWith(wanted);
  if (wrong !== undefined) throw refusal("key_invalid", wrong);
  const table = db as Writer;
  const found = await table.query("productionTapKeys").withIndex("by_digest", (q) => q.eq("digest", wanted.digest)).first();
  const shown = wanted.digest.slice(0, SHOWN_DIGITS);
  if (found === null) {
    await table.insert("productionTapKeys", { ...wanted, addedAt: Date.now() });
    return { key: shown, was: "new" };
  }
  const { _id, _creationTime, addedAt, ...before } = found;
  if (sameKey(before, wanted)) return { key: shown, was: "same" };
  await table.replace("productionTapKeys", _id, { ...wanted, addedAt });
  return { key: shown, was: "changed" };
}

function sameKey(left: NewKey, right: NewKey): boolean {
  const told = ({ venues, may, label }: NewKey) => JSON.stringify([venues, may, label]);
  return told(left) === told(right);
}

function problemWith({ digest, venues, may }: NewKey): string | undefined {
  if (!isDigest(digest)) return "The digest is 64 hex digits: the SHA-256 of the key, never the key.";
  if (may.length === 0) return "It may do nothing: name write, read or forget.";
  if (venues !== "all" && (venues.length === 0 || venues.includes(""))) return "It is for no venue.";
  if (may.includes("write") && (venues === "all" || venues.length !== 1)) return "A key that writes is for one venue.";
  return undefined;
}

export interface ListedKey {
  key: string;
  venues: "all" | string[];
  may: Right[];
  label?: string;
  /** `table`, or the environment variable that it stands in. */
  from: string;
  addedAt?: number;
}

/** The table's keys, page by page, and with the last of them those in environment variables. */
export async function listKeys(db: unknown, cursor: string | null): Promise<{ keys: ListedKey[]; cursor: string | null }> {
  const page = await (db as Reader)
    .query("productionTapKeys")
    // In the order in which they were added: the digests stay out of the cursors.
    .withIndex("by_creation_time")
    .paginate({ numItems: KEYS_AT_ONCE, cursor });
  const keys = page.page.map(({ _id, _creationTime, digest, ...key }) => ({ ...key, key: digest.slice(0, SHOWN_DIGITS), from: "table" }));
  return page.isDone ? { keys: [...keys, ...configuredKeys()], cursor: null } : { keys, cursor: page.continueCursor };
}

const CONFIGURED: readonly (readonly [variable: string, may: readonly Right[]])[] = [
  [ENVIRONMENT.ingestKeys, ["write", "read"]],
  [ENVIRONMENT.readKeys, ["read"]],
  [ENVIRONMENT.adminKeys, ["forget"]],
];

function configuredKeys(): ListedKey[] {
  return CONFIGURED.flatMap(([from, may]) =>
    linesIn(from).map(({ digest, venue }) => ({
      key: digest.slice(0, SHOWN_DIGITS),
      venues: venue === "*" ? ("all" as const) : [venue],
      may: [...may],
      from,
    })),
  );
}

/** Takes a key away, named by the first digits of its digest; `still` names the variables in which it stands as well. */
export async function revokeKey(db: unknown, key: string): Promise<{ revoked: boolean; still: string[] }> {
  const digits = key.toLowerCase();
  if (!/^[0-9a-f]{8,64}$/.test(digits)) throw refusal("key_invalid", "Name it by 8 or more hex digits of its digest.");
  const table = db as Writer;
  const found = await table
    .query("productionTapKeys")
    // "g" comes after every hex digit: all digests that begin like this, and no other.
    .withIndex("by_digest", (q) => q.gte("digest", digits).lt("digest", `${digits}g`))
    .take(2);
  if (found.length > 1) throw refusal("key_invalid", "Several keys begin like this: name more digits.");
  for (const { _id } of found) await table.delete("productionTapKeys", _id);
  const still = CONFIGURED.filter(([variable]) => linesIn(variable).some(({ digest }) => digest.startsWith(digits)));
  return { revoked: found.length > 0, still: still.map(([variable]) => variable) };
}
