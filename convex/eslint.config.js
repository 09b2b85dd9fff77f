import convex from "@convex-dev/eslint-plugin";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

// What Convex people run, and nothing else: `scripts/apps.mjs` lints with this where it is meant to be, in an app.
export default defineConfig(
  { files: ["convex/**/*.ts"], languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } } },
  { ignores: ["convex/_generated/**"] },
  convex.configs.recommended,
);
