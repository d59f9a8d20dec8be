import type { QueryClient } from "@tanstack/react-query"
import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useState } from "react"

import { queries } from "./queries"
import type { components } from "./schema"

export type Liveness = "live" | "polling" | "lost"
type State = components["schemas"]["Event"]

/** How often to ask where nothing tells. */
const POLL_MS = 10_000
/** How long to wait before the stream is opened anew after it was refused. */
const RETRY_MS = 15_000
/** Pages are read again at most so often, however fast changes come. */
const CALM_MS = 1000

/** Voids what an event says is old, and tells how the page learns of changes. */
export function useLive(): Liveness {
  const client = useQueryClient()
  const [liveness, setLiveness] = useState<Liveness>("polling")
  useEffect(() => listen(client, setLiveness), [client])
  return liveness
}

/** Listens until the function that it returns is called. */
export function listen(client: QueryClient, tell: (liveness: Liveness) => void): () => void {
  const changed = calmly(kind => void client.invalidateQueries({ queryKey: [kind] }))
  let source: EventSource | null = null
  let last: State | null = null
  let isLost = false
  let retry: ReturnType<typeof setTimeout> | undefined
  let poll: ReturnType<typeof setInterval> | undefined

  const startPolling = () => {
    poll ??= setInterval(() => void client.invalidateQueries(), POLL_MS)
  }
  const stopPolling = () => {
    clearInterval(poll)
    poll = undefined
  }
  const open = () => {
    source = new EventSource("/api/events")
    source.onmessage = message => {
      const state = JSON.parse(message.data as string) as State
      // It may be another process by now, with other settings: its counters say nothing of what was before.
      if (isLost) void client.invalidateQueries()
      isLost = false
      for (const kind of stale(last, state)) changed(kind)
      client.setQueryData(queries.loops.queryKey, state.loops)
      last = state
      stopPolling()
      tell("live")
    }
    source.onerror = () => {
      isLost = true
      tell(source?.readyState === EventSource.CLOSED ? "polling" : "lost")
      startPolling()
      if (source?.readyState !== EventSource.CLOSED) return
      // Refused: perhaps the session is over. The next poll finds out, and asks for the key.
      clearTimeout(retry)
      retry = setTimeout(open, RETRY_MS)
    }
  }
  const close = () => {
    clearTimeout(retry)
    stopPolling()
    source?.close()
    source = null
  }
  // A page that nobody looks at holds no connection: a browser has six for each host.
  const look = () => {
    if (document.hidden) close()
    else if (source === null) open()
  }
  look()
  document.addEventListener("visibilitychange", look)
  return () => {
    document.removeEventListener("visibilitychange", look)
    close()
  }
}

/** The kinds of answers that are old once `now` is known. */
export function stale(before: State | null, now: State): string[] {
  if (before === null) return []
  const kinds = new Set<string>()
  if (before.changes !== now.changes) for (const kind of ["db", "members", "disk"]) kinds.add(kind)
  if (before.reachability !== now.reachability) kinds.add("members")
  const looks = (state: State) => state.loops.find(loop => loop.name === "drift")?.last_success_at
  if (looks(before) !== looks(now)) kinds.add("disk")
  return [...kinds]
}

/** Calls `act` at once, and again after a while with what came in between. */
function calmly(act: (kind: string) => void): (kind: string) => void {
  const resting = new Map<string, boolean>()
  return kind => {
    if (resting.has(kind)) {
      resting.set(kind, true)
      return
    }
    act(kind)
    resting.set(kind, false)
    const rest = () => {
      if (!resting.get(kind)) {
        resting.delete(kind)
        return
      }
      act(kind)
      resting.set(kind, false)
      setTimeout(rest, CALM_MS)
    }
    setTimeout(rest, CALM_MS)
  }
}
