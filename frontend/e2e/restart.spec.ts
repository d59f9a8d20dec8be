import { expect, isAccessible, test } from "./test"

test.use({ supervised: true })

test("a restart by the button puts what waited into force, and the page notices by itself", async ({
  page,
  gateway,
}) => {
  await page.goto("/web/settings")
  const row = page.locator("[data-setting=drift_interval]")
  await row.getByRole("button", { name: "Change drift_interval" }).click()
  const field = row.getByLabel("New value of drift_interval")
  await field.fill("77")
  await field.press("Enter")
  await expect(page.getByText("A restart is needed")).toBeVisible()
  await page.getByRole("button", { name: "Restart now" }).click()
  const dialog = page.getByRole("dialog", { name: "Restart the orchestrator?" })
  await expect(dialog).toContainText("drift_interval will come into force")
  await isAccessible(page)
  await dialog.getByRole("button", { name: "Restart", exact: true }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByText("A restart is needed")).toBeHidden()
  await expect(row).toContainText("from the file")
  await expect(row).toContainText("77")
  await expect(page.getByText("Live")).toBeVisible()
  expect(gateway.starts).toBe(2)
  const entries = await gateway.ask<{ action: string; actor: string }[]>("GET", "/audit?per_page=20")
  expect(entries.find(entry => entry.action === "restart")).toMatchObject({ actor: "web" })
})
