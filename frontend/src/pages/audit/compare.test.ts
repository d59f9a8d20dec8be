import { expect, test } from "vitest"

import { compare } from "./compare"

test("what differs comes first", () => {
  expect(compare('{"a":1,"b":"x"}', '{"a":1,"b":"y","c":null}')).toEqual([
    { name: "b", before: "x", after: "y", changed: true },
    { name: "c", before: null, after: "null", changed: true },
    { name: "a", before: "1", after: "1", changed: false },
  ])
})

test("what is no object is one text", () => {
  expect(compare(null, "not json")).toEqual([{ name: "", before: null, after: "not json", changed: true }])
  expect(compare(null, null)).toEqual([])
})
