// Makes functions/_generated anew and says whether what is committed was up to date.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "functions/_generated");

const contents = () => readdirSync(FOLDER).map((name) => `${name}\n${readFileSync(join(FOLDER, name), "utf8")}`).join("\n");

const before = contents();
const cli = join(ROOT, "node_modules/convex/bin/main.js");
const { status, stderr } = spawnSync(process.execPath, [cli, "codegen", "--system-udfs", "--typecheck", "disable"], {
  cwd: ROOT,
  env: { ...process.env, CI: "1" },
  encoding: "utf8",
});
if (status !== 0) {
  console.error(`the code cannot be generated:\n${stderr}`);
  process.exit(1);
}
if (contents() !== before) {
  console.error("functions/_generated was out of date; it is not any more: commit it");
  process.exit(1);
}
console.log("functions/_generated is up to date");
