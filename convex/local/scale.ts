/** What calls cost: bytes and documents, counted between the functions and convex-test. No time is measured. */

import { convexTest } from "convex-test";
import { makeFunctionReference } from "convex/server";
import { getDocumentSize, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { createHash } from "node:crypto";
import { ENVIRONMENT } from "../functions/ledger/names";
import { openApp } from "./modules";

/** Counted while a call runs. */
interface Cost {
  ranges: number;
  readDocuments: number;
  readBytes: number;
  writtenDocuments: number;
  writtenBytes: number;
  /** With every index as another copy, as Convex prices it. */
  writtenWithIndexes: number;
}

interface Call extends Cost {
  entries: number;
  ops: string;
  bodyBytes: number;
  answerBytes: number;
}

type Document = Record<string, Value>;
interface ConvexGlobal {
  syscall: (op: string, args: string) => string;
  asyncSyscall: (op: string, args: string) => Promise<string>;
  jsSyscall: (op: string, args: unknown) => unknown;
}

const KEY = "key-of-the-reckoning";

/** `calls`: the entries of each. Every tenth is followed by what a subscriber and a pipeline would be sent. */
export async function measure(calls: { key: string; op: string; sessionKey: string }[][], name: string) {
  process.env[ENVIRONMENT.ingestKeys] = `stage-1:${createHash("sha256").update(KEY).digest("hex")}`;
  const app = await openApp(name);
  const convex = convexTest({ schema: app.schema, modules: app.modules, transactionLimits: true });
  if (name === "a") await convex.mutation(makeFunctionReference<"mutation">("shoots:addOrganization"), { name: "stage-1" });
  const indexes = indexesOf(app.schema.tables as never);
  const sessionKey = calls.flat().find(({ op }) => op === "session")?.sessionKey ?? "";

  const ask = async (path: string, args: object) => {
    const { value, cost } = await counted(indexes, async () => (await convex.query(makeFunctionReference<"query">(`${app.module}:${path}`), { accessKey: KEY, ...args } as never)) as unknown);
    return { value, cost: { ...cost, answerBytes: bytesOf(value) } };
  };
  const measured: Call[] = [];
  const latest: object[] = [];
  const followed: object[] = [];
  let { cursor } = (await ask("changes", {})).value as { cursor: string };
  for (const [number, entries] of calls.entries()) {
    const args = { accessKey: KEY, entries };
    const { value, cost } = await counted(indexes, async () => (await convex.mutation(makeFunctionReference<"mutation">(`${app.module}:ingest`), args as never)) as { outcome: string }[]);
    if (value.some(({ outcome }) => outcome === "rejected")) throw new Error(`an entry was rejected: ${JSON.stringify(value)}`);
    const ops = [...new Set(entries.map(({ op }) => op))].sort().join(" ");
    measured.push({ ...cost, entries: entries.length, ops, bodyBytes: bytesOf({ path: "production:ingest", format: "convex_encoded_json", args }), answerBytes: bytesOf(value) });
    if (number % 10 !== 9) continue;
    latest.push((await ask("latestEvents", { sessionKey })).cost);
    const page = await ask("changes", { cursor });
    followed.push({ ...page.cost, rows: (page.value as { page: unknown[] }).page.length });
    ({ cursor } = page.value as { cursor: string });
  }
  const timeline = (await ask("sessionTimeline", { sessionKey })).cost;
  return { calls: measured, latest, followed, timeline, tables: await tablesOf(convex, indexes) };
}

/** What stands in the tables at the end. */
async function tablesOf(convex: ReturnType<typeof convexTest>, indexes: ReadonlyMap<string, number>) {
  const tables: Record<string, { documents: number; bytes: number; indexes: number }> = {};
  for (const [table, count] of indexes) {
    const documents = await convex.run(async ({ db }) => (await db.query(table as never).take(10_000)) as Document[]);
    const bytes = documents.reduce((sum, document) => sum + getDocumentSize(document as never), 0);
    if (documents.length > 0) tables[table] = { documents: documents.length, bytes, indexes: count };
  }
  return tables;
}

function indexesOf(tables: Record<string, { " indexes"(): unknown[] }>): ReadonlyMap<string, number> {
  return new Map(Object.entries(tables).map(([name, table]) => [name, table[" indexes"]().length]));
}

async function counted<Result>(indexes: ReadonlyMap<string, number>, work: () => Promise<Result>): Promise<{ value: Result; cost: Cost }> {
  const cost: Cost = { ranges: 0, readDocuments: 0, readBytes: 0, writtenDocuments: 0, writtenBytes: 0, writtenWithIndexes: 0 };
  const holder = globalThis as unknown as { Convex: ConvexGlobal };
  const inner = holder.Convex;
  const read = (documents: readonly (Document | null)[]) => {
    for (const document of documents) {
      if (document === null) continue;
      cost.readDocuments += 1;
      cost.readBytes += getDocumentSize(document as never);
    }
  };
  const opened = (op: string) => {
    if (op === "1.0/queryStream" || op === "1.0/queryPage" || op === "1.0/get") cost.ranges += 1;
  };
  holder.Convex = {
    syscall: (op, args) => {
      opened(op);
      return inner.syscall(op, args);
    },
    jsSyscall: (op, args) => inner.jsSyscall(op, args),
    asyncSyscall: async (op, args) => {
      opened(op);
      const said = await inner.asyncSyscall(op, args);
      if (op === "1.0/queryStreamNext") read([valueIn(said, "value") as Document | null]);
      if (op === "1.0/queryPage") read(valueIn(said, "page") as Document[]);
      if (op === "1.0/get") read([jsonToConvex(JSON.parse(said) as JSONValue) as Document | null]);
      if (op === "1.0/insert" || op === "1.0/replace" || op === "1.0/shallowMerge") {
        const document = written(JSON.parse(said) as JSONValue, args);
        const table = (JSON.parse(args) as { table?: string }).table ?? "";
        const bytes = getDocumentSize(document as never);
        cost.writtenDocuments += 1;
        cost.writtenBytes += bytes;
        cost.writtenWithIndexes += bytes * (1 + (indexes.get(table) ?? 0));
      }
      return said;
    },
  };
  try {
    return { value: await work(), cost };
  } finally {
    holder.Convex = inner;
  }
}

function valueIn(said: string, name: string): Value {
  return jsonToConvex((JSON.parse(said) as Record<string, JSONValue>)[name] ?? null);
}

/** The document as it is written: what was said of it, or of what a patch changes. */
function written(said: JSONValue, args: string): Document {
  const told = said !== null && typeof said === "object" && !Array.isArray(said) && "_creationTime" in said ? said : (JSON.parse(args) as { value: JSONValue }).value;
  return jsonToConvex(resolved(told)) as Document;
}

function resolved(json: JSONValue): JSONValue {
  if (typeof json !== "object" || json === null) return json;
  if ("$commitTs" in json) return { $integer: "AAAAAAAAAAA=" };
  if (Array.isArray(json)) return json.map(resolved);
  const members = Object.entries(json).filter(([, member]) => !(typeof member === "object" && member !== null && "$undefined" in member));
  return Object.fromEntries(members.map(([name, member]) => [name, resolved(member as JSONValue)]));
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
