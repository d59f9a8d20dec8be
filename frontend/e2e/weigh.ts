import type { Page } from "@playwright/test"

export interface Answer {
  url: string
  /** Bytes that travelled. */
  size: number
}

/** Every answer from now on. */
export async function weigh(page: Page): Promise<Answer[]> {
  const client = await page.context().newCDPSession(page)
  const [urls, answers] = [new Map<string, string>(), [] as Answer[]]
  client.on("Network.requestWillBeSent", event => urls.set(event.requestId, event.request.url))
  client.on("Network.loadingFinished", event => {
    const url = urls.get(event.requestId)
    if (url !== undefined) answers.push({ url, size: event.encodedDataLength })
  })
  await client.send("Network.enable")
  return answers
}
