import { expect, test } from "vitest"

import { parts } from "./side-by-side"

test("what went stands beside what came in its place", () => {
  const text = [
    "--- vhosts/a.conf",
    "+++ vhosts/a.conf",
    "@@ -3,2 +3,1 @@",
    "-old 1",
    "-old 2",
    "+new 1",
    "@@ -9,0 +8,1 @@",
    "+more",
    "--- /dev/null",
    "+++ pools/b.conf",
    "@@ -0,0 +1,1 @@",
    "+upstream b {}",
  ].join("\n")
  expect(parts(text)).toEqual([
    {
      file: "vhosts/a.conf",
      place: "@@ -3,2 +3,1 @@",
      pairs: [
        { before: "old 1", after: "new 1" },
        { before: "old 2", after: null },
      ],
    },
    { file: null, place: "@@ -9,0 +8,1 @@", pairs: [{ before: null, after: "more" }] },
    { file: "pools/b.conf", place: "@@ -0,0 +1,1 @@", pairs: [{ before: null, after: "upstream b {}" }] },
  ])
})

test("lines around a change stand on both sides, and nothing is nothing", () => {
  expect(parts("@@ -1,2 +1,2 @@\n same\n-a\n+b\n")[0]?.pairs).toEqual([
    { before: "same", after: "same" },
    { before: "a", after: "b" },
  ])
  expect(parts("")).toEqual([])
})
