import type { Page } from "@playwright/test"

import { DIALOGS } from "./dialogs"
import { furnish, lengthen } from "./furnish"
import { everyPage } from "./pages"
import { expect, isAccessible, test } from "./test"

/** How much of it is beyond the right edge. */
function beyond(page: Page, selector: string): Promise<number> {
  return page.locator(selector).evaluate(element => element.scrollWidth - element.clientWidth)
}

for (const scheme of ["light", "dark"] as const) {
  for (const [device, width, height] of [
    ["desktop", 1360, 900],
    ["phone", 390, 844],
  ] as const) {
    test(`every page is accessible and fits: ${scheme}, ${device}`, async ({ page, gateway }) => {
      await page.emulateMedia({ colorScheme: scheme })
      await page.setViewportSize({ width, height })
      await furnish(gateway)
      await lengthen(gateway)
      for (const { path, shows } of await everyPage(gateway)) {
        await page.goto(path)
        await expect(page.getByText(shows).first()).toBeVisible()
        await isAccessible(page)
        expect(await beyond(page, "html"), `${path} is wider than the screen`).toBeLessThanOrEqual(0)
      }
    })
  }
}

for (const [scheme, device, width, height] of [
  ["light", "desktop", 1360, 900],
  ["dark", "phone", 390, 844],
] as const) {
  test(`every dialog is accessible, fits, and Esc closes it and gives the focus back: ${scheme}, ${device}`, async ({
    page,
    gateway,
  }) => {
    test.setTimeout(240_000)
    await page.emulateMedia({ colorScheme: scheme })
    await page.setViewportSize({ width, height })
    await furnish(gateway)
    await lengthen(gateway)
    for (const { name, path, title, open } of DIALOGS) {
      await test.step(name, async () => {
        await page.goto(path)
        const opener = await open(page)
        const dialog = page.getByRole("dialog", { name: title })
        await expect(dialog).toBeVisible()
        await expect(dialog.locator("[aria-busy=true]")).toHaveCount(0)
        await isAccessible(page)
        expect(await beyond(page, "[role=dialog]"), `${name} is wider than its dialog`).toBeLessThanOrEqual(0)
        expect(await beyond(page, "html"), `${name} is wider than the screen`).toBeLessThanOrEqual(0)
        await page.keyboard.press("Escape")
        await expect(dialog).toBeHidden()
        await expect(opener).toBeFocused()
      })
    }
  })
}

test("the palette leads to every page and every tab, and does what it names, also from the page itself", async ({
  page,
}) => {
  const go = async (words: string) => {
    await page.keyboard.press("Control+k")
    await page.getByRole("combobox", { name: "Search everything" }).fill(words)
    await page.keyboard.press("Enter")
    await expect(page.getByRole("dialog", { name: "Search everything" })).toBeHidden()
  }
  await page.goto("/")
  await expect(page.getByText("Drift check")).toBeVisible()
  for (const [words, tab] of [
    ["history", "History"],
    ["document", "As a document"],
    ["buckets of a pool", "By pool"],
    ["jobs", "Jobs"],
  ] as const) {
    await go(words)
    await expect(page.getByRole("tab", { name: tab })).toHaveAttribute("aria-selected", "true")
  }
  await go("where does a request")
  await expect(page.getByRole("textbox", { name: "Request" })).toBeFocused()
  await go("history")
  await go("reload nginx")
  const reload = page.getByRole("dialog", { name: "Reload nginx?" })
  await expect(reload).toBeVisible()
  await page.keyboard.press("Escape")
  await expect(reload).toBeHidden()
  await go("test the configuration")
  await expect(page.getByText("nginx accepts what is on disk")).toBeVisible()
})

test("a dialog leaves the tab under it as it was", async ({ page }) => {
  await page.goto("/web/config?tab=history")
  await page.getByRole("button", { name: "Reload nginx" }).click()
  await page.keyboard.press("Escape")
  await expect(page.getByRole("dialog")).toBeHidden()
  await expect(page.getByRole("tab", { name: "History" })).toHaveAttribute("aria-selected", "true")
})

test("everything is reached by keyboard: palette, filter, Esc", async ({ page }) => {
  await page.goto("/")
  await expect(page.getByText("Drift check")).toBeVisible()
  await page.keyboard.press("Control+k")
  const palette = page.getByRole("dialog", { name: "Search everything" })
  await expect(palette.getByRole("combobox")).toBeFocused()
  await page.keyboard.type("pool-2026")
  await isAccessible(page)
  await page.keyboard.press("Enter")
  await expect(page.getByRole("heading", { name: "pool-2026" })).toBeVisible()
  await page.goto("/web/pools")
  await expect(page.getByRole("link", { name: "pool-2026" })).toBeVisible()
  await page.keyboard.press("/")
  await expect(page.getByLabel("Filter pools")).toBeFocused()
  await page.keyboard.type("2025")
  await expect(page.getByRole("link", { name: "pool-2026" })).toBeHidden()
  await page.keyboard.press("Escape")
  await expect(page.getByRole("link", { name: "pool-2026" })).toBeVisible()
  await page.keyboard.press("Control+k")
  await expect(palette.getByRole("combobox")).toBeFocused()
  await page.keyboard.type("new vhost")
  await page.keyboard.press("Enter")
  const dialog = page.getByRole("dialog", { name: "New vhost" })
  await expect(dialog).toBeVisible()
  await page.keyboard.press("Escape")
  await expect(dialog).toBeHidden()
})

test("an address that leads nowhere says so", async ({ page }) => {
  await page.goto("/web/nothing-here")
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible()
  await page.goto("/web/pools/999999")
  await expect(page.getByRole("alert")).toContainText("Pool not found")
})
