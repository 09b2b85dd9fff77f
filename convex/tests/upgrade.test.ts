/// <reference types="vite/client" />
/** From 0.1.0 to now: its rows and entries on a new deployment, and new entries on one of it. */

import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type GenericSchema, type SchemaDefinition } from "convex/server";
import { describe, expect, test } from "vitest";
import contract from "../contract/entries.json";
import type { Answer } from "../functions/ledger/ingest";
import { contents, event, ingest, KEY, openLedger, outcomes, session, SESSION, T0, type Ledger } from "./ledger";
import { contents as changed, type OwnersLedger, type Rows } from "./owners";

type Old = TestConvex<SchemaDefinition<GenericSchema, boolean>>;
const files = import.meta.glob("./fixtures/0.1.0/*.js");
const modules = { ...files, "./fixtures/0.1.0/_generated/none.js": () => Promise.resolve({}) };
const TABLES = ["productionSessions", "productionCameras", "productionDirectorEvents", "productionStills"] as const;

async function openOld(): Promise<Old> {
  openLedger(); // for its keys
  const { default: schema } = (await files["./fixtures/0.1.0/schema.js"]?.()) as { default: SchemaDefinition<GenericSchema, boolean> };
  return convexTest({ schema, modules, transactionLimits: true });
}

async function ingestOld(old: Old, entries: unknown): Promise<Answer[]> {
  return (await old.mutation(makeFunctionReference<"mutation">("production:ingest"), { accessKey: KEY, entries })) as Answer[];
}

/** The same deployment after the new functions were deployed: its documents, under the new schema. */
async function upgraded(old: Old): Promise<Ledger> {
  const ledger = openLedger();
  for (const table of TABLES) {
    const documents = await old.run(async ({ db }) => await db.query(table).take(1_000));
    await ledger.run(async ({ db }) => {
      for (const { _id, _creationTime, ...document } of documents) await db.insert(table, document as never);
    });
  }
  return ledger;
}

interface Case {
  name: string;
  refusedByConvex?: boolean;
  entries: unknown[];
  rows: Record<string, Rows>;
}

const cases = (contract.cases as Case[]).filter(({ refusedByConvex }) => !refusedByConvex);

describe("rows of 0.1.0 on a new deployment", () => {
  test.each(cases)("$name", async ({ entries, rows }) => {
    const old = await openOld();
    const before = await ingestOld(old, entries);
    const ledger = await upgraded(old);
    const again = await ingest(ledger, entries);
    // What it knew, it knows; what it could not take (new kinds and columns), the new one takes.
    again.forEach(({ outcome }, at) => {
      if (before[at]?.outcome !== "rejected") expect(outcome).not.toBe("rejected");
    });
    expect(await contents(ledger)).toEqual(rows);
    expect(await changedIn(ledger)).toEqual(rows);
    expect(outcomes(await ingest(ledger, entries))).not.toContain("applied");
  });

  async function changedIn(ledger: Ledger) {
    const found = { sessions: [] as Rows, cameras: [] as Rows, events: [] as Rows, stills: [] as Rows };
    const asTap = { query: async (_: unknown, args: object) => await ledger.query(makeFunctionReference<"query">("production:changes"), args as never) };
    return { ...found, ...(await changed(asTap as unknown as OwnersLedger)) };
  }

  test("its bare paths are read, merged, and give way to what says more of the same files", async () => {
    const old = await openOld();
    await ingestOld(old, [session({ media: ["/rec/a.mp4"] })]);
    const ledger = await upgraded(old);
    expect((await contents(ledger))["sessions"]).toMatchObject([{ media: ["/rec/a.mp4"] }]);
    expect(outcomes(await ingest(ledger, [session({ media: ["/rec/a.mp4"] })]))).toEqual(["duplicate"]);
    const more = session({ media: [{ path: "/rec/a.mp4", from: T0 }] });
    expect(outcomes(await ingest(ledger, [more]))).toEqual(["applied"]);
    expect(outcomes(await ingest(ledger, [session({ media: ["/rec/a.mp4"] }), more]))).toEqual(["stale", "duplicate"]);
    expect((await contents(ledger))["sessions"]).toMatchObject([{ media: [{ path: "/rec/a.mp4", from: T0 }] }]);
  });
});

describe("new entries on a deployment of 0.1.0", () => {
  const source = { dialect: "obs/5", mappingDigest: "d1" };
  const whole = [
    session({ source: { ...source, profile: "Studio" }, media: [{ path: "/rec/a.mp4", from: T0 }] }),
    event({ kind: "off_air", fromCameraId: "1" }, { key: `${SESSION}/off_air/1` }),
    event({ trigger: "collection_switch" }),
  ];

  test("are refused by the field that it does not know, and nothing else of the batch is", async () => {
    const old = await openOld();
    const answers = await ingestOld(old, [...whole, event({}, { key: `${SESSION}/cut/2` })]);
    expect(answers.map(({ code, field }) => [code, field])).toEqual([
      ["type", "media[0]"],
      ["value", "kind"],
      ["value", "trigger"],
      [undefined, undefined],
    ]);
    expect(await ingestOld(old, [session({ source: { ...source, profile: "Studio" } })])).toMatchObject([{ code: "unknown_field", field: "source.profile" }]);
  });

  test("sent without what it does not know, are whole once it is new, at the same version", async () => {
    const old = await openOld();
    expect(outcomes(await ingestOld(old, [session({ source, media: ["/rec/a.mp4"] }), event()]))).toEqual(["applied", "applied"]);
    const ledger = await upgraded(old);
    expect(outcomes(await ingest(ledger, whole))).toEqual(["applied", "applied", "applied"]);
    const straight = openLedger();
    await ingest(straight, whole);
    expect(await contents(ledger)).toEqual(await contents(straight));
  });

  test("there is no about to ask, and an empty ingest that works tells that it is 0.1.0", async () => {
    const old = await openOld();
    await expect(old.query(makeFunctionReference<"query">("production:about"), { accessKey: KEY })).rejects.toThrow(/about/);
    expect(await ingestOld(old, [])).toEqual([]);
  });
});
