import type { Page } from "@playwright/test"

import type { Route, Topology } from "../src/api/client"
import { expect, isAccessible, logIn, test } from "./test"

const KIB = 1024

/** What travels, by address. */
async function weigh(page: Page): Promise<Map<string, number>> {
  const client = await page.context().newCDPSession(page)
  const [urls, sizes] = [new Map<string, string>(), new Map<string, number>()]
  client.on("Network.requestWillBeSent", event => urls.set(event.requestId, event.request.url))
  client.on("Network.loadingFinished", event => {
    const url = urls.get(event.requestId)
    if (url !== undefined) sizes.set(url, (sizes.get(url) ?? 0) + event.encodedDataLength)
  })
  await client.send("Network.enable")
  return sizes
}

test("the first load is at most 200 KiB, and the second one is a page", async ({ anonymous: page, gateway }) => {
  await logIn(page, gateway.key)
  const session = await page.context().cookies()
  // A browser that has never been here.
  const fresh = await page.context().browser()?.newContext({ baseURL: gateway.url })
  if (fresh === undefined) throw new Error("no browser")
  await fresh.addCookies(session)
  const visitor = await fresh.newPage()
  const sizes = await weigh(visitor)
  await visitor.goto("/")
  await expect(visitor.getByText("Drift check")).toBeVisible()
  const files = [...sizes].filter(([url]) => !url.includes("/api/"))
  const total = files.reduce((sum, [, size]) => sum + size, 0)
  console.log(`first load: ${(total / KIB).toFixed(1)} KiB in ${files.length} files`)
  expect(files.length).toBeGreaterThan(2)
  expect(total).toBeLessThanOrEqual(200 * KIB)
  sizes.clear()
  await visitor.goto("/")
  await expect(visitor.getByText("Drift check")).toBeVisible()
  const again = [...sizes].filter(([url, size]) => url.includes("/static/") && size > 0)
  expect(again, "what is kept for good is not fetched again").toEqual([])
  await fresh.close()
})

test("no call of the dashboard answers with more than 200 KiB, and 300 pools are readable", async ({
  page,
  gateway,
}) => {
  const numbers = Array.from({ length: 300 }, (_, index) => index + 1)
  const topology: Topology = {
    vhosts: numbers.map(id => ({
      id,
      server_name: `s3-${id}.storage.example.org`,
      listen_port: 443,
      ssl: true,
      enabled: id % 50 !== 0,
      default_pool_id: id,
    })),
    routes: numbers.map(id => ({
      vhost_id: id,
      pool_id: (id % 300) + 1,
      enabled: 66,
      disabled: 1,
      example: "/bucket/",
    })),
    pools: numbers.map(id => ({
      id,
      name: `pool-${id}`,
      type: "nanio" as const,
      source_nanio_pool_id: null,
      members: 3,
      enabled: 3,
      reachable: id === 7 ? 0 : id === 9 ? 2 : 3,
      unreachable: id === 7 ? 3 : id === 9 ? 1 : 0,
    })),
    members: [],
    totals: { vhosts: 300, routes: 20_100, pools: 300, members: 900, unreachable: 4 },
  }
  await page.route("**/api/topology", route => route.fulfill({ json: topology }))
  const sizes = await weigh(page)
  await page.goto("/")
  await expect(page.getByText("20,100").first()).toBeVisible()
  await expect(page.getByRole("link", { name: "pool-7: unreachable" })).toBeVisible()
  await expect(page.getByText("1 of 3 unreachable")).toBeVisible()
  await page.getByRole("link", { name: "s3-8.storage.example.org", exact: true }).hover()
  await expect(page.getByText("s3-8.storage.example.org uses 2 pools: pool-9, pool-8")).toBeVisible()
  await isAccessible(page)
  for (const [url, size] of sizes) if (url.includes("/api/")) expect(size, url).toBeLessThanOrEqual(200 * KIB)
  await gateway.ask("GET", "/health")
})

test("20,000 routes are listed, filtered and sorted, and only those in sight are drawn", async ({ page }) => {
  const route = (id: number): Route => ({
    id,
    vhost_id: 1,
    path_prefix: `/bucket-${String(id).padStart(5, "0")}/`,
    pool_id: 1,
    pool_name: "pool-2025",
    key_prefix: null,
    extra_directives: null,
    enabled: true,
    created_at: "2026-01-01 00:00:00",
    updated_at: "2026-01-01 00:00:00",
    migration_id: null,
    revision: 1,
  })
  await page.route("**/api/vhosts/1/routes?*", answer => {
    const query = new URL(answer.request().url()).searchParams
    const [after, limit] = [Number(query.get("after") ?? 0), Number(query.get("limit"))]
    const length = Math.min(limit, 20_000 - after)
    return answer.fulfill({ json: Array.from({ length }, (_, index) => route(after + index + 1)) })
  })
  await page.goto("/web/vhosts/1")
  await expect(page.getByText("20,000 routes")).toBeVisible()
  const rows = page.locator("tbody tr")
  expect(await rows.count()).toBeLessThan(80)
  await page.getByLabel("Filter routes").fill("19999")
  await expect(page.getByText("1 of 20,000 routes")).toBeVisible()
  await expect(page.getByText("/bucket-19999/")).toBeVisible()
  await page.getByLabel("Filter routes").fill("")
  const prefix = page.getByRole("button", { name: "Prefix" })
  await prefix.click()
  await prefix.click()
  await expect(page.getByText("/bucket-20000/")).toBeVisible()
  await page
    .getByRole("table")
    .locator("..")
    .evaluate(frame => frame.scrollTo(0, frame.scrollHeight))
  await expect(page.getByText("/bucket-00001/")).toBeVisible()
  expect(await rows.count()).toBeLessThan(80)
})
