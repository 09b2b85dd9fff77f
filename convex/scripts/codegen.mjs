// `convex codegen` as a developer's own run does it. That run asks a deployment for what it makes of the code; here the
// answer comes from this process, and says: an app without components or declared variables. What is generated of such an
// app follows from its own files, so the result is what `npx convex dev` leaves.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CLI = join(ROOT, "node_modules/convex/bin/main.js");

const ANSWERS = {
  "/api/get_config_hashes": () => ({ config: { functions: "convex/" }, moduleHashes: [], nodeVersion: "20" }),
  "/api/deploy2/start_push": () => ({
    environmentVariables: {},
    externalDepsId: null,
    componentDefinitionPackages: {},
    appAuth: [],
    analysis: {
      "": {
        definition: { path: "", definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: { type: "branch", branch: [] } },
        schema: null,
        functions: {},
        udfConfig: { serverVersion: "1.0.0", importPhaseRngSeed: "", importPhaseUnixTimestamp: "0" },
      },
    },
    app: { definitionPath: "", componentPath: "", args: {}, childComponents: {}, httpRoutes: { httpModuleRoutes: null, mounts: [] }, exports: {} },
    schemaChange: { allocatedComponentIds: {}, schemaIds: {}, indexDiffs: {} },
  }),
};

/** Makes the generated code of the app in a folder. */
export async function codegen(app) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (process.env.CODEGEN_DEBUG) console.error(request.method, path);
    request.resume().on("end", () => {
      response.setHeader("Content-Type", "application/json");
      response.statusCode = path in ANSWERS ? 200 : 404;
      response.end(JSON.stringify(ANSWERS[path]?.() ?? { code: "NotFound", message: path }));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { CONVEX_DEPLOYMENT, CONVEX_DEPLOY_KEY, ...env } = process.env;
    const url = `http://127.0.0.1:${server.address().port}`;
    const child = spawn(process.execPath, [CLI, "codegen", "--typecheck", "disable"], {
      cwd: app,
      env: { ...env, CI: "1", CONVEX_SELF_HOSTED_URL: url, CONVEX_SELF_HOSTED_ADMIN_KEY: "none" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    const [status] = await once(child, "exit");
    if (status !== 0) throw new Error(`the code cannot be generated:\n${said}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await codegen(ROOT);
