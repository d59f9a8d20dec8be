import type { Page } from "@playwright/test"

import type { Gateway } from "./gateway"
import { expect, isAccessible, test } from "./test"
import { weigh } from "./weigh"

const [POOLS, ROUTES] = [1000, 20_000]

/** Makes the gateway a large one, by one document. The id of the vhost that has all routes. */
async function grow(gateway: Gateway): Promise<number> {
  const name = (number: number) => `pool-${String(number).padStart(5, "0")}`
  const pools = Object.fromEntries(
    Array.from({ length: POOLS }, (_, index) => [name(index), { members: [{ address: "127.0.0.1:9" }] }]),
  )
  const routes = Object.fromEntries(
    Array.from({ length: ROUTES }, (_, index) => [
      `/bucket-${String(index + 1).padStart(5, "0")}/`,
      { pool: name(index % POOLS) },
    ]),
  )
  // Without a default pool nobody serves a bucket before it has its route: no storage node is to be asked.
  const vhosts = { "large.test": { listen_port: gateway.port, ssl: false, routes } }
  await gateway.ask("POST", "/config/apply", { version: 1, pools, vhosts })
  const made = await gateway.ask<{ id: number; server_name: string }[]>("GET", "/vhosts")
  const vhost = made.find(({ server_name }) => server_name === "large.test")
  if (vhost === undefined) throw new Error("the document made no vhost")
  return vhost.id
}

/** Notes how far things moved that were there already. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.addInitScript(() => {
    const seen = { shifts: 0 }
    Object.assign(window, { seen })
    const observer = new PerformanceObserver(list => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) seen.shifts += entry.value
      }
    })
    observer.observe({ type: "layout-shift", buffered: true })
  })
  return () => page.evaluate(() => (window as unknown as { seen: { shifts: number } }).seen.shifts)
}

test("1,000 pools and 20,000 routes: the dashboard reads little and stands still, and every route is reached", async ({
  page,
  gateway,
}) => {
  const id = await grow(gateway)
  const answers = await weigh(page)
  const shifts = await watchShifts(page)
  await page.goto("/")
  await expect(page.getByText("20,001", { exact: true })).toBeVisible()
  await expect(page.locator("[aria-busy=true], .mantine-Skeleton-root")).toHaveCount(0)
  await expect(page.getByText("Live")).toBeVisible()
  const calls = answers.filter(({ url }) => url.includes("/api/"))
  expect(calls.length).toBeGreaterThan(5)
  for (const { url, size } of calls) expect(size, url).toBeLessThanOrEqual(200 * 1024)
  expect(await shifts()).toBeLessThan(0.05)

  await page.goto(`/web/vhosts/${id}`)
  await expect(page.getByText("20,000 routes")).toBeVisible()
  const table = page.getByRole("table", { name: "routes" })
  const rows = table.locator("tbody tr")
  expect(await rows.count()).toBeLessThan(80)
  await isAccessible(page)
  await page.getByLabel("Filter routes").fill("19999")
  await expect(page.getByText("1 of 20,000 routes")).toBeVisible()
  await expect(page.getByText("/bucket-19999/")).toBeVisible()
  await page.getByLabel("Filter routes").fill("")
  const prefix = page.getByRole("button", { name: "Prefix" })
  await prefix.click()
  await prefix.click()
  await expect(page.getByText("/bucket-20000/")).toBeVisible()
  await table.locator("..").evaluate(frame => frame.scrollTo(0, frame.scrollHeight))
  await expect(page.getByText("/bucket-00001/")).toBeVisible()
  expect(await rows.count()).toBeLessThan(80)
})
