/** The functions folder as convex-test wants it: a map from file names to imports. */

import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export type Modules = Record<string, () => Promise<Record<string, unknown>>>;

export const FUNCTIONS_FOLDER = fileURLToPath(new URL("../functions/", import.meta.url));

export function modulesIn(folder: string): Modules {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /^[^.]+\.(ts|js)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    files.map((file) => [
      `./${relative(folder, file).split(sep).join("/")}`,
      async () => (await import(pathToFileURL(file).href)) as Record<string, unknown>,
    ]),
  );
}
