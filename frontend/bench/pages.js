// The pages of a large gateway in a real browser: `node bench/pages.js URL KEY VHOST` prints figures as JSON.
// bench/bench.py starts the gateway and calls this.

import { chromium } from "@playwright/test"

const [url, key, vhost] = process.argv.slice(2)
const VISITS = 5
/** Pixels a frame: twenty rows, as a fast wheel does. */
const STRIDE = 880

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
})

async function session() {
  const page = await browser.newPage({ baseURL: url })
  await page.goto("/login")
  await page.getByLabel("API key").fill(key)
  await page.getByRole("button", { name: "Log in" }).click()
  await page.waitForURL("/")
  const state = await page.context().storageState()
  await page.context().close()
  return state
}

/** Notes in the page when nothing is a placeholder any more, and every shift of what was there. */
function watch() {
  window.shifts = 0
  window.usable = null
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value
  }).observe({ type: "layout-shift", buffered: true })
  const look = () => {
    const isThere = document.querySelector("main h1") !== null && document.body.textContent.includes("Drift check")
    if (isThere && document.querySelector("[aria-busy=true], .mantine-Skeleton-root") === null) {
      window.usable = performance.now()
    } else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** One visit of the dashboard by a browser that has never been here. */
async function visit(state) {
  const context = await browser.newContext({
    baseURL: url,
    storageState: state,
    viewport: { width: 1360, height: 900 },
  })
  const page = await context.newPage()
  const client = await context.newCDPSession(page)
  const [urls, sizes] = [new Map(), new Map()]
  client.on("Network.requestWillBeSent", event => urls.set(event.requestId, event.request.url))
  client.on("Network.loadingFinished", event => sizes.set(urls.get(event.requestId), event.encodedDataLength))
  await client.send("Network.enable")
  await page.addInitScript(watch)
  await page.goto("/")
  await page.waitForFunction(() => window.usable !== null)
  // What shifts late shifts too.
  await page.waitForLoadState("load")
  await page.evaluate(() => new Promise(done => setTimeout(done, 2000)))
  const seen = await page.evaluate(() => ({ usable: window.usable, shifts: window.shifts }))
  await context.close()
  const calls = [...sizes].filter(([address]) => address?.includes("/api/")).sort((a, b) => b[1] - a[1])
  return { ...seen, calls: calls.map(([address, bytes]) => [new URL(address).pathname, bytes]) }
}

/** Scrolls the routes from the first to the last, and tells how long each frame took. */
async function scroll(state) {
  const context = await browser.newContext({
    baseURL: url,
    storageState: state,
    viewport: { width: 1360, height: 900 },
  })
  const page = await context.newPage()
  await page.goto(`/web/vhosts/${vhost}`)
  const said = page.getByRole("status").filter({ hasText: /^[\d,]+ routes$/ })
  await said.waitFor()
  const rows = await said.textContent()
  const table = page.getByRole("table", { name: "routes" })
  const frames = await table.locator("..").evaluate(
    (frame, stride) =>
      new Promise(done => {
        const took = []
        let before = null
        const step = now => {
          if (before !== null) took.push(now - before)
          before = now
          if (frame.scrollTop + frame.clientHeight >= frame.scrollHeight - 1) done(took)
          else {
            frame.scrollTop += stride
            requestAnimationFrame(step)
          }
        }
        requestAnimationFrame(step)
      }),
    STRIDE,
  )
  const last = await table.getByRole("row").last().textContent()
  await context.close()
  return { rows, last, frames }
}

const state = await session()
const visits = []
for (let turn = 0; turn < VISITS; turn++) visits.push(await visit(state))
const usable = visits.map(one => one.usable).sort((a, b) => a - b)
const { rows, last, frames } = await scroll(state)
frames.sort((a, b) => a - b)
console.log(
  JSON.stringify({
    usable: usable[Math.floor(VISITS / 2)],
    slowest: usable.at(-1),
    shifts: Math.max(...visits.map(one => one.shifts)),
    calls: visits[0].calls,
    rows,
    last,
    frames: frames.length,
    median: frames[Math.floor(frames.length / 2)],
    longest: frames.at(-1),
    over: frames.filter(frame => frame > 50).length,
  }),
)
await browser.close()
