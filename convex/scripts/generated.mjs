// Makes functions/_generated anew, as a developer's own run does, and says whether what is committed was up to date.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codegen } from "./codegen.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDER = join(ROOT, "functions/_generated");

const contents = () => readdirSync(FOLDER).map((name) => `${name}\n${readFileSync(join(FOLDER, name), "utf8")}`).join("\n");

const before = contents();
await codegen(ROOT);
if (contents() !== before) {
  console.error("functions/_generated was out of date; it is not any more: commit it");
  process.exit(1);
}
console.log("functions/_generated is up to date");
