import { readFile } from "node:fs/promises"

import type { Bucket, Job, Migration, Pool, Route, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { s3 } from "./s3"
import { SlowNode } from "./slow-node"
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
  const undecided = async () => {
    const [counts] = await gateway.ask<{ unrouted: number }[]>("GET", "/buckets")
    return counts?.unrouted ?? 0
  }
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
  await gateway.fill("pool-2025", "new-here", 1, 1)
  await gateway.ask("POST", `/vhosts/${vhost}/buckets/sync`)
  await page.goto("/")
  await expect(page.getByRole("link", { name: `Unrouted buckets ${await undecided()}` })).toBeVisible()
  expect(await undecided()).toBe(1)
})

test("the buckets of a vhost are a step away from the vhost", async ({ page, gateway }) => {
  const { vhost } = await named(gateway)
  await gateway.ask("POST", `/vhosts/${vhost}/buckets/sync`)
  await page.goto("/web/vhosts")
  await page.getByRole("link", { name: "localhost" }).click()
  await page.getByRole("main").getByRole("link", { name: "Buckets" }).click()
  await expect(page).toHaveURL(`/web/buckets?vhost=${vhost}`)
  await expect(page.getByRole("cell", { name: "documents", exact: true })).toBeVisible()
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

test("what a routed bucket left on the default pool is found and deleted; what its pool has stays", async ({
  page,
  gateway,
}) => {
  const ids = await named(gateway)
  await gateway.fill("pool-2025", "left-behind", 3, 1)
  await gateway.fill("pool-2026", "left-behind", 5, 1)
  const route = { path_prefix: "/left-behind/", pool_id: ids.new, allow_orphan: true }
  await gateway.ask("POST", `/vhosts/${ids.vhost}/routes`, route)
  await gateway.ask("POST", `/vhosts/${ids.vhost}/buckets/sync`)
  const count = async (pool: number | undefined) =>
    (await gateway.ask<{ count: number }>("GET", `/pools/${pool}/buckets/left-behind/objects`)).count
  await page.goto("/web/buckets")
  await page.getByRole("button", { name: "Look for orphans" }).click()
  const row = page.getByRole("table", { name: "orphans" }).getByRole("row", { name: /left-behind/ })
  await expect(row).toContainText("3")
  await isAccessible(page)
  await row.getByRole("button", { name: "Delete the objects" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByText("3 objects of left-behind are deleted from pool-2025")).toBeVisible()
  expect([await count(ids.old), await count(ids.new)]).toEqual([0, 5])
})

test("what a promoted bucket left on the default pool is carried over to its own pool, which keeps what it has", async ({
  page,
  gateway,
}) => {
  const ids = await named(gateway)
  await gateway.fill("pool-2025", "promoted", 6, 10)
  await gateway.fill("pool-2026", "promoted", 2, 20)
  const route = { path_prefix: "/promoted/", pool_id: ids.new, allow_orphan: true }
  await gateway.ask("POST", `/vhosts/${ids.vhost}/routes`, route)
  await gateway.ask("POST", "/config/reload")
  await gateway.ask("POST", `/vhosts/${ids.vhost}/buckets/sync`)
  await page.goto("/web/buckets")
  await page.getByRole("button", { name: "Look for orphans" }).click()
  const row = page.getByRole("table", { name: "orphans" }).getByRole("row", { name: /promoted/ })
  await row.getByRole("button", { name: "Back-fill" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Carry it over" }).click()
  await expect(page.getByText(/Migration \d+ carries it over/)).toBeVisible()
  await page.goto("/web/migrations")
  const moved = page.getByRole("row", { name: /promoted/ }).first()
  await expect(moved).toContainText("back-fill")
  await expect(moved).toContainText("done", { timeout: 90_000 })
  const objects = [0, 1, 2, 3, 4, 5].map(index => s3(gateway, "GET", `/promoted/object-${index}`))
  const sizes = (await Promise.all(objects)).map(answer => answer.body.length)
  expect(sizes).toEqual([20, 20, 10, 10, 10, 10])
})

test("a bucket that nobody is served from is deleted from its pool", async ({ page, gateway }) => {
  const ids = await named(gateway)
  await gateway.fill("pool-2026", "forgotten", 4, 1)
  await page.goto(`/web/buckets?by=pool&pool=${ids.new}`)
  const row = page.getByRole("row", { name: /forgotten/ })
  await expect(row).toContainText("unrouted")
  await row.getByRole("button", { name: "Delete the objects of forgotten" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByText("4 objects of forgotten are deleted from pool-2026")).toBeVisible()
  expect(await gateway.ask("GET", `/pools/${ids.new}/buckets/forgotten/objects`)).toMatchObject({ count: 0 })
})

test("many objects are deleted by a job, which is watched and cancelled on its way", async ({ page, gateway }) => {
  const node = await SlowNode.before(gateway.storagePort + 2)
  const pool = await gateway.ask<Pool>("POST", "/pools", { name: "slow" })
  await gateway.ask("POST", `/pools/${pool.id}/members`, { address: `127.0.0.1:${node.port}` })
  await gateway.fill("pool-2026", "heap", 2500, 1)
  await page.goto(`/web/buckets?by=pool&pool=${pool.id}`)
  await page.getByRole("button", { name: "Delete the objects of heap" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByText(/Job \d+ deletes the objects of heap/)).toBeVisible()
  await expect.poll(() => node.waiting).toBeGreaterThan(0)
  await page.getByRole("tab", { name: "Jobs" }).click()
  const row = page.getByRole("row", { name: /heap on slow/ })
  await expect(row).toContainText("running")
  await expect(row).toContainText("of 2,500")
  await isAccessible(page)
  await row.getByRole("button", { name: "Cancel" }).click()
  await expect(row).toContainText("cancelling")
  node.release()
  await expect(row).toContainText("cancelled")
  const [job] = (await gateway.ask<Job[]>("GET", "/jobs")).filter(one => one.bucket === "heap")
  expect(job).toMatchObject({ state: "cancelled", total: 2500 })
  const left = await gateway.ask<{ count: number }>("GET", `/pools/${pool.id}/buckets/heap/objects?limit=1000`)
  expect(left.count).toBeGreaterThan(0)
  await node.stop()
})

test("an http vhost gets routes to buckets of the pool behind it, and loses them", async ({ page, gateway }) => {
  const ids = await named(gateway)
  const pool = await gateway.ask<Pool>("POST", "/pools", { name: "web", type: "http", source_nanio_pool_id: ids.old })
  await gateway.ask("POST", `/pools/${pool.id}/members`, { address: "127.0.0.1:9", role: "primary" })
  const made = { server_name: "files.test", listen_port: gateway.port, ssl: false, default_pool_id: pool.id }
  const vhost = await gateway.ask<Vhost>("POST", "/vhosts", made)
  const own = async () =>
    (await gateway.ask<Route[]>("GET", `/vhosts/${vhost.id}/routes`)).map(route => route.path_prefix)
  await gateway.ask("POST", `/vhosts/${ids.vhost}/buckets/sync`)
  await page.goto(`/web/buckets?vhost=${vhost.id}`)
  await expect(page.getByText("files.test serves the files of pool-2025 over http")).toBeVisible()
  await page.getByRole("button", { name: "Add the route of documents" }).click()
  const row = page.getByRole("row", { name: /documents/ })
  await expect(row).toContainText("has one")
  expect(await own()).toContain("/documents/")
  expect(await readFile(gateway.managed("vhosts/files.test.conf"), "utf8")).toContain("/documents/")
  await isAccessible(page)
  await page.getByRole("button", { name: "Remove the route of documents" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Remove the route" }).click()
  await expect(row).toContainText("none")
  expect(await own()).not.toContain("/documents/")
})
