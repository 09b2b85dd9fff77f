/** What can be wrong, as codes that programs may rely on. The reasons are for people and may be worded differently. */

import { ConvexError } from "convex/values";

/** Why one entry was rejected. */
export const REJECTIONS = {
  shape: "The entry is not an object, or has a member that entries do not have.",
  key: "The key or sessionKey is missing, ill-formed, or the key does not lie below its sessionKey.",
  venue: "The sessionKey belongs to another venue than the access key.",
  op: "The op is not one of session, camera, event, still.",
  unknown_field: "The field is not a column of this table.",
  missing_field: "A column that every row of this table has is missing.",
  type: "The value has the wrong type, is not a finite number, or is not valid Unicode text.",
  value: "The value is not one of those allowed, or a number is negative.",
  null: "Null is never written: an unknown value is left out.",
  time: "The time is not a whole number of Unix milliseconds between the years 2000 and 2100.",
  name: "The field name is one that Convex refuses: ASCII only, not empty, no $ or _ first.",
  depth: "The value is nested too deeply.",
  size: "The row, a list or an object in it is too large.",
  retraction: "Only a repaired history (revision 1 or more) may take a row back.",
  forgotten: "The session was forgotten; nothing more is saved of it.",
  unknown_session: "There is no such session to complete.",
  owner: "A function of your app's ledger module failed, or gave a row that your table refuses:",
} as const;

export type RejectionCode = keyof typeof REJECTIONS;

export interface Rejection {
  code: RejectionCode;
  reason: string;
  field?: string;
}

/** Why a whole call was refused: thrown as a ConvexError, because everything else arrives as a bare "Server Error". */
export const REFUSALS = {
  key_missing: "No access key was given.",
  key_wrong: "The access key does not allow this here.",
  venue: "The access key belongs to another venue.",
  key: "The sessionKey is not a session's key.",
  shape: "The entries, or the venues, are not a list.",
  too_many: "One call takes at most 500 entries, and names at most 50 venues.",
  cursor: "The cursor is not from changes or from a list.",
  no_changes: "What changed is unknown: the convex package of this deployment is older than 1.43.",
  key_invalid: "The key cannot be added or revoked like this.",
  owner_context: "The owner's context failed, so no row can be written.",
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** A type, not an interface: ConvexError takes only Convex values, and interfaces are open. */
export type RefusalData = { code: RefusalCode; reason: string };

export function refusal(code: RefusalCode, more?: string): ConvexError<RefusalData> {
  return new ConvexError({ code, reason: more === undefined ? REFUSALS[code] : `${REFUSALS[code]} ${more}` });
}
