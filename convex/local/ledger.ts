/**
 * The ledger's own functions, run by convex-test in this process, with what convex-test leaves out: only public
 * functions can be called, sizes are limited, and what was written is kept.
 */

import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type PaginationOptions } from "convex/server";
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { createHash, randomBytes } from "node:crypto";
import { writerVenue } from "../functions/ledger/keys";
import { ENVIRONMENT, NAMES } from "../functions/ledger/names";
import schema from "../functions/schema";
import { Journal, type Kept, type StoredCall, type StoredRow } from "./journal";
import { FUNCTIONS_FOLDER, modulesIn, type Modules } from "./modules";
import { checkDocument } from "./wire";

export type Kind = "query" | "mutation" | "action";

/** Not the caller's mistake and not ours: there is no such function, or it is not for the outside. */
export class NoSuchFunction extends Error {}

const TABLES = [NAMES.session.table, NAMES.camera.table, NAMES.event.table, NAMES.still.table] as const;
type Table = (typeof TABLES)[number];

const QUIET_MS = 3_000;

/** Half of what one transaction may read or write. */
const PART_BYTES = 8 * 1024 * 1024;

/** The route that writes; its text goes to an internal mutation, which is what is kept of it. */
const INGEST_TEXT = "production:ingestText";

export class LocalLedger {
  private readonly convex: TestConvex<typeof schema>;
  private readonly modules: Modules = modulesIn(FUNCTIONS_FOLDER);
  private readonly journal: Journal | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private quiet: NodeJS.Timeout | undefined;

  constructor(file: string | undefined) {
    this.convex = convexTest({ schema, modules: this.modules, transactionLimits: true });
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

  async call(kind: Kind, path: string, args: Record<string, Value>): Promise<Value> {
    await this.requirePublic(kind, path);
    if (kind === "query") return await this.convex.query(makeFunctionReference<"query">(path), args);
    if (kind === "action") return await this.convex.action(makeFunctionReference<"action">(path), args);
    return await this.inTurn(async () => await this.mutate(path, args));
  }

  /** An HTTP route; a request that may write waits its turn like a mutation and is kept like one. */
  async fetch(path: string, init: RequestInit & { method: string }, body: Buffer): Promise<Response> {
    const send = async () =>
      await this.convex.fetch(path, { ...init, ...(body.length > 0 && { body: new Uint8Array(body) }) });
    if (init.method === "GET" || init.method === "HEAD") return await send();
    return await this.inTurn(async () => {
      const response = await send();
      if (response.status === 200 && (await changed(response.clone()))) await this.keepText(init, body);
      return response;
    });
  }

  private async mutate(path: string, args: Record<string, Value>): Promise<Value> {
    const at = Date.now();
    const value = await this.mutateAt(at, path, args);
    if (changedRows(value)) await this.keep(at, path, args);
    return value;
  }

  /** With the clock standing still, as it does in Convex: `forgetSession` writes down what it says. */
  private async mutateAt(at: number, path: string, args: Record<string, Value>): Promise<Value> {
    const now = Date.now;
    Date.now = () => at;
    try {
      return (await this.convex.mutation(makeFunctionReference<"mutation">(path), args)) as Value;
    } finally {
      Date.now = now;
    }
  }

  private async keepText({ headers }: RequestInit, body: Buffer): Promise<void> {
    const accessKey = (new Headers(headers).get("Authorization") ?? "").replace(/^Bearer +/i, "").trim();
    await this.keep(Date.now(), INGEST_TEXT, { accessKey, text: body.toString("utf8") });
  }

  private async keep(at: number, path: string, args: Record<string, Value>): Promise<void> {
    if (this.journal === undefined) return;
    const { accessKey, adminKey, ...rest } = args;
    const keyArgument = adminKey === undefined ? "accessKey" : "adminKey";
    const venue = keyArgument === "accessKey" ? await writerVenue(accessKey) : "";
    try {
      this.journal.append({ path, keyArgument, venue, at, args: convexToJson(rest) });
    } catch (error) {
      // Memory is ahead of the disk now, and an answer would promise what the next start does not know.
      console.error("the local ledger cannot keep what was written, and stops:", error);
      process.exit(1);
    }
    this.snapshotWhenQuiet();
  }

  /** A start reads rows a hundred times faster than it replays calls; but taking a snapshot makes calls wait. */
  private snapshotWhenQuiet(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => void this.inTurn(async () => await this.snapshot()), QUIET_MS);
    this.quiet.unref();
  }

  private async restore({ rows, calls }: Kept): Promise<void> {
    for (const part of partsOf(rows)) {
      await this.convex.run(async (ctx) => {
        for (const { table, document } of part) await ctx.db.insert(table as Table, document as never);
      });
    }
    const keys = new ReplayKeys(calls);
    await keys.during(async () => {
      for (const call of calls) await this.replay(call, keys);
    });
  }

  private async replay({ path, keyArgument, venue, at, args }: StoredCall, keys: ReplayKeys): Promise<void> {
    const values = jsonToConvex(args as JSONValue) as Record<string, Value>;
    const key = keyArgument === "adminKey" ? keys.admin : keys.of(venue);
    await this.mutateAt(at, path, { ...values, [keyArgument]: key });
  }

  private async snapshot(): Promise<void> {
    if (this.journal === undefined) return;
    const rows: StoredRow[] = [];
    for (const table of TABLES) {
      for await (const document of this.documentsOf(table)) rows.push({ table, document });
    }
    this.journal.snapshot(rows);
  }

  /** In pages, because one transaction may read 16 MiB. */
  private async *documentsOf(table: Table): AsyncGenerator<Record<string, unknown>> {
    let cursor: string | null = null;
    for (let done = false; !done; ) {
      const options: PaginationOptions = { numItems: 2_000, cursor, maximumBytesRead: PART_BYTES };
      const page = await this.convex.run(async (ctx) => await ctx.db.query(table).paginate(options));
      for (const { _id, _creationTime, ...document } of page.page) yield document;
      cursor = page.continueCursor;
      done = page.isDone;
    }
  }

  private async requirePublic(kind: Kind, path: string): Promise<void> {
    const [module, name = "default"] = path.replace(/\.js:/, ":").split(":");
    const file = this.modules[`./${module}.ts`];
    const found = (await file?.())?.[name] as Record<string, unknown> | undefined;
    const wanted = { query: "isQuery", mutation: "isMutation", action: "isAction" }[kind];
    if (found?.["isPublic"] !== true || found[wanted] !== true) throw new NoSuchFunction(path);
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
  return jsonToConvex(Object.fromEntries(written));
}

/** How a patch says that a field is removed. */
function isUndefined(member: JSONValue): boolean {
  return typeof member === "object" && member !== null && "$undefined" in member;
}
