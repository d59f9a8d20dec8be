import { expect, test } from "vitest"

import { asHeader, because, tellReason } from "./reason"

const told = (method: string) => {
  const request = new Request("http://localhost/", { method })
  tellReason(request)
  return request.headers.get("X-Change-Reason")
}

test("a change says why it is made, as long as that is what is being done", async () => {
  const seen = await because(" ticket 7 ", () => Promise.resolve([told("POST"), told("GET")]))
  expect(seen).toEqual(["ticket 7", null])
  expect(told("POST")).toBeNull()
  await because("x", () => Promise.reject(new Error("refused"))).catch(() => null)
  expect(told("DELETE")).toBeNull()
  expect(await because("  ", () => Promise.resolve(told("PUT")))).toBeNull()
})

test("any language goes over the wire as UTF-8", () => {
  expect(Buffer.from(asHeader("número 7 → ✓"), "latin1").toString("utf8")).toBe("número 7 → ✓")
})
