import type { Locator, Page } from "@playwright/test"

import { expect } from "./test"

/** A dialog, and the way to it. */
export interface Way {
  name: string
  path: string
  title: string | RegExp
  /** Opens it; gives what opened it, to which the focus returns. */
  open: (page: Page) => Promise<Locator>
}

function button(name: string | RegExp): Way["open"] {
  return async page => {
    const opener = page.locator("main").getByRole("button", { name }).first()
    await opener.click()
    return opener
  }
}

/** By a menu, which is gone when the dialog is there. */
function menu(name: string, item: string): Way["open"] {
  return async page => {
    const opener = page.getByRole("button", { name, exact: true })
    await opener.click()
    await page.getByRole("menuitem", { name: item }).click()
    return opener
  }
}

const DOCUMENT = ["version: 1", "pools:", "  from-a-document:", "    description: planned first"].join("\n")

async function apply(page: Page): Promise<Locator> {
  await page.getByRole("textbox", { name: "Document" }).fill(DOCUMENT)
  await page.getByRole("button", { name: "Plan", exact: true }).click()
  await expect(page.getByRole("region", { name: "Plan" })).toContainText("from-a-document")
  return button("Apply")(page)
}

async function rollback(page: Page): Promise<Locator> {
  const revision = page.locator("main").getByRole("button", { name: "Created vhost" }).first()
  await revision.click()
  await page.getByRole("button", { name: "Back to how it was then" }).click()
  await expect(page.getByRole("dialog").getByRole("region", { name: "Plan" })).toBeVisible()
  return revision
}

async function palette(page: Page): Promise<Locator> {
  const opener = page.getByRole("link", { name: "Config" })
  await opener.focus()
  await page.keyboard.press("Control+k")
  return opener
}

const HISTORY = "/web/config?tab=history"

/** Dialogs of every kind and page. */
export const DIALOGS: readonly Way[] = [
  { name: "palette", path: "/", title: "Search everything", open: palette },
  { name: "pool-edit", path: "/web/pools/1", title: /^Edit pool/, open: button("Edit") },
  { name: "node-setup", path: "/web/pools/1", title: /^Set up/, open: nodeSetup },
  { name: "vhost-delete", path: "/web/vhosts/1", title: /^Delete vhost/, open: button("Delete") },
  { name: "bucket-objects", path: "/web/buckets?by=pool&pool=1", title: /on pool-2025/, open: button("Objects of") },
  {
    name: "bucket-ignore",
    path: "/web/buckets?vhost=1",
    title: /^Ignore/,
    open: menu("What to do with documents", "Ignore"),
  },
  {
    name: "bucket-route",
    path: "/web/buckets?vhost=1",
    title: /^Route/,
    open: menu("What to do with documents", "Route"),
  },
  { name: "migration-start", path: "/web/migrations", title: "Move a bucket", open: button("Move a bucket") },
  { name: "reload", path: "/web/config", title: "Reload nginx?", open: button("Reload nginx") },
  { name: "rebuild", path: "/web/config", title: /^Write every/, open: menu("More", "Write every file anew") },
  { name: "from-disk", path: "/web/config", title: /database/, open: menu("More", "Rebuild the database from disk") },
  { name: "revision", path: HISTORY, title: /^Revision/, open: button("Changed pool") },
  { name: "rollback", path: HISTORY, title: /^Back to revision/, open: rollback },
  { name: "apply", path: "/web/config?tab=document", title: /^Make the gateway/, open: apply },
  { name: "audit-entry", path: "/web/audit", title: /^Changed pool/, open: button("Changed pool") },
  { name: "setting-restart", path: "/web/settings", title: "Restart the orchestrator?", open: button("Restart") },
]

async function nodeSetup(page: Page): Promise<Locator> {
  const opener = page.getByRole("button", { name: /^What to do with 127/ }).first()
  await opener.click()
  await page.getByRole("menuitem", { name: "Set up this node" }).click()
  return opener
}
