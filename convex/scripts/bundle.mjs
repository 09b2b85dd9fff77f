// Bundles the functions as a deploy would, without a deployment, and looks at what came out: all of the functions,
// nothing of the local ledger or the tests, and no import of Node. `convex deploy` prints that it deployed; with a
// deployment at port 1 of this machine it did not.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const names = readFileSync(join(ROOT, "functions/ledger/names.ts"), "utf8");
const FUNCTIONS = [...(/FUNCTIONS = \[([^\]]*)/.exec(names)?.[1] ?? "").matchAll(/"(\w+)"/g)].map(([, name]) => name);
if (FUNCTIONS.length === 0) throw new Error("names.ts names no functions");

const folder = mkdtempSync(join(tmpdir(), "bundle-"));
try {
  bundleInto(join(folder, "out"));
  const problems = problemsIn(join(folder, "out"));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log("the bundle holds the functions and nothing else");
} finally {
  rmSync(folder, { recursive: true });
}

function bundleInto(out) {
  const cli = join(ROOT, "node_modules/convex/bin/main.js");
  const args = ["deploy", "-y", "--codegen", "disable", "--typecheck", "disable", "--debug-bundle-path", out];
  const env = { ...process.env, CI: "1", CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:1", CONVEX_SELF_HOSTED_ADMIN_KEY: "x" };
  delete env.CONVEX_DEPLOYMENT;
  delete env.CONVEX_DEPLOY_KEY;
  const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: ROOT, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`the bundle cannot be made:\n${stderr}`);
}

function problemsIn(out) {
  const { modules } = JSON.parse(readFileSync(join(out, "fullConfig.json"), "utf8"));
  const ours = modules.filter(({ path }) => !path.startsWith("_deps/")).map(({ path }) => path);
  const production = modules.find(({ path }) => path === "production.js")?.source ?? "";
  const having = (pattern) => modules.filter(({ source }) => pattern.test(source)).map(({ path }) => path);
  return [
    ...different(ours, expectedModules()),
    ...FUNCTIONS.filter((name) => !new RegExp(`\\b${name}\\b`).test(production)).map((name) => `${name} is missing`),
    ...having(/convex-test|this is not Convex/i).map((path) => `${path} holds something of the local ledger`),
    ...having(/from\s*["']node:|require\(/).map((path) => `${path} imports Node`),
    ...modules.filter(({ environment }) => environment !== "isolate").map(({ path }) => `${path} would run in Node`),
  ];
}

/** What stands in the functions folder; the schema goes another way, and is not in this bundle. */
function expectedModules() {
  return readdirSync(join(ROOT, "functions"), { recursive: true })
    .filter((path) => path.endsWith(".ts") && !path.startsWith("_generated") && path !== "schema.ts")
    .map((path) => path.replace(/\.ts$/, ".js"));
}

function different(found, expected) {
  return [
    ...expected.filter((path) => !found.includes(path)).map((path) => `${path} is missing`),
    ...found.filter((path) => !expected.includes(path)).map((path) => `${path} should not be there`),
  ];
}
