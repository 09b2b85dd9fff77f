/**
 * The ledger's own functions, run by convex-test in this process, with what convex-test leaves out: only public
 * functions can be called, sizes are limited, and what was written is kept.
 */

import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type GenericSchema, type PaginationOptions, type SchemaDefinition } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { createHash, randomBytes } from "node:crypto";
import { writerVenue } from "../functions/ledger/keys";
import { ENVIRONMENT } from "../functions/ledger/names";
import { Journal, type Kept, type StoredCall, type StoredRow } from "./journal";
import type { App } from "./modules";
import { checkDocument } from "./wire";

export type Kind = "query" | "mutation" | "action";

const KINDS: readonly Kind[] = ["query", "mutation", "action"];
const FLAGS: Readonly<Record<Kind, string>> = { query: "isQuery", mutation: "isMutation", action: "isAction" };

/** Not the caller's mistake and not ours: there is no such function, or it is not for the outside. */
export class NoSuchFunction extends Error {}

const QUIET_MS = 3_000;

/** Half of what one transaction may read or write. */
const PART_BYTES = 8 * 1024 * 1024;

export class LocalLedger {
  private readonly convex: TestConvex<SchemaDefinition<GenericSchema, boolean>>;
  private readonly tables: readonly string[];
  private readonly journal: Journal | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private quiet: NodeJS.Timeout | undefined;

  constructor(
    private readonly app: App,
    file: string | undefined,
  ) {
    this.convex = convexTest({ schema: app.schema, modules: app.modules, transactionLimits: true });
    this.tables = Object.keys(app.schema.tables);
    this.journal = file === undefined ? undefined : new Journal(file);
    limitDocuments();
  }

  /** Brings back what was kept; says how much that was. */
  async open(): Promise<{ rows: number; calls: number }> {
    const kept = this.journal?.open() ?? { rows: [], calls: [] };
    await this.restore(kept);
    if (kept.calls.length > 0) await this.snapshot();
    return { rows: kept.rows.length, calls: kept.calls.length };
  }

  /** Waits for what is under way and leaves a snapshot, which the next start reads faster than calls. */
  async close(): Promise<void> {
    clearTimeout(this.quiet);
    await this.inTurn(async () => await this.snapshot());
    this.journal?.close();
  }

  /** `internal`: the caller is the deployment's owner, as whoever types `npx convex run` is. */
  async call(kind: Kind | undefined, path: string, args: Record<string, Value>, internal = false): Promise<Value> {
    const found = await this.find(kind, path, internal);
    if (found === "query") return await this.convex.query(makeFunctionReference<"query">(path), args);
    if (found === "action") return await this.convex.action(makeFunctionReference<"action">(path), args);
    return await this.inTurn(async () => await this.mutate(path, args));
  }

  /** An HTTP route; a request that may write waits its turn like a mutation and is kept like one. */
  async fetch(path: string, init: RequestInit & { method: string }, body: Buffer): Promise<Response> {
    const send = async () =>
      await this.convex.fetch(path, { ...init, ...(body.length > 0 && { body: new Uint8Array(body) }) });
    if (init.method === "GET" || init.method === "HEAD") return await send();
    return await this.inTurn(async () => {
      const at = Date.now();
      const response = await atTime(at, send);
      if (response.status === 200 && (await changed(response.clone()))) await this.keepText(at, init, body);
      return response;
    });
  }

  private async mutate(path: string, args: Record<string, Value>): Promise<Value> {
    const at = Date.now();
    const value = await this.mutateAt(at, path, args);
    if (changedRows(value)) await this.keep(at, path, args);
    return value;
  }

  /** A replay sees the same clock, and so commits at the same times: a cursor of `changes` goes on after a restart. */
  private async mutateAt(at: number, path: string, args: Record<string, Value>): Promise<Value> {
    return await atTime(at, async () => (await this.convex.mutation(makeFunctionReference<"mutation">(path), args)) as Value);
  }

  /** The route that writes gives its text to an internal mutation, which is what is kept of it. */
  private async keepText(at: number, { headers }: RequestInit, body: Buffer): Promise<void> {
    const accessKey = (new Headers(headers).get("Authorization") ?? "").replace(/^Bearer +/i, "").trim();
    await this.keep(at, `${this.app.module}:ingestText`, { accessKey, text: body.toString("utf8") });
  }

