import { AxeBuilder } from "@axe-core/playwright"
import type { Locator, Page } from "@playwright/test"
import { expect, test as base } from "@playwright/test"

import { Gateway } from "./gateway"

interface Fixtures {
  /** A page with a session, at whose end nothing may have been refused by the policy or thrown. */
  page: Page
}

interface Shared {
  gateway: Gateway
  /** What the gateway of this file is started with. */
  settings: Record<string, string>
  /** Whether it is started again when it ends. */
  supervised: boolean
}

export const test = base.extend<Fixtures & { anonymous: Page }, Shared>({
  settings: [{}, { option: true, scope: "worker" }],
  supervised: [false, { option: true, scope: "worker" }],
  gateway: [
    async ({ settings, supervised }, use) => {
      const gateway = await Gateway.start(settings, supervised)
      await use(gateway)
      await gateway.stop()
    },
    { scope: "worker", timeout: 180_000 },
  ],
  baseURL: async ({ gateway }, use) => use(gateway.url),
  anonymous: async ({ context }, use) => {
    const page = await context.newPage()
    const wrong = await watched(page)
    await use(page)
    expect(wrong(), "thrown, or refused by the content security policy").toEqual([])
  },
  page: async ({ page, gateway }, use, info) => {
    const wrong = await watched(page)
    await logIn(page, gateway.key)
    await use(page)
    if (info.status !== info.expectedStatus) console.log(await gateway.state())
    expect(wrong(), "thrown, or refused by the content security policy").toEqual([])
  },
})

/** Notes what no page may do. */
async function watched(page: Page): Promise<() => string[]> {
  const wrong: string[] = []
  page.on("pageerror", error => wrong.push(error.message))
  page.on("dialog", dialog => {
    wrong.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on("console", message => {
    if (/Content Security Policy|Refused to/.test(message.text())) wrong.push(message.text())
  })
  return () => wrong
}

export async function logIn(page: Page, key: string) {
  await page.goto("/login")
  await page.getByLabel("API key").fill(key)
  await page.getByRole("button", { name: "Log in" }).click()
  await page.waitForURL("/")
}

/** Nothing on the page stands in anybody's way. */
export async function isAccessible(page: Page) {
  // What fades in has not its colours yet.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter(animation => animation.effect?.getComputedTiming().endTime !== Infinity)
        .map(animation => animation.finished.catch(() => null)),
    ),
  )
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"])
    .analyze()
  const found = violations.flatMap(one => one.nodes.map(node => `${one.id}: ${node.html} ${node.failureSummary ?? ""}`))
  expect(found).toEqual([])
}

/** Chooses from a list. */
export async function choose(within: Locator, label: string, option: string | RegExp) {
  await within.getByRole("combobox", { name: label }).click()
  await within.page().getByRole("option", { name: option }).click()
}

export { expect }
