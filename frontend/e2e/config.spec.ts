import { appendFile, readFile, rm, writeFile } from "node:fs/promises"

import type { ConfigStatus, Pool } from "../src/api/client"
import type { Gateway } from "./gateway"
import { expect, isAccessible, test } from "./test"

const status = (gateway: Gateway) => gateway.ask<ConfigStatus>("GET", "/config/status")

async function poolWithFile(gateway: Gateway, name: string): Promise<Pool> {
  const pool = await gateway.ask<Pool>("POST", "/pools", { name })
  await gateway.ask("POST", `/pools/${pool.id}/members`, { address: "127.0.0.1:9" })
  return pool
}

test("changes wait for a reload, and the reload makes nginx run them", async ({ page, gateway }) => {
  await poolWithFile(gateway, "pending")
  await page.goto("/")
  await page.getByRole("link", { name: "Reload nginx" }).click()
  const dialog = page.getByRole("dialog", { name: "Reload nginx?" })
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Reload" }).click()
  await expect(page.getByText("nginx runs the new configuration")).toBeVisible()
  await expect(page.getByText("nginx runs what is on disk")).toBeVisible()
  expect((await status(gateway)).pending_reload).toBe(false)
  await page.getByRole("button", { name: "Test", exact: true }).click()
  await expect(page.getByText("nginx accepts what is on disk")).toBeVisible()
  await isAccessible(page)
})

