/** The cases that pytest reads as well: what the tap believes of the ledger is what the ledger does. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import contract from "../contract/entries.json";
import { contents, ingest, KEY, openLedger } from "./ledger";
import { MemoryStore } from "./memory";

interface Case {
  name: string;
  anyOrder: boolean;
  refusedByConvex?: boolean;
  entries: unknown[];
  outcomes: { outcome: string; code?: string; field?: string; version?: number }[];
  rows: Record<string, unknown[]>;
}

const cases = contract.cases as Case[];

function told(answers: readonly object[]): object[] {
  return answers.map((answer) => {
    const { key, reason, ...rest } = answer as Record<string, unknown>;
    return rest;
  });
}

describe.each(cases)("$name", ({ entries, outcomes, rows, anyOrder, refusedByConvex }) => {
  if (!refusedByConvex) {
    test("by the function", async () => {
      const ledger = openLedger();
      expect(told(await ingest(ledger, entries))).toEqual(outcomes);
      expect(await contents(ledger)).toEqual(rows);
    });
  }

  test("by the HTTP route", async () => {
    const ledger = openLedger();
    const response = await ledger.fetch("/production/ingest", {
      method: "POST",
      headers: { Authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ entries }),
    });
    expect(response.status).toBe(200);
    const { answers } = (await response.json()) as { answers: object[] };
    expect(told(answers)).toEqual(outcomes);
    expect(await contents(ledger)).toEqual(rows);
  });

  if (!anyOrder) return;
  test("in any order and any batches", async () => {
    const orders = fc.shuffledSubarray(entries, { minLength: entries.length });
    await fc.assert(
      fc.asyncProperty(orders, fc.integer({ min: 1, max: 4 }), async (order, size) => {
        const store = new MemoryStore();
        for (let at = 0; at < order.length; at += size) await store.ingest(order.slice(at, at + size));
        expect(store.contents()).toEqual(rows);
      }),
      { numRuns: 40 },
    );
  });
});

test("The names of the cases are sentences, and each stands once", () => {
  const names = cases.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[A-Z].* .*[^.]$/);
});
