// Makes the apps that the README speaks of as their owners would have them, each with the ledger in its convex/ folder,
// and does there what an owner does: generated code, types, the linter of Convex people, and the bundle of a deploy.
// Nothing is deployed, and nothing stays.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { codegen } from "./codegen.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** As an older `npx convex codegen` wrote them into `convex/tsconfig.json` (ES2021), and the strictest that an owner may have. */
const OPTIONS = {
  target: "ESNext",
  lib: ["ES2021", "dom"],
  module: "ESNext",
  moduleResolution: "Bundler",
  jsx: "react-jsx",
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  isolatedModules: true,
  skipLibCheck: true,
  allowJs: true,
  noEmit: true,
  types: [],
};

/** The linter is not for what was theirs before. */
const THEIRS = { b: ["production.ts"] };

for (const [name, make] of Object.entries({ alone, a: () => example("a"), b: () => example("b"), readme })) await check(name, make());
console.log("the ledger is at home in every app of the README");

/** Files by their paths in the app. */
function alone() {
  return filesIn(join(ROOT, "functions"), "convex");
}

function example(name) {
  const files = filesIn(join(ROOT, "example-existing", name), "convex");
  const moved = Object.entries(files).map(([path, text]) => [path, text.replaceAll("../../functions/ledger/", "./ledger/")]);
  return { ...Object.fromEntries(moved), ...ledger() };
}

/** What the README tells its reader to write, word by word: every block that begins with the name of its file. */
function readme() {
  const text = readFileSync(join(ROOT, "README.md"), "utf8");
  const blocks = [...text.matchAll(/```tsx?\n\/\/ (\S+\.tsx?)\n([^]*?)```/g)].map(([, path, code]) => [path, code]);
  if (blocks.length === 0) throw new Error("the README has no files to write");
  return { ...ledger(), ...Object.fromEntries(blocks) };
}

function ledger() {
  return filesIn(join(ROOT, "functions/ledger"), "convex/ledger");
}

function filesIn(folder, at) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => /\.(ts|tsx|js)$/.test(name) && !name.startsWith("_generated"));
  return Object.fromEntries(names.map((name) => [join(at, name), readFileSync(join(folder, name), "utf8")]));
}

async function check(name, files) {
  const app = mkdtempSync(join(tmpdir(), `app-${name}-`));
  try {
    for (const [path, text] of Object.entries(files)) write(join(app, path), text);
    symlinkSync(join(ROOT, "node_modules"), join(app, "node_modules"));
    cpSync(join(ROOT, "eslint.config.js"), join(app, "eslint.config.js"));
    write(join(app, "package.json"), JSON.stringify({ name, private: true, type: "module", dependencies: { convex: "*" } }));
    write(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, include: ["convex", "src"] }));
    await codegen(app);
    run(app, "tsc", ["--noEmit"]);
    const ignored = (THEIRS[name] ?? []).flatMap((file) => ["--ignore-pattern", `convex/${file}`]);
    run(app, "eslint", ["--max-warnings", "0", ...ignored, "convex"]);
    bundle(app);
  } finally {
    rmSync(app, { recursive: true });
  }
}

function bundle(app) {
  const args = ["deploy", "-y", "--codegen", "disable", "--typecheck", "disable", "--debug-bundle-path", join(app, "out")];
  run(app, "convex", args, { CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:1", CONVEX_SELF_HOSTED_ADMIN_KEY: "x" });
  if (!existsSync(join(app, "out/fullConfig.json"))) throw new Error(`${app}: no bundle came out`);
}

function run(app, tool, args, more = {}) {
  const bins = { convex: "convex/bin/main.js", tsc: "typescript/bin/tsc", eslint: "eslint/bin/eslint.js" };
  const { CONVEX_DEPLOYMENT, CONVEX_DEPLOY_KEY, ...env } = process.env;
  const command = [join(ROOT, "node_modules", bins[tool]), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: app, env: { ...env, ...more, CI: "1" }, encoding: "utf8" });
  if (status === 0) return;
  console.error(`${tool} ${args.join(" ")} fails in the app ${app}:\n${stdout}${stderr}`);
  process.exitCode = 1;
  throw new Error(`${tool} fails`);
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
