import { expect, test } from "vitest"

import type { Column } from "./data-table"
import { arrange } from "./data-table"

const columns: Column<{ name: string; size: number | null }>[] = [
  { key: "name", title: "Name", value: row => row.name },
  { key: "size", title: "Size", value: row => row.size },
]
const rows = [
  { name: "pool-10", size: 3 },
  { name: "pool-9", size: null },
  { name: "Cdn", size: 20 },
]
const names = (filter: string, sorting: Parameters<typeof arrange>[3]) =>
  arrange(rows, columns, filter, sorting).map(row => row.name)

test("numbers in names are compared as numbers, and case does not matter", () => {
  expect(names("", { key: "name", down: false })).toEqual(["Cdn", "pool-9", "pool-10"])
})

test("what has no value comes last, or first the other way round", () => {
  expect(names("", { key: "size", down: false })).toEqual(["pool-10", "Cdn", "pool-9"])
  expect(names("", { key: "size", down: true })).toEqual(["pool-9", "Cdn", "pool-10"])
})

test("a row is found by every word, whatever column holds it", () => {
  expect(names("POOL 3", null)).toEqual(["pool-10"])
  expect(names("nothing", null)).toEqual([])
})
