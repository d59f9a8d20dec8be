import { writeFile } from "node:fs/promises"

import { everyPage } from "./pages"
import { expect, isAccessible, test } from "./test"

const HOSTILE = `"><img src=x onerror="window.hit=1"><svg/onload=window.hit=1>'-window.hit-'javascript:window.hit=1//\${window.hit=1}`

/** Names and texts that an answer may hold; what is left are numbers, times and words from closed lists. */
const TEXTS = new Set([
  "name",
  "description",
  "server_name",
  "address",
  "pool_name",
  "path_prefix",
  "example",
  "path",
  "diff",
  "filepath",
  "content",
  "unreachable_because",
  "ssl_certificate",
  "ssl_certificate_key",
  "extra_directives",
  "key_prefix",
  "last_result",
  "last_error",
  "nginx_version",
  "nginx_reload_output",
  "actor",
  "action",
  "entity_type",
  "access_key_masked",
  "endpoint_url",
  "problem",
  "version",
  "value",
  "key",
  "config_file",
  "bucket",
  "src_pool_name",
  "dst_pool_name",
  "message",
  "error_msg",
  "summary",
  "why",
  "uncertain",
  "directives",
  "reason",
  "place",
  "field",
  "before",
  "after",
  "warnings",
  "unmanaged",
  "output",
])

function poisoned(value: unknown, name = ""): unknown {
  if (typeof value === "string") return TEXTS.has(name) ? `${value}${HOSTILE}` : value
  if (Array.isArray(value)) return value.map(inner => poisoned(inner, name))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, poisoned(inner, key)]))
}

test("f39 hostile text in every field of every answer is shown as text", async ({ page, gateway }) => {
  await gateway.ask("POST", "/vhosts/1/buckets/sync")
  const body = { bucket: "photos", src_pool_id: 2, dst_pool_id: 1, mode: "copy" }
  const { id } = await gateway.ask<{ id: number }>("POST", "/migrations", body)
  await page.route("**/api/**", async route => {
    if (route.request().url().includes("/api/events")) return route.continue()
    const answer = await route.fetch()
    return route.fulfill({ response: answer, json: poisoned(await answer.json()) })
  })
  const isText = async (what: string) => {
    await expect(page.getByText("onerror=").first()).toBeVisible()
    await isAccessible(page)
    expect(await page.evaluate(() => "hit" in window), what).toBe(false)
    expect(await page.locator("img[src=x], svg[onload]").count(), what).toBe(0)
    const links = await page.locator("a[href]").evaluateAll(all => all.map(link => link.getAttribute("href") ?? ""))
    expect(
      links.filter(link => /^\s*javascript:/i.test(link)),
      what,
    ).toEqual([])
  }
  const pages = (await everyPage(gateway)).filter(({ name }) => name !== "jobs")
  for (const path of [...pages.map(one => one.path), `/web/migrations?migration=${id}`]) {
    await page.goto(path)
    await isText(path)
  }
  await page.goto("/web/config?tab=history&revision=2")
  const revision = page.getByRole("dialog", { name: "Revision 2" })
  await expect(revision.getByText("onerror=").first()).toBeVisible()
  await isText("a revision")
  await revision.getByRole("button", { name: "Back to how it was then" }).click()
  await expect(page.getByRole("region", { name: "Plan" }).getByText("onerror=").first()).toBeVisible()
  await isText("the way back")
  await page.goto("/web/config?tab=document")
  await page.getByRole("textbox", { name: "Document" }).fill("version: 1\npools:\n  planned: {}")
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  await expect(page.getByRole("region", { name: "Plan" }).getByText("onerror=").first()).toBeVisible()
  await isText("a plan")
})

test("f39 hostile text in a document and in a reason is text in the plan and in the history", async ({ page }) => {
  const document = { version: 1, pools: { "pool-2025": { description: HOSTILE } } }
  await page.goto("/web/config?tab=document")
  await page.getByRole("textbox", { name: "Document" }).fill(JSON.stringify(document))
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  await expect(page.getByRole("region", { name: "Plan" })).toContainText(HOSTILE)
  await page.getByRole("button", { name: "Apply" }).click()
  const dialog = page.getByRole("dialog")
  await dialog.getByLabel("Why").fill(HOSTILE)
  await dialog.getByRole("button", { name: "Apply" }).click()
  await expect(dialog).toBeHidden()
  await page.goto("/web/config?tab=history")
  await expect(page.getByRole("cell", { name: HOSTILE })).toBeVisible()
  await page.getByRole("row", { name: HOSTILE }).getByRole("button").click()
  await expect(page.getByRole("dialog").getByText(HOSTILE)).toBeVisible()
  await isAccessible(page)
  expect(await page.evaluate(() => "hit" in window)).toBe(false)
})

test("keys that a storage node really has are shown as they are", async ({ page, gateway }) => {
  const key = `<img src=x onerror="window.hit=1">'javascript:window.hit=1`
  await writeFile(`${gateway.stored("pool-2025", "documents")}/${key}`, "")
  await page.goto("/web/buckets?by=pool&pool=1")
  await page.getByRole("button", { name: "Objects of documents" }).click()
  await expect(page.getByRole("dialog").getByText(key)).toBeVisible()
  expect(await page.evaluate(() => "hit" in window)).toBe(false)
})

test("f39 hostile text that the API takes, and a hostile file name on disk, are shown as text", async ({
  page,
  gateway,
}) => {
  const pool = await gateway.ask<{ id: number }>("POST", "/pools", { name: "hostile", description: HOSTILE })
  await page.goto("/web/pools")
  await expect(page.getByRole("cell", { name: /^hostile / }).getByText(HOSTILE)).toBeVisible()
  await page.goto(`/web/pools/${pool.id}`)
  await expect(page.getByText(HOSTILE)).toBeVisible()
  await page.getByRole("button", { name: "Edit" }).click()
  await expect(page.getByLabel("Description")).toHaveValue(HOSTILE)
  const name = `<img src=x onerror=alert(1)>'".conf`
  await writeFile(gateway.managed(`vhosts/${name}`), "# nothing\n")
  await page.goto("/web/config")
  await expect(page.getByText("onerror=alert(1)").first()).toBeVisible()
  await page.goto("/web/audit")
  await page.getByRole("button", { name: "Created pool hostile" }).click()
  await expect(page.getByRole("dialog").getByText(HOSTILE)).toBeVisible()
  // What was not found is said back as text, too.
  await page.goto(`/web/audit?entity_type=${encodeURIComponent(HOSTILE)}&from=${encodeURIComponent(HOSTILE)}`)
  await expect(page.getByRole("alert")).toBeVisible()
  expect(await page.evaluate(() => "hit" in window)).toBe(false)
})
