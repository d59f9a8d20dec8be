/**
 * The browser session. When it is over, requests wait until the operator has logged in again, and are then sent once
 * more: nothing that was typed is lost, and nothing was done meanwhile.
 */

type Listener = () => void

let waiting: (() => void)[] = []
const listeners = new Set<Listener>()

const tell = () => {
  for (const listener of listeners) listener()
}

export const session = {
  /** Whether requests wait for a login. */
  isOver: () => waiting.length > 0,

  subscribe(listener: Listener) {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  },

  /** Waits until there is a session again. */
  renewed(): Promise<void> {
    return new Promise(resolve => {
      waiting.push(resolve)
      tell()
    })
  },

  /** Logs in; tells why not. */
  async logIn(key: string): Promise<string | null> {
    const body = new URLSearchParams({ key })
    const answer = await fetch("/login", { method: "POST", body, redirect: "manual" })
    // Success is a redirect, which a script cannot look into.
    if (answer.type === "opaqueredirect") {
      const resumed = waiting
      waiting = []
      for (const resume of resumed) resume()
      tell()
      return null
    }
    if (answer.status === 429) return "Too many wrong keys. Wait a moment, then try again."
    return answer.ok ? "Invalid API key." : `The login failed with status ${answer.status}.`
  },
}

/** As `fetch`, but a request that finds no session waits for one. */
export async function fetchInSession(request: Request): Promise<Response> {
  for (;;) {
    const answer = await fetch(request.clone())
    if (answer.status !== 401) return answer
    await session.renewed()
  }
}
