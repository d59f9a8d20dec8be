import { expect, test } from "vitest"

import type { Migration, MigrationLogLine } from "../../api/client"
import { timeline } from "./phases"

const migration = (phase: string, finished_at: string | null = null) =>
  ({ phase, created_at: "2026-01-01 00:00:00", finished_at, write_hold_ms: null }) as Migration

/** Newest first, as the API has it. */
const log = (...phases: string[]) =>
  phases.map((phase, index) => ({ phase, created_at: `2026-01-01 00:00:0${index + 1}` }) as MigrationLogLine).reverse()

const states = (of: Migration, ...phases: string[]) => timeline(of, log(...phases)).map(mark => mark.state)

test("what is behind, where it is, and what is to come", () => {
  expect(states(migration("pending"))).toEqual(["now", "next", "next", "next", "next", "next"])
  expect(states(migration("verifying"), "copying", "write_routing", "verifying")).toEqual([
    ...["past", "past", "past"],
    ...["now", "next", "next"],
  ])
  expect(new Set(states(migration("done", "2026-01-01 00:00:09"), "copying"))).toEqual(new Set(["past"]))
})

test("one that was ended shows how far it came", () => {
  expect(states(migration("cancelled"), "copying", "cancelled")).toEqual([
    ...["past", "stopped", "next"],
    ...["next", "next", "next"],
  ])
  expect(states(migration("error"))[0]).toBe("stopped")
})

test("a cut-over that was given up begins anew, and its times are those of the last attempt", () => {
  const marks = timeline(migration("copying"), log("copying", "write_routing", "recovery", "copying", "copying"))
  expect(marks.map(mark => mark.at?.slice(-1) ?? null)).toEqual(["0", "4", null, null, null, null])
  expect(timeline(migration("done", "2026-01-01 00:00:09"), []).at(-1)?.at).toBe("2026-01-01 00:00:09")
})
