import { rm } from "node:fs/promises"

import type { HeldBucket, Migration, MigrationLogLine, Pool, Route, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { s3 } from "./s3"
import { choose, expect, isAccessible, test } from "./test"

const KIB = 1024

// Slow enough to be watched.
test.use({ settings: { MIGRATION_BANDWIDTH_LIMIT: "3M" } })

const migration = (gateway: Gateway, id: number) => gateway.ask<Migration>("GET", `/migrations/${id}`)

async function newest(gateway: Gateway): Promise<Migration> {
  const [one] = await gateway.ask<Migration[]>("GET", "/migrations?limit=1")
  if (one === undefined) throw new Error("nothing was moved yet")
  return one
}

async function demo(gateway: Gateway) {
  const pools = await gateway.ask<Pool[]>("GET", "/pools")
  const vhost = (await gateway.ask<Vhost[]>("GET", "/vhosts")).find(one => one.server_name === "localhost")
  const pool = (name: string) => pools.find(one => one.name === name)?.id
  if (vhost === undefined) throw new Error("the demo has no vhost")
  return { vhost, old: pool("pool-2025"), new: pool("pool-2026") }
}

async function routed(gateway: Gateway, bucket: string): Promise<string | undefined> {
  const { vhost } = await demo(gateway)
  const routes = await gateway.ask<Route[]>("GET", `/vhosts/${vhost.id}/routes`)
  return routes.find(route => route.path_prefix === `/${bucket}/`)?.pool_name
}

/** A bucket with a route of its own, which takes a while to move. */
async function bucket(gateway: Gateway, name: string, pool: "pool-2025" | "pool-2026", count: number) {
  const ids = await demo(gateway)
  await gateway.fill(pool, name, count, 256 * KIB)
  const pool_id = pool === "pool-2025" ? ids.old : ids.new
  await gateway.ask("POST", `/vhosts/${ids.vhost.id}/routes`, { path_prefix: `/${name}/`, pool_id })
  await gateway.ask("POST", "/config/reload")
}

test("a whole migration is watched, while a client writes; then the route leads to the new pool", async ({
  page,
  gateway,
}) => {
  await bucket(gateway, "videos", "pool-2026", 80)
  await page.goto("/web/migrations?new")
  const start = page.getByRole("dialog", { name: "Move a bucket" })
  await choose(start, "From pool", "pool-2026")
  await choose(start, "Bucket", "videos")
  await choose(start, "To pool", "pool-2025")
  await start.getByRole("button", { name: "Move it" }).click()
  await page.getByRole("button", { name: "videos", exact: true }).click()

  const dialog = page.getByRole("dialog", { name: /^Migration \d+: videos/ })
  const phases = dialog.getByRole("list", { name: "Phases" }).getByRole("listitem")
  await expect(phases.nth(1)).toHaveAttribute("aria-current", "step")
  await isAccessible(page)
  // Through nginx, while the bucket is being copied.
  expect((await s3(gateway, "PUT", "/videos/late", "written meanwhile")).status).toBe(200)
  expect(await routed(gateway, "videos")).toBe("pool-2026")
  await expect(dialog.getByRole("progressbar")).toHaveAttribute("aria-valuenow", /^[1-9]/)
  await expect(dialog.getByRole("img", { name: /^Throughput of the last .* at most .*\/s/ })).toBeVisible()
  await isAccessible(page)

  await expect(phases.last()).toContainText("Done, behind it")
  await expect(phases.filter({ hasText: "behind it" })).toHaveCount(6)
  await expect(phases.nth(2)).toContainText(/for \d+ ms/)
  for (const told of [0, 1, 4, 5]) await expect(phases.nth(told).locator("time")).toBeVisible()
  await isAccessible(page)
  const { id } = await newest(gateway)
  const log = await gateway.ask<MigrationLogLine[]>("GET", `/migrations/${id}/log`)
  expect([...new Set(log.toReversed().map(line => line.phase))]).toEqual(["pending", "copying", "switching", "done"])

  expect(await routed(gateway, "videos")).toBe("pool-2025")
  // Whatever nginx answers now comes from the new pool.
  await rm(gateway.stored("pool-2026", "videos"), { recursive: true })
  expect(await s3(gateway, "GET", "/videos/late")).toEqual({ status: 200, body: "written meanwhile" })
  expect((await s3(gateway, "GET", "/videos/object-79")).body).toHaveLength(256 * KIB)
})

test("a migration is paused, resumed, found stuck, and cancelled; the source goes on", async ({ page, gateway }) => {
  await bucket(gateway, "archive", "pool-2026", 400)
  const ids = await demo(gateway)
  const body = { bucket: "archive", src_pool_id: ids.new, dst_pool_id: ids.old, mode: "copy" }
  const { id } = await gateway.ask<Migration>("POST", "/migrations", body)
  await page.goto("/")
  const moving = page.getByRole("link", { name: /archive: pool-2026 → pool-2025, copying/ })
  await expect(moving).toBeVisible()
  await moving.click()

  const dialog = page.getByRole("dialog", { name: `Migration ${id}: archive` })
  await dialog.getByRole("button", { name: "Pause" }).click()
  await expect(dialog.getByText("paused", { exact: true })).toBeVisible()
  expect(await migration(gateway, id)).toMatchObject({ paused: true, phase: "copying" })
  await dialog.getByRole("button", { name: "Resume" }).click()
  await expect(dialog.getByText("copying", { exact: true })).toBeVisible()
  expect(await migration(gateway, id)).toMatchObject({ paused: false, phase: "copying" })

  await dialog.getByRole("button", { name: "Pause" }).click()
  await expect(dialog.getByText("paused", { exact: true })).toBeVisible()
  await rm(gateway.stored("pool-2026", "archive"), { recursive: true })
  await page.reload()
  await expect(page.getByText(`Migration ${id} of archive: its bucket is gone from the source.`)).toBeVisible()
  await dialog.getByRole("button", { name: "Cancel it" }).click()
  const confirm = page.getByRole("dialog", { name: `Cancel migration ${id}?` })
  await expect(confirm).toContainText("pool-2026 goes on serving archive")
  await isAccessible(page)
  await confirm.getByRole("button", { name: "Cancel the migration" }).click()
  await expect(dialog.getByText("cancelled", { exact: true }).first()).toBeVisible()
  await expect(dialog.getByRole("listitem").filter({ hasText: "ended here" })).toHaveCount(1)
  await expect.poll(async () => (await migration(gateway, id)).phase).toBe("cancelled")
  expect(await routed(gateway, "archive")).toBe("pool-2026")
})

test("a bucket is mirrored: not onto what another pool has of it, and then it is", async ({ page, gateway }) => {
  await bucket(gateway, "mirrored", "pool-2026", 3)
  await gateway.fill("pool-2025", "mirrored", 9, 1)
  await page.goto("/web/migrations?new")
  const start = page.getByRole("dialog", { name: "Move a bucket" })
  await choose(start, "From pool", "pool-2026")
  await choose(start, "Bucket", "mirrored")
  await choose(start, "To pool", "pool-2025")
  await start.getByText("sync", { exact: true }).click()
  await expect(start).toContainText("it has to be empty when it begins")
  await start.getByRole("button", { name: "Look first" }).click()
  await expect(start.getByRole("button", { name: "Move it" })).toBeDisabled()
  await isAccessible(page)
  await rm(gateway.stored("pool-2025", "mirrored"), { recursive: true })
  await start.getByRole("button", { name: "Look first" }).click()
  await start.getByRole("button", { name: "Move it" }).click()
  await expect(page.getByRole("row", { name: /mirrored/ }).first()).toContainText("done", { timeout: 90_000 })
  expect(await newest(gateway)).toMatchObject({ bucket: "mirrored", mode: "sync", phase: "done" })
  expect(await routed(gateway, "mirrored")).toBe("pool-2025")
  expect((await s3(gateway, "GET", "/mirrored/object-2")).body).toHaveLength(256 * KIB)
})

test("f03 the pool that a bucket is being moved to names the migration, and offers no deletion", async ({
  page,
  gateway,
}) => {
  await bucket(gateway, "underway", "pool-2026", 400)
  const ids = await demo(gateway)
  const body = { bucket: "underway", src_pool_id: ids.new, dst_pool_id: ids.old, mode: "copy" }
  const { id } = await gateway.ask<Migration>("POST", "/migrations", body)
  await expect.poll(async () => (await migration(gateway, id)).objects_done).toBeGreaterThan(0)
  await gateway.ask("POST", `/migrations/${id}/pause`)
  await page.goto(`/web/buckets?by=pool&pool=${ids.old}`)
  const row = page.getByRole("row", { name: /underway/ })
  await expect(row).toContainText("migrating")
  await expect(row.getByRole("button", { name: "Objects of underway" })).toBeVisible()
  await expect(row.getByRole("button", { name: "Delete the objects of underway" })).toHaveCount(0)
  await expect(row.getByRole("button", { name: "Route underway" })).toHaveCount(0)
  await isAccessible(page)
  await row.getByRole("link", { name: `migration ${id}` }).click()
  const dialog = page.getByRole("dialog", { name: `Migration ${id}: underway` })
  await dialog.getByRole("button", { name: "Cancel it" }).click()
  await page
    .getByRole("dialog", { name: `Cancel migration ${id}?` })
    .getByRole("button", { name: /^Cancel the/ })
    .click()
  const standing = async () => {
    const held = await gateway.ask<{ buckets: HeldBucket[] }>("GET", `/pools/${ids.old}/buckets/status`)
    return held.buckets.find(one => one.bucket === "underway")?.status
  }
  await expect.poll(standing, { timeout: 60_000 }).toBe("unrouted")
  // What it copied is nobody's now, and can go.
  await page.goto(`/web/buckets?by=pool&pool=${ids.old}`)
  await expect(row).toContainText("nobody")
  await row.getByRole("button", { name: "Delete the objects of underway" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete the objects" }).click()
  await expect(page.getByText(/objects of underway are deleted from pool-2025/)).toBeVisible()
  expect(await routed(gateway, "underway")).toBe("pool-2026")
})

test("another pool for a route moves its objects first, and so does a new route", async ({ page, gateway }) => {
  const { vhost } = await demo(gateway)
  await page.goto(`/web/vhosts/${vhost.id}`)
  await page.getByRole("button", { name: "What to do with /photos/" }).click()
  await page.getByRole("menuitem", { name: "Edit" }).click()
  let dialog = page.getByRole("dialog")
  await choose(dialog, "Pool", "pool-2025")
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(page.getByText(/Migration \d+ carries the objects over/)).toBeVisible()
  await expect.poll(() => routed(gateway, "photos"), { timeout: 60_000 }).toBe("pool-2025")
  expect(await newest(gateway)).toMatchObject({ bucket: "photos", dst_pool_name: "pool-2025" })

  // The default pool holds its objects: a route alone would leave them behind.
  await gateway.ask("POST", `/vhosts/${vhost.id}/buckets/sync`)
  await page.goto("/web/buckets")
  await page.getByRole("button", { name: "What to do with documents" }).click()
  await page.getByRole("menuitem", { name: "Route to a pool" }).click()
  dialog = page.getByRole("dialog", { name: "Route documents" })
  await choose(dialog, "Pool", "pool-2026")
  await dialog.getByRole("switch", { name: "Move the objects first" }).press("Space")
  await dialog.getByRole("button", { name: "Route it" }).click()
  await expect(dialog.getByRole("alert")).toContainText("allow_orphan")
  expect(await routed(gateway, "documents")).toBeUndefined()
  await expect(dialog.getByRole("button", { name: "Route without migration" })).toBeVisible()
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Enable migration & route" }).click()
  await expect(page.getByText(/Migration \d+ moves documents from pool-2025 to pool-2026/)).toBeVisible()
  await expect.poll(() => routed(gateway, "documents"), { timeout: 60_000 }).toBe("pool-2026")
  await expect.poll(async () => (await newest(gateway)).phase).toBe("done")
})
