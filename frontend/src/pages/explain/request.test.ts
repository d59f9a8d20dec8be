import { expect, test } from "vitest"

import { readRequest } from "./request"

test("an address is read as a client sends it, and not as a browser would", () => {
  expect(readRequest("PUT https://s3.example:8443/photos/a%2Fb/../c?x=1")).toEqual({
    method: "PUT",
    scheme: "https",
    host: "s3.example:8443",
    path: "/photos/a%2Fb/../c?x=1",
  })
})

test("method, host and path may be left out", () => {
  expect(readRequest(" /photos/cat.jpg ")).toEqual({ method: "GET", path: "/photos/cat.jpg" })
  expect(readRequest("http://s3.example")).toEqual({ method: "GET", scheme: "http", host: "s3.example", path: "/" })
  expect(readRequest("http://s3.example?list-type=2")?.path).toBe("/?list-type=2")
  expect(readRequest("delete /photos/x")?.method).toBe("DELETE")
})

test("what is no request is not asked about", () => {
  expect(["", "   ", "GET", "GET /a b c"].map(readRequest)).toEqual([null, null, { method: "GET", path: "GET" }, null])
})
