import { expect, test } from "vitest"

import type { Migration } from "../../api/client"
import { bytes, duration, kindOf, percent, stateOf } from "./words"

const migration = (more: Partial<Migration>) =>
  ({ phase: "copying", paused: false, cancelling: false, needs_adoption: false, ...more }) as Migration

test("what is paused, being cancelled or left by 0.4.x is not called what it was doing", () => {
  expect(stateOf(migration({})).word).toBe("copying")
  expect(stateOf(migration({ paused: true })).word).toBe("paused")
  expect(stateOf(migration({ cancelling: true })).word).toBe("being cancelled")
  expect(stateOf(migration({ phase: "cancelled", cancelling: true })).word).toBe("cancelled")
  expect(stateOf(migration({ needs_adoption: true })).health).toBe("bad")
})

test("a back-fill is told from a move", () => {
  expect(
    [migration({ kind: "move" }), migration({ kind: "back_fill" }), migration({ kind: "adoption" })].map(kindOf),
  ).toEqual(["move", "back-fill", "end of a split"])
})

test("progress is of bytes, or of objects where they are empty", () => {
  const counts = { objects_total: 4, objects_done: 1, bytes_total: 0, bytes_done: 0 }
  expect(percent(migration(counts))).toBe(25)
  expect(percent(migration({ ...counts, bytes_total: 200, bytes_done: 100 }))).toBe(50)
  expect(percent(migration({ ...counts, objects_total: 0 }))).toBe(0)
  expect(percent(migration({ ...counts, phase: "done" }))).toBe(100)
})

test("sizes and times are said as a person says them", () => {
  expect([bytes(0), bytes(1536), bytes(200 * 1024 ** 3)]).toEqual(["0 B", "1.5 KiB", "200 GiB"])
  expect([duration(12.2), duration(61), duration(5400)]).toEqual(["13 s", "2 min", "1 h 30 min"])
})
