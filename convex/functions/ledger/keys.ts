/**
 * Who may write and read.
 *
 * A key is 256 random bits that its holder keeps; the deployment knows only their SHA-256, and for which venue. Digests
 * stand in environment variables, as `venue:sha256hex` separated by white space, commas or semicolons; several of one
 * venue are all valid, so that a key can be changed without a pause. The venue is written as it stands in keys,
 * percent-encoded. With nothing configured, no key is right, and nothing is written or read.
 */

import { refusal } from "./problems";
import { ENVIRONMENT } from "./names";
import { decodePart, isSessionKey, venueOf } from "./sessionKeys";

interface Grant {
  digest: string;
  /** Absent: for every venue, which only an admin's key can be. */
  venue?: string;
}

/** The venue that this key may write to. */
export async function writerVenue(accessKey: unknown): Promise<string> {
  return await venueOfKey(accessKey, grantsIn(ENVIRONMENT.ingestKeys));
}

/** The venue that this key may read; a key that writes may read as well. */
export async function readerVenue(accessKey: unknown): Promise<string> {
  return await venueOfKey(accessKey, [...grantsIn(ENVIRONMENT.ingestKeys), ...grantsIn(ENVIRONMENT.readKeys)]);
}

/** Throws unless the key may read this session. */
export async function authoriseReading(accessKey: unknown, sessionKey: string): Promise<void> {
  requireSessionOf(await readerVenue(accessKey), sessionKey);
}

/** Throws unless the key may write this session. */
export async function authoriseWriting(accessKey: unknown, sessionKey: string): Promise<void> {
  requireSessionOf(await writerVenue(accessKey), sessionKey);
}

function requireSessionOf(venue: string, sessionKey: string): void {
  if (!isSessionKey(sessionKey)) throw refusal("key");
  if (venueOf(sessionKey) !== venue) throw refusal("venue");
}

/** The venue of this session, if the key may forget it. */
export async function authoriseForgetting(adminKey: unknown, sessionKey: string): Promise<string> {
  const granted = await grantOf(adminKey, adminGrants());
  const venue = isSessionKey(sessionKey) ? venueOf(sessionKey) : undefined;
  if (venue === undefined) throw refusal("key");
  if (granted.venue !== undefined && granted.venue !== venue) throw refusal("venue");
  return venue;
}

async function venueOfKey(accessKey: unknown, grants: readonly Grant[]): Promise<string> {
  const { venue } = await grantOf(accessKey, grants);
  if (venue === undefined) throw refusal("key_wrong");
  return venue;
}

async function grantOf(key: unknown, grants: readonly Grant[]): Promise<Grant> {
  if (key === undefined || key === null || key === "") throw refusal("key_missing");
  if (typeof key !== "string") throw refusal("key_wrong");
  const digest = await sha256Hex(key);
  // Every grant is compared whole, and all of them: how long it takes tells nothing of how near a guess was.
  const matching = grants.filter((grant) => equalInConstantTime(grant.digest, digest));
  const venues = new Set(matching.map((grant) => grant.venue));
  // One key for two venues is a mistake in the settings, and then it is for neither.
  if (matching[0] === undefined || venues.size > 1) {
    throw refusal("key_wrong", grants.length === 0 ? "This deployment has no such keys configured." : undefined);
  }
  return matching[0];
}

/** Lines that cannot be read grant nothing; they do not take the others with them. */
function grantsIn(variable: string): Grant[] {
  return wordsIn(variable).flatMap((word) => {
    const colon = word.lastIndexOf(":");
    const venue = decodePart(word.slice(0, Math.max(colon, 0)));
    const digest = word.slice(colon + 1).toLowerCase();
    if (venue === undefined || venue === "" || !isDigest(digest)) return [];
    return [{ digest, venue }];
  });
}

function adminGrants(): Grant[] {
  const anywhere = wordsIn(ENVIRONMENT.adminKeys).map((word) => word.toLowerCase()).filter(isDigest);
  return [...grantsIn(ENVIRONMENT.adminKeys), ...anywhere.map((digest) => ({ digest }))];
}

function wordsIn(variable: string): string[] {
  return (process.env[variable] ?? "").split(/[\s,;]+/).filter((word) => word !== "");
}

function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

export async function sha256Hex(text: string): Promise<string> {
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
