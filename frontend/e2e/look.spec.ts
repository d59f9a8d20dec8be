import { everyPage } from "./pages"
import { expect, isAccessible, test } from "./test"

for (const scheme of ["light", "dark"] as const) {
  for (const [device, width, height] of [
    ["desktop", 1360, 900],
    ["phone", 390, 844],
  ] as const) {
    test(`every page is accessible and fits: ${scheme}, ${device}`, async ({ page, gateway }) => {
      await page.emulateMedia({ colorScheme: scheme })
      await page.setViewportSize({ width, height })
      for (const { path, shows } of await everyPage(gateway)) {
        await page.goto(path)
        await expect(page.getByText(shows).first()).toBeVisible()
        await isAccessible(page)
        const over = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        )
        expect(over, `${path} is wider than the screen`).toBeLessThanOrEqual(0)
      }
    })
  }
}

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
