import { get } from "node:http"

import type { Page } from "@playwright/test"

import type { Pool, Route, Vhost } from "../src/api/client"
import type { Gateway } from "./gateway"
import { choose, expect, isAccessible, test } from "./test"

async function vhost(gateway: Gateway, name: string, more: object = {}): Promise<Vhost> {
  return gateway.ask<Vhost>("POST", "/vhosts", { server_name: name, listen_port: gateway.port, ssl: false, ...more })
}

const routes = (gateway: Gateway, of: Vhost) => gateway.ask<Route[]>("GET", `/vhosts/${of.id}/routes`)

async function poolId(gateway: Gateway, name: string): Promise<number> {
  const found = (await gateway.ask<Pool[]>("GET", "/pools")).find(pool => pool.name === name)
  if (found === undefined) throw new Error(`there is no pool ${name}`)
  return found.id
}

/** What nginx answers to a client of a vhost: status and headers. */
function askNginx(
  gateway: Gateway,
  host: string,
  path: string,
): Promise<{ status: number; header: (name: string) => unknown }> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port: gateway.port, path, headers: { Host: host }, agent: false }, answer => {
      answer.resume()
      resolve({ status: answer.statusCode ?? 0, header: name => answer.headers[name] })
    }).on("error", reject)
  })
}

async function reload(page: Page) {
  await page.goto("/web/config?reload")
  await page.getByRole("dialog").getByRole("button", { name: "Reload" }).click()
  await expect(page.getByText("nginx runs the new configuration")).toBeVisible()
}

async function act(page: Page, on: string, what: string) {
  await page.getByRole("button", { name: `What to do with ${on}` }).click()
  await page.getByRole("menuitem", { name: what, exact: true }).click()
}

test("a vhost with TLS needs its files; without TLS nginx serves it after a reload", async ({ page, gateway }) => {
  await page.goto("/web/vhosts?new")
  const dialog = page.getByRole("dialog", { name: "New vhost" })
  await dialog.getByLabel("Server name").fill("made.here.test")
  await dialog.getByRole("button", { name: "Create vhost" }).click()
  await expect(dialog.getByRole("alert").or(dialog.locator("[aria-invalid=true]")).first()).toBeVisible()
  await dialog.getByLabel("Certificate chain").fill("/nowhere/cert.pem")
  await dialog.getByLabel("Private key").fill("/nowhere/key.pem")
  await dialog.getByRole("button", { name: "Create vhost" }).click()
  await expect(dialog.getByRole("alert"), "nginx's own words").toContainText("/nowhere/cert.pem")
  await isAccessible(page)
  await dialog.getByRole("switch", { name: "TLS" }).press("Space")
  await dialog.getByRole("textbox", { name: "Port" }).fill(String(gateway.port))
  await choose(dialog, "Default pool", /^pool-2025/)
  await dialog.getByRole("button", { name: "Create vhost" }).click()
  await expect(page.getByRole("link", { name: "made.here.test" })).toBeVisible()
  await reload(page)
  expect((await askNginx(gateway, "made.here.test", "/documents/")).status).not.toBe(404)
})

test("a vhost is edited, switched off and deleted", async ({ page, gateway }) => {
  const own = await vhost(gateway, "edited.test", { default_pool_id: await poolId(gateway, "pool-2025") })
  const now = () => gateway.ask<Vhost>("GET", `/vhosts/${own.id}`)
  await page.goto(`/web/vhosts/${own.id}`)
  await page.getByRole("button", { name: "Edit" }).click()
  const dialog = page.getByRole("dialog")
  await dialog.getByLabel("Server name").fill("renamed.test")
  await dialog.getByRole("switch", { name: "Enabled" }).press("Space")
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(page.getByRole("heading", { name: "renamed.test", exact: true })).toBeVisible()
  expect(await now()).toMatchObject({ server_name: "renamed.test", enabled: false })
  await page.getByRole("button", { name: "Delete" }).click()
  await expect(dialog).toContainText("no longer answers to renamed.test")
  await dialog.getByRole("button", { name: "Delete vhost" }).click()
  await expect(page).toHaveURL("/web/vhosts")
  expect((await gateway.ask<Vhost[]>("GET", "/vhosts")).map(one => one.server_name)).not.toContain("renamed.test")
})

test("routes are added, moved, switched off and deleted", async ({ page, gateway }) => {
  const own = await vhost(gateway, "routed.test", { default_pool_id: await poolId(gateway, "pool-2025") })
  await page.goto(`/web/vhosts/${own.id}`)
  await page.getByRole("button", { name: "Add route" }).click()
  const dialog = page.getByRole("dialog")
  await dialog.getByLabel("Prefix").fill("no-slash")
  await choose(dialog, "Pool", "pool-2026")
  await dialog.getByRole("button", { name: "Add route" }).click()
  await expect(dialog.getByLabel("Prefix")).toHaveAttribute("aria-invalid", "true")
  await dialog.getByLabel("Prefix").fill("/nothing-there/")
  await dialog.getByRole("button", { name: "Add route" }).click()
  await expect(page.getByRole("cell", { name: "/nothing-there/", exact: true })).toBeVisible()
  expect((await routes(gateway, own))[0]).toMatchObject({ path_prefix: "/nothing-there/", pool_name: "pool-2026" })

  await act(page, "/nothing-there/", "Edit")
  await choose(dialog, "Pool", "pool-2025")
  await dialog.getByRole("switch", { name: "Enabled" }).press("Space")
  await dialog.getByRole("button", { name: "Save" }).click()
  await expect(dialog).toBeHidden()
  expect((await routes(gateway, own))[0]).toMatchObject({ pool_name: "pool-2025", enabled: false })

  await act(page, "/nothing-there/", "Delete")
  await expect(dialog).toContainText("pool-2025, the default pool")
  await dialog.getByRole("button", { name: "Delete route" }).click()
  await expect(page.getByRole("cell", { name: "/nothing-there/", exact: true })).toBeHidden()
  expect((await routes(gateway, own)).map(route => route.path_prefix)).toEqual(["/"])
  await isAccessible(page)
})

