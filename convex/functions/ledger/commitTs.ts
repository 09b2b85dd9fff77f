/**
 * When a row was committed last: what `changes` goes by. Convex puts it in, strictly in the order of commits, which no
 * clock of a function can promise.
 *
 * It came with convex 1.43. In an app on an older one this file becomes the three lines of README.md, "On an older
 * convex": everything but `changes` then works.
 */

import type { GenericDatabaseWriter, GenericDataModel } from "convex/server";
import { v } from "convex/values";

export const HAS_CHANGES: boolean = true;

export const changedAt = v.optional(v.commitTs());

/** What a row that is written now gets as its `changedAt`. */
export function commitTs(db: unknown): { changedAt?: unknown } {
  return { changedAt: (db as GenericDatabaseWriter<GenericDataModel>).vars.commitTs };
}
