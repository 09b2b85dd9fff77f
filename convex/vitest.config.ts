import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts", "example-existing/**/*.test.ts"],
    // The machines that run this are small and shared.
    maxWorkers: 2,
    testTimeout: 30_000,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