  private async keep(at: number, path: string, args: Record<string, Value>): Promise<void> {
    if (this.journal === undefined) return;
    const { accessKey, adminKey, ...rest } = args;
    const keyArgument = adminKey !== undefined ? "adminKey" : accessKey !== undefined ? "accessKey" : undefined;
    const venue = keyArgument === "accessKey" ? await this.venueOf(accessKey) : "";
    try {
      this.journal.append({ path, ...(keyArgument && { keyArgument }), venue, at, args: convexToJson(rest) });
    } catch (error) {
      // Memory is ahead of the disk now, and an answer would promise what the next start does not know.
      console.error("the local ledger cannot keep what was written, and stops:", error);
      process.exit(1);
    }
    this.snapshotWhenQuiet();
  }

  /** Whose key this is; 0.1.0 has no table of keys, only variables. */
  private async venueOf(accessKey: unknown): Promise<string> {
    if (!this.tables.includes("productionTapKeys")) return await writerVenue(NO_KEYS, accessKey);
    return await this.convex.run(async ({ db }) => await writerVenue(db, accessKey));
  }

  /** A start reads rows a hundred times faster than it replays calls; but taking a snapshot makes calls wait. */
  private snapshotWhenQuiet(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => void this.inTurn(async () => await this.snapshot()), QUIET_MS);
    this.quiet.unref();
  }

  private async restore({ rows, calls }: Kept): Promise<void> {
    // Before all calls that follow: convex-test's clock of commits goes forward only.
    await atTime(0, async () => await this.restoreRows(rows));
    const keys = new ReplayKeys(calls);
    await keys.during(async () => {
      for (const call of calls) await this.replay(call, keys);
    });
  }

  private async restoreRows(rows: readonly StoredRow[]): Promise<void> {
    const ids = new Map<string, string>();
    for (const part of partsOf(rows)) {
      await this.convex.run(async ({ db }) => {
        for (const { table, id, document } of part) {
          const now = await db.insert(table, documentOf(document));
          if (id !== undefined) ids.set(id, now);
        }
      });
    }
    await this.referAnew(rows, ids);
  }

  /** A document that comes back has another id; those that refer to it must follow. */
  private async referAnew(rows: readonly StoredRow[], ids: ReadonlyMap<string, string>): Promise<void> {
    const referring = rows.filter(({ document }) => refersTo(document, ids));
    for (const part of partsOf(referring)) {
      await this.convex.run(async ({ db }) => {
        for (const { id, document } of part) {
          const now = ids.get(id as string);
          if (now !== undefined) await db.replace(now as never, documentOf(renamed(document, ids) as typeof document));
        }
      });
    }
  }

  private async replay({ path, keyArgument, venue, at, args }: StoredCall, keys: ReplayKeys): Promise<void> {
    const values = jsonToConvex(args as JSONValue) as Record<string, Value>;
    const key = keyArgument === "adminKey" ? keys.admin : keys.of(venue);
    await this.mutateAt(at, path, { ...values, ...(keyArgument && { [keyArgument]: key }) });
  }

  private async snapshot(): Promise<void> {
    if (this.journal === undefined) return;
    const rows: StoredRow[] = [];
    for (const table of this.tables) {
      for await (const row of this.documentsOf(table)) rows.push({ table, ...row });
    }
    this.journal.snapshot(rows);
  }

  /** In pages, because one transaction may read 16 MiB. */
  private async *documentsOf(table: string): AsyncGenerator<Omit<StoredRow, "table">> {
    let cursor: string | null = null;
    for (let done = false; !done; ) {
      const options: PaginationOptions = { numItems: 2_000, cursor, maximumBytesRead: PART_BYTES };
      const page = await this.convex.run(async ({ db }) => await db.query(table).paginate(options));
      for (const { _id, _creationTime, ...document } of page.page) {
        yield { id: String(_id), document: convexToJson(document as Value) as Record<string, JSONValue> };
      }
      cursor = page.continueCursor;
      done = page.isDone;
    }
  }

  /** What kind of function this is, if the caller may call it, and called it as what it is. */
  private async find(wanted: Kind | undefined, path: string, internal: boolean): Promise<Kind> {
    const [module, name = "default"] = path.replace(/\.js:/, ":").split(":");
    const file = this.app.modules[`./${module}.ts`] ?? this.app.modules[`./${module}.js`];
    const found = (await file?.())?.[name] as Record<string, unknown> | undefined;
    const kind = KINDS.find((known) => found?.[FLAGS[known]] === true);
    const allowed = found?.["isPublic"] === true || (internal && found?.["isInternal"] === true);
    if (kind === undefined || !allowed || (wanted ?? kind) !== kind) throw new NoSuchFunction(path);
    return kind;
  }

  /** Mutations one after the other, so that they are kept in the order in which they were committed. */
  private async inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.last.then(work, work);
    this.last = turn.catch(() => undefined);
    return await turn;
  }
}

