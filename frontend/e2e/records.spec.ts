import { readFile } from "node:fs/promises"
import { join } from "node:path"

import type { AuditEntry } from "../src/api/client"
import { choose, expect, isAccessible, test } from "./test"

test("the audit log says who did what, in pages, by kind and day, and what it was before", async ({
  page,
  gateway,
}) => {
  const pool = await gateway.ask<{ id: number }>("POST", "/pools", { name: "audited" })
  await gateway.ask("PUT", `/pools/${pool.id}`, { description: "as it is now" })
  await page.goto("/web/audit")
  await page.getByRole("button", { name: "Changed pool audited" }).click()
  const dialog = page.getByRole("dialog", { name: "Changed pool audited" })
  await expect(dialog.getByRole("row", { name: /description/ })).toContainText("as it is now")
  await isAccessible(page)
  await page.keyboard.press("Escape")
  await expect(dialog).toBeHidden()

  await choose(page.locator("main"), "Kind", "vhost")
  await expect(page.getByRole("button", { name: "Created vhost localhost" })).toBeVisible()
  await expect(page.getByRole("button", { name: /pool/ })).toHaveCount(0)
  await page.getByRole("button", { name: "Clear", exact: true }).click()
  await page.getByLabel("To (UTC)").fill("2001-01-01")
  await expect(page.getByText("No entry is like that")).toBeVisible()
  await page.getByLabel("To (UTC)").fill("")

  for (let number = 0; number < 60; number++) {
    const made = await gateway.ask<{ id: number }>("POST", "/pools", { name: `page-${number}` })
    await gateway.ask("DELETE", `/pools/${made.id}`)
  }
  await page.goto("/web/audit")
  await page.getByRole("button", { name: "Older" }).click()
  await expect(page.getByText("Page 2")).toBeVisible()
  await expect(page.getByRole("button", { name: "Created pool audited" })).toBeVisible()
  const [newest] = await gateway.ask<AuditEntry[]>("GET", "/audit?per_page=1")
  await expect(page.getByRole("cell", { name: String(newest?.id), exact: true })).toHaveCount(0)
  await page.getByRole("button", { name: "Newer" }).click()
  await expect(page.getByRole("cell", { name: String(newest?.id), exact: true })).toBeVisible()
})

test("settings are validated, written to the file, and tell what a restart will change", async ({ page, gateway }) => {
  await page.goto("/web/settings")
  const row = page.locator("[data-setting=drift_interval]")
  await row.getByRole("button", { name: "Change drift_interval" }).click()
  const field = row.getByLabel("New value of drift_interval")
  await field.fill("soon")
  await field.press("Enter")
  await expect(row.getByRole("alert")).toBeVisible()
  await isAccessible(page)
  await field.fill("77")
  await field.press("Enter")
  await expect(page.getByText("A restart is needed")).toBeVisible()
  await expect(row).toContainText("77")
  expect(await readFile(join(gateway.directory, "config.env"), "utf8")).toContain("DRIFT_INTERVAL=77")
  await page.getByRole("button", { name: "Restart now" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Restart" }).click()
  // The demo is no service: the refusal is told where it was asked for.
  await expect(page.getByRole("dialog").getByRole("alert")).toBeVisible()
  await page.keyboard.press("Escape")
  // So it is restarted from outside; the page notices by itself, and its session holds.
  await gateway.restart()
  await expect(page.getByText("A restart is needed")).toBeHidden()
  await expect(row).toContainText("from the file")
  await expect(row).toContainText("77")
})

test("secrets are masks, a new one begins empty, and Esc leaves everything as it was", async ({ page, gateway }) => {
  await page.goto("/web/settings")
  await expect(page.getByText(`${gateway.key.slice(0, 4)}****`)).toBeVisible()
  expect(await page.content()).not.toContain(gateway.key)
  const row = page.locator("[data-setting=metrics_token]")
  await row.getByRole("button", { name: "Change metrics_token" }).click()
  const field = row.getByLabel("New value of metrics_token")
  await expect(field).toHaveValue("")
  await field.fill("half-typed")
  await field.press("Escape")
  await expect(field).toBeHidden()
  expect(await readFile(join(gateway.directory, "config.env"), "utf8").catch(() => "")).not.toContain("half-typed")
  await expect(page.locator("[data-setting=nginx_bin]").getByLabel("Changed on the machine only")).toBeVisible()
})

test("all S3 keys are encrypted anew", async ({ page, gateway }) => {
  const pool = await gateway.ask<{ id: number }>("POST", "/pools", { name: "rotated" })
  await gateway.ask("PUT", `/pools/${pool.id}/credentials`, { access_key: "a", secret_key: "b" })
  await page.goto("/web/settings")
  await page.getByRole("button", { name: "Rotate the secret" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Encrypt anew" }).click()
  // The demo has one key in SECRET, and everything was encrypted with it.
  await expect(page.getByText(/keys of 0 pools were encrypted anew; those of [1-9]\d* already were/)).toBeVisible()
  const answer = await gateway.ask<{ current: { pool_name: string }[] }>("POST", "/config/settings/rotate-secret")
  expect(answer.current.map(one => one.pool_name)).toContain("rotated")
})
