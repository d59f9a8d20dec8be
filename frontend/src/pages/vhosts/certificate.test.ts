import { expect, test } from "vitest"

import type { Certificate } from "../../api/client"
import { lasting } from "./certificate"

const certificate = (days_left: number | null) => ({ days_left }) as Certificate

test("a certificate that ends soon is told before it does", () => {
  expect([90, 20, 6, 1, 0, -1].map(days => lasting(certificate(days)))).toEqual([
    { color: "green", words: "certificate ends in 90 days" },
    { color: "yellow", words: "certificate ends in 20 days" },
    { color: "red", words: "certificate ends in 6 days" },
    { color: "red", words: "certificate ends tomorrow" },
    { color: "red", words: "certificate ends today" },
    { color: "red", words: "certificate has ended" },
  ])
  expect(lasting(certificate(null)).color).toBe("red")
})
