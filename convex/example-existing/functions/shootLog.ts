/** What this deployment had (`remark`), and the shim by which the tap writes into the same tables. */

import { mutationGeneric } from "convex/server";
import { v } from "convex/values";
import { ingestEntries, MAX_ENTRIES } from "../../functions/ledger/ingest";
import { authoriseForgetting, writerVenue } from "../../functions/ledger/keys";
import { refusal } from "../../functions/ledger/problems";
import { writeStore } from "../../functions/ledger/store";
import { NAMES } from "./names";

// In an app these would be `mutation` of its own `_generated/server`.

/** A function that was here before: somebody writes a remark into the log. */
export const remark = mutationGeneric({
  args: { shootRef: v.string(), room: v.string(), time: v.number(), text: v.string() },
  returns: v.null(),
  handler: async (ctx, args) => {
    await ctx.db.insert("shotLog", { ...args, what: "remark", entryRef: `${args.shootRef}/remark/${args.time}` });
    return null;
  },
});

/** `production:ingest` over the tables that are there. */
export const tapIngest = mutationGeneric({
  // Anything: the keys and the entries are checked by the ledger's own code, which tells what is wrong with them.
  args: { accessKey: v.optional(v.any()), entries: v.optional(v.any()) },
  handler: async (ctx, { accessKey, entries }) => {
    const venue = await writerVenue(accessKey);
    if (!Array.isArray(entries)) throw refusal("shape");
    if (entries.length > MAX_ENTRIES) throw refusal("too_many");
    return await ingestEntries(writeStore(ctx.db, NAMES), venue, entries);
  },
});

/** `production:forgetSession` over the tables that are there: with the shoot go the remarks about it. */
export const tapForget = mutationGeneric({
  args: { adminKey: v.optional(v.any()), sessionKey: v.string() },
  handler: async (ctx, { adminKey, sessionKey }) => {
    const venue = await authoriseForgetting(adminKey, sessionKey);
    const store = writeStore(ctx.db, NAMES);
    await store.forget(sessionKey, venue, Date.now());
    let deleted = 0;
    for (const op of ["event", "still", "camera"] as const) deleted += await store.deleteSome(op, sessionKey, 50 - deleted);
    return { done: deleted < 50, deleted };
  },
});
