/** Convex's HTTP API and the ledger's HTTP routes on loopback, and whatever is asked to go wrong with them. */

import { ConvexError, type JSONValue, type Value } from "convex/values";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Faults, readFault, spoilsRequests, type Fault, type RequestFault } from "./faults";
import { NoSuchFunction, type Kind, type LocalLedger } from "./ledger";
import { decodeArgs, encode, encodeValue, type Format } from "./wire";

const HOST = "127.0.0.1";
/** Larger than any call that Convex takes, so that its own limit is what a caller meets. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const API = /^\/api\/(query|mutation|action|function)$/;

export interface ServerOptions {
  ledger: LocalLedger;
  port: number;
  faults: boolean;
  /** Whoever has it may call internal functions, as with a deployment's admin key. */
  adminKey?: string | undefined;
}

export class LocalServer {
  private readonly faults = new Faults();
  private readonly http: Server;
  private port: number;
  private refusing: NodeJS.Timeout | undefined;

  constructor(private readonly options: ServerOptions) {
    this.port = options.port;
    this.http = createServer((request, response) => void this.serve(request, response));
    // Idle connections of a client stay open, as they do with Convex; a test that pauses is no reason to close them.
    this.http.keepAliveTimeout = 60_000;
  }

  get url(): string {
    return `http://${HOST}:${this.port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.http.once("error", reject);
      this.http.listen(this.port, HOST, () => {
        this.http.off("error", reject);
        resolve();
      });
    });
    this.port = (this.http.address() as AddressInfo).port;
  }

  stop(): void {
    clearTimeout(this.refusing);
    this.http.close();
    this.http.closeAllConnections();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? "/", this.url);
      const body = await bodyOf(request);
      if (body === undefined) return send(response, 413, { code: "TooLarge", message: "the body is too large" });
      if (this.options.faults && url.pathname === "/_fault") return this.control(request, response, body);
      await this.spoil(this.faults.take(`${request.url} ${body.toString("utf8")}`), request, response, body, url);
    } catch (error) {
      if (response.destroyed || response.headersSent) return;
      console.error(error);
      send(response, 500, { code: "InternalServerError", message: "the local ledger has a fault of its own" });
    }
  }

  private async spoil(fault: RequestFault | undefined, request: IncomingMessage, response: ServerResponse, body: Buffer, url: URL) {
    switch (fault?.kind) {
      case undefined:
        return reply(response, await this.answer(request, body, url));
      case "slow":
        await sleep(fault.ms);
        return reply(response, await this.answer(request, body, url));
      case "reset":
        return request.socket.destroy();
      case "hang":
        return;
      case "status":
        return reply(response, spoiltStatus(fault));
      case "error":
        return reply(response, failed("Server Error"));
      case "garbage":
        return reply(response, { status: 200, headers: { "Content-Type": "text/html" }, body: "<html>It works!</html>" });
      case "lost":
        await this.answer(request, body, url);
        return request.socket.destroy();
      case "hang_after":
        await this.answer(request, body, url);
        return;
      case "half":
        return sendHalf(response, await this.answer(request, body, url));
    }
  }

  /** Nobody listens for a while; a client gets "connection refused", as from a machine that is up without a server. */
  private refuse(ms: number): void {
    this.http.close();
    this.http.closeAllConnections();
    this.refusing = setTimeout(() => void this.listen(), ms);
  }

  private async answer(request: IncomingMessage, body: Buffer, url: URL): Promise<Reply> {
    const kind = API.exec(url.pathname)?.[1] as Kind | "function" | undefined;
    if (kind === undefined) return await this.route(request, body, url);
    if (request.method !== "POST") return problem(405, "MethodNotAllowed", "POST only");
    const { adminKey } = this.options;
    const isOwner = adminKey !== undefined && request.headers.authorization === `Convex ${adminKey}`;
    return await this.call(kind === "function" ? undefined : kind, body, isOwner);
  }

  private async call(kind: Kind | undefined, body: Buffer, isOwner: boolean): Promise<Reply> {
    const asked = requestIn(body);
    if (asked === undefined) return problem(400, "BadJsonBody", "the body is not a call: {path, args, format}");
    try {
      const args = decodeArgs(asked.args, asked.format);
      const value = await this.options.ledger.call(kind, asked.path, args, isOwner);
      return ok(`{"status":"success","value":${encodeValue(value, asked.format)},"logLines":[]}`);
    } catch (error) {
      return failure(error, asked.format);
    }
  }

  /** Convex serves HTTP actions at an address of their own, or below `/http/`; here both are this one. */
  private async route(request: IncomingMessage, body: Buffer, url: URL): Promise<Reply> {
    const path = `${url.pathname.replace(/^\/http\//, "/")}${url.search}`;
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      typeof value === "string" && !HOP_BY_HOP.has(name) ? [[name, value] as [string, string]] : [],
    );
    const method = request.method ?? "GET";
    const response = await this.options.ledger.fetch(path, { method, headers }, body);
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    };
  }

