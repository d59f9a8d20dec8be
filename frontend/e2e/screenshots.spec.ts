import { fileURLToPath } from "node:url"

import { everyPage } from "./pages"
import { expect, test } from "./test"

/** `make screenshots` writes the pictures of the documentation; otherwise nothing is written. */
const WANTED = process.env.SCREENSHOTS === "1"

test("every page has its picture, by day and by night", async ({ page, gateway }) => {
  const pages = await everyPage(gateway)
  expect(pages.length).toBeGreaterThan(7)
  await page.setViewportSize({ width: 1080, height: 700 })
  await expect(page.getByText("all 2 reachable")).toBeVisible({ timeout: 90_000 })
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" })
    for (const { name, path, shows } of pages) {
      await page.goto(path)
      await expect(page.getByText(shows).first()).toBeVisible()
      await expect(page.locator("[aria-busy=true]")).toHaveCount(0)
      const file = fileURLToPath(new URL(`../../docs/screenshots/${name}-${scheme}.png`, import.meta.url))
      const picture = await page.screenshot(WANTED ? { path: file } : {})
      expect(picture.length).toBeGreaterThan(10_000)
    }
  }
})