/** Keys that are right while the kept calls are replayed; those they came with are not kept, and may have changed. */
class ReplayKeys {
  readonly admin = randomBytes(32).toString("hex");
  private readonly venues: ReadonlySet<string>;

  constructor(calls: readonly StoredCall[]) {
    this.venues = new Set(calls.map(({ venue }) => venue));
  }

  of(venue: string): string {
    return `${this.admin} ${venue}`;
  }

  async during(work: () => Promise<void>): Promise<void> {
    const configured = { ...process.env };
    const lines = [...this.venues].map((venue) => `${encodeURIComponent(venue)}:${sha256(this.of(venue))}`);
    process.env[ENVIRONMENT.ingestKeys] = lines.join(" ");
    process.env[ENVIRONMENT.adminKeys] = sha256(this.admin);
    try {
      await work();
    } finally {
      restoreVariable(ENVIRONMENT.ingestKeys, configured[ENVIRONMENT.ingestKeys]);
      restoreVariable(ENVIRONMENT.adminKeys, configured[ENVIRONMENT.adminKeys]);
    }
  }
}

/** A table of keys that has none. */
const NO_KEYS = { query: () => ({ withIndex: () => ({ first: () => Promise.resolve(null) }) }) };

/** With the clock standing still, as it does in Convex. */
async function atTime<Result>(at: number, work: () => Promise<Result>): Promise<Result> {
  const now = Date.now;
  Date.now = () => at;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

function documentOf(json: Record<string, JSONValue>): Record<string, Value> {
  return jsonToConvex(json) as Record<string, Value>;
}

function refersTo(json: JSONValue, ids: ReadonlyMap<string, string>): boolean {
  if (typeof json === "string") return ids.has(json);
  return typeof json === "object" && json !== null && Object.values(json).some((member) => refersTo(member as JSONValue, ids));
}

function renamed(json: JSONValue, ids: ReadonlyMap<string, string>): JSONValue {
  if (typeof json === "string") return ids.get(json) ?? json;
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item) => renamed(item, ids));
  return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, renamed(member as JSONValue, ids)]));
}

function restoreVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Rows in parts that one transaction takes. */
function* partsOf(rows: readonly StoredRow[]): Generator<StoredRow[]> {
  let part: StoredRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    part.push(row);
    bytes += JSON.stringify(row).length;
    if (bytes < PART_BYTES && part.length < 2_000) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  yield part;
}

/** Whether a mutation's answer tells of a change; what changed nothing need not be replayed. */
function changedRows(value: unknown): boolean {
  const answers: unknown[] = Array.isArray(value) ? value : [value];
  const outcomes = answers.map((answer) => (answer as { outcome?: string }).outcome);
  return outcomes.some((outcome) => outcome !== "duplicate" && outcome !== "rejected");
}

async function changed(response: Response): Promise<boolean> {
  const { answers } = (await response.json()) as { answers?: unknown };
  return changedRows(answers ?? []);
}

interface ConvexGlobal {
  syscall: (op: string, args: string) => string;
  asyncSyscall: (op: string, args: string) => Promise<string>;
  jsSyscall: (op: string, args: unknown) => unknown;
}

/**
 * Puts the limits of documents between the functions and convex-test, at the only place where there is a way between:
 * the system calls that the `convex` package makes.
 */
function limitDocuments(): void {
  const holder = globalThis as unknown as { Convex: ConvexGlobal };
  const inner = holder.Convex;
  holder.Convex = {
    get syscall() {
      return inner.syscall;
    },
    get jsSyscall() {
      return inner.jsSyscall;
    },
    get asyncSyscall() {
      const call = inner.asyncSyscall;
      return async (op: string, args: string) => {
        if (WRITES.has(op)) checkDocument(documentIn(args));
        return await call(op, args);
      };
    },
  };
}

const WRITES: ReadonlySet<string> = new Set(["1.0/insert", "1.0/replace", "1.0/shallowMerge"]);

function documentIn(args: string): Value {
  const { value } = JSON.parse(args) as { value: Record<string, JSONValue> };
  const written = Object.entries(value).filter(([, member]) => !isUndefined(member));
  return jsonToConvex(committed(Object.fromEntries(written)));
}

/** With a time in the place of each commit's, which is not known yet and weighs as much. */
function committed(json: JSONValue): JSONValue {
  if (typeof json !== "object" || json === null) return json;
  if ("$commitTs" in json) return convexToJson(0n);
  if (Array.isArray(json)) return json.map(committed);
  return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, committed(member as JSONValue)]));
}

/** How a patch says that a field is removed. */
function isUndefined(member: JSONValue): boolean {
  return typeof member === "object" && member !== null && "$undefined" in member;
}
