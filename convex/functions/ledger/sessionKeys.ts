/** Keys: `venue/session` and what lies below it, each part percent-encoded, so that no other `/` or `@` can be meant. */

const PART = "[A-Za-z0-9_.~%!'()*-]";
const SESSION_KEY = new RegExp(`^${PART}+/[A-Za-z0-9_.~%!'()*@-]+$`);
const BELOW = /^(\/[A-Za-z0-9_.~%!'()*@-]+)+$/;

// The tap bounds a session's key to 120 bytes and every part below it to as many; other writers get some room.
const MAX_SESSION_KEY = 200;
const MAX_KEY = 1_000;

export function isSessionKey(key: string): boolean {
  return key.length <= MAX_SESSION_KEY && SESSION_KEY.test(key) && venueOf(key) !== undefined;
}

/** Only a `/` ends a session's key: `v/1` must not reach the rows of `v/10` or `v/1@2`. */
export function isBelow(sessionKey: string, key: string): boolean {
  return key.length <= MAX_KEY && key.startsWith(sessionKey) && BELOW.test(key.slice(sessionKey.length));
}

/** The venue that a key belongs to, decoded; undefined where its encoding is broken. */
export function venueOf(key: string): string | undefined {
  return decodePart(key.split("/", 1)[0] ?? "");
}

export function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
