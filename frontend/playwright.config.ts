import { defineConfig } from "@playwright/test"

/** One gateway for all: its tests come one after the other, each with names of its own. */
export default defineConfig({
  testDir: "e2e",
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  reporter: [["list"]],
  // The machine may be busy: a wait that is too long costs nothing, one that is too short a failed test.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  use: {
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
    viewport: { width: 1360, height: 900 },
    trace: "retain-on-failure",
  },
})
