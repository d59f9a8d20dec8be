import type { Topology } from "../src/api/client"
import { expect, isAccessible, logIn, test } from "./test"
import { weigh } from "./weigh"

const KIB = 1024

test("the first load is at most 200 KiB, and the second one is a page", async ({ anonymous: page, gateway }) => {
  await logIn(page, gateway.key)
  const session = await page.context().cookies()
  // A browser that has never been here.
  const fresh = await page.context().browser()?.newContext({ baseURL: gateway.url })
  if (fresh === undefined) throw new Error("no browser")
  await fresh.addCookies(session)
  const visitor = await fresh.newPage()
  const answers = await weigh(visitor)
  await visitor.goto("/")
  await expect(visitor.getByText("Drift check")).toBeVisible()
  const files = answers.filter(({ url }) => !url.includes("/api/"))
  const total = files.reduce((sum, { size }) => sum + size, 0)
  console.log(`first load: ${(total / KIB).toFixed(1)} KiB in ${files.length} files`)
  expect(files.length).toBeGreaterThan(2)
  expect(total).toBeLessThanOrEqual(200 * KIB)
  answers.length = 0
  await visitor.goto("/")
  await expect(visitor.getByText("Drift check")).toBeVisible()
  const again = answers.filter(({ url, size }) => url.includes("/static/") && size > 0)
  expect(again, "what is kept for good is not fetched again").toEqual([])
  await fresh.close()
})

test("300 vhosts and 300 pools are readable", async ({ page }) => {
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
  await page.goto("/")
  await expect(page.getByText("20,100").first()).toBeVisible()
  await expect(page.getByRole("link", { name: "pool-7: unreachable" })).toBeVisible()
  await expect(page.getByText("1 of 3 unreachable")).toBeVisible()
  await page.getByRole("link", { name: "s3-8.storage.example.org", exact: true }).hover()
  await expect(page.getByText("s3-8.storage.example.org uses 2 pools: pool-9, pool-8")).toBeVisible()
  await isAccessible(page)
})
