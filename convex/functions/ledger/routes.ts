/**
 * The HTTP routes, for what speaks no Convex: plain JSON, a bearer key, a status that fits.
 *
 * An app with an `http.ts` of its own calls `addProductionRoutes(http)` in it. Errors are `{"code", "reason"}` and
 * nothing else: what goes wrong inside is for the deployment's log.
 */

import { httpActionGeneric, ROUTABLE_HTTP_METHODS, type HttpRouter, type RoutableMethod } from "convex/server";
import { ConvexError } from "convex/values";
import { api, internal } from "../_generated/api";
import { httpAction, type ActionCtx } from "../_generated/server";
import { isPlainObject } from "./json";
import { ROUTES } from "./names";

type Handler = (ctx: ActionCtx, request: Request, key: string | undefined) => Promise<Response>;

/** The largest body that is read: Convex takes arguments of at most 16 MiB. */
const MAX_BODY_BYTES = 15 * 1024 * 1024;
const PAGE_ROWS = 50;

const STATUS: Readonly<Record<string, number>> = {
  key_missing: 401,
  key_wrong: 401,
  venue: 403,
  too_many: 413,
};

export function addProductionRoutes(http: HttpRouter): void {
  addRoute(http, "POST", ROUTES.ingest, ingest);
  addRoute(http, "GET", ROUTES.sessions, sessions);
  addRoute(http, "GET", ROUTES.session, session);
  addRoute(http, "GET", ROUTES.timeline, timeline);
}

function addRoute(http: HttpRouter, method: RoutableMethod, path: string, handle: Handler): void {
  http.route({ path, method, handler: httpAction(async (ctx, request) => await guarded(ctx, request, handle)) });
  const others = ROUTABLE_HTTP_METHODS.filter((other) => other !== method);
  for (const other of others) http.route({ path, method: other, handler: notAllowed(method) });
}

function notAllowed(method: string) {
  return httpActionGeneric(async () =>
    Promise.resolve(failure(405, "method", `This address takes ${method} only.`, { Allow: method })),
  );
}

async function guarded(ctx: ActionCtx, request: Request, handle: Handler): Promise<Response> {
  try {
    return await handle(ctx, request, bearerOf(request));
  } catch (error) {
    if (error instanceof ConvexError) return refused(error.data);
    console.error(error);
    return failure(500, "internal", "Something went wrong here; the deployment's log has more.");
  }
}

async function ingest(ctx: ActionCtx, request: Request, key: string | undefined): Promise<Response> {
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > MAX_BODY_BYTES) return failure(413, "size", "The body is too large: send fewer entries.");
  const text = textOf(bytes);
  if (text === undefined) return failure(400, "json", "The body is no JSON.");
  const answers = await ctx.runMutation(internal.production.ingestText, { ...keyed(key), text });
  return json(200, { answers });
}

async function sessions(ctx: ActionCtx, request: Request, key: string | undefined): Promise<Response> {
  const asked = new URL(request.url).searchParams;
  const venue = asked.get("venue");
  const limit = asked.get("limit") ?? String(PAGE_ROWS);
  if (!/^[1-9]\d{0,2}$/.test(limit)) return failure(400, "value", "The limit is a number from 1 to 999.");
  const paginationOpts = { numItems: Number(limit), cursor: asked.get("cursor") };
  const ofVenue = venue === null ? {} : { venue };
  return json(200, await ctx.runQuery(api.production.listSessions, { ...keyed(key), ...ofVenue, paginationOpts }));
}

async function session(ctx: ActionCtx, request: Request, key: string | undefined): Promise<Response> {
  const sessionKey = sessionKeyOf(request);
  const row = await ctx.runQuery(api.production.getSession, { ...keyed(key), sessionKey });
  return gone(row) ?? json(200, { session: row });
}

async function timeline(ctx: ActionCtx, request: Request, key: string | undefined): Promise<Response> {
  const sessionKey = sessionKeyOf(request);
  const whole = await ctx.runQuery(api.production.sessionTimeline, { ...keyed(key), sessionKey });
  return gone(whole.session) ?? json(200, whole);
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
