import { expect, test } from "vitest"

import { directoryOf } from "./files"

test("the directory of some files is what all of their paths begin with, up to a slash", () => {
  const paths = ["/etc/nginx/nanio/ids.meta.json", "/etc/nginx/nanio/pools/a.conf", "/etc/nginx/nanio/pools/ab.conf"]
  expect(directoryOf(paths)).toBe("/etc/nginx/nanio/")
  expect(directoryOf(paths.slice(1))).toBe("/etc/nginx/nanio/pools/")
  expect(directoryOf(["/a/b.conf"])).toBe("/a/")
  expect(directoryOf(["/a/b", "/c/d"])).toBe("/")
  expect(directoryOf(["b", "/c/d"])).toBe("")
  expect(directoryOf([])).toBe("")
})