test("many routes are deleted at once; what is refused stays, until somebody insists", async ({ page, gateway }) => {
  const [old, other] = [await poolId(gateway, "pool-2025"), await poolId(gateway, "pool-2026")]
  const own = await vhost(gateway, "many.test", { default_pool_id: old })
  for (let number = 0; number < 12; number++) {
    await gateway.ask("POST", `/vhosts/${own.id}/routes`, { path_prefix: `/many-${number}/`, pool_id: other })
  }
  // Its objects are on the pool of its route alone.
  await gateway.fill("pool-2026", "held-there", 2, 1)
  await gateway.ask("POST", `/vhosts/${own.id}/routes`, { path_prefix: "/held-there/", pool_id: other })
  await page.goto(`/web/vhosts/${own.id}`)
  await page.getByLabel("Select /many-3/").check()
  await page.getByRole("button", { name: "Delete 1 selected" }).click()
  const dialog = page.getByRole("dialog")
  await expect(dialog).toContainText("go to pool-2025, the default pool, and no longer to pool-2026")
  await dialog.getByRole("button", { name: "Delete route" }).click()
  await expect(page.getByRole("cell", { name: "/many-3/", exact: true })).toBeHidden()

  await page.getByLabel("Select all routes shown").check()
  await page.getByRole("button", { name: "Delete 12 selected" }).click()
  await expect(dialog).toContainText("and 6 more")
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Delete 12 routes" }).click()
  await expect(dialog.getByRole("alert")).toContainText("allow_orphan")
  expect((await routes(gateway, own)).map(route => route.path_prefix).sort()).toEqual(["/", "/held-there/"])
  await dialog.getByLabel(/objects stay behind/).check()
  await dialog.getByRole("button", { name: "Delete route" }).click()
  await expect(dialog).toBeHidden()
  expect((await routes(gateway, own)).map(route => route.path_prefix)).toEqual(["/"])
})

test("a route that would leave objects behind is made only by who insists", async ({ page, gateway }) => {
  const own = await vhost(gateway, "insisted.test", { default_pool_id: await poolId(gateway, "pool-2025") })
  await page.goto(`/web/vhosts/${own.id}`)
  await page.getByRole("button", { name: "Add route" }).click()
  const dialog = page.getByRole("dialog")
  // The demo has put objects there, on the pool that serves them now.
  await dialog.getByLabel("Prefix").fill("/documents/")
  await choose(dialog, "Pool", "pool-2026")
  await dialog.getByRole("button", { name: "Add route" }).click()
  await expect(dialog.getByRole("alert")).toContainText("allow_orphan")
  expect((await routes(gateway, own)).map(route => route.path_prefix)).toEqual(["/"])
  await dialog.getByLabel(/objects stay behind/).check()
  await dialog.getByRole("button", { name: "Add route" }).click()
  await expect(dialog).toBeHidden()
  expect((await routes(gateway, own)).map(route => route.path_prefix)).toContain("/documents/")
})

test("f06 extra blocks and access rules are edited, and nginx does what they say", async ({ page, gateway }) => {
  const own = await vhost(gateway, "extra.test", { default_pool_id: await poolId(gateway, "pool-2025") })
  const now = () => gateway.ask<Vhost>("GET", `/vhosts/${own.id}`)
  await page.goto(`/web/vhosts/${own.id}?tab=additional`)
  await page.getByLabel("Extra block: top").fill('add_header X-Probe "it\'s <here>" always;')
  await page.getByLabel("Extra block: end").fill("no_such_directive on;")
  await page.getByRole("button", { name: "Save" }).click()
  await expect(page.getByRole("alert"), "nginx's own words").toContainText("no_such_directive")
  expect((await now()).extra_blocks).toBeNull()
  await page.getByLabel("Extra block: end").fill("")
  await page.getByRole("button", { name: "Save" }).click()
  await expect(page.getByText("extra.test is saved")).toBeVisible()
  expect((await now()).extra_blocks).toEqual([{ zone: "top", content: 'add_header X-Probe "it\'s <here>" always;' }])

  // Again, now that a block is there: 0.4.x failed at this.
  await page.getByLabel("Extra block: proxy").fill("proxy_read_timeout 301s;")
  await choose(page.locator("main"), "Who may connect", "Everybody but the addresses below")
  await page.getByLabel("Addresses and networks").fill("10.1.2.3\nnot an address")
  await page.getByRole("button", { name: "Save" }).click()
  await expect(page.getByLabel("Addresses and networks")).toHaveAttribute("aria-invalid", "true")
  await isAccessible(page)
  await page.getByLabel("Addresses and networks").fill("127.0.0.1\n2001:db8::/32")
  await page.getByRole("button", { name: "Save" }).click()
  await expect.poll(async () => (await now()).ip_rule_ips).toEqual(["127.0.0.1", "2001:db8::/32"])
  expect((await now()).extra_blocks).toHaveLength(2)
  await reload(page)
  const answer = await askNginx(gateway, "extra.test", "/")
  expect([answer.status, answer.header("x-probe")]).toEqual([403, "it's <here>"])

  await page.goto(`/web/vhosts/${own.id}?tab=preview`)
  await expect(page.locator("pre")).toContainText("proxy_read_timeout 301s;")
  await isAccessible(page)
})
