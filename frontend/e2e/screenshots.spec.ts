import { fileURLToPath } from "node:url"

import type { Page } from "@playwright/test"

import type { Gateway } from "./gateway"
import { everyPage } from "./pages"
import { expect, test } from "./test"

/** `make screenshots` writes the pictures of the documentation; otherwise nothing is written. */
const WANTED = process.env.SCREENSHOTS === "1"
const SCHEMES = ["light", "dark"] as const

// So slow that a migration is seen at work.
test.use({ settings: { MIGRATION_BANDWIDTH_LIMIT: "2M" } })

async function picture(page: Page, name: string, scheme: (typeof SCHEMES)[number]) {
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0)
  const file = fileURLToPath(new URL(`../../docs/screenshots/${name}-${scheme}.png`, import.meta.url))
  const taken = await page.screenshot(WANTED ? { path: file } : {})
  expect(taken.length).toBeGreaterThan(10_000)
}

/** Two buckets are moved: one arrives, one is on its way for a while. */
async function move(gateway: Gateway): Promise<number> {
  const post = (path: string, body?: object) => gateway.ask<{ id: number }>("POST", path, body)
  const { id } = await post("/migrations", { bucket: "photos", src_pool_id: 2, dst_pool_id: 1, mode: "copy" })
  await expect.poll(() => gateway.ask("GET", `/migrations/${id}`), { timeout: 90_000 }).toMatchObject({ phase: "done" })
  await gateway.fill("pool-2026", "videos", 800, 256 * 1024)
  await post("/vhosts/1/routes", { path_prefix: "/videos/", pool_id: 2 })
  await post("/config/reload")
  await post("/vhosts/1/buckets/sync")
  return (await post("/migrations", { bucket: "videos", src_pool_id: 2, dst_pool_id: 1, mode: "copy" })).id
}

test("every page has its picture, by day and by night", async ({ page, gateway }) => {
  test.setTimeout(240_000)
  const pages = await everyPage(gateway)
  expect(pages.length).toBeGreaterThan(7)
  await page.setViewportSize({ width: 1080, height: 700 })
  await page.emulateMedia({ reducedMotion: "reduce" })
  await expect(page.getByText("all 2 reachable")).toBeVisible({ timeout: 90_000 })
  const id = await move(gateway)
  await page.goto(`/web/migrations?migration=${id}`)
  const chart = page.getByRole("img", { name: /^Throughput of the last 1\d s/ })
  await expect(chart).toBeVisible({ timeout: 90_000 })
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
    await picture(page, "migration", colorScheme)
  }
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
    for (const { name, path, shows } of pages) {
      await page.goto(path)
      await expect(page.getByText(shows).first()).toBeVisible()
      await picture(page, name, colorScheme)
    }
  }
})
