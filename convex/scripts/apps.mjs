// Makes the apps that the README speaks of as their owners would have them, each with the ledger in its convex/ folder,
// and does there what an owner does: generated code, types, the linter of Convex people, and the bundle of a deploy.
// Nothing is deployed, and nothing stays.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ESLint } from "eslint";
import ts from "typescript";
import { codegen } from "./codegen.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MODULES = join(ROOT, "node_modules");
/** What was read of node_modules, by path and how. */
const LIBRARIES = new Map();
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
    symlinkSync(MODULES, join(app, "node_modules"));
    cpSync(join(ROOT, "eslint.config.js"), join(app, "eslint.config.js"));
    write(join(app, "package.json"), JSON.stringify({ name, private: true, type: "module", dependencies: { convex: "*" } }));
    write(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions: OPTIONS, include: ["convex", "src"] }));
    await codegen(app);
    const program = compiled(app);
    await lint(app, program, (THEIRS[name] ?? []).map((file) => `convex/${file}`));
    bundle(app);
  } finally {
    rmSync(app, { recursive: true });
  }
}

/** As `tsc --noEmit` does in the app. What the apps have in common, the libraries, is read once for all of them. */
function compiled(app) {
  const { config, error } = ts.readConfigFile(join(app, "tsconfig.json"), ts.sys.readFile);
  const { fileNames, options, errors } = ts.parseJsonConfigFileContent(config, ts.sys, app);
  const program = ts.createProgram({ rootNames: fileNames, options, host: hostOf(options) });
  refuse(app, "tsc", textOf(app, [error, ...errors, ...ts.getPreEmitDiagnostics(program)].filter(Boolean)));
  return program;
}

function hostOf(options) {
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...more) => {
    if (!path.startsWith(MODULES)) return read(path, ...more);
    const known = `${path} ${JSON.stringify(more[0])}`;
    if (!LIBRARIES.has(known)) LIBRARIES.set(known, read(path, ...more));
    return LIBRARIES.get(known);
  };
  return host;
}

function textOf(app, problems) {
  return ts.formatDiagnostics(problems, { getCurrentDirectory: () => app, getCanonicalFileName: (name) => name, getNewLine: () => "\n" });
}

/** As `eslint --max-warnings 0 convex` does in the app, by the types of the program that there is. */
async function lint(app, program, ignorePatterns) {
  const typed = { files: ["convex/**/*.ts"], languageOptions: { parserOptions: { projectService: false, programs: [program] } } };
  const eslint = new ESLint({ cwd: app, ignorePatterns, overrideConfig: typed });
  const { format } = await eslint.loadFormatter("stylish");
  refuse(app, "eslint", await format(await eslint.lintFiles("convex")));
}

function bundle(app) {
  const args = ["deploy", "-y", "--codegen", "disable", "--typecheck", "disable", "--debug-bundle-path", join(app, "out")];
  const { CONVEX_DEPLOYMENT, CONVEX_DEPLOY_KEY, ...rest } = process.env;
  const env = { ...rest, CI: "1", CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:1", CONVEX_SELF_HOSTED_ADMIN_KEY: "x" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(MODULES, "convex/bin/main.js"), ...args], { cwd: app, env, encoding: "utf8" });
  if (status !== 0) refuse(app, "convex", `${stdout}${stderr}` || `exit code ${status}`);
  if (!existsSync(join(app, "out/fullConfig.json"))) refuse(app, "convex", "no bundle came out");
}

function refuse(app, tool, said) {
  if (said === "") return;
  console.error(`${tool} fails in the app ${app}:\n${said}`);
  throw new Error(`${tool} fails`);
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
