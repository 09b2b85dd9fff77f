/** Positions as text that a caller keeps and hands back, and need not understand. */

import { refusal } from "./problems";

/** What a position is made of; a commit's time is larger than a number can say, and stands as text. */
export type Mark = string | number | null;

export function writeCursor(marks: readonly Mark[]): string {
  const bytes = new TextEncoder().encode(JSON.stringify(marks));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Throws a refusal where this is no cursor of ours. */
export function readCursor(cursor: string): Mark[] {
  try {
    const binary = atob(cursor.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const marks: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (Array.isArray(marks) && marks.every(isMark)) return marks;
  } catch {
    // Told below: what is wrong with it is nobody's business.
  }
  throw refusal("cursor");
}

function isMark(mark: unknown): mark is Mark {
  return mark === null || typeof mark === "string" || typeof mark === "number";
}
