import { expect, isAccessible, test } from "./test"

test("whoever has no session is sent to the login, and gets in with the key", async ({ anonymous: page, gateway }) => {
  await page.goto("/web/pools")
  await expect(page).toHaveURL("/login")
  await isAccessible(page)
  await page.getByLabel("API key").fill("wrong")
  await page.getByRole("button", { name: "Log in" }).click()
  await expect(page.getByRole("alert")).toHaveText("Invalid API key.")
  await isAccessible(page)
  await page.getByLabel("API key").fill(gateway.key)
  await page.getByRole("button", { name: "Log in" }).click()
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible()
})

test("a log-out ends the session for good", async ({ page, context }) => {
  const cookies = await context.cookies()
  await page.getByRole("button", { name: "Log out" }).click()
  await expect(page).toHaveURL("/login")
  await context.addCookies(cookies)
  await page.goto("/")
  await expect(page).toHaveURL("/login")
})

test("a session that ends leaves what was typed, and the change is made after the login", async ({
  page,
  context,
  gateway,
}) => {
  await page.goto("/web/pools?new")
  const dialog = page.getByRole("dialog", { name: "New pool" })
  await dialog.getByLabel("Name").fill("typed-before-the-end")
  await context.clearCookies()
  await dialog.getByRole("button", { name: "Create pool" }).click()
  const login = page.getByRole("dialog", { name: "Your session has ended" })
  await isAccessible(page)
  await login.getByLabel("API key").fill("wrong")
  await login.getByRole("button", { name: "Log in" }).click()
  await expect(login.getByText("Invalid API key.")).toBeVisible()
  await login.getByLabel("API key").fill(gateway.key)
  await login.getByRole("button", { name: "Log in" }).click()
  await expect(page.getByRole("link", { name: "typed-before-the-end" })).toBeVisible()
  const pools = await gateway.ask<{ name: string }[]>("GET", "/pools")
  expect(pools.filter(pool => pool.name === "typed-before-the-end")).toHaveLength(1)
})