test("an edit on disk is shown with its difference, and undone", async ({ page, gateway }) => {
  await poolWithFile(gateway, "undone")
  const path = gateway.managed("pools/undone.conf")
  const written = await readFile(path, "utf8")
  await writeFile(path, written.replace("weight=1", "weight=77"))
  await page.goto("/web/config")
  const difference = page.getByLabel(`Difference in ${path}`)
  await expect(difference.getByText(/^\+.*weight=77/)).toBeVisible()
  await expect(difference.getByText(/^-.*weight=1 /)).toBeVisible()
  await isAccessible(page)
  await page.getByRole("button", { name: "Undo the edit" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Write it anew" }).click()
  await expect(difference).toBeHidden()
  expect(await readFile(path, "utf8")).toBe(written)
})

test("each file has its own actions, also where many were edited", async ({ page, gateway }) => {
  const names = ["one", "two", "three", "four", "five"].map(name => `many-${name}`)
  for (const name of names) {
    await poolWithFile(gateway, name)
    const path = gateway.managed(`pools/${name}.conf`)
    await writeFile(path, (await readFile(path, "utf8")).replace("weight=1", "weight=76"))
  }
  await page.goto("/web/config")
  const act = async (name: string, what: string) => {
    await page.getByRole("button", { name: `What to do with ${gateway.managed(`pools/${name}.conf`)}` }).click()
    await page.getByRole("menuitem", { name: what }).click()
  }
  const dialog = page.getByRole("dialog")
  await act("many-five", "Show the difference")
  await expect(dialog.getByText(/^\+.*weight=76/)).toBeVisible()
  await isAccessible(page)
  await page.keyboard.press("Escape")
  await act("many-five", "Take the edit over")
  await dialog.getByRole("button", { name: "Take it over" }).click()
  await expect(dialog).toBeHidden()
  for (const name of names.slice(0, 4)) {
    await act(name, "Undo the edit")
    await dialog.getByRole("button", { name: "Write it anew" }).click()
    await expect(dialog).toBeHidden()
  }
  const weights = await Promise.all(names.map(name => readFile(gateway.managed(`pools/${name}.conf`), "utf8")))
  expect(weights.map(text => /weight=(\d+)/.exec(text)?.[1])).toEqual(["1", "1", "1", "1", "76"])
  expect((await status(gateway)).files.filter(file => file.drifted)).toEqual([])
})

test("an edit on disk is taken over into the database", async ({ page, gateway }) => {
  const pool = await poolWithFile(gateway, "taken-over")
  const path = gateway.managed("pools/taken-over.conf")
  await writeFile(path, (await readFile(path, "utf8")).replace("weight=1", "weight=78"))
  await page.goto("/web/config")
  await page.getByRole("button", { name: "Take the edit over" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Take it over" }).click()
  await expect(page.getByLabel(`Difference in ${path}`)).toBeHidden()
  expect(await gateway.ask("GET", `/pools/${pool.id}/members`)).toMatchObject([{ weight: 78 }])
})

test("an edit that the database has no place for is refused with the reason", async ({ page, gateway }) => {
  await poolWithFile(gateway, "no-place")
  const path = gateway.managed("pools/no-place.conf")
  const written = await readFile(path, "utf8")
  await writeFile(path, written.replace("least_conn;", "least_conn;\n    zone strange 64k;"))
  await page.goto("/web/config")
  await page.getByRole("button", { name: "Take the edit over" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Take it over" }).click()
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("zone")
  await writeFile(path, written)
})

test("every edit on disk is taken over, and every file is written anew", async ({ page, gateway }) => {
  const pool = await poolWithFile(gateway, "all-at-once")
  const path = gateway.managed("pools/all-at-once.conf")
  await writeFile(path, (await readFile(path, "utf8")).replace("weight=1", "weight=79"))
  await page.goto("/web/config")
  await page.getByRole("button", { name: "More" }).click()
  await page.getByRole("menuitem", { name: "Take over every edit on disk" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Take them over" }).click()
  await expect(page.getByText(/files were taken over/)).toBeVisible()
  expect(await gateway.ask("GET", `/pools/${pool.id}/members`)).toMatchObject([{ weight: 79 }])

  await rm(path)
  await page.reload()
  await expect(page.getByText("missing", { exact: true }).first()).toBeVisible()
  await page.getByRole("button", { name: "More" }).click()
  await page.getByRole("menuitem", { name: "Write every file anew" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Write and reload" }).click()
  await expect(page.getByText(/files are written/)).toBeVisible()
  expect(await readFile(path, "utf8")).toContain("weight=79")
})

test("drift is shown on every page and on the dashboard's picture", async ({ page, gateway }) => {
  const path = gateway.managed("vhosts/localhost.conf")
  const written = await readFile(path, "utf8")
  await appendFile(path, "# by hand\n")
  await page.goto("/")
  await expect(
    page
      .getByText("its file was changed", { exact: false })
      .or(page.getByText("drift", { exact: true }))
      .first(),
  ).toBeVisible()
  await writeFile(path, written)
})

test("the database is backed up, and made again from the disk after it was shown what would come", async ({
  page,
  gateway,
}) => {
  await page.goto("/web/config")
  await page.getByRole("button", { name: "More" }).click()
  await page.getByRole("menuitem", { name: "Back up now" }).click()
  await expect(page.getByText("The database is backed up")).toBeVisible()
  await page.getByRole("button", { name: "More" }).click()
  await page.getByRole("menuitem", { name: "Rebuild the database from disk" }).click()
  const dialog = page.getByRole("dialog")
  await expect(dialog.getByText(/The disk holds \d+ pools/)).toBeVisible()
  await isAccessible(page)
  const rebuild = dialog.getByRole("button", { name: "Rebuild the database" })
  await expect(rebuild).toBeDisabled()
  const before = await gateway.ask<Pool[]>("GET", "/pools")
  await dialog.getByLabel(/^Replace the/).check()
  await rebuild.click()
  await expect(page.getByText(/are in the database/)).toBeVisible()
  const after = await gateway.ask<Pool[]>("GET", "/pools")
  expect(after.map(pool => [pool.id, pool.name])).toEqual(before.map(pool => [pool.id, pool.name]))
})

test("each accepted change is in the history, with what it changed beside what was", async ({ page, gateway }) => {
  const [pool] = await gateway.ask<Pool[]>("GET", "/pools")
  await gateway.ask("PUT", `/pools/${pool?.id}`, { keepalive: 77 })
  await page.goto("/web/config?tab=history")
  await page
    .getByRole("button", { name: `Changed pool ${pool?.id}` })
    .first()
    .click()
  const dialog = page.getByRole("dialog", { name: /^Revision \d+$/ })
  const diff = dialog.getByRole("group", { name: /^What revision \d+ changed$/ })
  await expect(diff).toContainText("keepalive 77")
  await expect(diff).toContainText("keepalive 32")
  await isAccessible(page)
})

test("a document is planned, applied as it was planned, and planned again it is empty", async ({ page, gateway }) => {
  await page.goto("/web/config?tab=document")
  const document = ["version: 1", "pools:", "  <b>from a document</b>:", "    description: none"].join("\n")
  await page.getByRole("textbox", { name: "Document" }).fill(document)
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  await expect(page.getByRole("alert")).toContainText("<b>from a document</b>")
  await page.getByLabel("A document", { exact: true }).setInputFiles({
    name: "gateway.yaml",
    mimeType: "application/yaml",
    buffer: Buffer.from(document.replace("<b>from a document</b>", "from-a-document")),
  })
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  const plan = page.getByRole("region", { name: "Plan" })
  await expect(plan).toContainText("from-a-document")
  await expect(plan).toContainText("create")
  await isAccessible(page)
  await page.getByRole("button", { name: "Apply" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Apply" }).click()
  await expect(page.getByText(/made\. nginx runs them after a reload/)).toBeVisible()
  const names = (await gateway.ask<Pool[]>("GET", "/pools")).map(one => one.name)
  expect(names).toContain("from-a-document")
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  await expect(page.getByText("The gateway is what the document says")).toBeVisible()
  const saved = page.waitForEvent("download")
  await page.getByRole("button", { name: /^Save this gateway/ }).click()
  expect((await saved).suggestedFilename()).toBe("gateway.yaml")
})

test("a bucket that a document would lead away from its objects is named with the command that moves it", async ({
  page,
  gateway,
}) => {
  const answer = await fetch(`${gateway.url}/api/config/export?format=json`, {
    headers: { "X-Orchestrator-Key": gateway.key },
  })
  const document = (await answer.json()) as { vhosts: Record<string, { routes: Record<string, { pool: string }> }> }
  const route = document.vhosts.localhost?.routes["/photos/"]
  if (route === undefined) throw new Error("the demo routes photos")
  route.pool = route.pool === "pool-2025" ? "pool-2026" : "pool-2025"
  await page.goto("/web/config?tab=document")
  await page.getByRole("textbox", { name: "Document" }).fill(JSON.stringify(document))
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  const plan = page.getByRole("region", { name: "Plan" })
  await expect(plan).toContainText("must be moved with their objects first")
  await expect(plan).toContainText("nanio-orchestrator migration start")
  await expect(page.getByRole("button", { name: "Apply" })).toBeDisabled()
  await isAccessible(page)
})

test("a change says why, and is undone with everything since", async ({ page, gateway }) => {
  const pool = await poolWithFile(gateway, "came-later")
  const [now] = await gateway.ask<{ number: number }[]>("GET", "/config/revisions?limit=1")
  await page.goto(`/web/pools/${pool.id}`)
  await page.getByRole("button", { name: "Edit", exact: true }).first().click()
  const form = page.getByRole("dialog")
  await form.getByLabel("Keepalive").fill("44")
  await form.getByLabel("Why").fill("ticket 7: número <b>")
  await form.getByRole("button", { name: "Save" }).click()
  await expect(form).toBeHidden()
  await page.goto("/web/config?tab=history")
  await expect(page.getByRole("row", { name: /ticket 7: número <b>/ })).toBeVisible()
  await page.goto(`/web/config?tab=history&revision=${now?.number}`)
  await page.getByRole("button", { name: "Back to how it was then" }).click()
  const back = page.getByRole("dialog", { name: `Back to revision ${now?.number}` })
  await expect(back.getByRole("region", { name: "Plan" })).toContainText("keepalive")
  await isAccessible(page)
  await back.getByRole("button", { name: "Make it so again" }).click()
  await expect(page.getByText(/is what it was after revision/)).toBeVisible()
  expect((await gateway.ask<Pool>("GET", `/pools/${pool.id}`)).keepalive).toBe(32)
  const [newest] = await gateway.ask<{ entries: { reason: string | null }[] }[]>("GET", "/config/revisions?limit=1")
  expect(newest?.entries[0]?.reason).toContain(`${now?.number}`)
})
