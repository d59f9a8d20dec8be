import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

import { defineConfig } from "@playwright/test"

const SPECS = readdirSync(fileURLToPath(new URL("e2e", import.meta.url))).filter(name => name.endsWith(".spec.ts"))

/**
 * A gateway for each file, whose tests come one after the other, each with names of its own. A project never shares a
 * worker with another one, and so no gateway: what one file moves or counts is nothing to the next.
 */
export default defineConfig({
  testDir: "e2e",
  projects: SPECS.map(name => ({ name: name.replace(".spec.ts", ""), testMatch: name })),
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
