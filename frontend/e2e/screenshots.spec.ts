import { fileURLToPath } from "node:url"

import type { Page } from "@playwright/test"

import { DIALOGS } from "./dialogs"
import { furnish } from "./furnish"
import type { Gateway } from "./gateway"
import { everyPage } from "./pages"
import { expect, test } from "./test"

/** `make screenshots` writes the pictures; otherwise nothing is written. */
const WANTED = process.env.SCREENSHOTS === "1"
const SCHEMES = ["light", "dark"] as const
const DEVICES = { desktop: { width: 1080, height: 700 }, phone: { width: 390, height: 844 } }
/** Those that the documentation has; the others, and those of a phone, are to be looked at. */
const DOCUMENTED = new Set(["rollback"])

type Scheme = (typeof SCHEMES)[number]
type Device = keyof typeof DEVICES

// So slow that a migration is seen at work.
test.use({ settings: { MIGRATION_BANDWIDTH_LIMIT: "2M" } })

async function picture(page: Page, name: string, kept: boolean) {
  await expect(page.locator("[aria-busy=true]")).toHaveCount(0)
  const directory = kept ? "docs/screenshots" : "target/screenshots"
  const file = fileURLToPath(new URL(`../../${directory}/${name}.png`, import.meta.url))
  const taken = await page.screenshot(WANTED ? { path: file } : {})
  expect(taken.length).toBeGreaterThan(10_000)
}

async function see(page: Page, colorScheme: Scheme, device: Device) {
  await page.setViewportSize(DEVICES[device])
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
}

/** Two buckets are moved: one arrives, one is on its way for a while. */
async function move(gateway: Gateway): Promise<number> {
  const post = (path: string, body?: object) => gateway.ask<{ id: number }>("POST", path, body)
  const { id } = await post("/migrations", { bucket: "photos", src_pool_id: 2, dst_pool_id: 1, mode: "copy" })
  await expect.poll(() => gateway.ask("GET", `/migrations/${id}`), { timeout: 90_000 }).toMatchObject({ phase: "done" })
  await gateway.fill("pool-2026", "videos", 1600, 256 * 1024)
  await post("/vhosts/1/routes", { path_prefix: "/videos/", pool_id: 2 })
  await post("/config/reload")
  await post("/vhosts/1/buckets/sync")
  return (await post("/migrations", { bucket: "videos", src_pool_id: 2, dst_pool_id: 1, mode: "copy" })).id
}

/** In each colour, on a desk and, when asked for, on a phone. */
async function everywhere(page: Page, look: (named: (name: string) => string, device: Device) => Promise<void>) {
  for (const device of WANTED ? (["desktop", "phone"] as const) : (["desktop"] as const)) {
    for (const scheme of SCHEMES) {
      await see(page, scheme, device)
      await look(name => (device === "desktop" ? `${name}-${scheme}` : `${name}-${scheme}-phone`), device)
    }
  }
}

test("every page and dialog has its picture, by day and by night", async ({ page, gateway }) => {
  test.setTimeout(900_000)
  await page.setViewportSize(DEVICES.desktop)
  await expect(page.getByText("all 2 reachable")).toBeVisible({ timeout: 90_000 })
  await furnish(gateway)
  await everywhere(page, async (named, device) => {
    for (const { name, path, title, open } of WANTED ? DIALOGS : []) {
      await page.goto(path)
      await open(page)
      await expect(page.getByRole("dialog", { name: title })).toBeVisible()
      await picture(page, named(name), device === "desktop" && DOCUMENTED.has(name))
    }
  })

  const path = `/web/migrations?migration=${await move(gateway)}`
  await page.setViewportSize(DEVICES.desktop)
  await page.goto(path)
  const chart = page.getByRole("img", { name: /^Throughput of the last 1\d s/ })
  await expect(chart).toBeVisible({ timeout: 90_000 })
  // As it is now: the chart begins anew with each load.
  await everywhere(page, (named, device) => picture(page, named("migration"), device === "desktop"))

  const pages = await everyPage(gateway)
  expect(pages.length).toBeGreaterThan(7)
  await everywhere(page, async (named, device) => {
    for (const { name, path, shows } of pages) {
      await page.goto(path)
      await expect(page.getByText(shows).first()).toBeVisible()
      await picture(page, named(name), device === "desktop")
    }
  })
})
