import { expect, isAccessible, test } from "./test"

test("what others change shows by itself", async ({ page, gateway }) => {
  await page.goto("/web/pools")
  await expect(page.getByText("Live")).toBeVisible()
  await gateway.ask("POST", "/pools", { name: "made-by-others" })
  await expect(page.getByRole("link", { name: "made-by-others" })).toBeVisible()
})

test("where no stream comes through, the page asks again and again", async ({ page, gateway }) => {
  await page.route("**/api/events", route => route.fulfill({ status: 503, json: { detail: "no places" } }))
  await page.goto("/web/pools")
  await expect(page.getByText("Polling")).toBeVisible()
  await gateway.ask("POST", "/pools", { name: "found-by-polling" })
  await expect(page.getByRole("link", { name: "found-by-polling" })).toBeVisible()
})

test("what cannot be read is told with the reason, and read again on demand", async ({ page }) => {
  let broken = true
  await page.route("**/api/pools", route =>
    broken
      ? route.fulfill({ status: 503, json: { detail: "the database is not available: disk full" } })
      : route.continue(),
  )
  await page.goto("/web/pools")
  await expect(page.getByRole("alert")).toContainText("disk full")
  await isAccessible(page)
  broken = false
  await page.getByRole("button", { name: "Try again" }).click()
  await expect(page.getByRole("link", { name: "pool-2026" })).toBeVisible()
})
