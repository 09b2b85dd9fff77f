/** The README names everything there is, and nothing that is not. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FAULTS } from "../local/faults";
import { COLUMNS } from "../functions/ledger/columns";
import { ENVIRONMENT, FUNCTIONS, ROUTES } from "../functions/ledger/names";
import { REFUSALS, REJECTIONS } from "../functions/ledger/problems";

const text = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const readme = text("../README.md");

const named = [
  ...FUNCTIONS.map((name) => `production:${name}`),
  ...Object.values(ENVIRONMENT),
  ...Object.keys(REJECTIONS),
  ...Object.keys(REFUSALS),
  ...Object.keys(COLUMNS),
  ...Object.keys(FAULTS),
];

test.each(named)("%s is explained", (name) => {
  expect(readme).toContain(`\`${name}\``);
});

test.each(Object.values(ROUTES))("%s is explained", (path) => {
  expect(readme).toMatch(new RegExp(`(GET|POST) ${path}[?\`]`));
});

test("every option of the local ledger is explained", () => {
  const options = text("../local/main.ts").match(/^ {2}--[a-z-]+/gm) ?? [];
  expect(options.length).toBeGreaterThan(4);
  for (const option of options) expect(readme).toContain(option.trim());
});

test("no function or fault is explained that there is not", () => {
  const functions = readme.match(/production:\w+/g) ?? [];
  const known = [...FUNCTIONS, "addKey", "listKeys", "revokeKey", "refill"].map((name) => `production:${name}`);
  for (const name of functions) expect(known).toContain(name);
  const faults = /\| kind \|[^]*$/.exec(readme)?.[0].match(/^\| `(\w+)`/gm) ?? [];
  expect(faults.map((row) => row.slice(3, -1)).sort()).toEqual(Object.keys(FAULTS).sort());
});

test("every script that the README runs exists", () => {
  const { scripts } = JSON.parse(text("../package.json")) as { scripts: Record<string, string> };
  for (const [, name] of readme.matchAll(/npm run (\w+)/g)) expect(Object.keys(scripts)).toContain(name);
});

test("every command for a deployment says whether it is for dev or for production", () => {
  const commands = readme.match(/npx convex (?:dev --once|deploy|run|env|logs)[^`\n|]*(?:`[^|\n]*)?/g) ?? [];
  expect(commands.length).toBeGreaterThan(15);
  for (const line of readme.split("\n").filter((text) => /^npx convex /.test(text))) {
    expect(line).toMatch(line.includes("--prod") || line.startsWith("npx convex deploy") ? /# production/ : /# dev/);
  }
  for (const [command, said] of readme.matchAll(/`npx convex [^`]*`(?: \((dev|production)\)| for (dev|production))?/g)) {
    if (/npx convex (dev|deploy|run`|run --)/.test(command) || /`npx convex (run|dev)`/.test(command)) continue;
    expect(said ?? command, command).toMatch(/dev|production|prod/);
  }
});

test("the live page is short", () => {
  const page = /```tsx\n\/\/ src\/Live\.tsx\n([^]*?)```/.exec(readme)?.[1] ?? "";
  expect(page.trim().split("\n").length).toBeLessThanOrEqual(20);
  expect(page).toContain("useQuery(");
});
