/**
 * The HTTP routes, for what speaks no Convex: plain JSON, a bearer key, a status that fits.
 *
 * An app with an `http.ts` of its own calls `addProductionRoutes(http, internal.production)` in it, with its own name for
 * the module, and with a prefix where it has routes on these paths already. Errors are `{"code", "reason"}` and nothing
 * else: what goes wrong inside is for the deployment's log.
 */

import {
  httpActionGeneric,
  ROUTABLE_HTTP_METHODS,
  type FunctionReference,
  type GenericActionCtx,
  type GenericDataModel,
  type HttpRouter,
  type RoutableMethod,
} from "convex/server";
import { ConvexError } from "convex/values";
import { isPlainObject } from "./json";
import { ROUTES } from "./names";

/** The internal functions of the module that `ledgerFunctions` filled: `internal.production`, or what an app calls it. */
export interface RouteFunctions {
  ingestText: FunctionReference<"mutation", "internal">;
  readSession: FunctionReference<"query", "internal">;
  readSessions: FunctionReference<"query", "internal">;
  readTimeline: FunctionReference<"query", "internal">;
  readChanges: FunctionReference<"query", "internal">;
}

type Ctx = GenericActionCtx<GenericDataModel>;
type Handler = (ctx: Ctx, request: Request, key: string | undefined) => Promise<Response>;

/** The largest body that is read: Convex takes arguments of at most 16 MiB. */
const MAX_BODY_BYTES = 15 * 1024 * 1024;
const PAGE_ROWS = 50;
const CHANGES_ROWS = 100;

const STATUS: Readonly<Record<string, number>> = {
  key_missing: 401,
  key_wrong: 401,
  venue: 403,
  too_many: 413,
};

export function addProductionRoutes(http: HttpRouter, functions: RouteFunctions, { prefix = "" }: { prefix?: string } = {}): void {
  const add = (method: RoutableMethod, path: string, handle: Handler) => addRoute(http, method, `${prefix}${path}`, handle);
  add("POST", ROUTES.ingest, ingest(functions));
  add("GET", ROUTES.sessions, sessions(functions));
  add("GET", ROUTES.session, session(functions));
  add("GET", ROUTES.timeline, timeline(functions));
  add("GET", ROUTES.changes, changes(functions));
}

function addRoute(http: HttpRouter, method: RoutableMethod, path: string, handle: Handler): void {
  http.route({ path, method, handler: httpActionGeneric(async (ctx, request) => await guarded(ctx, request, handle)) });
  const others = ROUTABLE_HTTP_METHODS.filter((other) => other !== method);
  for (const other of others) http.route({ path, method: other, handler: notAllowed(method) });
}

function notAllowed(method: string) {
  return httpActionGeneric(async () =>
    Promise.resolve(failure(405, "method", `This address takes ${method} only.`, { Allow: method })),
  );
}

async function guarded(ctx: Ctx, request: Request, handle: Handler): Promise<Response> {
  try {
    return await handle(ctx, request, bearerOf(request));
  } catch (error) {
    if (error instanceof ConvexError) return refused(error.data);
    console.error(error);
    return failure(500, "internal", "Something went wrong here; the deployment's log has more.");
  }
}

const ingest =
  ({ ingestText }: RouteFunctions): Handler =>
  async (ctx, request, key) => {
    const bytes = await request.arrayBuffer();
    if (bytes.byteLength > MAX_BODY_BYTES) return failure(413, "size", "The body is too large: send fewer entries.");
    const text = textOf(bytes);
    if (text === undefined) return failure(400, "json", "The body is not JSON.");
    const answers: unknown = await ctx.runMutation(ingestText, { ...keyed(key), text });
    return json(200, { answers });
  };

const sessions =
  ({ readSessions }: RouteFunctions): Handler =>
  async (ctx, request, key) => {
    const asked = new URL(request.url).searchParams;
    const venue = asked.get("venue");
    const limit = limitOf(asked, PAGE_ROWS);
    if (limit === undefined) return badLimit();
    const paginationOpts = { numItems: limit, cursor: asked.get("cursor") };
    const ofVenue = venue === null ? {} : { venue };
    return json(200, await ctx.runQuery(readSessions, { ...keyed(key), ...ofVenue, paginationOpts }));
  };

const session =
  ({ readSession }: RouteFunctions): Handler =>
  async (ctx, request, key) => {
    const row = (await ctx.runQuery(readSession, { ...keyed(key), sessionKey: sessionKeyOf(request) })) as object | null;
    return gone(row) ?? json(200, { session: row });
  };

const timeline =
  ({ readTimeline }: RouteFunctions): Handler =>
  async (ctx, request, key) => {
    const whole = (await ctx.runQuery(readTimeline, { ...keyed(key), sessionKey: sessionKeyOf(request) })) as { session: object | null };
    return gone(whole.session) ?? json(200, whole);
  };

const changes =
  ({ readChanges }: RouteFunctions): Handler =>
  async (ctx, request, key) => {
    const asked = new URL(request.url).searchParams;
    const venues = asked.getAll("venue");
    const limit = limitOf(asked, CHANGES_ROWS);
    if (limit === undefined) return badLimit();
    const ofVenues = venues.length === 0 ? {} : { venues };
    return json(200, await ctx.runQuery(readChanges, { ...keyed(key), ...ofVenues, limit, cursor: asked.get("cursor") }));
  };

function limitOf(asked: URLSearchParams, unless: number): number | undefined {
  const limit = asked.get("limit") ?? String(unless);
  return /^[1-9]\d{0,2}$/.test(limit) ? Number(limit) : undefined;
}

function badLimit(): Response {
  return failure(400, "value", "The limit is a number from 1 to 999.");
}

function gone(row: object | null): Response | undefined {
  if (row === null) return failure(404, "unknown_session", "There is no such session.");
  return "startedAt" in row ? undefined : failure(410, "forgotten", "This session was forgotten.");
}

/** Without one, the empty one, which no session has: so that a missing key is told before a missing session. */
function sessionKeyOf(request: Request): string {
  return new URL(request.url).searchParams.get("sessionKey") ?? "";
}

function bearerOf(request: Request): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.get("Authorization") ?? "")?.[1];
}

function keyed(accessKey: string | undefined): { accessKey?: string } {
  return accessKey === undefined ? {} : { accessKey };
}

/** The body, if it is UTF-8 and JSON. */
function textOf(bytes: ArrayBuffer): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

function refused(data: unknown): Response {
  const { code, reason } = isPlainObject(data) ? data : {};
  if (typeof code !== "string" || typeof reason !== "string") return failure(400, "refused", "The call was refused.");
  const status = STATUS[code] ?? 400;
  return failure(status, code, reason, status === 401 ? { "WWW-Authenticate": "Bearer" } : {});
}

function failure(status: number, code: string, reason: string, headers: Record<string, string> = {}): Response {
  return json(status, { code, reason }, headers);
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers },
  });
}