  private control(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    if (request.method === "DELETE") this.faults.clear();
    if (request.method === "POST") {
      const fault = readFault(parse(body));
      if (typeof fault === "string") return send(response, 400, { code: "BadFault", message: fault });
      if (spoilsRequests(fault)) this.faults.add(fault);
      else response.once("finish", () => setImmediate(() => this.refuse(fault.ms)));
    }
    send(response, 200, { faults: this.faults.waiting });
  }
}

interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

interface Call {
  path: string;
  args: unknown;
  format: Format;
}

const HOP_BY_HOP: ReadonlySet<string> = new Set(["connection", "content-length", "host", "transfer-encoding", "expect"]);

function requestIn(body: Buffer): Call | undefined {
  const { path, args, format } = (parse(body) ?? {}) as Partial<Call>;
  if (typeof path !== "string") return undefined;
  return { path, args, format: format === "json" ? "json" : "convex_encoded_json" };
}

/** As a production deployment answers: what was thrown on purpose with its data, anything else as a bare server error. */
function failure(error: unknown, format: Format): Reply {
  if (error instanceof ConvexError) {
    return failed("Server Error", encodeValue((error as ConvexError<Value>).data, format));
  }
  if (error instanceof NoSuchFunction) {
    return failed(
      `Could not find public function for '${error.message}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`,
    );
  }
  // For whoever runs this; the caller is told nothing, as by Convex. A validator's message may quote arguments: only
  // its first line is shown, and no more than a line of that.
  const [line = ""] = String(error instanceof Error ? error.message : error).split("\n");
  console.error(`a call failed: ${line.slice(0, 80)}`);
  return failed("Server Error");
}

function failed(message: string, data?: string): Reply {
  const request = Math.floor(Math.random() * 2 ** 48).toString(16).padStart(16, "0");
  const text = JSON.stringify(message === "Server Error" ? `[Request ID: ${request}] ${message}` : message);
  return ok(`{"status":"error","errorMessage":${text}${data === undefined ? "" : `,"errorData":${data}`},"logLines":[]}`);
}

function spoiltStatus({ status, retryAfter }: Fault): Reply {
  const fault = problem(status, status === 429 ? "TooManyRequests" : "Overloaded", "a test requested this");
  return retryAfter === undefined ? fault : { ...fault, headers: { ...fault.headers, "Retry-After": String(retryAfter) } };
}

function ok(body: string): Reply {
  return { status: 200, headers: { "Content-Type": "application/json" }, body };
}

function problem(status: number, code: string, message: string): Reply {
  return { ...ok(JSON.stringify({ code, message })), status };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  reply(response, { ...ok(encode(body as JSONValue)), status });
}

function reply(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

function sendHalf(response: ServerResponse, { status, headers, body }: Reply): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { ...headers, "Content-Length": bytes.length });
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes <= MAX_BODY_BYTES) parts.push(part);
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(parts);
}
