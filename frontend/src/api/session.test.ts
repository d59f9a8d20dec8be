import { afterEach, expect, test, vi } from "vitest"

import { fetchInSession, session } from "./session"

afterEach(() => vi.unstubAllGlobals())

test("a request that finds no session waits for a login and is then sent once more, body and all", async () => {
  const bodies: string[] = []
  let loggedIn = false
  vi.stubGlobal("fetch", async (input: Request | string) => {
    if (input === "/login") {
      loggedIn = true
      return { type: "opaqueredirect" }
    }
    bodies.push(await (input as Request).text())
    return new Response(null, { status: loggedIn ? 200 : 401 })
  })
  const answer = fetchInSession(new Request("http://gw/api/pools", { method: "POST", body: "typed with care" }))
  await vi.waitFor(() => expect(session.isOver()).toBe(true))
  expect(await session.logIn("key")).toBeNull()
  expect((await answer).status).toBe(200)
  expect(bodies).toEqual(["typed with care", "typed with care"])
  expect(session.isOver()).toBe(false)
})

test("a wrong key keeps the requests waiting", async () => {
  vi.stubGlobal("fetch", async (input: Request | string) =>
    input === "/login" ? new Response("Invalid API key.", { status: 200 }) : new Response(null, { status: 401 }),
  )
  void fetchInSession(new Request("http://gw/api/pools"))
  await vi.waitFor(() => expect(session.isOver()).toBe(true))
  expect(await session.logIn("wrong")).toBe("Invalid API key.")
  expect(session.isOver()).toBe(true)
})
