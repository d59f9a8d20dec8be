import type { Bucket, Job, Migration, Pool, Route, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { choose, expect, isAccessible, test } from "./test"

async function named(gateway: Gateway) {
  const pools = await gateway.ask<Pool[]>("GET", "/pools")
  const vhost = (await gateway.ask<Vhost[]>("GET", "/vhosts")).find(one => one.server_name === "localhost")
  const pool = (name: string) => pools.find(one => one.name === name)?.id
  return { vhost: vhost?.id, old: pool("pool-2025"), new: pool("pool-2026") }
}

async function prefixes(gateway: Gateway): Promise<Record<string, string>> {
  const { vhost } = await named(gateway)
  const routes = await gateway.ask<Route[]>("GET", `/vhosts/${vhost}/routes`)
  return Object.fromEntries(routes.map(route => [route.path_prefix, route.pool_name]))
}

test("buckets are found, counted and ignored", async ({ page, gateway }) => {
  const { vhost } = await named(gateway)
  await page.goto("/web/buckets")
  await page.getByRole("button", { name: /^Sync/ }).first().click()
  await expect(page.getByRole("cell", { name: "documents", exact: true })).toBeVisible()
  await isAccessible(page)
  await page.getByRole("switch", { name: "Count objects" }).press("Space")
  await expect(page.getByRole("row", { name: /documents/ }).getByRole("cell", { name: /^[1-9]\d*$/ })).toBeVisible()
  await page.getByRole("button", { name: "What to do with documents" }).click()
  await page.getByRole("menuitem", { name: "Ignore" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Ignore it" }).click()
  await expect(page.getByRole("row", { name: /documents/ })).toContainText("ignored")
  const { buckets } = await gateway.ask<{ buckets: Bucket[] }>("GET", `/vhosts/${vhost}/buckets`)
  expect(buckets.find(bucket => bucket.name === "documents")).toMatchObject({ status: "ignored" })
})

test("a bucket is moved while clients use it, after a look at what would be found; what is left behind is deleted", async ({
  page,
  gateway,
}) => {
  const ids = await named(gateway)
  await page.goto("/web/migrations?new")
  const dialog = page.getByRole("dialog", { name: "Move a bucket" })
  await choose(dialog, "From pool", "pool-2026")
  await choose(dialog, "Bucket", "photos")
  await choose(dialog, "To pool", "pool-2025")
  await dialog.getByRole("button", { name: "Look first" }).click()
  await expect(dialog.getByText("every key can be moved")).toBeVisible()
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Move it" }).click()
  await expect(page.getByRole("row", { name: /photos/ }).first()).toContainText("done")
  expect((await prefixes(gateway))["/photos/"]).toBe("pool-2025")

  await page.getByRole("button", { name: "photos", exact: true }).click()
  await expect(page.getByText(/Writes waited \d+ ms at most/)).toBeVisible()
  await expect(page.getByLabel("Log, newest first", { exact: true })).toContainText("copied")
  await isAccessible(page)
  await page.keyboard.press("Escape")

  const [moved] = await gateway.ask<Migration[]>("GET", "/migrations")
  expect(moved).toMatchObject({ bucket: "photos", orphaned_source_pool_id: ids.new })
  await page.getByRole("button", { name: "Delete the objects of photos on pool-2026" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByText(/objects of photos are deleted from pool-2026/)).toBeVisible()
  const left = await gateway.ask<{ count: number }>("GET", `/pools/${ids.new}/buckets/photos/objects`)
  expect(left.count).toBe(0)
})

test("f03 what anybody is served from is not deleted, and the refusal is shown", async ({ page, gateway }) => {
  const ids = await named(gateway)
  const count = async () =>
    (await gateway.ask<{ count: number }>("GET", `/pools/${ids.old}/buckets/documents/objects`)).count
  const before = await count()
  expect(before).toBeGreaterThan(0)
  // The page was drawn before somebody routed the bucket here.
  await page.route(`**/api/pools/${ids.old}/buckets/status`, async route => {
    const answer = await route.fetch()
    const held = (await answer.json()) as { buckets: { status: string }[] }
    await route.fulfill({ json: { ...held, buckets: held.buckets.map(bucket => ({ ...bucket, status: "unrouted" })) } })
  })
  await page.goto(`/web/buckets?by=pool&pool=${ids.old}`)
  await page.getByRole("button", { name: "Delete the objects of documents" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("localhost")
  await isAccessible(page)
  expect(await count()).toBe(before)
  const jobs = await gateway.ask<Job[]>("GET", "/jobs")
  expect(jobs.filter(job => job.bucket === "documents")).toEqual([])
})

test("objects are listed, a bucket gets a route and loses it again", async ({ page, gateway }) => {
  const ids = await named(gateway)
  await gateway.ask("POST", `/vhosts/${ids.vhost}/buckets/sync`)
  await page.goto(`/web/buckets?by=pool&pool=${ids.old}`)
  await page.getByRole("button", { name: "Objects of documents" }).click()
  await expect(page.getByRole("dialog").locator("pre")).not.toBeEmpty()
  await page.keyboard.press("Escape")
  await page.goto("/web/buckets")
  await page.getByRole("button", { name: "What to do with documents" }).click()
  await page.getByRole("menuitem", { name: "Route to a pool" }).click()
  const dialog = page.getByRole("dialog")
  await choose(dialog, "Pool", "pool-2025")
  await dialog.getByRole("switch").press("Space")
  await dialog.getByRole("button", { name: "Route it" }).click()
  await expect(page.getByRole("row", { name: /documents/ })).toContainText("routed")
  expect((await prefixes(gateway))["/documents/"]).toBe("pool-2025")
  await page.getByRole("button", { name: "What to do with documents" }).click()
  await page.getByRole("menuitem", { name: "Remove the route" }).click()
  await dialog.getByRole("button", { name: "Remove the route" }).click()
  await expect(page.getByRole("row", { name: /documents/ })).toContainText("unrouted")
  expect(Object.keys(await prefixes(gateway))).not.toContain("/documents/")
  await page.getByRole("button", { name: "Look for orphans" }).click()
  await expect(page.getByText(/routed buckets were looked at/)).toBeVisible()
})
