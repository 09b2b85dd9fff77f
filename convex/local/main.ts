/** The local ledger as a program: its options, its first and its last words. */

import { existsSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { LocalLedger } from "./ledger";
import { APP_NAMES, openApp } from "./modules";
import { LocalServer } from "./server";

const USAGE = `usage: node local/start.mjs [options]

  --port N             port on 127.0.0.1 (0, the default: any that is free)
  --app NAME|FOLDER    what is served: ${APP_NAMES.join(", ")} (ledger: the functions in functions/), or the functions
                       folder of an app of yours
  --module NAME        the module in that folder that has the ledger's functions (production)
  --data FILE          keep what is written there, and start from it; without it everything is gone at the end
  --port-file FILE     write the address there once it is ready
  --faults             accept faults at /_fault (for tests)
  --parent-pid PID     end when that process is gone
  --exit-with-stdin    end when standard input is closed

Keys are read from the environment as on a deployment, digests only: PRODUCTION_INGEST_KEYS, PRODUCTION_READ_KEYS
(both "venue:sha256hex ...") and PRODUCTION_ADMIN_KEYS ("sha256hex ..."). Whoever sends what stands in LOCAL_ADMIN_KEY
as a deployment's admin key may call internal functions too, as with "npx convex run".
`;

const NOTICE =
  "This is not Convex: it is the ledger's own functions on convex-test, for demos and tests, on this machine only. " +
  "It shows that rows are right, not how fast or how safe a deployment is.";

const PARENT_EVERY_MS = 250;

interface Options {
  port: number;
  app: string;
  module: string;
  data: string | undefined;
  portFile: string | undefined;
  faults: boolean;
  parentPid: number | undefined;
  exitWithStdin: boolean;
}

export async function main(argv: readonly string[]): Promise<void> {
  const options = readOptions(argv);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${USAGE}`);
    process.exit(2);
  }
  const ledger = new LocalLedger(await openApp(options.app, options.module), options.data);
  const { port, faults } = options;
  const server = new LocalServer({ ledger, port, faults, adminKey: process.env["LOCAL_ADMIN_KEY"] });
  const kept = await start(ledger, server);
  endOnRequest(options, once(async () => await end(ledger, server)));
  announce(server.url, options.portFile, kept);
}

async function start(ledger: LocalLedger, server: LocalServer): Promise<{ rows: number; calls: number }> {
  try {
    const kept = await ledger.open();
    await server.listen();
    return kept;
  } catch (error) {
    process.stderr.write(`the local ledger cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

function announce(url: string, portFile: string | undefined, kept: { rows: number; calls: number }): void {
  process.stderr.write(`local ledger at ${url}. ${NOTICE}\n`);
  if (portFile !== undefined) {
    writeFileSync(`${portFile}.next`, `${url}\n`);
    renameSync(`${portFile}.next`, portFile);
  }
  process.stdout.write(`${JSON.stringify({ url, pid: process.pid, notice: NOTICE, restored: kept })}\n`);
}

async function end(ledger: LocalLedger, server: LocalServer): Promise<never> {
  server.stop();
  await ledger.close();
  process.exit(0);
}

function endOnRequest(options: Options, stop: () => void): void {
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (options.exitWithStdin) process.stdin.on("end", stop).on("error", stop).resume();
  const { parentPid } = options;
  if (parentPid !== undefined) setInterval(() => isRunning(parentPid) || stop(), PARENT_EVERY_MS);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not ours to signal, but there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function once(work: () => Promise<never>): () => void {
  let begun = false;
  return () => {
    if (begun) return;
    begun = true;
    void work();
  };
}

function readOptions(argv: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: "string", default: "0" },
        app: { type: "string", default: "ledger" },
        module: { type: "string", default: "production" },
        data: { type: "string" },
        "port-file": { type: "string" },
        faults: { type: "boolean", default: false },
        "parent-pid": { type: "string" },
        "exit-with-stdin": { type: "boolean", default: false },
      },
    });
    const pid = values["parent-pid"];
    const numbers = [values.port, ...(pid === undefined ? [] : [pid])];
    if (!numbers.every((text) => /^\d{1,7}$/.test(text)) || Number(values.port) > 65_535) {
      return "--port and --parent-pid take whole numbers";
    }
    if (!APP_NAMES.includes(values.app) && !existsSync(values.app)) return `--app is one of ${APP_NAMES.join(", ")}, or a folder`;
    return {
      port: Number(values.port),
      app: values.app,
      module: values.module,
      data: values.data,
      portFile: values["port-file"],
      faults: values.faults,
      parentPid: pid === undefined ? undefined : Number(pid),
      exitWithStdin: values["exit-with-stdin"],
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
