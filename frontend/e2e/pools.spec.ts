import { readFile } from "node:fs/promises"

import type { Page } from "@playwright/test"

import type { Member, Pool } from "../src/api/client"
import type { Gateway } from "./gateway"
import { choose, expect, isAccessible, test } from "./test"

async function pool(gateway: Gateway, name: string, more: object = {}): Promise<Pool> {
  return gateway.ask<Pool>("POST", "/pools", { name, ...more })
}

async function member(gateway: Gateway, of: Pool, address: string, more: object = {}): Promise<Member> {
  return gateway.ask<Member>("POST", `/pools/${of.id}/members`, { address, ...more })
}

const members = (gateway: Gateway, of: Pool) => gateway.ask<Member[]>("GET", `/pools/${of.id}/members`)

async function act(page: Page, on: string, what: string) {
  await page.getByRole("button", { name: `What to do with ${on}` }).click()
  await page.getByRole("menuitem", { name: what, exact: true }).click()
}

test("a pool is made, what is wrong with it is said beside the field", async ({ page, gateway }) => {
  await page.goto("/web/pools")
  await page.getByRole("button", { name: "New pool" }).click()
  const dialog = page.getByRole("dialog", { name: "New pool" })
  await dialog.getByLabel("Name").fill("not a name")
  await dialog.getByLabel("Keepalive").fill("0")
  await dialog.getByRole("button", { name: "Create pool" }).click()
  await expect(dialog.getByLabel("Name")).toHaveAttribute("aria-invalid", "true")
  await isAccessible(page)
  await dialog.getByLabel("Name").fill("made-here")
  await dialog.getByLabel("Description").fill("by a click")
  await dialog.getByLabel("Keepalive").fill("7")
  await choose(dialog, "Load balancing", /^round_robin/)
  await dialog.getByRole("button", { name: "Create pool" }).click()
  await expect(page.getByRole("link", { name: "made-here" })).toBeVisible()
  const made = (await gateway.ask<Pool[]>("GET", "/pools")).find(one => one.name === "made-here")
  expect(made).toMatchObject({ description: "by a click", keepalive: 7, lb_method: "round_robin", type: "nanio" })
})

test("an http pool names the nanio pool whose files it serves", async ({ page, gateway }) => {
  const source = await pool(gateway, "source-of-files")
  await page.goto("/web/pools?new")
  const dialog = page.getByRole("dialog", { name: "New pool" })
  await dialog.getByLabel("Name").fill("files-over-http")
  await choose(dialog, "Type", /^http/)
  await choose(dialog, "Backing nanio pool", "source-of-files")
  await dialog.getByRole("button", { name: "Create pool" }).click()
  await page.getByRole("link", { name: "files-over-http" }).click()
  await expect(page.getByRole("link", { name: "source-of-files" })).toBeVisible()
  const made = (await gateway.ask<Pool[]>("GET", "/pools")).find(one => one.name === "files-over-http")
  expect(made).toMatchObject({ type: "http", source_nanio_pool_id: source.id })
})

test("members are added, edited, switched off and removed, and nginx gets them", async ({ page, gateway }) => {
  const own = await pool(gateway, "of-members")
  await page.goto(`/web/pools/${own.id}`)
  await page.getByRole("button", { name: "Add member" }).first().click()
  let dialog = page.getByRole("dialog", { name: "Add a member" })
  await dialog.getByLabel("Address").fill("no-port")
  await dialog.getByRole("button", { name: "Add member" }).click()
  await expect(dialog.getByLabel("Address")).toHaveAttribute("aria-invalid", "true")
  await dialog.getByLabel("Address").fill("127.0.0.1:9")
  await dialog.getByRole("button", { name: "Add member" }).click()
  await expect(page.getByRole("cell", { name: "127.0.0.1:9", exact: true })).toBeVisible()
  expect(await readFile(gateway.managed("pools/of-members.conf"), "utf8")).toContain("server 127.0.0.1:9 ")

  await act(page, "127.0.0.1:9", "Edit")
  dialog = page.getByRole("dialog", { name: "Edit member" })
  await dialog.getByLabel("Weight").fill("42")
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(dialog).toBeHidden()
  expect((await members(gateway, own))[0]).toMatchObject({ weight: 42, enabled: true })
  await expect(page.getByText("weight=42")).toBeVisible()

  await act(page, "127.0.0.1:9", "Edit")
  await dialog.getByRole("switch", { name: "Enabled" }).press("Space")
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(dialog).toBeHidden()
  expect((await members(gateway, own))[0]).toMatchObject({ enabled: false })
  await expect(page.getByText("a pool without enabled members has no upstream")).toBeVisible()

  await act(page, "127.0.0.1:9", "Delete")
  await page.getByRole("button", { name: "Delete member" }).click()
  await expect(page.getByText("This pool has no members")).toBeVisible()
  expect(await members(gateway, own)).toEqual([])
  await isAccessible(page)
})

test("a member that does not answer is told with the reason, and one that does as well", async ({ page, gateway }) => {
  const pools = await gateway.ask<Pool[]>("GET", "/pools")
  const served = pools.find(one => one.name === "pool-2025")
  await page.goto(`/web/pools/${served?.id}`)
  await expect(page.getByText("reachable", { exact: true }).first()).toBeVisible()
  const dead = await pool(gateway, "dead")
  await member(gateway, dead, "127.0.0.1:9")
  await page.goto(`/web/pools/${dead.id}`)
  await expect(page.getByText("unreachable", { exact: true })).toBeVisible({ timeout: 90_000 })
  await expect(page.getByText("since")).toBeVisible()
})

