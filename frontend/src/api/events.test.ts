import { expect, test } from "vitest"

import { stale } from "./events"

const loop = (last: string) => ({
  name: "drift",
  interval: 60,
  runs: 1,
  running: false,
  last_run_at: last,
  last_success_at: last,
  last_result: null,
  last_error: null,
  next_run_at: null,
})
const state = { changes: 1, reachability: 1, loops: [loop("a")] }

test("the first event voids nothing: what was read is newer than it", () => {
  expect(stale(null, state)).toEqual([])
})

test("each number voids what depends on it, and nothing else", () => {
  expect(stale(state, state)).toEqual([])
  expect(stale(state, { ...state, changes: 2 })).toEqual(["db", "members", "disk"])
  expect(stale(state, { ...state, reachability: 2 })).toEqual(["members"])
  expect(stale(state, { ...state, loops: [loop("b")] })).toEqual(["disk"])
})
