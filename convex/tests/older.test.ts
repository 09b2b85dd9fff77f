/** In an app on a convex without commit timestamps: everything but `changes`. */

import { expect, test, vi } from "vitest";
import { v } from "convex/values";
import contract from "../contract/entries.json";
import { api } from "../functions/_generated/api";
import { contents, ingest, KEY, openLedger, refusalOf, session } from "./ledger";

// As the README has it for such an app.
vi.mock("../functions/ledger/commitTs", () => ({
  HAS_CHANGES: false,
  changedAt: v.optional(v.int64()),
  commitTs: () => ({}),
}));

test.each(contract.cases.filter(({ name }) => !/ASCII/.test(name)))("$name", async ({ entries, rows }) => {
  const ledger = openLedger();
  await ingest(ledger, entries);
  expect(await contents(ledger)).toEqual(rows);
});

test("about and changes say so", async () => {
  const ledger = openLedger();
  await ingest(ledger, [session()]);
  expect((await ledger.query(api.production.about, { accessKey: KEY })).functions).not.toContain("changes");
  expect(await refusalOf(ledger.query(api.production.changes, { accessKey: KEY }))).toMatchObject({ code: "no_changes" });
  expect(await refusalOf(ledger.query(api.production.changes, { accessKey: "wrong" }))).toMatchObject({ code: "key_wrong" });
});
