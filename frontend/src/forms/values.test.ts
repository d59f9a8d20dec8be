import { expect, test } from "vitest"

import { changes, differences } from "./values"

const base = { name: "p", keepalive: 32, description: "" }

test("only what was changed is sent", () => {
  expect(changes(base, { ...base, keepalive: 64 })).toEqual({ keepalive: 64 })
})

test("what both changed is contested, what only the other changed is not", () => {
  const mine = { ...base, name: "mine" }
  const theirs = { name: "theirs", keepalive: 64, description: "" }
  expect(differences(base, mine, theirs)).toEqual([
    { name: "name", mine: "mine", theirs: "theirs", contested: true },
    { name: "keepalive", mine: 32, theirs: 64, contested: false },
  ])
})

test("what both changed alike is no difference", () => {
  expect(differences(base, { ...base, name: "same" }, { ...base, name: "same" })).toEqual([])
})
