import { expect, isAccessible, test } from "./test"

test("where a request goes is asked from anywhere, answered as it was typed, and can be sent to a colleague", async ({
  page,
  gateway,
}) => {
  await page.goto("/")
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible()
  await page.keyboard.press("Control+K")
  await page.getByRole("combobox", { name: "Search everything" }).fill("where does a request")
  await page.keyboard.press("Enter")
  await expect(page.getByRole("heading", { name: "Explain", exact: true })).toBeVisible()
  await isAccessible(page)
  await page.getByRole("textbox", { name: "Request" }).fill(`PUT http://localhost:${gateway.port}/photos/a/../b`)
  await page.getByRole("button", { name: "Explain" }).click()
  const answer = page.getByRole("region", { name: "Answer" })
  await expect(answer).toContainText("pool-2026")
  await expect(answer.getByRole("link", { name: "/photos/", exact: true })).toBeVisible()
  await expect(page.getByRole("list").filter({ hasText: "photos" }).first()).toBeVisible()
  await isAccessible(page)
  // A bucket that is not written plainly is no bucket.
  await page.goto(`/web/explain?q=${encodeURIComponent(`GET http://localhost:${gateway.port}/ph%6ftos/x`)}`)
  await expect(page.getByRole("region", { name: "Answer" })).toContainText("400")
  await page.getByRole("textbox", { name: "Request" }).fill("GET /a b c")
  await expect(page.getByText("without spaces in them")).toBeVisible()
})

test("a hostile address is shown as text", async ({ page, gateway }) => {
  const hostile = `GET http://localhost:${gateway.port}/photos/<img/src=x/onerror=alert(1)>`
  await page.goto(`/web/explain?q=${encodeURIComponent(hostile)}`)
  await expect(page.getByRole("region", { name: "Answer" })).toContainText("pool-2026")
})
