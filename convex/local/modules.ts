/** Apps that the local ledger can serve, and their folders as convex-test wants them: a map from file names to imports. */

import type { GenericSchema, SchemaDefinition } from "convex/server";
import { readdirSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export type Modules = Record<string, () => Promise<Record<string, unknown>>>;

/** What is served: by name, its folder, and the module in it that the tap calls. */
const APPS: Readonly<Record<string, readonly [folder: string, module: string]>> = {
  ledger: ["../functions/", "production"],
  a: ["../example-existing/a/", "tap"],
  b: ["../example-existing/b/", "tap"],
  "0.1.0": ["../tests/fixtures/0.1.0/", "production"],
};

export interface App {
  module: string;
  schema: SchemaDefinition<GenericSchema, boolean>;
  modules: Modules;
}

export const APP_NAMES: readonly string[] = Object.keys(APPS);

/** An app by its name, or any other by its functions folder and the module in it that has the ledger's functions. */
export async function openApp(name: string, moduleInFolder = "production"): Promise<App> {
  const [path, module = moduleInFolder] = Object.hasOwn(APPS, name) ? (APPS[name] ?? []) : [];
  const folder = path === undefined ? resolve(name) : fileURLToPath(new URL(path, import.meta.url));
  // By this folder convex-test tells where the functions are; an example has none of its own.
  const modules: Modules = { "./_generated/api.js": () => Promise.resolve({}), ...modulesIn(folder) };
  const schema = (await (modules["./schema.ts"] ?? modules["./schema.js"])?.())?.["default"] as App["schema"] | undefined;
  if (schema === undefined) throw new Error(`there is no schema in ${folder}`);
  return { module, schema, modules };
}

function modulesIn(folder: string): Modules {
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
