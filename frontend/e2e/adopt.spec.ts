import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"

import type { Migration, Route, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { s3 } from "./s3"
import { splitOf041 } from "./split"
import { expect, isAccessible, test } from "./test"

/** A bucket of the demo, an object of it, and the two pools. */
const SPLITS = [
  { side: "source", bucket: "photos", key: "beach.txt", from: "pool-2026", to: "pool-2025" },
  { side: "destination", bucket: "documents", key: "welcome.txt", from: "pool-2025", to: "pool-2026" },
] as const

async function servedBy(gateway: Gateway, bucket: string) {
  const [vhost] = await gateway.ask<Vhost[]>("GET", "/vhosts")
  const routes = await gateway.ask<Route[]>("GET", `/vhosts/${vhost?.id}/routes`)
  return routes.find(route => route.path_prefix === `/${bucket}/`)?.pool_name
}

async function unfinished(gateway: Gateway) {
  const all = await gateway.ask<Migration[]>("GET", "/migrations")
  return all.filter(one => one.needs_adoption || !["done", "cancelled"].includes(one.phase))
}

for (const { side, bucket, key, from, to } of SPLITS) {
  test(`f53 a split that 0.4.x left behind is ended on its ${side} by a button, and nothing is lost`, async ({
    page,
    gateway,
  }) => {
    test.setTimeout(400_000)
    const before = await s3(gateway, "GET", `/${bucket}/${key}`)
    await gateway.fill(to, bucket, 0, 0)
    await writeFile(join(gateway.stored(to, bucket), "late"), "written during the split")
    await splitOf041(gateway, { bucket, from, to })

    await page.goto("/web/migrations")
    const row = page.getByRole("row", { name: new RegExp(`${bucket}.*left by 0.4.x: decide`) })
    await row.getByRole("button", { name: bucket, exact: true }).click()
    const dialog = page.getByRole("dialog", { name: new RegExp(`^Migration \\d+: ${bucket}`) })
    const [stay, move] = [`Stay on ${from}`, `Move to ${to}`]
    await expect(dialog.getByRole("button", { name: move })).toBeVisible()
    await isAccessible(page)
    const button = dialog.getByRole("button", { name: side === "source" ? stay : move })
    await button.click()
    const confirm = page.getByRole("dialog", { name: `End the split of ${bucket}?` })
    await expect(confirm).toContainText("Nothing that a client was told is written is lost.")
    await isAccessible(page)
    // A second thought first: nothing is done, and the focus is where it was.
    await page.keyboard.press("Escape")
    await expect(confirm).toBeHidden()
    await expect(button).toBeFocused()
    await button.click()
    await confirm.getByRole("button", { name: "End the split" }).click()
    await expect(page.getByText(`The split of ${bucket} is being ended`)).toBeVisible()
    await page.keyboard.press("Escape")
    const ending = page.getByRole("row", { name: new RegExp(`${bucket}.*end of a split`) })
    await expect(ending).toContainText("done", { timeout: 150_000 })
    await expect(page.getByText("left by 0.4.x: decide")).toBeHidden({ timeout: 150_000 })

    await expect.poll(() => unfinished(gateway), { timeout: 150_000 }).toEqual([])
    expect(await servedBy(gateway, bucket)).toBe(side === "source" ? from : to)
    expect(await s3(gateway, "GET", `/${bucket}/late`)).toEqual({ status: 200, body: "written during the split" })
    expect(await s3(gateway, "GET", `/${bucket}/${key}`)).toEqual(before)
    expect(await readFile(gateway.managed("vhosts/localhost.conf"), "utf8")).not.toContain("LIVE MIGRATION")
  })
}
