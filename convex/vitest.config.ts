import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts", "example-existing/**/*.test.ts"],
    // The machines that run this are small and shared.
    maxWorkers: 2,
    // Only for what hangs.
    testTimeout: 300_000,
    // What is slower is listed by name; how long a test takes is nobody's business before that.
    slowTestThreshold: 10_000,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