test("the files for a node are made, copied and saved", async ({ page, gateway, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"])
  const own = await pool(gateway, "of-nodes")
  await member(gateway, own, "127.0.0.1:9321")
  await page.goto(`/web/pools/${own.id}`)
  await act(page, "127.0.0.1:9321", "Set up this node")
  const dialog = page.getByRole("dialog", { name: "Set up 127.0.0.1:9321" })
  await expect(dialog.getByLabel("Port of nanio")).toHaveValue("9321")
  await dialog.getByLabel("Data directory").fill("relative")
  await dialog.getByRole("button", { name: "Make the files" }).click()
  await expect(dialog.getByLabel("Data directory")).toHaveAttribute("aria-invalid", "true")
  await dialog.getByLabel("Data directory").fill('/srv/"quoted"')
  await dialog.getByLabel("Access key").fill("node-key")
  await dialog.getByRole("textbox", { name: "Secret key" }).fill("node-secret")
  await dialog.getByRole("button", { name: "Make the files" }).click()
  await expect(dialog.getByText("node-secret").first()).toBeVisible()
  await isAccessible(page)
  await dialog.getByRole("button", { name: /^Copy .*options\.toml/ }).click()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  expect(copied).toContain("node-secret")
  const download = page.waitForEvent("download")
  await dialog.getByRole("button", { name: "Download" }).first().click()
  expect(await readFile((await (await download).path()) ?? "", "utf8")).toBe(copied)
})

test("S3 keys are stored, replaced and removed, and never shown", async ({ page, gateway }) => {
  const own = await pool(gateway, "of-keys")
  const keys = () =>
    gateway.ask<{ source: string; region: string; endpoint_url: string }>("GET", `/pools/${own.id}/credentials`)
  await page.goto(`/web/pools/${own.id}`)
  await page.getByRole("button", { name: "Set keys" }).click()
  const dialog = page.getByRole("dialog", { name: "S3 keys of of-keys" })
  await dialog.getByRole("button", { name: "Store keys" }).click()
  await expect(dialog.getByLabel("Access key")).toHaveAttribute("aria-invalid", "true")
  await dialog.getByLabel("Access key").fill("AKIAEXAMPLE")
  await dialog.getByRole("textbox", { name: "Secret key" }).fill("a very secret key")
  await dialog.getByLabel("Endpoint").fill("http://127.0.0.1:9000")
  await dialog.getByLabel("Region").fill("eu-west-3")
  await dialog.getByRole("button", { name: "Store keys" }).click()
  await expect(page.getByText("AKIA****")).toBeVisible()
  await expect(dialog).toBeHidden()
  expect(await keys()).toMatchObject({ source: "pool", region: "eu-west-3", endpoint_url: "http://127.0.0.1:9000" })
  expect(await page.content()).not.toContain("a very secret key")
  await page.getByRole("button", { name: "Replace" }).click()
  await dialog.getByLabel("Access key").fill("OTHERKEY")
  await dialog.getByRole("textbox", { name: "Secret key" }).fill("another secret")
  await dialog.getByRole("button", { name: "Store keys" }).click()
  await expect(page.getByText("OTHE****")).toBeVisible()
  await page.getByRole("button", { name: "Remove", exact: true }).click()
  await page.getByRole("button", { name: "Remove keys" }).click()
  await expect(page.getByText("The global ones of the settings")).toBeVisible()
  expect(await keys()).toMatchObject({ source: "global" })
})

test("a pool in use says by what, and the refusal is shown; one that is not is deleted", async ({ page, gateway }) => {
  const pools = await gateway.ask<Pool[]>("GET", "/pools")
  const used = pools.find(one => one.name === "pool-2026")
  await page.goto(`/web/pools/${used?.id}`)
  await page.getByRole("button", { name: "Delete" }).click()
  const dialog = page.getByRole("dialog")
  await expect(dialog.getByText("1 route uses it")).toBeVisible()
  await dialog.getByRole("button", { name: "Delete pool" }).click()
  await expect(dialog.getByRole("alert")).toContainText("localhost")
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Cancel" }).click()

  const unused = await pool(gateway, "unused")
  await page.goto(`/web/pools/${unused.id}`)
  await page.getByRole("button", { name: "Delete" }).click()
  await dialog.getByRole("button", { name: "Delete pool" }).click()
  await expect(page).toHaveURL("/web/pools")
  expect((await gateway.ask<Pool[]>("GET", "/pools")).map(one => one.name)).not.toContain("unused")
})

test("an edit that met a newer one shows both, loses nothing that was typed, and saves what was chosen", async ({
  page,
  gateway,
}) => {
  const own = await pool(gateway, "of-two", { description: "as it was" })
  await page.goto(`/web/pools/${own.id}`)
  await page.getByRole("button", { name: "Edit" }).click()
  const dialog = page.getByRole("dialog", { name: "Edit pool of-two" })
  await dialog.getByLabel("Description").fill("mine")
  await gateway.ask("PUT", `/pools/${own.id}`, { description: "theirs", keepalive: 99 })
  await dialog.getByRole("button", { name: "Save" }).click()
  const conflict = dialog.getByRole("alert")
  await expect(conflict).toContainText("Someone else changed this meanwhile")
  await expect(conflict.getByLabel("Yours: mine")).toBeChecked()
  await expect(conflict.getByLabel("Theirs: theirs")).not.toBeChecked()
  await expect(dialog.getByRole("textbox", { name: "Description" })).toHaveValue("mine")
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(dialog).toBeHidden()
  // Mine where I chose it, theirs where I touched nothing.
  expect(await gateway.ask("GET", `/pools/${own.id}`)).toMatchObject({ description: "mine", keepalive: 99 })
})
