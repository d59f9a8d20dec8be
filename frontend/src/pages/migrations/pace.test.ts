import { expect, test } from "vitest"

import { plot } from "./pace"

test("one moment is no line", () => {
  expect(plot([])).toBeNull()
  expect(plot([{ at: 5, bytesPerSecond: 7 }])).toBeNull()
})

test("the fastest moment is the top, and time is as long as it was", () => {
  const chart = plot([
    { at: 1000, bytesPerSecond: 50 },
    { at: 2000, bytesPerSecond: 100 },
    { at: 5000, bytesPerSecond: 0 },
  ])
  expect(chart).toEqual({
    line: "M0 20 L25 0 L100 40",
    area: "M0 20 L25 0 L100 40 L100 40 L0 40 Z",
    most: 100,
    seconds: 4,
  })
})

test("what stands still is drawn at the bottom", () => {
  const still = [
    { at: 0, bytesPerSecond: 0 },
    { at: 1000, bytesPerSecond: 0 },
  ]
  expect(plot(still)?.line).toBe("M0 40 L100 40")
})
